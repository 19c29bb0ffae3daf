"""The rope agent from held-out starts: grasps by control authority, by a rule, and at random.

Run: ``python benchmarks/rope_agent/run.py --out rope_agent --task threading [--size nano] [--methods ...]``, or with
``--task unknotting``. One gripper, which begins empty and may grasp anew; starts are the first of `HELD_OUT`. All
agents have the same sub-goals and the same ways to try for a grasp; only where they grasp differs. They plan in the
world that judges them, and the plan is played to its end and judged as any episode. ``hold still`` and ``random`` act
without knowing anything.

Every finished start is a file; the same command goes on where it was stopped, and ``--table`` only writes the table.
``--pictures FOLDER`` draws the first starts of the first method.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from diorama.core import Policy, Trajectory, filter_jit
from diorama.core.canonical import canonical
from diorama.core.files import write_atomically
from diorama.envs.rope.tasks import HELD_OUT, make_task, render, succeeded
from diorama.envs.rope.tasks.drawing import Camera
from diorama.envs.rope.tasks.judging import cost_left
from diorama.envs.rope.tasks.regrasping import GraspState, Regrasping
from diorama.envs.rope.tasks.threading import Threading
from diorama.evaluate import intervals
from diorama.imagine import rollout
from diorama.imagine.scripted import Scripted
from diorama.policies import Constant, LogDeterminant, Needed, RandomPolicy, SmallestSingular
from diorama.recipes.rope_agent import ByAuthority, Chooser, Fixed, NearestEnd, Random, solve
from diorama.recipes.rope_subgoals import Skill
from diorama.recipes.rope_threading import Thread
from diorama.recipes.rope_unknotting import Unknot

CHOOSERS: dict[str, Callable[[], Chooser]] = {
    "authority: needed direction": lambda: ByAuthority(Needed()),
    "authority: smallest singular value": lambda: ByAuthority(SmallestSingular()),
    "authority: log-determinant": lambda: ByAuthority(LogDeterminant()),
    "authority: needed direction, reach left out": lambda: ByAuthority(Needed(), anywhere=True),
    "fixed: middle": lambda: Fixed(0.5),
    "fixed: first end": lambda: Fixed(0.0),
    "fixed: end nearest to the sub-goal": NearestEnd,
    "random grasp": Random,
    "random grasp, best of two": lambda: Random(2),
    "random grasp within reach": lambda: Random(reaching=True),
}
REACH = ("authority: needed direction, reach left out", "random grasp within reach")
"""What tells nothing new of a task where every grasp is within reach, as in unknotting."""
SIMPLE = ("hold still", "random")
STARTS = {"test": 1, "nano": 16, "xs": 50}
GRASPS = 3


@dataclass(frozen=True)
class Case:
    """A task, what the agent knows of it, and how its pictures are taken: from where, after how many decisions each."""

    world: Regrasping
    skill: Skill
    view: Camera
    every: int


def unknotting() -> Case:
    """With one gripper and time for three grasps."""
    made, skill = make_task("unknotting"), Unknot()
    world = Regrasping(made.task, made.execution, grippers=1, decisions=GRASPS * skill.length)
    return Case(world, skill, Camera((-0.05, -0.9, 1.1), (-0.05, -0.02, 0.1), 52.0, 256, 192), 5)


def threading() -> Case:
    """With one gripper and time for three grasps."""
    made = make_task("threading")
    skill = Thread(Threading())
    world = Regrasping(made.task, made.execution, grippers=1, decisions=GRASPS * skill.length)
    return Case(world, skill, Camera((0.35, -0.75, 0.5), (0.0, 0.0, 0.06), 42.0, 256, 192), 2)


CASES = {"threading": threading, "unknotting": unknotting}


@filter_jit
def begun(world: Regrasping, seed: jax.Array) -> GraspState:
    """The start of a held-out episode."""
    return world.reset(world.spec.scenario.default(), jax.random.key(seed))


@filter_jit
def played(world: Regrasping, policy: Policy, start: GraspState, seed: jax.Array) -> Trajectory:
    """An episode to its end."""
    return rollout(world, policy, start, length=world.task.config.decisions, key=jax.random.key(seed))


def episode(case: Case, method: str, seed: int) -> dict:
    """One method from one held-out start."""
    world = case.world
    start, spent, told = begun(world, np.uint32(seed)), time.process_time(), {}
    policy: Policy = RandomPolicy(world.spec) if method == "random" else Constant(jnp.zeros(world.spec.action.size))
    if method in CHOOSERS:
        found = solve(world, case.skill, start, CHOOSERS[method](), seed)
        policy = Scripted(jnp.asarray(found.actions))
        told = {
            "segments": [[one.grasp, one.goal, one.score] for one in found.segments],
            "actions": found.actions.tolist(),
        }
        told["imagined"] = found.imagined
    spent = time.process_time() - spent
    seen = played(world, policy, start, np.uint32(seed))
    after = [np.arange(seen.length) < (number + 1) * case.skill.length for number in range(GRASPS)]
    success = [bool(succeeded(world.task, dataclasses.replace(seen, mask=mask))) for mask in after]
    left = float(cost_left(world.task, seen))
    return {"success": success, "left": left if np.isfinite(left) else None, "cpu_s": spent} | told


def work(out: Path, size: str, methods: list[str]) -> None:
    """Do what is not done yet, start by start, so that all methods have the same starts whenever it is stopped."""
    case = CASES[out.name]()
    for count in range(STARTS[size]):
        for method in methods:
            path = _path(out, size, method, HELD_OUT[count])
            if path.exists():
                continue
            found = episode(case, method, HELD_OUT[count])
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, canonical(found))
            sys.stderr.write(f"{method}, start {count}: {found['success']}, {found['cpu_s']:.0f} s\n")


def _path(out: Path, size: str, method: str, seed: int) -> Path:
    return out / size / method.replace(",", "").replace(":", "").replace(" ", "-") / f"{seed}.json"


def table(out: Path, size: str) -> str:
    """Success with Wilson's interval after one grasp, two and three, and the cost left with a bootstrap interval."""
    after = " | ".join(f"success, {number + 1} grasp{'s' * bool(number)} [95 %]" for number in range(GRASPS))
    lines = [
        f"| who grasps where | starts | {after} | cost left [95 %] [m] | decisions imagined | CPU s each |",
        "|---" * (GRASPS + 5) + "|",
    ]
    for method in (*SIMPLE, *CHOOSERS):
        rows = [json.loads(path.read_text()) for path in sorted(_path(out, size, method, 0).parent.glob("*.json"))]
        if rows:
            lines.append(_line(method, rows))
    return "\n".join(lines) + "\n"


