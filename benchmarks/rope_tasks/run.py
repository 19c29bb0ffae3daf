"""Rope tasks: how often simple policies and searches for plans solve them from held-out starts, with equal budgets.

Run: ``python benchmarks/rope_tasks/run.py --out rope_tasks [--size nano] [--tasks ...] [--methods ...]``. Starts and
goals are the first of `HELD_OUT`. ``random`` and ``hold still`` act without knowing anything; ``scripted`` is the
solution by hand, which shows that the task can be solved; the searches plan the whole episode from the first state, in
the world in which they are judged, with at most a stated number of imagined episodes for each start, and end with the
first that succeeds. ``left`` is the task's cost at the end [m].

Every finished start is a file; the same command goes on where it was stopped, and ``--table`` only writes the table. A
success of a smaller size is taken over: a search does with a larger budget the same until the smaller one is spent.
"""

import argparse
import collections
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from searches import SEARCHES
from trials import Trials, played

from diorama.core import Policy, Trajectory, filter_jit
from diorama.core.canonical import canonical
from diorama.core.files import write_atomically
from diorama.envs.rope.tasks import HELD_OUT, TASKS, RopeTask, make_task, scripted, succeeded
from diorama.envs.rope.tasks.world import TaskState
from diorama.evaluate import intervals
from diorama.imagine.scripted import Scripted
from diorama.policies import Constant, RandomPolicy

SIMPLE = ("hold still", "random", "scripted")
RELEASED = tuple(task for task in TASKS if task not in ("letter", "letter-unseen", "threading"))
"""Tasks after those eight that the published benchmark released."""


@dataclass(frozen=True)
class Size:
    """How many held-out starts, for simple policies and for searches, and the episodes these may imagine."""

    simple: int
    starts: int
    budget: int


SIZES = {
    "test": Size(2, 1, 60),
    "nano": Size(30, 10, 400),
    "xs": Size(100, 20, 2000),
    "s": Size(100, 50, 20_000),
}


@filter_jit
def begun(world: RopeTask, seed: jax.Array) -> TaskState:
    """The start of a held-out episode."""
    return world.reset(world.spec.scenario.default(), jax.random.key(seed))


def judged(world: RopeTask, seen: Trajectory) -> dict:
    """What is kept of an episode."""
    vertices = jnp.asarray(seen.observation["vertices"][-1]).reshape(-1, 3)
    left = float(world.task.cost(vertices, jnp.asarray(seen.observation["goal"][-1])))
    return {
        "success": bool(succeeded(world.task, seen)),
        "left": left if np.isfinite(left) else None,
        "return": float(seen.reward.sum()),
    }


def simple(world: RopeTask, method: str, start: TaskState) -> Policy:
    """The policy that knows no world."""
    spec, body = world.spec, start.scene.body
    if method == "random":
        return RandomPolicy(spec)
    if method == "scripted":
        return Scripted(scripted(world.task, body.position, start.scene.goal))
    return Constant(jnp.zeros(spec.action.size))


def episode(world: RopeTask, method: str, seed: int, size: Size) -> dict:
    """One method from one held-out start."""
    start, spent = begun(world, np.uint32(seed)), time.process_time()
    if method in SIMPLE:
        policy, how = simple(world, method, start), {"episodes": 0, "stage": ""}
    else:
        trials = Trials(world, start, size.budget, seed)
        SEARCHES[method](trials)
        policy = Scripted(trials.actions(trials.best))
        how = {"episodes": trials.used, "stage": trials.solved_in}
    found = judged(world, played(world, policy, start, np.uint32(seed)))
    actions = np.asarray(policy.actions).tolist() if isinstance(policy, Scripted) else None
    return found | how | {"cpu_s": time.process_time() - spent, "actions": actions}


def work(out: Path, size_name: str, tasks: list[str], methods: list[str]) -> None:
    """Do what is not done yet, start by start, so that all methods have the same starts whenever it is stopped."""
    size, worlds = SIZES[size_name], {task: make_task(task) for task in tasks}
    for count in range(max(size.simple, size.starts)):
        for task, world in worlds.items():
            for method in methods:
                path = _path(out, size_name, task, method, HELD_OUT[count])
                if count >= (size.simple if method in SIMPLE else size.starts) or path.exists():
                    continue
                found = smaller(out, size_name, task, method, HELD_OUT[count])
                found = found or episode(world, method, HELD_OUT[count], size)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, canonical(found))
                told = f"{found['success']}, {found['episodes']} episodes, {found['cpu_s']:.0f} s"
                sys.stderr.write(f"{task}, {method}, start {count}: {told}\n")


