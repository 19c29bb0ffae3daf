"""Which real trials to do next: draws of two purses from one list of starts, with their probabilities and reasons."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diorama.core.errors import ConfigError
from diorama.evaluate.statistics.allocation import neyman
from diorama.evaluate.statistics.purses import aimed_chances, draw_systematic, estimation_draws, union_probability

ESTIMATION, DISCOVERY = "estimation", "discovery"
DISAGREEMENT = "disagreement"
MANY = 50
"""Starts of the estimation purse from which strata are estimated apart; below, one stratum and a bound for any n."""
POWER = 0.5
"""Weight of the imagined scores that is fixed beforehand, where the trials are too few to tune it."""
_SMALLEST, _FLOOR = 10, 5


@dataclass(frozen=True, eq=False)
class Request:
    """What is known of M starts before a trial is done.

    ``seeds`` [M] name the starts. ``imagined`` [K, W, M] in [0, 1]: the score of K policies in W worlds. ``signals``:
    for each reason to look closer a value of at least 0 for each start [M]; disagreement of the worlds is added here.
    """

    seeds: np.ndarray
    imagined: np.ndarray
    signals: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        shapes = {np.shape(signal) for signal in self.signals.values()} | {np.shape(self.seeds)}
        if np.ndim(self.imagined) != 3 or shapes != {np.shape(self.imagined)[2:]}:
            raise ConfigError("A plan needs one value of every world, policy and signal for each start.")


@dataclass(frozen=True)
class Trial:
    """A start to be tried by every policy. ``probability``: of being drawn by its purse; ``either``: by any of the two.

    ``reasons``: why discovery drew it, strongest first.
    """

    seed: int
    purse: str
    stratum: int
    probability: float
    either: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrialPlan:
    """The list of starts and the trials drawn from it.

    ``strata`` and ``imagined`` (mean score over worlds, a row for each policy) are by start, as ``seeds``.
    ``method``, ``power`` and ``level`` of the estimate are fixed before an outcome is known; ``rng_seed`` repeats the
    draw.
    """

    seeds: tuple[int, ...]
    strata: tuple[int, ...]
    imagined: tuple[tuple[float, ...], ...]
    trials: tuple[Trial, ...]
    method: str
    power: float
    level: float
    rng_seed: int

    def count(self, purse: str) -> int:
        """How many starts a purse pays."""
        return sum(trial.purse == purse for trial in self.trials)


def plan_trials(
    request: Request, estimation: int, discovery: int, *, rng_seed: int = 0, level: float = 0.95
) -> TrialPlan:
    """Draw the starts of both purses. A start that both draw is tried once, and the estimation purse pays it.

    Estimation: simple random within strata of the imagined score, counts by Neyman's rule. Discovery: in proportion to
    the signals, a tenth of it evenly. Raises `ConfigError` where the list has too few starts.
    """
    size = len(request.seeds)
    if not 0 < estimation + discovery or max(estimation, discovery) > size:
        raise ConfigError(
            f"{estimation} and {discovery} of {size} starts cannot be drawn; ask for fewer or imagine more starts."
        )
    imagined = np.asarray(request.imagined, np.float64).mean(axis=1)
    strata = _strata(imagined.mean(axis=0)) if estimation >= MANY else np.zeros(size, int)
    signals = _signals(request)
    drawn = _drawn(strata, imagined.mean(axis=0), signals, (estimation, discovery), rng_seed)
    trials = _merged(request, strata, drawn, signals)
    method = "stratified" if estimation >= MANY else "bounded"
    return TrialPlan(
        tuple(int(seed) for seed in request.seeds),
        tuple(int(one) for one in strata),
        tuple(tuple(map(float, row)) for row in imagined),
        trials,
        method,
        POWER,
        level,
        rng_seed,
    )


def _drawn(
    strata: np.ndarray, imagined: np.ndarray, signals: Mapping[str, np.ndarray], counts: tuple[int, int], seed: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By purse the places drawn and the chances; the purses draw independently of each other."""
    first, second = (np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(2))
    return {
        ESTIMATION: _estimation(strata, imagined, counts[0], first),
        DISCOVERY: _discovery(signals, counts[1], second),
    }


