"""Two purses for real episodes, as pure functions: one to estimate, one to discover.

The estimation purse draws from the declared deployment distribution with known probabilities. The discovery purse aims
where worlds disagree or trust is low; it may enter an estimate only by its recorded probabilities (`weighted_mean`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diorama.core.errors import ConfigError

BLIND_SHARE = 0.1
"""Of the discovery purse that is spread evenly, so that every start can be drawn and no signal is trusted fully."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Starts to try, ``index`` [n] into the list in random order, the ``probability`` [n] each had, and the purse."""

    index: np.ndarray
    probability: np.ndarray
    purse: str


def estimation_draws(strata: np.ndarray, counts: Mapping[int, int], rng: np.random.Generator) -> Draws:
    """Simple random draws within each stratum. ``strata`` [M] names the stratum of each start of the list.

    ``counts`` episodes for each stratum come from `neyman`; a stratum of the list without a count is refused, because
    the estimate would be silent about it.
    """
    labels = np.asarray(strata)
    missing = sorted(set(labels.tolist()) - {name for name, count in counts.items() if count > 0})
    if missing:
        raise ConfigError(
            f"Strata {missing} get no episode, so the mean over the list is unknown; give each at least one."
        )
    chances = np.zeros(labels.size)
    for name, count in counts.items():
        members = labels == name
        if count > members.sum():
            raise ConfigError(f"Stratum {name} has {members.sum()} starts and cannot give {count} episodes.")
        chances[members] = count / max(members.sum(), 1)
    picked = [rng.choice(np.flatnonzero(labels == name), count, replace=False) for name, count in counts.items()]
    index = rng.permutation(np.concatenate(picked))
    return Draws(index, chances[index], "estimation")


def discovery_draws(
    signals: Mapping[str, np.ndarray],
    weights: Mapping[str, float],
    count: int,
    rng: np.random.Generator,
    blind: float = BLIND_SHARE,
) -> Draws:
    """Draws aimed at high signals. ``signals``: for each reason (disagreement, 1 - trust, 1 - coverage, touched by a
    recent patch) a non-negative value for each start [M]; ``weights``: how much of the purse each reason gets.

    Every signal is normalised to sum to 1, so that no unit decides. A signal that is zero everywhere points nowhere
    and its weight goes to the others.
    """  # noqa: D205
    chances = aimed_chances(signals, weights, count, blind)
    index = draw_systematic(chances, rng)
    return Draws(index, chances[index], "discovery")


def aimed_chances(
    signals: Mapping[str, np.ndarray], weights: Mapping[str, float], count: int, blind: float = BLIND_SHARE
) -> np.ndarray:
    """The probability of every start [M] to be among the ``count`` draws of `discovery_draws`."""
    if set(signals) != set(weights) or not signals:
        raise ConfigError(f"Signals {sorted(signals)} and weights {sorted(weights)} must name the same reasons.")
    shares = {name: _normalised(name, values) for name, values in signals.items()}
    total = sum(weights[name] for name, share in shares.items() if share.any())
    size = len(next(iter(shares.values())))
    even = np.full(size, 1.0 / size)
    aimed = sum(weights[name] / total * share for name, share in shares.items()) if total > 0 else even
    return inclusion(blind * even + (1.0 - blind) * aimed, count)


def _normalised(name: str, values: np.ndarray) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not np.isfinite(array).all() or (array < 0).any():
        raise ConfigError(f"Signal {name!r} must be a vector of finite values of at least 0.")
    return array / array.sum() if array.any() else array


def inclusion(sizes: np.ndarray, count: int) -> np.ndarray:
    """Probabilities [M] that sum to ``count`` in proportion to ``sizes`` [M], none above 1."""
    sizes = np.asarray(sizes, np.float64)
    if not 1 <= count <= np.count_nonzero(sizes):
        raise ConfigError(f"{count} draws from {np.count_nonzero(sizes)} starts is impossible; ask for fewer.")
    certain = np.zeros(sizes.size, bool)
    while True:
        rest = np.where(certain, 0.0, sizes)
        chances = np.where(certain, 1.0, rest * (count - certain.sum()) / max(rest.sum(), 1e-300))
        over = chances > 1.0
        if not over.any():
            return chances
        certain |= over


def draw_systematic(chances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Indices [n] drawn without replacement, each with exactly its chance (Madow 1949), from the list in random order.

    ``chances`` [M] sum to the whole number n.
    """
    order = rng.permutation(len(chances))
    steps = np.cumsum(np.asarray(chances)[order])
    count = round(float(steps[-1]))
    if abs(steps[-1] - count) > 1e-6:
        raise ConfigError(f"The chances sum to {steps[-1]}, not to a whole number of draws; make them by `inclusion`.")
    # Rounding may leave the last step short of the count; the last mark must still find a start.
    marks = np.minimum(rng.uniform() + np.arange(count), steps[-1] * (1.0 - 1e-12))
    return rng.permutation(order[np.searchsorted(steps, marks, side="right")])


def union_probability(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The probability of a start to be drawn by at least one of two purses that draw independently."""
    return 1.0 - (1.0 - np.asarray(first)) * (1.0 - np.asarray(second))