def smaller(out: Path, size_name: str, task: str, method: str, seed: int) -> dict | None:
    """What a search found from this start with less, if it succeeded; simple policies take part in no such thing."""
    budget = SIZES[size_name].budget
    for name in (name for name, size in SIZES.items() if size.budget < budget and method in SEARCHES):
        path = _path(out, name, task, method, seed)
        if path.exists() and (found := json.loads(path.read_text()))["success"]:
            return found
    return None


def _path(out: Path, size: str, task: str, method: str, seed: int) -> Path:
    return out / size / task / method.replace(",", "").replace(" ", "-") / f"{seed}.json"


def table(out: Path, size_name: str) -> str:
    """Success with Wilson's interval and the mean cost left with a bootstrap interval, per task and method.

    The last rows are those of all eight released tasks together, from the starts that each of them has. Those ``at
    least`` also count starts that only a smaller size has, as that one left them: what it did not solve is a failure.
    """
    lines = [
        "| task | method | starts | success [95 %] | found when | cost left [95 %] [m] | episodes | most | CPU s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for task in TASKS:
        for method in (*SIMPLE, *SEARCHES):
            rows = _rows(out, size_name, task, method)
            if rows:
                lines.append(_line(task, method, list(rows.values())))
    for method in (*SIMPLE, *SEARCHES):
        found = [_rows(out, size_name, task, method) for task in RELEASED]
        wider = [_widened(out, size_name, task, method) for task in RELEASED]
        lines += _together("all eight", method, found)
        if wider != found:
            lines += _together("all eight, at least", method, wider)
    return "\n".join(lines) + "\n"


def _together(name: str, method: str, found: list[dict[str, dict]]) -> list[str]:
    """A line of the starts that each of the tasks has, if there are such."""
    shared = sorted(set.intersection(*(set(rows) for rows in found)))
    return [_line(name, method, [rows[seed] for rows in found for seed in shared])] if shared else []


def _widened(out: Path, size_name: str, task: str, method: str) -> dict[str, dict]:
    """The rows of a size, and those of smaller ones where it has none."""
    sizes = sorted((size.budget, name) for name, size in SIZES.items() if size.budget <= SIZES[size_name].budget)
    rows = {}
    for _, name in sizes if method in SEARCHES else ((0, size_name),):
        rows |= _rows(out, name, task, method)
    return rows


def _rows(out: Path, size_name: str, task: str, method: str) -> dict[str, dict]:
    """What is there, by the seed of the start."""
    folder = _path(out, size_name, task, method, 0).parent
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def _line(task: str, method: str, rows: list[dict]) -> str:
    rate = intervals.rate(np.array([row["success"] for row in rows]))
    left = intervals.mean(np.array([np.nan if row["left"] is None else row["left"] for row in rows]))
    spent = np.median([row["cpu_s"] for row in rows])
    episodes = np.array([row["episodes"] for row in rows])
    stages = collections.Counter(row["stage"] for row in rows if row["stage"])
    when = ", ".join(f"{count} {stage}" for stage, count in sorted(stages.items()))
    return (
        f"| {task} | {method} | {len(rows)} | {rate.value:.2f} [{rate.low:.2f}, {rate.high:.2f}] | {when} "
        f"| {left.value:.3f} [{left.low:.3f}, {left.high:.3f}] "
        f"| {episodes.mean():.0f} | {episodes.max()} | {spent:.1f} |"
    )


def main() -> None:
    """Work, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", choices=SIZES, default="nano")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--methods", nargs="+", choices=(*SIMPLE, *SEARCHES), default=[*SIMPLE, *SEARCHES])
    parser.add_argument("--table", action="store_true", help="write the table of what is there")
    given = parser.parse_args()
    if not given.table:
        work(given.out, given.size, given.tasks, given.methods)
    sys.stdout.write(table(given.out, given.size))


if __name__ == "__main__":
    main()
