"""Does a model know how wrong it may be: many imagined futures of each window, and where the truth lies among them.

Every entry of the observation is judged alone, in standard deviations of the data. Sources: rank histograms, Hamill
2001 (Monthly Weather Review 129); probability integral transform, Gneiting, Balabdaoui and Raftery 2007; the fair
continuous ranked probability score, Ferro 2014 (QJRMS 140); spread and skill, Fortin et al. 2014 (Journal of
Hydrometeorology 15).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diorama.core import WorldModel
from diorama.exam.bootstrap import Bootstrap, ErrorCurve
from diorama.exam.errors import Scales, is_picture
from diorama.exam.stretches import Seen, Stretches, copied, draws_of

HORIZONS = (1, 5, 10, 20)
LEVELS = (0.5, 0.8, 0.9, 0.95)
BINS = 10
PIXELS = 256
"""Pixels of each picture that are judged, drawn by chance."""
_SAME = 1e-5
"""Differences below this many standard deviations are rounding, not differences."""


@dataclass(frozen=True)
class Calibration:
    """What the draws say, at ``horizon`` ``[H]`` steps; every curve is ``[H]``, errors in standard deviations.

    ``coverage``: by nominal level ("0.9"), how often the central interval of that level holds the truth; only levels
    that ``draws`` draws can express, and the widest they can. ``verdict``: one word for each horizon, from the coverage
    at the level ``judged`` and from ``spread_skill``: "overconfident" or "underconfident" where an interval excludes
    what it should hold, "mixed" where the two disagree, "calibrated" where nothing is shown. ``histogram``
    ``[H, 10]``: the share of truths in each tenth of the predictive distribution, 0.1 everywhere where it is
    calibrated. ``crps``: the continuous ranked probability score; ``point_errors``: the mean absolute error of point
    forecasts, which is their CRPS, among them the model's own ("median of the draws"); ``gain``: CRPS minus that of the
    median, window by window (below 0: the spread is worth having). ``skill``: the root mean square error of the mean of
    the draws; ``spread_skill``: spread over skill, 1 for a calibrated model, less for an overconfident one.
    """

    horizon: np.ndarray
    draws: int
    windows: int
    coverage: dict[str, ErrorCurve]
    judged: float
    verdict: tuple[str, ...]
    histogram: np.ndarray
    crps: ErrorCurve
    point_errors: dict[str, ErrorCurve]
    gain: ErrorCurve
    skill: ErrorCurve
    spread_skill: ErrorCurve


def calibrate(
    model: WorldModel,
    stretches: Stretches,
    groups: np.ndarray,
    scales: Scales,
    baselines: Mapping[str, WorldModel],
    *,
    draws: int,
    drawn: int,
) -> Calibration | None:
    """The calibration over about ``drawn`` of the windows; None where every draw is the same (a point forecast).

    ``baselines``: models whose absolute error stands beside, besides copying.
    """
    rows = _some(len(groups), drawn, groups)
    steps = np.array([h for h in HORIZONS if h <= stretches.real.shape[1]])
    view = _View.of(scales, steps, stretches.seed)
    rng = np.random.default_rng(stretches.seed)
    first, second = (view(stretches.imagined(m, rows[: stretches.size], draw=d)[0]) for m, d in draws_of(model, 2))
    if np.abs(second - first).max() < _SAME:
        return None
    parts = [_judge_chunk(model, stretches, chunk, view, baselines, draws, rng) for chunk in stretches.chunks(rows)]
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    count = len(draws_of(model, draws))
    return _summary(found, count, steps, stretches.real[rows][:, steps - 1], Bootstrap.of(groups[rows], stretches.seed))


def _judge_chunk(
    model: WorldModel,
    stretches: Stretches,
    rows: np.ndarray,
    view: "_View",
    baselines: Mapping[str, WorldModel],
    draws: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Scores of some windows at each horizon, means over the entries, ``[n, H]`` by name."""
    samples = np.stack([view(stretches.imagined(m, rows, draw=d)[0]) for m, d in draws_of(model, draws)])
    real = view(stretches.followed(rows))
    points = {name: view(stretches.imagined(other, rows)[0]) for name, other in baselines.items()}
    points |= {"copy_last": view(copied(stretches, rows)), "median of the draws": np.median(samples, axis=0)}
    found = {f"point {name}": view.mean(np.abs(guess - real)) for name, guess in points.items()}
    return found | judged(samples, real, view.weights, rng)


