"""The mean over a list of starts from draws with unequal, recorded probabilities."""

import numpy as np

from diorama.core.errors import ConfigError
from diorama.core.lazy import deferred
from diorama.evaluate.statistics.estimate import Estimate, checked_scores

stats = deferred("scipy.stats")


def weighted_mean(
    scores: np.ndarray,
    probabilities: np.ndarray,
    level: float = 0.95,
    *,
    predictions: np.ndarray | None = None,
    all_predictions: np.ndarray | None = None,
    power: float = 1.0,
) -> Estimate:
    """Mean over the whole list from ``scores`` [n] of the starts drawn and their inclusion ``probabilities`` [n].

    Weighted by 1 / probability and normalised (Hájek 1971; Särndal, Swensson & Wretman 1992, chapter 5). With imagined
    scores of the drawn starts ``predictions`` [n] and of the whole list ``all_predictions`` [M], only what they leave,
    scores - power * predictions, is weighted. Hájek's variance for draws of a fixed number. It speaks of the list, so
    drawing all of it leaves no width.
    """
    values = checked_scores(scores, level).astype(np.float64)
    chances = np.asarray(probabilities, np.float64)
    if chances.shape != values.shape or not ((chances > 0) & (chances <= 1)).all():
        raise ConfigError("Each score needs the probability in (0, 1] with which its start was drawn; record it.")
    if values.size < 2:
        raise ConfigError("A weighted mean needs at least two draws.")
    shift = 0.0
    if predictions is not None and all_predictions is not None:
        values = values - power * checked_scores(predictions).astype(np.float64)
        shift = power * float(checked_scores(all_predictions).astype(np.float64).mean())
    center = float(np.sum(values / chances) / np.sum(1.0 / chances))
    deviation = np.sqrt(_variance((values - center) / chances, chances))
    half = float(stats.t.ppf((1.0 + level) / 2.0, values.size - 1) * deviation)
    return Estimate(
        center + shift, center + shift - half, center + shift + half, values.size, level, "inverse probability"
    )


def _variance(terms: np.ndarray, chances: np.ndarray) -> float:
    """Hájek's approximation of the variance of sum(terms) / sum(1 / chances) for a fixed number of draws."""
    spare = 1.0 - chances
    if spare.sum() == 0.0:
        return 0.0
    middle = np.sum(spare * terms) / spare.sum()
    count = terms.size
    return float(count / (count - 1) * np.sum(spare * (terms - middle) ** 2) / np.sum(1.0 / chances) ** 2)
