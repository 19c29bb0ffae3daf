"""Rope tasks: policies trained in the simulator itself, tested from held-out starts.

Run: ``python benchmarks/rope_policies/run.py --out rope_policies [--size nano] [--tasks ...] [--methods ...]``. One
policy for each task and method is trained on starts and goals that are drawn anew all the time, never from a seed of
`HELD_OUT`, with a stated number of imagined episodes; an episode with its derivative counts as six. It is then tested,
taking its likeliest action, from the first seeds of `HELD_OUT`, beside ``hold still``, ``random`` and ``scripted``, the
solution by hand, from the same starts. The policies are artifacts: ``diorama evaluate`` takes them too.

What is finished is a file, a training goes on from its last checkpoint; the same command goes on where it was stopped,
and ``--table`` only writes the table.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from learners import ACTOR, LEARNERS, SHOWN, Training

from diorama.core import Policy
from diorama.core.canonical import canonical
from diorama.core.files import write_atomically
from diorama.envs.rope.tasks import HELD_OUT, TASKS, ByHand, RopeTask, cost_left, make_task, succeeded
from diorama.evaluate import intervals, run_episodes
from diorama.policies import Constant, RandomPolicy, artifact

FLOORS = ("hold still", "random", "scripted")


@dataclass(frozen=True)
class Size:
    """How many episodes a training by each method may imagine, and how many held-out starts each policy is tested from.

    With `nano` the first-order learner has half as many: in coiling more brought nothing (docs/rope-tasks.md).
    """

    episodes: dict[str, int]
    starts: int


SIZES = {
    "test": Size({"ppo": 160, "first-order": 160}, 2),
    "nano": Size({"ppo": 1280, "first-order": 640}, 50),
    "xs": Size({"ppo": 20_000, "first-order": 20_000}, 100),
    "s": Size({"ppo": 200_000, "first-order": 200_000}, 100),
}


def floor(task: RopeTask, method: str) -> Policy:
    """A policy that learned nothing."""
    if method == "random":
        return RandomPolicy(task.spec)
    return ByHand(task.task) if method == "scripted" else Constant(jnp.zeros(task.spec.action.size))


def tested(task: RopeTask, policy: Policy, starts: int) -> dict:
    """What becomes of an episode from each held-out start."""
    seen = run_episodes(task, policy, np.array(HELD_OUT[:starts]), task.task.config.decisions)
    left = cost_left(task.task, seen)
    return {
        "success": succeeded(task.task, seen).tolist(),
        "left": left.tolist(),
    }


def made(task: RopeTask, method: str, size: Size, seed: int, folder: Path) -> dict:
    """Train where there is something to train, and test."""
    begun = time.process_time()
    policy, episodes = floor(task, method), 0
    if method in LEARNERS:
        training = Training(task, SHOWN[method], size.episodes[method], seed, folder)
        policy, episodes = LEARNERS[method](training)
        artifact.save(folder / "policy", policy, ACTOR, training.world.spec)
    trained = time.process_time()
    found = tested(task, policy, size.starts)
    return found | {"episodes": episodes, "seed": seed, "cpu_s": trained - begun}


def work(out: Path, size: str, tasks: list[str], methods: list[str], seed: int) -> None:
    """Do what is not done yet: a method for all tasks, then the next."""
    for method in methods:
        for name in tasks:
            folder = _folder(out, size, name, method)
            if (folder / "result.json").exists():
                continue
            found = made(make_task(name), method, SIZES[size], seed, folder)
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / "result.json", canonical(found))
            told = f"{np.mean(found['success']):.2f}, {found['cpu_s']:.0f} s"
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {name}, {method}: {told}\n")


def _folder(out: Path, size: str, task: str, method: str) -> Path:
    return out / size / task / method.replace(" ", "-")


def table(out: Path, size: str) -> str:
    """Success with Wilson's interval and the mean cost left with a bootstrap interval, per task and method."""
    lines = [
        "| task | method | starts | success [95 %] | cost left [95 %] [m] | episodes imagined | CPU s |",
        "|---|---|---|---|---|---|---|",
    ]
    for task in TASKS:
        for method in (*FLOORS, *LEARNERS):
            place = _folder(out, size, task, method) / "result.json"
            if place.exists():
                lines.append(_line(task, method, json.loads(place.read_text())))
    return "\n".join(lines) + "\n"


def _line(task: str, method: str, found: dict) -> str:
    rate = intervals.rate(np.array(found["success"]))
    left = intervals.mean(np.array(found["left"]))
    return (
        f"| {task} | {method} | {len(found['success'])} | {rate.value:.2f} [{rate.low:.2f}, {rate.high:.2f}] "
        f"| {left.value:.3f} [{left.low:.3f}, {left.high:.3f}] | {found['episodes']:,} | {found['cpu_s']:.0f} |"
    )


def main() -> None:
    """Work, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", choices=SIZES, default="nano")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--methods", nargs="+", choices=(*FLOORS, *LEARNERS), default=[*FLOORS, *LEARNERS])
    parser.add_argument("--seed", type=int, default=0, help="of the trainings")
    parser.add_argument("--table", action="store_true", help="write the table of what is there")
    given = parser.parse_args()
    if not given.table:
        work(given.out, given.size, given.tasks, given.methods, given.seed)
    sys.stdout.write(table(given.out, given.size))


if __name__ == "__main__":
    main()
