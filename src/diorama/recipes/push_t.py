"""Push-T, the whole loop: play, learn a global and a local world, train between them, deploy, patch, test in reality.

Source: arXiv 2602.06219. The policy sees no demonstration. What it does in reality before the test is deployed
episodes, which are counted with the data. The reward in imagination is analytic (`PushTReward`, on predicted
observations); reality is scored by coverage.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from diorama.core.canonical import canonical, to_json
from diorama.data import Dataset
from diorama.evaluate import Evaluation, evaluate
from diorama.learn.config import FirstOrderConfig, FitConfig
from diorama.learn.progress import Report
from diorama.models.config import EnsembleConfig
from diorama.models.diffusion.config import DiffusionConfig
from diorama.policies.config import ActorConfig
from diorama.recipes.config import PolicyConfig, WorldConfig
from diorama.recipes.coupled import Coupled, Stage, named, run_coupled
from diorama.recipes.coupled_config import CoupledConfig
from diorama.recipes.latent_policies import load as load_policy
from diorama.recipes.loop import POLICY
from diorama.recipes.presets import PUSH_T
from diorama.recipes.push_t_reward import PushTReward
from diorama.recipes.push_t_task import push_t
from diorama.recipes.run_folder import RunFolder
from diorama.recipes.stage_clock import StageClock
from diorama.recipes.tasks import Actor, Task

PLAY = {"nano": 120, "xs": 160, "s": 160, "m": 160, "l": 1000}
PATCHES = {"nano": (1, 32), "xs": (2, 64), "s": (5, 64), "m": (5, 64), "l": (5, 200)}
"""``size`` to how often the policy is deployed and the worlds are patched, and the episodes of each time."""
WORLD_SIZE = {"nano": ("nano", 2000), "xs": ("nano", 3000), "s": ("xs", 6000), "m": ("s", 12_000), "l": ("m", 40_000)}
LOCAL_SIZE = {"nano": ("nano", 2500), "xs": ("xs", 3000), "s": ("s", 5000), "m": ("s", 8000), "l": ("m", 20_000)}
"""``size`` to that of the model, and the updates of its first fit."""
TRAINED = {
    "nano": (32, 1600, 3200),
    "xs": (32, 2000, 4400),
    "s": (32, 1600, 7600),
    "m": (128, 2000, 6000),
    "l": (256, 7000, 25_000),
}
"""``size`` to worlds side by side, and updates of the policy in each round and in the last one."""
EPISODES = {"nano": 50, "xs": 100, "s": 100, "m": 200, "l": 500}
"""``size`` to fresh test episodes of each policy."""
CONTEXT = 2
"""Observations that the diffusion world sees: agent and block are quasi-static, and velocities are observed."""
TEST_SEED = 200_000
"""First seed of the fresh test episodes; the recipe was tuned on seeds from 300000."""
TRAINED_POLICY = "trained in imagination"
PUBLISHED = range(100_000, 100_100)
"""The published test seeds (Diffusion Policy, arXiv 2303.04137), and as many again."""


def push_t_config(size: str, seed: int) -> CoupledConfig:
    """The preset of this size."""
    (model, updates), (local, local_updates) = WORLD_SIZE[size], LOCAL_SIZE[size]
    worlds, rounds, closing = TRAINED[size]
    patches, episodes = PATCHES[size]
    fitted = FitConfig(updates=updates, batch=128, learning_rate=1e-3, patience=1000, seed=seed, average=0.999)
    lent = FitConfig(updates=local_updates, learning_rate=2e-3, patience=1000, seed=seed)
    return CoupledConfig(
        task="push-t",
        size=size,
        seed=seed,
        play=("play", PLAY[size]),
        world=WorldConfig(
            DiffusionConfig(model, "mlp", context=CONTEXT, frame=PUSH_T.body),
            fitted,
            PUSH_T.observations,
            window=CONTEXT,
            seed=seed,
        ),
        local=WorldConfig(EnsembleConfig(local, PUSH_T.body), lent, PUSH_T.observations, window=1, seed=seed),
        policy=PolicyConfig(
            ActorConfig(size, PUSH_T.aim), FirstOrderConfig(updates=rounds, worlds=worlds, seed=seed), seed
        ),
        patches=patches,
        patch_episodes=episodes,
        episodes=EPISODES[size],
        ends=False,
        closing=closing,
    )


def run_push_t(config: CoupledConfig, run: RunFolder, stage: Stage, watch: Callable[[Report], None]) -> None:
    """Everything but the report. ``stage(name, done, total)`` and ``watch`` are told where the job stands."""
    task, clock = push_t(), StageClock(run)
    coupled = run_coupled(task, config, run, PushTReward(), stage, watch, clock)
    clock("evaluate", lambda: evaluate_run(task, config, coupled, run, stage))


def evaluate_run(task: Task, config: CoupledConfig, coupled: Coupled, run: RunFolder, stage: Stage) -> None:
    """The trained policy, the uniformly random one, the play and the scripted expert on the same seeds; each round."""
    if run.finished("evaluate"):
        return
    fresh = np.arange(TEST_SEED, TEST_SEED + config.episodes)
    policies = {
        TRAINED_POLICY: coupled.actor,
        "random": task.actor("random"),
        "scripted play (the data)": task.actor("play"),
        "scripted expert": task.actor("demonstrations"),
    }
    rows = [(name, policy, fresh) for name, policy in policies.items()]
    rows.append((f"{TRAINED_POLICY}, published seeds", coupled.actor, np.asarray(PUBLISHED)))
    earlier = [load_policy(run.path / named(POLICY, config, number)) for number in range(config.patches)]
    rows += [(f"round {number}", policy, fresh) for number, policy in enumerate(earlier)]
    found = []
    for number, (name, policy, seeds) in enumerate(rows):
        stage("evaluate", number, len(rows))
        found.append(tested(task, name, policy, seeds))
    stage("evaluate", len(rows), len(rows))
    scores, rounds = found[: len(found) - config.patches], [*found[len(found) - config.patches :], found[0]]
    record = {
        "policies": [each.to_json() for each in scores],
        "difference": to_json(found[0].versus(found[1], task.headline)),
        "metric": task.headline,
        "rounds": [_round(config, run, number, each) for number, each in enumerate(rounds)],
    }
    run.write("evaluation.json", canonical(record))
    run.finish("evaluate", {"policies": len(found), "episodes": config.episodes})


def tested(task: Task, name: str, policy: Actor, seeds: np.ndarray) -> Evaluation:
    """One episode of a policy in reality for each seed, scored by all metrics of the task."""
    scores, _ = evaluate(policy, task.env(), seeds=seeds, length=task.length, metrics=task.metrics, name=name)
    return scores


def _round(config: CoupledConfig, run: RunFolder, number: int, scores: Evaluation) -> dict[str, Any]:
    """What a round had spent when it ended, in imagined and in real steps, and how good its policy is in reality."""
    lengths = Dataset.open(run.path / "data").lengths
    held = config.play[1] + number * config.patch_episodes
    return {
        "samples": config.spent(number),
        "transitions": int(lengths[:held].sum() - held),
        "estimates": scores.to_json()["estimates"],
    }