def _line(method: str, rows: list[dict]) -> str:
    rates = [intervals.rate(np.array([row["success"][number] for row in rows])) for number in range(GRASPS)]
    left = intervals.mean(np.array([np.nan if row["left"] is None else row["left"] for row in rows]))
    told = " | ".join(f"{round(rate.value * len(rows))} [{rate.low:.2f}, {rate.high:.2f}]" for rate in rates)
    imagined, spent = (np.median([row.get(name, 0) for row in rows]) for name in ("imagined", "cpu_s"))
    return (
        f"| {method} | {len(rows)} | {told} | {left.value:.3f} [{left.low:.3f}, {left.high:.3f}] "
        f"| {imagined:.0f} | {spent:.1f} |"
    )


def draw(out: Path, size: str, method: str, folder: Path) -> None:
    """A strip of pictures of each of the first two episodes, until the rope is done."""
    case = CASES[out.name]()
    made = case.world
    for count in range(2):
        start = begun(made, np.uint32(HELD_OUT[count]))
        row = json.loads(_path(out, size, method, HELD_OUT[count]).read_text())
        seen = played(made, Scripted(jnp.asarray(row["actions"], jnp.float32)), start, np.uint32(HELD_OUT[count]))
        vertices = np.asarray(jnp.asarray(seen.observation["vertices"]))
        moments = range(0, len(row["segments"]) * case.skill.length + 1, case.every)
        held = np.asarray(jnp.asarray(seen.observation["held"]))[:, 0].astype(int)
        strip = [
            render(made.task, start.scene, vertices[moment], case.view, ((held[moment],),) if held[moment] >= 0 else ())
            for moment in moments
        ]
        half = (len(strip) + 1) // 2
        rows = [strip[:half], [*strip[half:], *[np.full_like(strip[0], 255)] * (2 * half - len(strip))]]
        whole = np.concatenate([np.concatenate(row, 1) for row in rows], 0)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(whole).quantize(64).save(folder / f"rope-agent-{out.name}-{count}.png", optimize=True)


def main() -> None:
    """Work, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", choices=STARTS, default="nano")
    parser.add_argument("--task", choices=CASES, default="threading")
    parser.add_argument("--methods", nargs="+", choices=(*SIMPLE, *CHOOSERS))
    parser.add_argument("--table", action="store_true", help="write the table of what is there")
    parser.add_argument("--pictures", type=Path, help="a folder for pictures of what is there")
    given = parser.parse_args()
    out, whole = given.out / given.task, (*SIMPLE, *CHOOSERS)
    methods = given.methods or [name for name in whole if given.task == "threading" or name not in REACH]
    if given.pictures:
        draw(out, given.size, next(method for method in methods if method in CHOOSERS), given.pictures)
        return
    if not given.table:
        work(out, given.size, methods)
    sys.stdout.write(table(out, given.size))


if __name__ == "__main__":
    main()
