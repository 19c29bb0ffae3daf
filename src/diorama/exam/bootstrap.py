"""Intervals over groups of windows: percentile bootstrap (Efron and Tibshirani 1993, chapter 13).

Windows of one episode are not independent, so whole episodes are drawn again, never windows. All curves of one exam
share the draws, so that differences and ratios are paired.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from diorama.core import DataError

RESAMPLES = 1000


@dataclass(frozen=True)
class ErrorCurve:
    """One number for each horizon 1 .. T (or each of the horizons that its owner names), with a 95 % interval.

    All arrays are ``[T]``.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Bootstrap:
    """Draws of groups: ``index`` ``[N]`` is the group of each window, ``draws`` ``[R, G]`` how often each was drawn."""

    index: np.ndarray
    draws: np.ndarray

    @staticmethod
    def of(groups: np.ndarray, seed: int) -> "Bootstrap":
        """The draws for windows of these ``groups`` ``[N]``. Raises `DataError` for fewer than two groups."""
        _, index = np.unique(np.asarray(groups), return_inverse=True)
        count = index.max(initial=-1) + 1
        if count < 2:
            raise DataError("An interval needs windows of at least two episodes; hold out more episodes.")
        draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
        return Bootstrap(index, draws)

    def mean(
        self, values: np.ndarray, real: np.ndarray, change: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> ErrorCurve:
        """The mean over windows of ``values`` ``[N, T]`` where ``real`` ``[N, T]``; ``change`` is applied to it."""
        change = change or (lambda means: means)
        point, resampled = self._means(values, real)
        return _curve(change(point), change(resampled))

    def ratio(self, above: np.ndarray, below: np.ndarray, real: np.ndarray, floor: float) -> ErrorCurve:
        """The ratio of two means over windows of ``[N, T]``; a denominator below ``floor`` counts as ``floor``."""
        (point, resampled), (under, under_resampled) = self._means(above, real), self._means(below, real)
        return _curve(point / np.maximum(under, floor), resampled / np.maximum(under_resampled, floor))

    def _means(self, values: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean for each horizon, ``[T]`` and for each draw ``[R, T]``; NaN where a draw has no window."""
        shape = (self.draws.shape[1], values.shape[1])
        total, weight = np.zeros(shape), np.zeros(shape)
        np.add.at(total, self.index, np.where(real, values, 0.0))
        np.add.at(weight, self.index, real)
        above, below = self.draws @ total, self.draws @ weight
        resampled = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
        return total.sum(axis=0) / weight.sum(axis=0), resampled


def _curve(point: np.ndarray, resampled: np.ndarray) -> ErrorCurve:
    low, high = np.nanpercentile(resampled, [2.5, 97.5], axis=0)
    return ErrorCurve(point, low, high)
