"""Is one policy better than another: evidence that may be read after every pair, and exact tests at a fixed number."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from diorama.core.errors import ConfigError
from diorama.core.lazy import deferred
from diorama.evaluate.statistics.estimate import Estimate, checked_pair

special, stats = deferred("scipy.special"), deferred("scipy.stats")

Alternative = Literal["two-sided", "greater"]
"""What the evidence is for: the rates differ, or ours is the greater."""
TURNER_GRUNWALD_PRIOR = 0.18
"""Beta parameters that make the evidence grow fast (Turner, Ly & Grünwald 2021, arXiv 2106.02693, section 3)."""


def paired_evidence(
    ours: np.ndarray | Sequence[bool], theirs: np.ndarray | Sequence[bool], alternative: Alternative = "two-sided"
) -> np.ndarray:
    """E-values [N] after each pair of outcomes on the same start, by the pairs that differ.

    Where neither policy is better, a pair that differs is won with probability 1/2; the evidence is the beta-binomial
    mixture against that (uniform over the probability of winning; for "greater" over its upper half). It stays valid
    under any dependence within a pair, and is McNemar's test made sequential. Reject at alpha once it reaches 1/alpha.
    """
    first, second = checked_pair(ours, theirs)
    wins = np.cumsum(first & ~second).astype(np.float64)
    losses = np.cumsum(second & ~first).astype(np.float64)
    log_mixture = special.betaln(wins + 1, losses + 1) + (wins + losses) * np.log(2.0)
    if alternative == "two-sided":
        return np.exp(log_mixture)
    # betainc(losses + 1, wins + 1, 1/2) is the posterior probability that winning is the likelier half.
    return np.exp(log_mixture) * 2.0 * special.betainc(losses + 1, wins + 1, 0.5)


def paired_rates(
    ours: np.ndarray | Sequence[bool], theirs: np.ndarray | Sequence[bool], level: float = 0.95
) -> Estimate:
    """The difference of two rates on the same N starts, with the interval of Agresti and Min (2005).

    Half a pair is added to each of the four outcomes of a pair (Statistics in Medicine 24, 729, section 3), so that
    pairs that never differ do not pass for a certain difference of zero. The estimate is the observed difference.
    """
    first, second = checked_pair(ours, theirs)
    wins, losses = int((first & ~second).sum()), int((second & ~first).sum())
    count = first.size + 2
    middle = (wins - losses) / count
    apart = (wins + losses + 1) / count
    half = float(stats.norm.ppf(0.5 + level / 2)) * np.sqrt((apart - middle**2) / count)
    low, high = max(-1.0, float(middle - half)), min(1.0, float(middle + half))
    return Estimate((wins - losses) / first.size, low, high, first.size, level, "Agresti-Min")


def unpaired_evidence(
    ours: np.ndarray | Sequence[bool], theirs: np.ndarray | Sequence[bool], prior: float = TURNER_GRUNWALD_PRIOR
) -> np.ndarray:
    """E-values [N] that two independent streams of outcomes have different rates (Turner & Grünwald 2023).

    Block t holds one outcome of each. Its e-value is the likelihood of both under rates learned from the blocks before
    (posterior means of a Beta(``prior``, ``prior``)) over their likelihood under the mean of the two rates (Statistics
    & Probability Letters 198, 109835). Valid where the outcomes of a block are independent; on common starts use
    `paired_evidence`, for a negative dependence makes this one grow without cause.
    """
    first, second = checked_pair(ours, theirs)
    rates = [_learned(outcomes, prior) for outcomes in (first, second)]
    common = (rates[0] + rates[1]) / 2
    alternative = _log_likelihood(first, rates[0]) + _log_likelihood(second, rates[1])
    return np.exp(np.cumsum(alternative - _log_likelihood(first, common) - _log_likelihood(second, common)))


def _learned(outcomes: np.ndarray, prior: float) -> np.ndarray:
    """Posterior mean of the rate before each outcome [N]."""
    before = np.cumsum(outcomes) - outcomes
    return (before + prior) / (np.arange(outcomes.size) + 2 * prior)


def _log_likelihood(outcomes: np.ndarray, rate: np.ndarray) -> np.ndarray:
    return special.xlogy(outcomes, rate) + special.xlog1py(1.0 - outcomes, -rate)


def first_crossing(evidence: np.ndarray, alpha: float = 0.05) -> int | None:
    """After how many pairs the evidence [N] first reached 1 / ``alpha``; None where it never did."""
    if not 0.0 < alpha < 1.0:
        raise ConfigError(f"alpha must lie between 0 and 1, got {alpha}.")
    reached = np.flatnonzero(np.asarray(evidence) >= 1.0 / alpha)
    return int(reached[0]) + 1 if reached.size else None


def mcnemar(ours: np.ndarray | Sequence[bool], theirs: np.ndarray | Sequence[bool]) -> float:
    """Exact two-sided p-value of paired outcomes at a fixed N: a sign test of the pairs that differ (McNemar 1947)."""
    first, second = checked_pair(ours, theirs)
    wins, losses = int((first & ~second).sum()), int((second & ~first).sum())
    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def barnard(successes: int, count: int, other_successes: int, other_count: int) -> float:
    """Exact two-sided p-value of two independent rates at fixed counts (Barnard 1945), by SciPy, pooled variance."""
    if min(successes, other_successes, count - successes, other_count - other_successes) < 0 or count * other_count < 1:
        raise ConfigError("Successes must lie between 0 and a count of at least 1; give counts with 0 <= s <= n.")
    table = [[successes, other_successes], [count - successes, other_count - other_successes]]
    if successes + other_successes in (0, count + other_count):
        return 1.0
    return float(np.clip(stats.barnard_exact(table).pvalue, 0.0, 1.0))
