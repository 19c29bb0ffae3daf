"""How wrong imagination is in units of length, and in which episodes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diorama.core import WorldModel
from diorama.data import Dataset, Windows
from diorama.exam.bootstrap import Bootstrap
from diorama.exam.open_loop import imagine_windows

SHOWN = "vertices"


class Error(NamedTuple):
    """A mean [cm] over episodes with its 95 % bootstrap interval, and of how many."""

    value: float
    low: float
    high: float
    n: int


class Imagined(NamedTuple):
    """What happened and what was imagined of the first observation and the recorded actions: [N, T, V, 3] in m.

    ``first`` [N, V, 3] is where imagination began; ``episodes`` [N]: their numbers, for a rope that tore leaves none;
    ``factors``: name to [N].
    """

    real: np.ndarray
    guess: np.ndarray
    first: np.ndarray
    episodes: np.ndarray
    factors: dict[str, np.ndarray]


def imagined(model: WorldModel, dataset: Dataset, seed: int = 0) -> Imagined:
    """Every whole episode of a dataset, imagined from its first observation."""
    horizon = int(np.median(dataset.lengths)) - 1
    windows = Windows(dataset, horizon, tuple(model.spec.observation))
    numbers = np.arange(len(windows))
    taken, episodes = windows.take(numbers), windows.episode_of(numbers)
    real = points(np.asarray(taken.observation[SHOWN]))
    guess = points(np.asarray(imagine_windows(model, taken, seed)[0][SHOWN]))
    starts = dataset.starts[episodes]
    scenario = {name for name in dataset.features if name.startswith("scenario.")}
    factors = {
        name.removeprefix("scenario."): np.asarray(dataset.column(name)).reshape(dataset.num_frames, -1)[starts, 0]
        for name in sorted(scenario)
    }
    return Imagined(real[:, 1:], guess, real[:, 0], episodes, factors)


def paired(one: Imagined, other: Imagined) -> tuple[Imagined, Imagined]:
    """Both with the episodes that both have."""
    _, ours, theirs = np.intersect1d(one.episodes, other.episodes, return_indices=True)
    return _rows(one, ours), _rows(other, theirs)


def _rows(found: Imagined, rows: np.ndarray) -> Imagined:
    arrays = (array[rows] for array in found[:-1])
    return Imagined(*arrays, {name: values[rows] for name, values in found.factors.items()})


def points(flat: np.ndarray) -> np.ndarray:
    """[..., 3 V] as [..., V, 3]."""
    return flat.reshape(*flat.shape[:-1], -1, 3)


def distances(found: Imagined, chosen: slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance [cm] of some vertices from where they were: of the model, and of copying, each [N, T]."""
    ours = np.linalg.norm(found.guess - found.real, axis=-1)
    copying = np.linalg.norm(found.first[:, None] - found.real, axis=-1)
    return 100.0 * ours[..., chosen].mean(-1), 100.0 * copying[..., chosen].mean(-1)


def over(values: np.ndarray, rows: np.ndarray | None = None, seed: int = 0) -> Error | None:
    """The mean over episodes [N] (those of a mask); None where there are fewer than two."""
    values = values if rows is None else values[rows]
    if len(values) < 2:
        return None
    curve = Bootstrap.of(np.arange(len(values)), seed).mean(values[:, None], np.ones((len(values), 1), bool))
    return Error(float(curve.mean[0]), float(curve.low[0]), float(curve.high[0]), len(values))


def touched(found: Imagined, objects: slice, least: float = 0.01) -> np.ndarray:
    """Whether an object moved by more than ``least`` [m] in an episode, [N]: nothing else than the rope moves it."""
    moved = np.linalg.norm(found.real - found.first[:, None], axis=-1)
    return moved[..., objects].max((1, 2)) > least


def bins(values: np.ndarray, edges: Sequence[float]) -> dict[str, np.ndarray]:
    """Masks [N] of the values between neighbouring edges, by name."""
    pairs = zip(edges[:-1], edges[1:], strict=True)
    return {f"{low:g} to {high:g}": (values >= low) & (values <= high) for low, high in pairs}
