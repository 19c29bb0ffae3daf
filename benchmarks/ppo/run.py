"""PPO against published scores: returns on fresh seeds after about 100,000 steps of the world, over several trainings.

Run: ``python benchmarks/ppo/run.py [--seeds 5] [--value-clip 0.2] [--json FILE]``; a few minutes on one core. Each
training seed gives one policy; its score is the mean undiscounted return of 100 episodes on seeds that no training saw,
each to its end, taking the likeliest action. The interval is a bootstrap over trainings, because it is the training
that is in question.

The published row of each world is that of Stable-Baselines3's PPO in RL Zoo's ``benchmark.md`` (GitHub repository
DLR-RM/rl-baselines3-zoo, commit 0088472b), after 100,000 steps and with deterministic actions: one training only, so
that its spread is that of its episodes. Its pendulum is ours (Gymnasium's ``Pendulum-v1``). Its cart-pole pushes with
+10 N or -10 N and ours with anything in between; 500 is the most that either can give.
"""

import argparse
import dataclasses
import json
import pathlib
import platform
import sys
import time

import numpy as np

from diorama.core import Env
from diorama.core.canonical import to_json
from diorama.envs.teaching import CartPole, Pendulum
from diorama.evaluate import episode_return, evaluate
from diorama.evaluate.intervals import mean
from diorama.learn.ppo import train_ppo
from diorama.learn.ppo_config import PPOConfig
from diorama.learn.worlds import Fixed
from diorama.policies import Actor, ActorConfig, Critic, Likeliest

TEST_SEEDS = np.arange(300_000, 300_100)


@dataclasses.dataclass(frozen=True)
class Row:
    """A world, how PPO is trained in it, and what was published."""

    env: Env
    config: PPOConfig
    actor: ActorConfig
    published: str


ROWS = (
    Row(
        Pendulum(),
        PPOConfig(updates=49, episode=200, discount=0.95),
        ActorConfig("nano", noise=1.0),
        "-172.2 (std 104.2 over 750 episodes, 1 training)",
    ),
    Row(
        CartPole(),
        PPOConfig(updates=49, episode=500),
        ActorConfig("nano", noise=0.6),
        "500.0 (std 0.0 over 300 episodes, 1 training; discrete force)",
    ),
)


def train(row: Row, seed: int, value_clip: float) -> tuple[np.ndarray, float]:
    """The returns of the test episodes after one training, and the CPU seconds of it, compilation included."""
    config, env = dataclasses.replace(row.config, seed=seed, value_clip=value_clip), row.env
    begun = time.process_time()
    actor, critic = Actor.build(row.actor, env.spec, seed), Critic.build(row.actor, env.spec, seed + 1000)
    state = train_ppo(config, actor, critic, Fixed(env))
    spent = time.process_time() - begun
    policy = state.learned.actor.choosing(Likeliest())
    scores, _ = evaluate(
        policy, env, seeds=TEST_SEEDS, length=config.episode, metrics={"return": episode_return}, name="ppo"
    )
    return scores.scores["return"], spent


def main() -> None:
    """Train, test, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--value-clip", type=float, default=np.inf, help="0.2 clips values as the policy is clipped")
    parser.add_argument("--json", type=pathlib.Path)
    given = parser.parse_args()
    record = {"machine": platform.processor() or platform.machine(), "rows": []}
    write = sys.stdout.write
    write("| world | steps | trainings | return [95 % over trainings] | each training | published | CPU s each |\n")
    write("|---|---|---|---|---|---|---|\n")
    for row in ROWS:
        returns, seconds = zip(*(train(row, seed, given.value_clip) for seed in range(given.seeds)), strict=True)
        scores = np.array([values.mean() for values in returns])
        found = mean(scores)
        each = " ".join(f"{score:.1f}" for score in scores)
        write(
            f"| {row.env.spec.name} | {row.config.samples:,} | {given.seeds} | {found.value:.1f} "
            f"[{found.low:.1f}, {found.high:.1f}] | {each} | {row.published} | {np.mean(seconds):.0f} |\n"
        )
        sys.stdout.flush()
        record["rows"].append(
            {
                "world": row.env.spec.name,
                "config": to_json(row.config),
                "actor": to_json(row.actor),
                "returns": [values.tolist() for values in returns],
                "seconds": seconds,
                "published": row.published,
            }
        )
    if given.json:
        given.json.write_text(json.dumps(record))


if __name__ == "__main__":
    main()
