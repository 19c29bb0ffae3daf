"""Films of recorded episodes, and of episodes of an evaluation that are played again from their seeds."""

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core.errors import DataError, DioramaError
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


def replay_sheet(
    book: Book, task: str, policy: Version, worlds: Mapping[str, Version], seed: int, length: int
) -> Sheet:
    """One seed, played again by the same policy in each of the worlds (label to version), a track for each.

    What ends earlier stands still. Raises `DataError` where the policy or the first world cannot be run here; of the
    others, those that can are shown.
    """
    from diorama.recipes.worlds import find_world

    first, *others = worlds
    found = find_world(task, worlds[first].id, book=book)
    actor, period = _actor(book, task, policy), float(found.env.spec.control_period)
    tracks = {first: _played(found.env, actor, seed, length)}
    for label in others:
        with contextlib.suppress(DioramaError):
            tracks[label] = _played(find_world(task, worlds[label].id, book=book).env, actor, seed, length)
    tall = tracks[first].shape[1:]
    tracks = {label: frames for label, frames in tracks.items() if frames.shape[1:] == tall}
    most = max(len(frames) for frames in tracks.values())
    padded = {label: frames[np.minimum(np.arange(most), len(frames) - 1)] for label, frames in tracks.items()}
    return sheet_of(padded, period)


def _played(env: Any, actor: Any, seed: int, length: int) -> np.ndarray:
    from diorama.evaluate import run_episodes

    return _drawn(run_episodes(env, actor, np.asarray([seed], np.int64), length), 0)


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
    name = picture or next((name for name, values in observation.items() if is_table((name,), values.shape[-1])), "")
    if not name:
        raise DataError("The state of this world cannot be drawn.")
    frames = observation[name]
    kept = frames[np.minimum(np.arange(len(frames)), last)]
    return paint_table(kept) if picture is None else kept.astype(np.uint8)
