"""The mean of bounded scores by betting, with no assumption on their shape: the hedged capital process.

Waudby-Smith & Ramdas (2020, "Estimating means of bounded random variables by betting", arXiv 2010.09686, theorem 3).
For each candidate mean m two gamblers bet, one that the mean is above m and one that it is below; their capital is a
martingale when m is the mean. Means at which half the capital of either reached 1 / alpha are refuted.
"""

from collections.abc import Sequence

import numpy as np

from diorama.evaluate.statistics.estimate import Estimate, checked_bounded

SECTIONS, ROUNDS = 16, 12
"""A bracket is cut into sections, and again: 16^12 is a precision of 4e-15."""
SEQUENTIAL_TRUNCATION = 0.5
FIXED_TRUNCATION = 0.75
"""A gambler stakes at most this share of what a single score could cost (section B of the paper)."""


def betting_mean(
    scores: np.ndarray | Sequence[float],
    level: float = 0.95,
    *,
    low: float = 0.0,
    high: float = 1.0,
    sequential: bool = True,
) -> Estimate:
    """Mean of scores [N] in [``low``, ``high``] and an interval that covers at ``level`` for any distribution and N.

    With ``sequential`` it may be read after every score, in the order of play; without, the bets suit an N fixed
    before the first score and the interval is narrower. Scores must be independent with one mean, or a martingale's.
    """
    values = checked_bounded(scores, low, high, level)
    unit = (values - low) / (high - low)
    bets = _bets(unit, level, sequential)
    lower = _lower(unit, bets, level, sequential)
    upper = 1.0 - _lower(1.0 - unit, bets, level, sequential)
    width, method = high - low, "betting sequence" if sequential else "betting"
    return Estimate(
        float(values.mean()),
        low + width * min(lower, upper),
        low + width * max(lower, upper),
        values.size,
        level,
        method,
    )


def betting_path(
    scores: np.ndarray | Sequence[float],
    level: float = 0.95,
    *,
    low: float = 0.0,
    high: float = 1.0,
    grid: int = 512,
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds [N] after each score, rounded outward to a grid of ``grid`` steps."""
    unit = (checked_bounded(scores, low, high, level) - low) / (high - low)
    bets = _bets(unit, level, True)
    lower = _lower_path(unit, bets, level, grid)
    upper = 1.0 - _lower_path(1.0 - unit, bets, level, grid)
    return low + (high - low) * lower, low + (high - low) * upper


def _bets(unit: np.ndarray, level: float, sequential: bool) -> np.ndarray:
    """Stakes [N]; each looks only at the scores before it. The same for both gamblers."""
    times = np.arange(1, unit.size + 1)
    means = (0.5 + np.cumsum(unit)) / (times + 1)
    variances = (0.25 + np.cumsum((unit - means) ** 2)) / (times + 1)
    before = np.concatenate([[0.25], variances[:-1]])
    horizon = times * np.log1p(times) if sequential else np.full(unit.size, float(unit.size))
    return np.sqrt(2.0 * np.log(2.0 / (1.0 - level)) / (before * horizon))


def _capital(unit: np.ndarray, bets: np.ndarray, mean: np.ndarray, truncation: float) -> np.ndarray:
    """Log capital [..., N] of the gambler who bets that the mean is above ``mean`` [..., 1]; it falls with ``mean``."""
    stakes = np.minimum(bets, truncation / np.maximum(mean, 1e-12))
    return np.cumsum(np.log1p(stakes * (unit - mean)), axis=-1)


def _lower(unit: np.ndarray, bets: np.ndarray, level: float, sequential: bool) -> float:
    """The largest mean that is refuted from below, 0 where none is; by sections of ever smaller brackets."""
    truncation = SEQUENTIAL_TRUNCATION if sequential else FIXED_TRUNCATION
    threshold = np.log(2.0 / (1.0 - level))
    below, above = 0.0, 1.0
    for _ in range(ROUNDS):
        candidates = np.linspace(below, above, SECTIONS + 1)
        capital = _capital(unit, bets, candidates[1:-1, None], truncation).max(axis=-1)
        refuted = int((capital >= threshold).sum())
        below, above = float(candidates[refuted]), float(candidates[refuted + 1])
    return below


def _lower_path(unit: np.ndarray, bets: np.ndarray, level: float, grid: int) -> np.ndarray:
    candidates = np.linspace(0.0, 1.0, grid + 1)
    capital = _capital(unit, bets, candidates[:, None], SEQUENTIAL_TRUNCATION)
    refuted = np.maximum.accumulate(capital, axis=-1) >= np.log(2.0 / (1.0 - level))
    # Refuted means are the first so many candidates, so that their number gives the last of them.
    return candidates[np.maximum(refuted.sum(axis=0) - 1, 0)]
