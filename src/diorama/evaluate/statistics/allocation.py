"""Where to spend real episodes: cost-aware Neyman allocation over strata, with a floor."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diorama.core.errors import ConfigError


@dataclass(frozen=True)
class Allocation:
    """Episodes for each stratum, the chance of each of its starts to be drawn (1 without a list), and the cost."""

    counts: tuple[int, ...]
    probabilities: tuple[float, ...]
    cost: float


def neyman(
    weights: Sequence[float],
    deviations: Sequence[float],
    budget: float,
    *,
    costs: Sequence[float] | None = None,
    sizes: Sequence[int] | None = None,
    floor: int = 2,
) -> Allocation:
    """Counts that make the variance of the stratified mean least for a budget: n_h ~ W_h sigma_h / sqrt(c_h).

    ``weights`` W_h: shares of the deployment distribution, ``deviations`` sigma_h: standard deviations (of the
    residual, where predictions help), ``costs`` c_h of one episode in the units of ``budget``, ``sizes``: starts on
    the list of each stratum. Every stratum gets ``floor`` episodes first; each next one goes where it lowers the
    variance most for its cost, which is Neyman's rule in whole episodes (Neyman 1934; Cochran 1977, chapter 5). Raises
    `ConfigError` where the budget does not pay the floor.
    """
    count = len(weights)
    prices = np.ones(count) if costs is None else np.asarray(costs, np.float64)
    limits = [None] * count if sizes is None else list(sizes)
    gains = (np.asarray(weights, np.float64) * np.asarray(deviations, np.float64)) ** 2
    _check(gains, prices, limits, floor)
    counts = [floor if limit is None else min(floor, limit) for limit in limits]
    left = budget - float(prices @ counts)
    if left < 0:
        raise ConfigError(
            f"A budget of {budget} does not pay {floor} episodes in each stratum; raise it or merge strata."
        )
    left = _spend(counts, gains, prices, limits, left)
    probabilities = tuple(1.0 if s is None else n / s for n, s in zip(counts, limits, strict=True))
    return Allocation(tuple(counts), probabilities, float(budget - left))


def _spend(counts: list[int], gains: np.ndarray, prices: np.ndarray, limits: list, left: float) -> float:
    """Add episodes to ``counts`` one by one; returns what is left of the budget."""

    def entry(stratum: int) -> tuple[float, int]:
        n = counts[stratum]
        return -float(gains[stratum] / (n * (n + 1)) / prices[stratum]), stratum

    queue = [entry(stratum) for stratum in range(len(counts))]
    heapq.heapify(queue)
    while queue:
        gain, stratum = heapq.heappop(queue)
        full = limits[stratum] is not None and counts[stratum] >= limits[stratum]
        if gain == 0.0 or full or prices[stratum] > left + 1e-9:
            continue
        counts[stratum] += 1
        left -= float(prices[stratum])
        heapq.heappush(queue, entry(stratum))
    return left


def _check(gains: np.ndarray, prices: np.ndarray, limits: list, floor: int) -> None:
    if gains.ndim != 1 or gains.size == 0 or prices.shape != gains.shape or len(limits) != gains.size:
        raise ConfigError("Weights, deviations, costs and sizes need one value for each stratum.")
    if not np.isfinite(gains).all() or not (prices > 0).all() or floor < 1:
        raise ConfigError("Deviations must be finite, costs above 0 and the floor at least 1.")
    if any(limit is not None and limit < 1 for limit in limits):
        raise ConfigError("A stratum without starts cannot be estimated; leave it out and say so.")
