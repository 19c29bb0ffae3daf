"""Reality beside imagination: held-out stretches, imagined from the same start under the same actions, some times."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core.errors import DataError
from diorama.data import Dataset, Windows
from diorama.recipes.book import Book
from diorama.registry.records import Version
from diorama.studio.web.answers.datasets import Datasets
from diorama.studio.web.answers.runs import STAGES, read_notes, stage_of
from diorama.studio.web.films.sheet import Sheet, is_table, paint_table, sheet_of

STEPS, SHOWN, DRAWS, _TRIED = 40, 3, 8, 192
_ENTRIES = 8


@dataclass(frozen=True)
class Stretch:
    """One stretch of an episode, by step ``[T]``, in standard deviations of the data.

    ``error`` of the first imagined future, ``spread`` over futures, the error of standing ``still``. ``signals``: entry
    to real and imagined [T+1].
    """

    episode: int
    error: tuple[float, ...]
    spread: tuple[float, ...]
    still: tuple[float, ...]
    signals: tuple[tuple[str, tuple[float, ...], tuple[float, ...]], ...]


@dataclass(frozen=True)
class Rollouts:
    """Stretches of a world, and a sheet with two tracks for each (reality, imagined); None where it cannot be drawn.

    ``held_out``: whether the world had not been trained on these episodes; ``chosen`` says how they were.
    """

    stretches: tuple[Stretch, ...]
    steps: int
    period: float
    draws: int
    held_out: bool
    chosen: str
    sheet: Sheet | None


def rollouts_of(book: Book, datasets: Datasets, world: Version) -> Rollouts:
    """Imagine; takes seconds. Raises `DataError` where the world or the data that it was fitted to are not here."""
    from diorama.exam.open_loop import imagine_windows
    from diorama.models import load
    from diorama.recipes.making import unpacked

    dataset = _dataset(book, datasets, world)
    with tempfile.TemporaryDirectory() as folder:
        model = load(unpacked(book, world.id, Path(folder)))
    names = tuple(model.spec.observation)
    steps = int(min(STEPS, dataset.lengths.max() - 1))
    windows = Windows(dataset, steps, names)
    held = _held_out(book, world)
    kept = np.intersect1d(held, windows.episodes) if held is not None else np.empty(0, np.int64)
    windows = windows.only(kept) if len(kept) else windows
    numbers = _apart(windows, np.random.default_rng(0))
    sample = windows.take(numbers)
    draws = [imagine_windows(model, sample, seed)[0] for seed in range(DRAWS)]
    scales = {name: _scale(dataset, name) for name in names}
    vectors = [name for name in names if np.asarray(sample.observation[name]).ndim == 3]
    measured = vectors or list(names)
    episodes = windows.episode_of(numbers)
    stretches = tuple(
        _stretch(k, int(episodes[k]), sample.observation, draws, scales, measured, vectors) for k in range(len(numbers))
    )
    chosen = "Three stretches drawn by chance (seed 0) among those in which most moves"
    sheet = _sheet(sample.observation, draws[0], model.spec.control_period)
    return Rollouts(stretches, steps, model.spec.control_period, DRAWS, bool(len(kept)), chosen, sheet)


def _dataset(book: Book, datasets: Datasets, world: Version) -> Dataset:
    ids = [edge.target for edge in world.edges if edge.role == "trained_on"]
    for one in ids:
        dataset = datasets.open(book.registry.get(one))
        if dataset is not None:
            return dataset
    raise DataError("The data that this world was fitted to do not lie here, so there is no reality to put beside it.")


def _held_out(book: Book, world: Version) -> np.ndarray | None:
    """The episodes on which the world was examined, from the notes of its run."""
    for place in book.places.find(world.id):
        note = read_notes(place.parent / STAGES).get(stage_of(place.name)[0])
        if isinstance(note, dict) and isinstance(note.get("exam"), list):
            return np.asarray(note["exam"], np.int64)
    return None


def _apart(windows: Windows, rng: np.random.Generator) -> np.ndarray:
    """Three windows of different episodes, among the half of a random sample in which most moves."""
    tried = rng.permutation(len(windows))[:_TRIED]
    found = windows.take(tried).observation
    moved = np.zeros(len(tried))
    for values in found.values():
        values = np.asarray(values, np.float64)
        moved += np.abs(values[:, -1] - values[:, 0]).reshape(len(tried), -1).mean(-1)
    lively = tried[np.argsort(moved)[len(tried) // 2 :]]
    lively = rng.permutation(lively)
    _, first = np.unique(windows.episode_of(lively), return_index=True)
    return lively[np.sort(first)[:SHOWN]]


def _stretch(
    k: int, episode: int, real: Any, draws: list, scales: dict, measured: list[str], vectors: list[str]
) -> Stretch:
    error, spread, still = [], [], []
    for name in measured:
        truth = np.asarray(real[name][k], np.float64) / scales[name]
        imagined = np.stack([np.asarray(draw[name][k], np.float64) / scales[name] for draw in draws])
        error.append(imagined[0] - truth[1:])
        spread.append(imagined.std(axis=0))
        still.append(truth[:1] - truth[1:])
    return Stretch(episode, _size(error), _size(spread), _size(still), _signals(k, real, draws[0], vectors))


def _size(parts: list[np.ndarray]) -> tuple[float, ...]:
    """The root of the mean square over all entries, by step [T]."""
    flat = np.concatenate([part.reshape(len(part), -1) for part in parts], axis=-1)
    return tuple(float(value) for value in np.sqrt((flat**2).mean(axis=-1)))


def _signals(k: int, real: Any, imagined: Any, vectors: list[str]) -> tuple:
    found = []
    for name in vectors:
        truth, dreamed = np.asarray(real[name][k], np.float64), np.asarray(imagined[name][k], np.float64)
        dreamed = np.concatenate([truth[:1], dreamed])
        for entry in range(truth.shape[-1]):
            pair = (tuple(map(float, truth[:, entry])), tuple(map(float, dreamed[:, entry])))
            found.append((f"{name}.{entry}", *pair))
    return tuple(found[:_ENTRIES])


def _scale(dataset: Dataset, name: str) -> np.ndarray:
    """The standard deviation of each entry; 255 for pictures, which have none that is kept."""
    stats = dataset.stats.get(f"observation.{name}")
    if stats is None or f"observation.{name}" in dataset.camera_keys:
        return np.asarray(255.0)
    spread = np.asarray(stats["std"], np.float64)
    return np.where(spread > 0, spread, 1.0)


def _sheet(real: Any, imagined: Any, period: float) -> Sheet | None:
    names = list(real)
    picture = next((name for name in names if np.asarray(real[name]).ndim == 5), None)
    if picture is None and not is_table(names, np.asarray(real[names[0]]).shape[-1]):
        return None
    tracks = {}
    for k in range(len(np.asarray(real[names[0]]))):
        for label, rows in (("reality", real), ("imagined", imagined)):
            tracks[f"{label} {k}"] = _frames(rows, real, picture, k, label == "imagined")
    return sheet_of(tracks, period)


def _frames(rows: Any, real: Any, picture: str | None, k: int, dreamed: bool) -> np.ndarray:
    name = picture or "features"
    frames = np.asarray(rows[name][k])
    if dreamed:
        frames = np.concatenate([np.asarray(real[name][k])[:1], frames])
    if picture is None:
        return paint_table(frames)
    return frames if frames.dtype == np.uint8 else np.clip(frames, 0, 255).astype(np.uint8)
