"""A mean from few real episodes and many imagined ones: prediction-powered inference with a tuned weight.

With real scores Y and imagined scores F of the same n starts, and imagined scores of N other starts, the estimate is
mean(Y) + power * (mean of the N imagined - mean of the n imagined). It is right however wrong the world is; the better
the world tells each episode, the narrower (Angelopoulos, Duchi & Zrnic 2023, PPI++, arXiv 2311.01453).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diorama.core.errors import ConfigError
from diorama.core.lazy import deferred
from diorama.evaluate.statistics.betting import betting_mean
from diorama.evaluate.statistics.estimate import Estimate, checked_bounded, checked_level, checked_scores

stats = deferred("scipy.stats")

UNSEEN = 2
"""Starts of each stratum on which the world is taken to be no help, beside those drawn.

A world that errs seldom shows no error in few starts, and the residual then has no spread at all. Their weight fades as
1 / n. They help and do not cure: an interval at 90 % over three strata of 20 to 30 outcomes covered 82 % without them
and 84 % with them. Where a stratum shows fewer than about five errors of the world, take `bounded_mean`.
"""


@dataclass(frozen=True, eq=False)
class Stratum:
    """One part of the deployment distribution: its share ``weight``, real scores ``gold`` [n], the imagined scores of
    the same starts ``gold_predictions`` [n] and of other starts ``predictions`` [N].
    """  # noqa: D205

    weight: float
    gold: np.ndarray
    gold_predictions: np.ndarray
    predictions: np.ndarray


def tuned_power(gold: np.ndarray, gold_predictions: np.ndarray, predictions: np.ndarray) -> float:
    """The weight of the imagined scores that makes the interval narrowest (PPI++, section 6 for a mean).

    cov(Y, F) / ((1 + n/N) var(F)); 0 where the imagined scores are constant.
    """
    gold, paired, others = _checked(gold, gold_predictions, predictions)
    variance = float(np.var(np.concatenate([paired, others])))
    if variance == 0.0:
        return 0.0
    covariance = float(np.mean((gold - gold.mean()) * (paired - paired.mean())))
    return covariance / ((1.0 + gold.size / others.size) * variance)


def powered_mean(
    gold: np.ndarray,
    gold_predictions: np.ndarray,
    predictions: np.ndarray,
    level: float = 0.95,
    power: float | None = None,
) -> Estimate:
    """Mean of real scores [n] with the help of imagined ones [n] and [N]; ``power`` None tunes it, 0 ignores them.

    The interval is Student's, good from about 50 real episodes; for fewer use `bounded_mean`.
    """
    return stratified_mean([Stratum(1.0, gold, gold_predictions, predictions)], level, power)


def stratified_mean(strata: Sequence[Stratum], level: float = 0.95, power: float | None = None) -> Estimate:
    """The same within each stratum, tuned in each, and added up by weight.

    Stratified PPI (Fisch et al. 2024, arXiv 2406.04291); degrees of freedom by Welch and Satterthwaite. Raises
    `ConfigError` where weights do not sum to 1 or a stratum has fewer than two real scores.
    """
    checked_level(level)
    if not strata or abs(sum(stratum.weight for stratum in strata) - 1.0) > 1e-6:
        raise ConfigError(
            "The weights of the strata must sum to 1; give each its share of the deployment distribution."
        )
    parts = [_part(stratum, power) for stratum in strata]
    value = sum(part[0] for part in parts)
    terms = np.array([part[1:] for part in parts])
    variance = float(terms[:, :2].sum())
    count = sum(np.size(stratum.gold) for stratum in strata)
    half = _quantile(terms, level) * np.sqrt(variance)
    return Estimate(float(value), float(value - half), float(value + half), count, level, "prediction-powered")


def _part(stratum: Stratum, power: float | None) -> tuple[float, float, float, int]:
    """Weighted value, variance from the real and from the imagined scores, and degrees of freedom of a stratum."""
    gold, paired, others = _checked(stratum.gold, stratum.gold_predictions, stratum.predictions)
    if gold.size < 2:
        raise ConfigError("A stratum needs at least two real scores; plan the budget with a floor of two.")
    weight = tuned_power(gold, paired, others) if power is None else power
    residual = gold - weight * paired
    # Tuning spends a degree of freedom, as fitting a slope does.
    freedom = max(gold.size - (2 if power is None else 1), 1)
    spread = _spread(residual, freedom, max(float(np.var(gold)), float(np.var(others))) if weight else 0.0)
    share = stratum.weight**2
    value = stratum.weight * float(residual.mean() + weight * others.mean())
    return value, share * spread / gold.size, share * weight**2 * float(np.var(others)) / others.size, freedom


def _spread(residual: np.ndarray, freedom: int, unhelped: float) -> float:
    """Variance of the residual, as if the world had also failed on a few starts that were not drawn."""
    unseen = UNSEEN if unhelped else 0
    return (float(np.sum((residual - residual.mean()) ** 2)) + unseen * unhelped) / (freedom + unseen)


def _quantile(terms: np.ndarray, level: float) -> float:
    real, imagined, freedom = terms.T
    total = real.sum() + imagined.sum()
    effective = total**2 / np.sum(real**2 / freedom) if real.any() else np.inf
    return float(stats.t.ppf((1.0 + level) / 2.0, effective))


def bounded_mean(
    gold: np.ndarray,
    gold_predictions: np.ndarray,
    predictions: np.ndarray,
    level: float = 0.95,
    *,
    power: float = 1.0,
    share: float = 0.1,
    sequential: bool = False,
) -> Estimate:
    """The same for scores in [0, 1] with an interval that covers at any n: betting on the rectifier Y - power * F.

    ``power`` in [0, 1] is fixed before the real scores are seen (from a pilot by `tuned_power`). The imagined mean
    takes ``share`` of alpha, the rectifier the rest (two-stage PPI of SureSim, arXiv 2510.04354).
    """
    gold, paired, others = _checked(gold, gold_predictions, predictions)
    if not 0.0 <= power <= 1.0 or not 0.0 < share < 1.0:
        raise ConfigError(f"power must lie in [0, 1] and share in (0, 1), got {power} and {share}.")
    for scores in (gold, paired, others):
        checked_bounded(scores, 0.0, 1.0, level)
    alpha = 1.0 - level
    used = share if power > 0.0 else 0.0
    rectifier = betting_mean(gold - power * paired, 1.0 - (1.0 - used) * alpha, low=-power, sequential=sequential)
    imagined = betting_mean(others, 1.0 - share * alpha, sequential=sequential)
    low = rectifier.low + power * imagined.low
    high = rectifier.high + power * imagined.high
    value = rectifier.value + power * imagined.value
    return Estimate(value, max(low, 0.0), min(high, 1.0), gold.size, level, "prediction-powered betting")


def _checked(gold: np.ndarray, paired: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    arrays = tuple(checked_scores(scores).astype(np.float64) for scores in (gold, paired, others))
    if arrays[0].shape != arrays[1].shape:
        raise ConfigError(
            f"{arrays[0].size} real scores need as many imagined ones, got {arrays[1].size}; imagine the same starts."
        )
    return arrays