def judged(
    samples: np.ndarray, real: np.ndarray, weights: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Scores of ``samples`` ``[S, n, H, E]`` about ``real`` ``[n, H, E]``, averaged over the entries by ``weights``.

    Coverage by nominal level, the histogram's tenths, crps, and the squares of spread and skill, each ``[n, H]``.
    """
    count = len(samples)
    rank = ranks(samples, real, rng)
    found = {"crps": fair_crps(samples, real)}
    for level in levels(count):
        found[f"level {level:g}"] = share(rank, count, 0.5 - level / 2, 0.5 + level / 2)
    for place in range(BINS):
        found[f"bin {place}"] = share(rank, count, place / BINS, (place + 1) / BINS)
    # A truth like the draws is farther from their mean than the mean of infinitely many is: hence (S + 1) / S.
    found["spread"] = samples.var(axis=0, ddof=1) * (count + 1) / count
    found["skill"] = (samples.mean(axis=0) - real) ** 2
    return {name: np.average(values, axis=-1, weights=weights) for name, values in found.items()}


def ranks(samples: np.ndarray, real: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How many of the S draws lie below the truth, 0 .. S, ties broken by chance: ``[S, ...]`` and ``[...]``."""
    below = (samples < real - _SAME).sum(axis=0)
    tied = (np.abs(samples - real) <= _SAME).sum(axis=0)
    return below + rng.integers(0, tied + 1)


def share(rank: np.ndarray, draws: int, low: float, high: float) -> np.ndarray:
    """How much of the truth's place in the predictive distribution lies between the quantiles ``low`` and ``high``.

    S draws cut the distribution into S + 1 parts of equal probability; rank r says only that the truth is in part r. So
    the share is the overlap of that part with the interval: 0 or 1 where the interval's ends fall between two parts.
    """
    parts = draws + 1
    overlap = np.minimum(high, (rank + 1) / parts) - np.maximum(low, rank / parts)
    return np.clip(overlap * parts, 0.0, 1.0)


def levels(draws: int) -> tuple[float, ...]:
    """The nominal levels that so many draws can express: from their smallest to their largest is (S - 1) / (S + 1)."""
    widest = (draws - 1) / (draws + 1)
    return tuple(sorted({level for level in LEVELS if level <= widest + 1e-9} | {round(widest, 4)}))


def fair_crps(samples: np.ndarray, real: np.ndarray) -> np.ndarray:
    """The continuous ranked probability score of S draws, unbiased by their number: ``[S, ...]``, ``[...]``."""
    count = len(samples)
    place = (2 * np.arange(1, count + 1) - count - 1).reshape(-1, *[1] * real.ndim)
    pairs = np.sum(place * np.sort(samples, axis=0), axis=0)
    return np.abs(samples - real).mean(axis=0) - pairs / (count * (count - 1))


@dataclass(frozen=True)
class _View:
    """Cuts observations to the horizons and entries judged: ``[n, T, ...]`` by name to ``[n, H, E]``."""

    steps: np.ndarray
    places: dict[str, np.ndarray]
    scales: dict[str, np.ndarray]
    weights: np.ndarray

    @staticmethod
    def of(scales: Scales, steps: np.ndarray, seed: int) -> "_View":
        rng, places, stds, weights = np.random.default_rng(seed), {}, {}, []
        for name, std in scales.std.items():
            array = scales.spec.observation[name]
            chosen = np.arange(array.size)
            if is_picture(array) and array.size > PIXELS:
                chosen = np.sort(rng.choice(array.size, PIXELS, replace=False))
            places[name], stds[name] = chosen, np.broadcast_to(std, array.shape).reshape(-1)[chosen]
            weights.append(np.full(len(chosen), scales.weight(name) / len(chosen)))
        return _View(steps, places, stds, np.concatenate(weights))

    def __call__(self, observation: Seen) -> np.ndarray:
        parts = []
        for name, place in self.places.items():
            values = observation[name][:, self.steps - 1]
            parts.append(values.reshape(*values.shape[:2], -1)[..., place] / self.scales[name])
        return np.concatenate(parts, axis=-1)

    def mean(self, values: np.ndarray) -> np.ndarray:
        return np.average(values, axis=-1, weights=self.weights)


def _some(count: int, wanted: int, groups: np.ndarray) -> np.ndarray:
    """About ``wanted`` windows, evenly spaced; all where those would be of one group."""
    rows = np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int))
    return rows if len(np.unique(groups[rows])) > 1 else np.arange(count)


def _summary(
    found: dict[str, np.ndarray], draws: int, steps: np.ndarray, real: np.ndarray, bootstrap: Bootstrap
) -> Calibration:
    coverage = {f"{level:g}": bootstrap.mean(found[f"level {level:g}"], real) for level in levels(draws)}
    judged_by = max((level for level in levels(draws) if level <= 0.9), default=levels(draws)[0])
    points = {name.removeprefix("point "): found[name] for name in found if name.startswith("point ")}
    spread = bootstrap.ratio(found["spread"], found["skill"], real, floor=_SAME**2)
    roots = ErrorCurve(np.sqrt(spread.mean), np.sqrt(spread.low), np.sqrt(spread.high))
    bins = [bootstrap.mean(found[f"bin {place}"], real).mean for place in range(BINS)]
    return Calibration(
        horizon=steps,
        draws=draws,
        windows=len(real),
        coverage=coverage,
        judged=judged_by,
        verdict=_verdicts(coverage[f"{judged_by:g}"], judged_by, roots),
        histogram=np.stack(bins, axis=-1),
        crps=bootstrap.mean(found["crps"], real),
        point_errors={name: bootstrap.mean(values, real) for name, values in points.items()},
        gain=bootstrap.mean(found["crps"] - points["median of the draws"], real),
        skill=bootstrap.mean(found["skill"], real, np.sqrt),
        spread_skill=roots,
    )


def _verdicts(coverage: ErrorCurve, level: float, spread_skill: ErrorCurve) -> tuple[str, ...]:
    """One word for each horizon."""
    over = (coverage.high < level) | (spread_skill.high < 1)
    under = (coverage.low > level) | (spread_skill.low > 1)
    words = np.select([over & under, over, under], ["mixed", "overconfident", "underconfident"], "calibrated")
    return tuple(str(word) for word in words)
