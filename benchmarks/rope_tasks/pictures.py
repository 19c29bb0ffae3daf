"""A strip of pictures of each rope task, solved by hand from the first held-out start.

Run: ``python benchmarks/rope_tasks/pictures.py --out docs/images [--tasks ...]``.
"""

import argparse
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from PIL import Image
from run import begun, simple
from trials import played

from diorama.envs.rope.tasks import HELD_OUT, TASKS, RopeTask, make_task, render
from diorama.envs.rope.tasks.drawing import Camera

VIEWS = {
    "coiling": Camera((0.0, -1.2, 0.75), (0.0, 0.0, 0.22), 36.0),
    "gathering": Camera((0.0, -0.95, 0.85), (0.0, 0.0, 0.0), 38.0),
    "letter": Camera((0.0, -0.25, 0.75), (0.0, 0.0, 0.0), 40.0),
    "letter-unseen": Camera((0.0, -0.25, 0.75), (0.0, 0.0, 0.0), 40.0),
    "lifting": Camera((0.95, -0.7, 0.7), (-0.12, 0.0, 0.17), 42.0),
    "separation": Camera((0.0, -1.2, 1.1), (0.0, 0.0, 0.0), 45.0),
    "slingshot": Camera((0.3, -0.7, 0.6), (0.25, 0.0, 0.0), 38.0),
    "threading": Camera((0.3, -0.55, 0.35), (0.05, 0.0, 0.05), 38.0),
    "unknotting": Camera((0.1, -0.75, 0.95), (0.1, -0.1, 0.1), 46.0),
    "wiring-post": Camera((0.25, -0.5, 0.65), (0.25, 0.12, 0.0), 48.0),
    "wrapping": Camera((0.0, -0.75, 0.75), (0.0, 0.0, 0.0), 42.0),
}
SHARES = (0.0, 0.35, 0.7, 1.0)


def strip(world: RopeTask, camera: Camera) -> np.ndarray:
    """Four moments of an episode, side by side."""
    seed = np.uint32(HELD_OUT[0])
    start = begun(world, seed)
    seen = played(world, simple(world, "scripted", start), start, seed)
    vertices = np.asarray(jnp.asarray(seen.observation["vertices"]))
    moments = [round(share * seen.length) for share in SHARES]
    return np.concatenate([render(world.task, start.scene, vertices[moment], camera) for moment in moments], 1)


def main() -> None:
    """Draw all tasks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for task in given.tasks:
        picture = Image.fromarray(strip(make_task(task), VIEWS[task]))
        picture.quantize(64).save(given.out / f"rope-task-{task}.png", optimize=True)


if __name__ == "__main__":
    main()
