"""The first test start of the study, in the simulator and as the learned world imagines it.

Run after the study: ``python benchmarks/rope_world/picture.py --out rope_world --to docs/images/rope-world.png``. Rows:
the policy trained in the learned world (seed 0), in the simulator and imagined; nobody acts, in the simulator and
imagined. Columns: the start, after a third, after two thirds, the end.
"""

import argparse
from pathlib import Path

import jax
import numpy as np
from PIL import Image
from settings import TASK, TEST_SEED

from diorama.envs.rope.tasks import render
from diorama.envs.rope.tasks.drawing import Camera
from diorama.evaluate import run_episodes
from diorama.recipes.candidates import find_candidate
from diorama.recipes.tasks import find_task
from diorama.recipes.worlds import find_world

ABOVE = Camera((0.0, -1.0, 1.5), (0.0, 0.0, 0.0), 44.0, 240, 150)
SHARES = (0.0, 1 / 3, 2 / 3, 1.0)


def strip(word: str, address: str) -> np.ndarray:
    """Four moments of the episode of the first test seed, side by side."""
    task = find_task(TASK)
    real, world = task.env(), find_world(task, address).env
    policy = find_candidate(task, word).make(world.spec)
    seen = run_episodes(world, policy, np.array([TEST_SEED]), task.length).observation["vertices"][0]
    scene = real.reset(real.spec.scenario.default(), jax.random.split(jax.random.key(TEST_SEED))[0]).scene
    moments = [round(share * task.length) for share in SHARES]
    return np.concatenate([render(real.task, scene, np.asarray(seen[moment]), ABOVE) for moment in moments], 1)


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", default="nano")
    parser.add_argument("--to", type=Path, required=True)
    given = parser.parse_args()
    place = given.out / given.size
    words, worlds = (str(place / "policy-0"), "still"), (TASK, str(place / "world-ensemble"))
    rows = [strip(word, world) for word in words for world in worlds]
    Image.fromarray(np.concatenate(rows, 0)).quantize(64).save(given.to, optimize=True)


if __name__ == "__main__":
    main()
