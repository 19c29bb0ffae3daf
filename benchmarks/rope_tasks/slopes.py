"""How good derivatives of a rope task's cost are, in the world as it is and in gentler ones.

Run: ``python benchmarks/rope_tasks/slopes.py [--tasks coiling] [--seed 0]``. From the best of the plans that a search
draws, plans nearby (a standard deviation of 0.1 in each way-point, in opposite pairs) tell how the cost changes over
that distance, by ridge regression. Beside it are the derivatives at that plan and at some of those nearby: their
lengths, and their cosines with what the plans nearby say. Seeds are of training.
"""

import argparse
import sys

import numpy as np
from run import begun
from searches import DRAWN, Drawn
from trials import Gentle, Trials

from diorama.envs.rope.tasks import TASKS, make_task

WORLDS = (Gentle(1.0, 1.0), Gentle(4.0, 1.0), Gentle(1.0, 5.0), Gentle(4.0, 5.0), Gentle(4.0, 20.0))
AWAY, PAIRS, AT = 0.1, 60, 4


def regressed(trials: Trials, base: np.ndarray, plan: np.ndarray, moved: np.ndarray) -> tuple[np.ndarray, float]:
    """The slope [K A] that plans moved there and back say, and the share of the differences that it explains."""
    sides = [trials.costs(base @ (plan + sign * AWAY * moved)) for sign in (1.0, -1.0)]
    change = (sides[0] - sides[1]) / (2.0 * AWAY)
    flat = moved.reshape(len(moved), -1)
    slope = np.linalg.solve(flat.T @ flat + np.eye(flat.shape[1]), flat.T @ change)
    return slope, 1.0 - np.sum((change - flat @ slope) ** 2) / np.sum(change**2)


def lines(task: str, seed: int) -> list[str]:
    """Rows of the table for one task."""
    world = make_task(task)
    trials = Trials(world, begun(world, np.uint32(seed)), sys.maxsize, seed)
    found = Drawn.of(trials, DRAWN)
    plan = found.plans[0]
    moved = np.random.default_rng(seed).standard_normal((PAIRS, *plan.shape)).astype(np.float32)
    wanted, explained = regressed(trials, found.base, plan, moved)
    if trials.solved:
        return [f"| {task} | solved by a plan that was drawn or is nearby | | | |"]
    size = float(np.linalg.norm(wanted))
    rows = [f"| {task} | plans nearby | {size:.2g} | explains {explained:.2f} | |"]
    places = [plan, *(plan + AWAY * moved[: AT - 1])]
    for gentle in WORLDS:
        slopes = [trials.slopes((found.base @ place)[None].astype(np.float32), gentle)[0] for place in places]
        flat = np.stack([np.einsum("tk,ta->ka", found.base, slope).ravel() for slope in slopes]).astype(np.float64)
        lengths = np.linalg.norm(flat, axis=-1)
        alike = flat @ wanted / np.maximum(lengths * size, 1e-30)
        others = ", ".join(f"{one:.2f}" for one in alike[1:])
        name = f"{gentle.softer:g} times as soft, {gentle.drag:g} times the drag"
        rows.append(f"| {task} | {name} | {np.median(lengths):.2g} | {alike[0]:.2f} | {others} |")
    return rows


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["coiling"])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    sys.stdout.write("| task | slope of | length, median | cosine there | cosines nearby |\n|---|---|---|---|---|\n")
    for task in given.tasks:
        sys.stdout.write("\n".join(lines(task, given.seed)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
