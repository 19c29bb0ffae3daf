"""Scores over several tasks in one robust number: the interquartile mean with a stratified bootstrap."""

from collections.abc import Sequence

import numpy as np

from diorama.core.lazy import deferred
from diorama.evaluate.statistics.estimate import Estimate, checked_scores

stats = deferred("scipy.stats")


def interquartile_mean(scores: Sequence[np.ndarray]) -> float:
    """Mean of the middle half of all scores of all tasks (Agarwal et al. 2021, arXiv 2108.13264)."""
    return float(stats.trim_mean(np.concatenate([np.ravel(task) for task in scores]), 0.25))


def interquartile_mean_interval(
    scores: Sequence[np.ndarray], level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """The interquartile mean of tasks' scores, each [runs], with a percentile interval; runs resampled in each task.

    It speaks of these tasks and new runs, not of new tasks.
    """
    tasks = [checked_scores(task, level).astype(np.float64) for task in scores]
    rng = np.random.default_rng(seed)
    drawn = [task[rng.integers(task.size, size=(resamples, task.size))] for task in tasks]
    values = stats.trim_mean(np.concatenate(drawn, axis=1), 0.25, axis=1)
    low, high = np.quantile(values, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    count = sum(task.size for task in tasks)
    return Estimate(interquartile_mean(tasks), float(low), float(high), count, level, "stratified bootstrap")