def _strata(imagined: np.ndarray) -> np.ndarray:
    """Starts that the worlds fail, that they differ on, and that they pass; small strata join their neighbour."""
    strata = np.digitize(imagined, (1 / 3, 2 / 3))
    for label, into in ((0, 1), (2, 1), (1, 2)):
        if 0 < (strata == label).sum() < _SMALLEST:
            strata[strata == label] = into
    return np.unique(strata, return_inverse=True)[1]


def _estimation_counts(strata: np.ndarray, imagined: np.ndarray, count: int) -> dict[int, int]:
    """Starts for each stratum, by the spread that its imagined rate would have."""
    labels, sizes = np.unique(strata, return_counts=True)
    rates = np.array([np.clip(imagined[strata == label].mean(), 0.1, 0.9) for label in labels])
    floor = max(1, min(_FLOOR, count // len(labels)))
    spreads = np.sqrt(rates * (1 - rates))
    shares = (sizes / sizes.sum()).tolist()
    found = neyman(shares, spreads.tolist(), float(count), sizes=sizes.tolist(), floor=floor)
    return {int(label): n for label, n in zip(labels, found.counts, strict=True)}


def _estimation(
    strata: np.ndarray, imagined: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The starts drawn, as places in the list, and the chance of every start [M]."""
    chances = np.zeros(strata.size)
    if not count:
        return np.zeros(0, int), chances
    counts = _estimation_counts(strata, imagined, count)
    for label, n in counts.items():
        chances[strata == label] = n / (strata == label).sum()
    return estimation_draws(strata, counts, rng).index, chances


def _discovery(
    signals: Mapping[str, np.ndarray], count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The same for the other purse."""
    if not count:
        return np.zeros(0, int), np.zeros(len(next(iter(signals.values()))))
    chances = aimed_chances(signals, {name: 1.0 / len(signals) for name in signals}, count)
    return draw_systematic(chances, rng), chances


def _signals(request: Request) -> dict[str, np.ndarray]:
    """Disagreement is the variance over worlds, 1 where half of them say 0 and half say 1."""
    spread = 4.0 * np.asarray(request.imagined, np.float64).var(axis=1).mean(axis=0)
    return {DISAGREEMENT: spread, **{name: np.asarray(one, np.float64) for name, one in request.signals.items()}}


def _reasons(signals: Mapping[str, np.ndarray], place: int) -> tuple[str, ...]:
    """The signals that are above their mean at a start, strongest first."""
    strong = {name: one[place] / one.mean() for name, one in signals.items() if one.any()}
    named = sorted((name for name, share in strong.items() if share > 1.0), key=lambda name: -strong[name])
    return tuple(named) or ("drawn evenly",)


def _merged(
    request: Request, strata: np.ndarray, drawn: Mapping[str, tuple], signals: Mapping[str, np.ndarray]
) -> tuple[Trial, ...]:
    (first, chances), (second, aimed) = drawn[ESTIMATION], drawn[DISCOVERY]
    either = union_probability(chances, aimed)

    def trial(place: int, purse: str, probability: float, reasons: tuple[str, ...]) -> Trial:
        seed, stratum = int(request.seeds[place]), int(strata[place])
        return Trial(seed, purse, stratum, probability, float(either[place]), reasons)

    paid = set(first.tolist())
    estimated = [trial(k, ESTIMATION, float(chances[k]), ()) for k in first.tolist()]
    found = [k for k in second.tolist() if k not in paid]
    aimed_at = [trial(k, DISCOVERY, float(aimed[k]), _reasons(signals, k)) for k in found]
    return (*estimated, *aimed_at)
