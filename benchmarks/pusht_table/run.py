"""The table of Push-T: every way to a policy, in the same worlds with the same reward, tested in reality.

Run ``diorama run push-t --size s --seed K`` for some seeds first, then ``python benchmarks/pusht_table/run.py
runs/push-t-s-0 runs/push-t-s-1 runs/push-t-s-2 --out table.json``; ``--rows`` names some rows only. A row that the
output file holds already is not made again.

Rows: ``coupled``: the run's own policy (all rounds of training and patching). The others train in the worlds of the
run's last round, from nothing: ``coupled-last``: decoupled first-order gradients; ``ppo-8m``, ``ppo-40m`` and, with a
lower learning rate, ``ppo-40m-slow``; ``imagination``: first-order gradients through the local world alone;
``global``: first-order gradients through the global world itself, for as much CPU time as ``coupled-last``; ``cem``:
planning in the global world; ``random``, ``play`` and ``expert`` act by script. ``refresh``: ``coupled-last`` with a
local model that is refreshed on-policy; ``no-value``, ``no-entropy``: without one part.

Test: one episode for each seed from 100000 to 100099 and from 200000 to 200099, in gym-pusht's physics, likeliest
actions; of the rows of 40 M also on the way, every 4 M steps (``curve``). Rates have Wilson's interval over all
episodes of all runs, means a bootstrap over episodes.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
import time
from collections.abc import Callable

import numpy as np

from diorama.core.canonical import canonical
from diorama.core.files import write_atomically
from diorama.data import Dataset
from diorama.evaluate import intervals
from diorama.imagine import Through
from diorama.learn import train_first_order
from diorama.learn.ppo import train_ppo
from diorama.learn.ppo_config import PPOConfig
from diorama.learn.progress import Report
from diorama.learn.state import TrainState
from diorama.models import load as load_model
from diorama.policies import Likeliest, PlannerConfig, cem
from diorama.policies import load as load_policy
from diorama.recipes.coupled import fresh_learners
from diorama.recipes.coupled_config import CoupledConfig
from diorama.recipes.loop import hypotheses, imagined_from
from diorama.recipes.pairs import Pair, pair_of
from diorama.recipes.push_t import push_t_config, tested
from diorama.recipes.push_t_reward import PushTReward
from diorama.recipes.push_t_task import push_t
from diorama.recipes.tasks import Actor

SEEDS = np.concatenate([np.arange(100_000, 100_100), np.arange(200_000, 200_100)])
SAMPLES = 8_000_000
PPO = PPOConfig(worlds=256, length=32, episode=32, chunk=20, discount=0.95, epochs=5, minibatches=8, rate=1e-3)
SLOW = 3e-4
"""The usual rate of PPO: at that of ``PPO`` a training of 40 M steps diverged."""
CEM = PlannerConfig(horizon=8, samples=64, rounds=2, elites=8)
"""1,024 steps of the global world for each step of reality."""
SCRIPTED = {"random": "random", "play": "play", "expert": "demonstrations"}


@dataclasses.dataclass
class Run:
    """A finished run: its configuration, its last worlds, and the CPU time of ``coupled-last``."""

    path: pathlib.Path
    config: CoupledConfig
    pair: Pair
    seconds: float = 0.0
    curve: list = dataclasses.field(default_factory=list)

    @staticmethod
    def of(path: pathlib.Path) -> "Run":
        """The run in this folder."""
        stored = json.loads((path / "config.json").read_text())
        config = push_t_config(stored["size"], stored["seed"])
        world, local = load_model(path / "world"), load_model(path / "local")
        return Run(path, config, pair_of(world, local, Dataset.open(path / "data"), PushTReward(), ends=False))


def first_order(run: Run, worlds: object, gradient: object, **changes: object) -> tuple[Actor, float]:
    """An actor trained from nothing by first-order gradients, and the CPU seconds that it took."""
    train = run.config.policy.train
    each = train.worlds * train.horizon
    changes = {"updates": SAMPLES // each} | changes
    actor, critics = fresh_learners(run.config, run.pair)
    critics = () if changes.pop("no_value", False) else critics
    begun = time.process_time()
    state = train_first_order(
        dataclasses.replace(train, **changes), actor, critics, worlds, gradient, progress=told(run)
    )
    return state.learned.actor.choosing(Likeliest()), time.process_time() - begun


def coupled_last(run: Run, **changes: object) -> Actor:
    """Decoupled, in the last worlds."""
    actor, seconds = first_order(run, run.pair.worlds, run.pair.gradient, **changes)
    if not changes:
        run.seconds = seconds
    return actor


def imagination(run: Run) -> Actor:
    """The local world is also the one that is rolled out."""
    local = run.pair.gradient.local
    imagined, _ = imagined_from(local, Dataset.open(run.path / "data"), PushTReward(), ends=False)
    return first_order(run, hypotheses(imagined), Through())[0]


def through_global(run: Run) -> Actor:
    """Derivatives of the global world itself, for as much CPU time as the decoupled ones had."""
    if not run.seconds:
        coupled_last(run)
    trial = 50
    first_order(run, run.pair.worlds, Through(), updates=trial)
    each = first_order(run, run.pair.worlds, Through(), updates=trial)[1] / trial
    return first_order(run, run.pair.worlds, Through(), updates=max(int(run.seconds / each), 1))[0]


def ppo(run: Run, samples: int, every: int = 0, rate: float = PPO.rate) -> Actor:
    """Proximal policy optimisation in the last global world; tested in reality ``every`` so many steps."""
    actor, critics = fresh_learners(run.config, run.pair)
    config = dataclasses.replace(PPO, updates=samples // PPO.piece, rate=rate, seed=run.config.seed)

    def visit(state: TrainState) -> None:
        done = int(state.cursor) * PPO.piece
        if every and done // every > len(run.curve):
            run.curve.append(point(done, state.learned.actor.choosing(Likeliest())))

    state = train_ppo(config, actor, critics[0], run.pair.worlds, progress=told(run), visit=visit)
    return state.learned.actor.choosing(Likeliest())


def point(samples: int, policy: Actor) -> dict:
    """How good a policy is in reality after so many imagined steps."""
    return {"samples": samples, "scores": tested(push_t(), "on the way", policy, SEEDS).to_json()["scores"]}


def planning(run: Run) -> Actor:
    """The cross-entropy method in the global world, anew at every step of reality."""
    world = run.pair.imagined
    return cem(world, CEM, world.model.start)


ROWS: dict[str, Callable[[Run], Actor]] = {
    "coupled": lambda run: load_policy(run.path / "policy"),
    "coupled-last": coupled_last,
    "ppo-8m": lambda run: ppo(run, SAMPLES),
    "ppo-40m": lambda run: ppo(run, 5 * SAMPLES, every=SAMPLES // 2),
    "ppo-40m-slow": lambda run: ppo(run, 5 * SAMPLES, every=SAMPLES // 2, rate=SLOW),
    "imagination": imagination,
    "global": through_global,
    "refresh": lambda run: coupled_last(run, refresh=1),
    "cem": planning,
    "no-value": lambda run: coupled_last(run, no_value=True),
    "no-entropy": lambda run: coupled_last(run, entropy=0.0),
    **{row: lambda run, name=name: push_t().actor(name) for row, name in SCRIPTED.items()},
}


def told(run: Run) -> Callable[[Report], None]:
    """A line now and then on the way."""

    def tell(report: Report) -> None:
        if report.step == report.total or report.step % 1000 == 0:
            sys.stderr.write(f"{run.path.name} {report.stage} {report.step}/{report.total}\n")

    return tell


def table(held: dict) -> str:
    """The rows over all runs, as Markdown."""
    names = list(push_t().metrics)
    lines = ["| row | runs | episodes | " + " | ".join(names) + " |", "|---" * (3 + len(names)) + "|"]
    for row in dict.fromkeys(key.split(" ")[0] for key in held):
        found = [scores["scores"] for key, scores in held.items() if key.split(" ")[0] == row]
        cells = [str(_estimate([scores[name] for scores in found])).split(" (")[0] for name in names]
        count = sum(len(scores[names[0]]) for scores in found)
        lines.append(f"| {row} | {len(found)} | {count} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _estimate(parts: list[list]) -> intervals.Estimate:
    values = np.concatenate([np.asarray(part) for part in parts])
    return intervals.rate(values) if values.dtype == bool else intervals.mean(values)


def main() -> None:
    """Make the rows that are missing, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=pathlib.Path)
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("table.json"))
    arguments = parser.parse_args()
    held = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for path in arguments.runs:
        run = None
        for row in arguments.rows:
            key = f"{row} {path.name}"
            if key in held:
                continue
            run = run or Run.of(path)
            begun = time.process_time()
            policy = ROWS[row](run)
            spent = time.process_time() - begun
            scores = tested(push_t(), row, policy, SEEDS)
            # Another process may have added rows meanwhile.
            held = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
            held[key] = scores.to_json() | {"training_cpu_seconds": spent, "curve": run.curve}
            run.curve = []
            write_atomically(arguments.out, canonical(held))
            sys.stderr.write(f"{key}: {held[key]['estimates']}\n")
    sys.stdout.write(table(held))


if __name__ == "__main__":
    main()
