"""Intervals for rates, means and paired differences, by SciPy's methods."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from diorama.core.errors import ConfigError


@dataclass(frozen=True)
class Estimate:
    """A number and its interval: ``value`` in [``low``, ``high``] at ``level``, of ``count`` episodes by ``method``."""

    value: float
    low: float
    high: float
    count: int
    level: float
    method: str

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] (n={self.count})"


def rate(successes: np.ndarray, level: float = 0.95) -> Estimate:
    """A success rate from boolean outcomes [N] with Wilson's score interval (Wilson 1927, JASA 22)."""
    outcomes = _checked(successes, level).astype(bool)
    test = stats.binomtest(int(outcomes.sum()), outcomes.size)
    interval = test.proportion_ci(level, method="wilson")
    return Estimate(float(outcomes.mean()), interval.low, interval.high, outcomes.size, level, "Wilson")


def mean(values: np.ndarray, level: float = 0.95, seed: int = 0) -> Estimate:
    """A mean of scores [N] with the bias-corrected accelerated bootstrap interval (Efron 1987, JASA 82).

    Where all scores are equal the bootstrap has nothing to resample and the interval is the value itself; with fewer
    than two scores the interval is infinite.
    """
    scores = _checked(values, level).astype(np.float64)
    value = float(scores.mean())
    if scores.size < 2:
        return Estimate(value, -np.inf, np.inf, scores.size, level, "none (one episode)")
    if np.ptp(scores) == 0:
        return Estimate(value, value, value, scores.size, level, "degenerate (all equal)")
    result = stats.bootstrap((scores,), np.mean, confidence_level=level, n_resamples=9999, batch=999, rng=seed)
    interval = result.confidence_interval
    return Estimate(value, float(interval.low), float(interval.high), scores.size, level, "BCa bootstrap")


def paired_difference(ours: np.ndarray, theirs: np.ndarray, level: float = 0.95, seed: int = 0) -> Estimate:
    """Mean of ``ours - theirs`` [N], paired by seed, with the bootstrap interval of the differences."""
    if np.shape(ours) != np.shape(theirs):
        raise ConfigError(
            f"Paired scores need equal shapes, got {np.shape(ours)} and {np.shape(theirs)}; use the same seeds."
        )
    return mean(np.asarray(ours, np.float64) - np.asarray(theirs, np.float64), level, seed)


def _checked(values: np.ndarray, level: float) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise ConfigError(f"Scores must be a non-empty vector, one for each episode, got shape {array.shape}.")
    if not np.isfinite(array.astype(np.float64)).all():
        raise ConfigError("A score is NaN or infinite; an episode without a score must be mended, not dropped.")
    if not 0.0 < level < 1.0:
        raise ConfigError(f"The confidence level must lie between 0 and 1, got {level}.")
    return array
