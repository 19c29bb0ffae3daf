"""Films of recorded episodes, and of episodes of an evaluation that are played again from their seeds."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core.errors import DataError
from diorama.data import Dataset
from diorama.recipes.book import Book
from diorama.registry.records import Version
from diorama.studio.web.films.sheet import Sheet, is_table, paint_table, sheet_of

MOST_FRAMES = 400
_TABLE = "observation.features"


def can_show(dataset: Dataset) -> bool:
    """Whether episodes of a dataset can be seen: they have a camera, or a state that can be drawn."""
    shape = tuple(dataset.features.get(_TABLE, {}).get("shape", ()))
    return bool(dataset.camera_keys) or is_table(("features",), shape[0] if len(shape) == 1 else 0)


def episode_sheet(dataset: Dataset, number: int) -> Sheet:
    """An episode as it was recorded, every camera a track. Raises `DataError` where there is nothing to see."""
    length = int(dataset.lengths[number])
    stride = max(1, -(-length // MOST_FRAMES))
    if dataset.camera_keys:
        tracks = {key: dataset.frames(key, number)[::stride] for key in dataset.camera_keys}
        same = {key: frames for key, frames in tracks.items() if frames.shape == next(iter(tracks.values())).shape}
        return sheet_of(same, stride / dataset.fps)
    if not can_show(dataset):
        raise DataError("This dataset has no camera, and its state cannot be drawn; look at its signals instead.")
    rows = np.asarray(dataset.episode(number)[_TABLE])[::stride]
    return sheet_of({"recorded": paint_table(rows)}, stride / dataset.fps)


def replay_sheet(book: Book, task: str, policy: Version, world: Version, seeds: tuple[int, ...], length: int) -> Sheet:
    """Episodes of an evaluation, played again from their seeds with the same policy in the same world.

    Raises `DataError` where the policy or the world cannot be run here.
    """
    from diorama.evaluate import run_episodes
    from diorama.recipes.worlds import find_world

    found = find_world(task, world.id, book=book)
    seen = run_episodes(found.env, _actor(book, task, policy), np.asarray(seeds, np.int64), length)
    period = float(found.env.spec.control_period)
    return sheet_of({f"seed {seed}": _drawn(seen, k) for k, seed in enumerate(seeds)}, period)


def _actor(book: Book, task: str, policy: Version) -> Any:
    # Where making is imported so is JAX, which takes seconds: the studio starts without it.
    from diorama.policies import load
    from diorama.recipes.making import unpacked
    from diorama.recipes.tasks import find_task

    if policy.fields.get("actor"):
        return find_task(task).actor(str(policy.fields["actor"]))
    with tempfile.TemporaryDirectory() as folder:
        return load(unpacked(book, policy.id, Path(folder)))


def _drawn(seen: Any, k: int) -> np.ndarray:
    """The frames of one episode; after its end it stands still."""
    observation = {name: np.asarray(values[k]) for name, values in seen.observation.items()}
    last = int(np.asarray(seen.mask[k]).sum())
    picture = next((name for name, values in observation.items() if values.ndim == 4), None)
    name = picture or next(iter(observation))
    frames = observation[name]
    kept = frames[np.minimum(np.arange(len(frames)), last)]
    if picture is not None:
        return kept.astype(np.uint8)
    if not is_table((name,), kept.shape[-1]):
        raise DataError("The state of this world cannot be drawn.")
    return paint_table(kept)
