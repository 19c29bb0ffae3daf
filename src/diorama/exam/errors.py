"""How wrong a prediction is: in standard deviations of the data, in physical units, in decibels for pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diorama.core import ArraySpec, EnvSpec
from diorama.exam.stretches import Seen, Stretches

MOST_ENTRIES = 64
"""An observation with more entries than these is not listed entry by entry."""
_LEAST_ERROR = 1e-10
"""The mean square, of a range of 1, that counts as a perfect picture: 100 dB."""


@dataclass(frozen=True)
class Scales:
    """The standard deviation of every entry in the exam's windows; of a picture one number, that of all its pixels."""

    spec: EnvSpec
    std: Seen

    @staticmethod
    def of(stretches: Stretches) -> "Scales":
        """The scales of all observations of the windows."""
        count, mean, square = 0, {}, {}
        for rows in stretches.chunks():
            for name, values in stretches.seen(rows).items():
                mean[name] = mean.get(name, 0.0) + values.sum(axis=(0, 1))
            count += len(rows) * next(iter(stretches.seen(rows).values())).shape[1]
        mean = {name: total / count for name, total in mean.items()}
        for rows in stretches.chunks():
            for name, values in stretches.seen(rows).items():
                square[name] = square.get(name, 0.0) + ((values - mean[name]) ** 2).sum(axis=(0, 1))
        specs = stretches.spec.observation
        return Scales(stretches.spec, {name: _std(total / count, specs[name]) for name, total in square.items()})

    def squares(self, guess: Seen, real: Seen) -> dict[str, np.ndarray]:
        """The mean square over the entries of each observation: ``[n, T, ...]`` to ``[n, T]``."""
        found = {}
        for name, scale in self.std.items():
            square = ((guess[name] - real[name]) / scale) ** 2
            found[name] = square.reshape(*square.shape[:2], -1).mean(axis=-1)
        return found

    def joint(self, squares: dict[str, np.ndarray]) -> np.ndarray:
        """The root of the mean square over all entries of all observations; a picture counts as one entry."""
        weights = {name: self.weight(name) for name in squares}
        return np.sqrt(sum(squares[name] * weights[name] for name in squares) / sum(weights.values()))

    def weight(self, name: str) -> int:
        """How much an observation counts beside others: by its entries, or 1 for a picture."""
        array = self.spec.observation[name]
        return 1 if is_picture(array) else array.size


@dataclass(frozen=True)
class Entry:
    """One entry of a vector observation: where it is, what it is called, and its unit."""

    label: str
    name: str
    place: int
    unit: str


def entries_of(spec: EnvSpec) -> list[Entry]:
    """The entries of all vectors that are short enough to list; one without a name goes by its number."""
    found = []
    for name, array in spec.observation.items():
        if len(array.shape) == 1 and array.size <= MOST_ENTRIES:
            called: Sequence = array.names or range(array.size)
            found += [Entry(f"{name}.{label}", name, place, array.unit) for place, label in enumerate(called)]
    return found


def absolute_errors(entries: Sequence[Entry], guess: Seen, real: Seen) -> np.ndarray:
    """The absolute error of each entry in its own unit, ``[n, T, entries]``."""
    windows, steps = next(iter(real.values())).shape[:2]
    found = [np.abs(guess[e.name][..., e.place] - real[e.name][..., e.place]) for e in entries]
    return np.stack(found, axis=-1) if found else np.zeros((windows, steps, 0))


def is_picture(array: ArraySpec) -> bool:
    """Whether an observation is a picture ``[H, W, C]``."""
    return len(array.shape) == 3


def picture_range(array: ArraySpec) -> float:
    """From the darkest to the brightest that a pixel can be; 1 where nothing says so."""
    low, high = array.bounds()
    span = float(high.max() - low.min())
    return 255.0 if array.dtype == "uint8" else span if np.isfinite(span) and span > 0 else 1.0


def decibels(square: np.ndarray) -> np.ndarray:
    """The peak signal-to-noise ratio [dB] of a mean square error in units of the range; at most 100."""
    return -10 * np.log10(np.maximum(square, _LEAST_ERROR))


def _std(square: np.ndarray, array: ArraySpec) -> np.ndarray:
    std = np.sqrt(square.mean() if is_picture(array) else square)
    return np.where(std < 1e-9, 1.0, std)
