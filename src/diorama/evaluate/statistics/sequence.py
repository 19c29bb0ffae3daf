"""A success rate that may be looked at after every episode: the beta-binomial mixture confidence sequence.

Under the rate p the ratio M_n(p) = B(a + s, b + n - s) / (B(a, b) p^s (1 - p)^(n - s)) of s successes in n episodes is
a martingale that starts at 1, so it ever reaches 1 / alpha with probability at most alpha (Ville). The rates it has
not refuted hold at all n at once (Robbins 1970, Ann. Math. Stat. 41; Howard et al. 2021, Ann. Stat. 49).
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import betaln, xlog1py, xlogy

from diorama.evaluate.statistics.estimate import Estimate, checked_bounded, checked_counts, checked_level

HALVINGS = 60
"""Of the unit interval, to the precision of a float64."""


def beta_binomial(successes: int, count: int, level: float = 0.95, prior: tuple[float, float] = (1.0, 1.0)) -> Estimate:
    """The interval after ``count`` episodes, valid whenever one stops and however one decided to."""
    checked_counts(successes, count, level)
    low, high = _bounds(np.array([successes]), np.array([count]), level, prior)
    return Estimate(successes / count, float(low[0]), float(high[0]), count, level, "beta-binomial sequence")


def beta_binomial_path(
    outcomes: np.ndarray | Sequence[bool], level: float = 0.95, prior: tuple[float, float] = (1.0, 1.0)
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds [N] after each of the outcomes [N]: the intersection of all intervals so far."""
    values = checked_bounded(outcomes, 0.0, 1.0, level)
    counts = np.arange(1, values.size + 1)
    low, high = _bounds(np.cumsum(values), counts, level, prior)
    return np.maximum.accumulate(low), np.minimum.accumulate(high)


def _bounds(
    successes: np.ndarray, counts: np.ndarray, level: float, prior: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    threshold = -np.log1p(-checked_level(level))
    failures = counts - successes
    mixture = betaln(prior[0] + successes, prior[1] + failures) - betaln(*prior)

    def refuted(rate: np.ndarray) -> np.ndarray:
        return mixture - xlogy(successes, rate) - xlog1py(failures, -rate) >= threshold

    # The likelihood rises up to the observed rate and falls after it, so each side holds one crossing.
    middle = successes / counts
    return _crossing(refuted, np.zeros_like(middle), middle), _crossing(refuted, np.ones_like(middle), middle)


def _crossing(refuted, outside: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Where the refuted rates beside ``outside`` end; ``outside`` itself where it is not refuted."""
    edge_stays = ~refuted(outside)
    outer, inner = outside, inside
    for _ in range(HALVINGS):
        middle = (outer + inner) / 2
        gone = refuted(middle)
        outer, inner = np.where(gone, middle, outer), np.where(gone, inner, middle)
    return np.where(edge_stays, outside, outer)
