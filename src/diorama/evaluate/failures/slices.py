"""Where in the space of scenario factors a policy fails more than elsewhere: a search over slices, corrected for many.

Slices are conjunctions of ranges of factors, as in SliceLine (Sagadeeva and Boehm 2021, SIGMOD), which is also the
source of the ``score``. Their significance is corrected for all slices that were looked at by the largest standardised
mean under permuted outcomes (Westfall and Young 1993, "Resampling-based multiple testing", max-T), so that the chance
of naming any slice where failures do not depend on the factors is at most ``alpha``.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diorama.core.errors import ConfigError
from diorama.core.lazy import deferred

stats = deferred("scipy.stats")

PERMUTATIONS = 499
WEIGHT = 0.95
"""SliceLine's alpha: how much the error of a slice counts against its size."""


@dataclass(frozen=True)
class Range:
    """A condition: ``low <= factor <= high``."""

    factor: str
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.factor} in [{self.low:.4g}, {self.high:.4g}]"


@dataclass(frozen=True)
class Slice:
    """A part of the scenarios: its conditions, ``count`` episodes of which the mean error is ``error``.

    [``low``, ``high``] is the 95 % interval of the error (Wilson's for outcomes of 0 and 1, else Student's; it is not
    corrected for the search). ``rest``: the mean error outside. ``p_value``: corrected for the whole search. ``score``:
    SliceLine's.
    """

    conditions: tuple[Range, ...]
    count: int
    error: float
    low: float
    high: float
    rest: float
    score: float
    p_value: float

    def __str__(self) -> str:
        return " and ".join(str(one) for one in self.conditions)


def find_slices(
    error: np.ndarray,
    factors: Mapping[str, np.ndarray],
    *,
    bins: int = 4,
    level: int = 2,
    support: int = 10,
    alpha: float = 0.05,
    most: int = 10,
    seed: int = 0,
) -> list[Slice]:
    """The slices with significantly more error than the rest, the strongest first.

    Args:
        error: one number in [0, 1] for each episode ``[N]``: 1 for a failure, or 1 minus a score.
        factors: the scenario by name, float64 ``[N]``.
        bins: ranges that each factor is cut into, at its quantiles; a factor with fewer values has one for each.
        level: at most so many conditions.
        support: at least so many episodes in a slice.
        alpha: chance of naming anything where nothing is.
        most: at most so many slices. One that adds a condition to a named one without a larger mean is left out.
        seed: of the permutations.

    Raises:
        ConfigError: for lengths that do not match, and errors outside of [0, 1].
    """
    values = _checked(error, factors)
    if len(values) < 2 * support or np.ptp(values) == 0:
        return []
    conditions = [one for name, column in factors.items() for one in _ranges(name, column, bins)]
    names, members = _conjunctions(conditions, factors, level, support)
    if not names:
        return []
    observed, adjusted = _max_t(values, members, seed)
    order = [i for i in np.argsort(-observed, kind="stable") if adjusted[i] <= alpha]
    found: list[Slice] = []
    for index in order:
        slice_ = _described(names[index], members[index], values, float(adjusted[index]))
        if len(found) < most and not any(_refines(slice_, known) for known in found):
            found.append(slice_)
    return found


def _checked(error: np.ndarray, factors: Mapping[str, np.ndarray]) -> np.ndarray:
    values = np.asarray(error, np.float64)
    wrong = sorted(name for name, column in factors.items() if np.shape(column) != values.shape)
    if values.ndim != 1 or wrong or not np.isfinite(values).all() or (values < 0).any() or (values > 1).any():
        raise ConfigError(
            f"Give one error in [0, 1] for each episode and factors as long; wrong: {wrong or 'the error'}."
        )
    return values


def _ranges(name: str, column: np.ndarray, bins: int) -> list[Range]:
    """The ranges of one factor: each of its values where they are few, else between quantiles; none for a constant."""
    known = np.unique(np.asarray(column, np.float64))
    if len(known) < 2:
        return []
    if len(known) <= bins:
        return [Range(name, float(value), float(value)) for value in known]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)))
    found = []
    for low, high in itertools.pairwise(edges):
        inside = known[(known >= low) & ((known < high) | (high == edges[-1]))]
        if inside.size:
            found.append(Range(name, float(inside[0]), float(inside[-1])))
    return found


def _conjunctions(
    conditions: list[Range], factors: Mapping[str, np.ndarray], level: int, support: int
) -> tuple[list[tuple[Range, ...]], np.ndarray]:
    """All conjunctions of enough episodes but not of all, and their members ``[S, N]``, level by level.

    A conjunction has at most the episodes of each of its parts, so only parts with enough are joined.
    """
    single = {}
    for one in conditions:
        column = np.asarray(factors[one.factor], np.float64)
        single[one] = (column >= one.low) & (column <= one.high)
    place = {one: number for number, one in enumerate(conditions)}
    current = {(one,): mask for one, mask in single.items() if mask.sum() >= support}
    names, members = list(current), list(current.values())
    for _ in range(level - 1):
        grown = {}
        for parts, mask in current.items():
            for one, other in single.items():
                if place[one] <= place[parts[-1]] or one.factor in {part.factor for part in parts}:
                    continue
                both = mask & other
                if both.sum() >= support:
                    grown[(*parts, one)] = both
        names += list(grown)
        members += list(grown.values())
        current = grown
    kept = [i for i, mask in enumerate(members) if not mask.all()]
    return [names[i] for i in kept], np.array([members[i] for i in kept], bool)


def _max_t(values: np.ndarray, members: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The standardised mean of each slice ``[S]``, and the p-value corrected for the search ``[S]``."""
    rng, count = np.random.default_rng(seed), len(values)
    size = members.sum(axis=1)
    # The standard deviation of the mean of so many drawn without replacement.
    scale = values.std() * np.sqrt((count - size) / (size * (count - 1)))
    weights = members / (size * scale)[:, None]
    centred = values - values.mean()
    observed = weights @ centred
    shuffled = np.stack([rng.permutation(centred) for _ in range(PERMUTATIONS)], axis=1)
    largest = np.sort((weights @ shuffled).max(axis=0))
    above = PERMUTATIONS - np.searchsorted(largest, observed - 1e-9, side="left")
    return observed, (1 + above) / (1 + PERMUTATIONS)


def _described(conditions: tuple[Range, ...], mask: np.ndarray, values: np.ndarray, p_value: float) -> Slice:
    inside, outside = values[mask], values[~mask]
    mean, count = float(inside.mean()), int(mask.sum())
    score = WEIGHT * (mean / values.mean() - 1) - (1 - WEIGHT) * (len(values) / count - 1)
    return Slice(conditions, count, mean, *_interval(inside), float(outside.mean()), float(score), p_value)


def _interval(inside: np.ndarray) -> tuple[float, float]:
    if np.isin(inside, (0, 1)).all():
        interval = stats.binomtest(int(inside.sum()), inside.size).proportion_ci(0.95, method="wilson")
        return float(interval.low), float(interval.high)
    half = stats.t.ppf(0.975, inside.size - 1) * inside.std(ddof=1) / np.sqrt(inside.size)
    return float(inside.mean() - half), float(inside.mean() + half)


def _refines(slice_: Slice, known: Slice) -> bool:
    return set(known.conditions) < set(slice_.conditions) and slice_.error <= known.error
