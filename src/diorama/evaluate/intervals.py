"""Intervals for rates, means and paired differences, by SciPy's methods."""

import numpy as np

from diorama.core.errors import ConfigError
from diorama.core.lazy import deferred
from diorama.evaluate.statistics.binomial import wilson
from diorama.evaluate.statistics.comparison import paired_rates
from diorama.evaluate.statistics.estimate import Estimate, checked_scores

stats = deferred("scipy.stats")


def rate(successes: np.ndarray, level: float = 0.95) -> Estimate:
    """A success rate from boolean outcomes [N] with Wilson's score interval (Wilson 1927, JASA 22)."""
    outcomes = checked_scores(successes, level).astype(bool)
    return wilson(int(outcomes.sum()), outcomes.size, level)


def mean(values: np.ndarray, level: float = 0.95, seed: int = 0) -> Estimate:
    """A mean of scores [N] with the bias-corrected accelerated bootstrap interval (Efron 1987, JASA 82).

    Where all scores are equal the bootstrap has nothing to resample and the interval is the value itself; with fewer
    than two scores the interval is infinite.
    """
    scores = checked_scores(values, level).astype(np.float64)
    value = float(scores.mean())
    if scores.size < 2:
        return Estimate(value, -np.inf, np.inf, scores.size, level, "none (one episode)")
    if np.ptp(scores) == 0:
        return Estimate(value, value, value, scores.size, level, "degenerate (all equal)")
    result = stats.bootstrap((scores,), np.mean, confidence_level=level, n_resamples=9999, batch=999, rng=seed)
    interval = result.confidence_interval
    return Estimate(value, float(interval.low), float(interval.high), scores.size, level, "BCa bootstrap")


def paired_difference(ours: np.ndarray, theirs: np.ndarray, level: float = 0.95, seed: int = 0) -> Estimate:
    """Mean of ``ours - theirs`` [N], paired by seed.

    Of booleans the difference of two rates (`paired_rates`), else with the bootstrap interval of the differences.
    """
    if np.shape(ours) != np.shape(theirs):
        raise ConfigError(
            f"Paired scores need equal shapes, got {np.shape(ours)} and {np.shape(theirs)}; use the same seeds."
        )
    if np.asarray(ours).dtype == bool and np.asarray(theirs).dtype == bool:
        return paired_rates(ours, theirs, level)
    return mean(np.asarray(ours, np.float64) - np.asarray(theirs, np.float64), level, seed)
