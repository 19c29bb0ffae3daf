"""Does a world rank policies as reality does: rank violations, correlations, bias, with intervals over both levels.

Functions of two arrays take [..., P] (one value for each policy) and work on the last axis.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from diorama.core.errors import ConfigError
from diorama.core.lazy import deferred
from diorama.evaluate.statistics.estimate import Estimate, checked_level

stats = deferred("scipy.stats")

CHUNK = 250
"""Resamples held in memory at once."""


def mmrv(real: np.ndarray, imagined: np.ndarray) -> np.ndarray:
    """Mean maximum rank violation (SIMPLER, Li et al. 2024, arXiv 2405.05941): 0 is best, in the units of the rates.

    For each policy the largest real gap to another that the world orders otherwise, averaged over policies. The order
    is by "greater than", so a tie in one of the two against an order in the other is a violation, as in SIMPLER.
    """
    real, imagined = np.asarray(real, np.float64), np.asarray(imagined, np.float64)
    gap = real[..., :, None] - real[..., None, :]
    violated = (imagined[..., :, None] > imagined[..., None, :]) != (gap > 0)
    return np.asarray(np.where(violated, np.abs(gap), 0.0).max(axis=-1).mean(axis=-1))


def pearson(real: np.ndarray, imagined: np.ndarray) -> np.ndarray:
    """Pearson's correlation; NaN where one side is constant."""
    real = np.asarray(real, np.float64) - np.mean(real, axis=-1, keepdims=True)
    imagined = np.asarray(imagined, np.float64) - np.mean(imagined, axis=-1, keepdims=True)
    scale = np.sqrt((real**2).sum(-1) * (imagined**2).sum(-1))
    return _ratio((real * imagined).sum(-1), scale)


def spearman(real: np.ndarray, imagined: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation, ties at their mean rank; NaN where one side is constant."""
    return pearson(stats.rankdata(real, axis=-1), stats.rankdata(imagined, axis=-1))


def kendall(real: np.ndarray, imagined: np.ndarray) -> np.ndarray:
    """Kendall's tau-b (corrected for ties); NaN where one side is constant."""
    real, imagined = _signs(real), _signs(imagined)
    scale = np.sqrt((real**2).sum((-1, -2)) * (imagined**2).sum((-1, -2)))
    return _ratio((real * imagined).sum((-1, -2)), scale)


def _signs(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    return np.sign(values[..., :, None] - values[..., None, :])


def _ratio(top: np.ndarray | np.floating, bottom: np.ndarray | np.floating) -> np.ndarray:
    # A spread of rounding errors is no spread.
    sound = bottom > 1e-12
    return np.where(sound, np.clip(top / np.where(sound, bottom, 1.0), -1.0, 1.0), np.nan)


def _bias(real: np.ndarray, imagined: np.ndarray) -> np.ndarray:
    return np.asarray((np.asarray(imagined) - np.asarray(real)).mean(axis=-1))


MEASURES: Mapping[str, Callable] = {
    "bias": _bias,
    "pearson": pearson,
    "spearman": spearman,
    "kendall": kendall,
    "mmrv": mmrv,
}


def correlation_interval(correlation: float, policies: int, level: float = 0.95) -> tuple[float, float]:
    """Fisher's interval (1915) of a Pearson correlation over ``policies``; (-1, 1) below four of them."""
    checked_level(level)
    if not -1.0 <= correlation <= 1.0:
        raise ConfigError(f"A correlation lies in [-1, 1], got {correlation}.")
    if policies < 4:
        return -1.0, 1.0
    center = np.arctanh(np.clip(correlation, -1 + 1e-15, 1 - 1e-15))
    half = stats.norm.ppf((1.0 + level) / 2.0) / np.sqrt(policies - 3)
    return float(np.tanh(center - half)), float(np.tanh(center + half))


def ranking_study(
    real: np.ndarray,
    imagined: np.ndarray,
    *,
    paired: bool = True,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Bias, Pearson, Spearman, Kendall, MMRV and, when paired, per-episode agreement; each with its interval.

    ``real`` [P, E] and ``imagined`` [P, E'] hold the score of every episode of every policy. ``paired``: episode e has
    one start in both worlds and for all policies (E = E'); starts are then resampled together, else within each policy
    and world. Percentile intervals of a bootstrap over policies and over episodes. ``agreement`` is the correlation of
    real and imagined scores within policies. A resample in which a side is constant has no correlation and is left
    out. The interval of MMRV leans upwards, because noise makes violations and never unmakes them. Of few policies all
    intervals are narrower than they say, as percentile intervals are: 95 % of ten policies hold about 90 %.
    """
    points, found = _studied(real, imagined, paired, resamples, seed)
    return {name: _estimate(points[name], values, len(real), level) for name, values in found.items()}


def ranking_difference(
    real: np.ndarray,
    ours: np.ndarray,
    theirs: np.ndarray,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """By how much the measures of one world (`ranking_study`) exceed those of another, same policies and starts.

    ``real``, ``ours`` and ``theirs`` [P, E]: scores of the same P policies from the same E starts. Policies and starts
    are resampled together in all three, so that what the two worlds share cancels. Of ``mmrv`` less is better.
    """
    first, drawn = _studied(real, ours, True, resamples, seed)
    second, others = _studied(real, theirs, True, resamples, seed)  # The seed is the same, and so is every resample.
    return {name: _estimate(first[name] - second[name], drawn[name] - others[name], len(real), level) for name in drawn}


def _studied(
    real: np.ndarray, imagined: np.ndarray, paired: bool, resamples: int, seed: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Each measure as it is, and of every resample [B]."""
    real, imagined = np.asarray(real, np.float64), np.asarray(imagined, np.float64)
    _check(real, imagined, paired)
    rng = np.random.default_rng(seed)
    found: dict[str, list] = {}
    for start in range(0, resamples, CHUNK):
        chunk = _resample(real, imagined, paired, min(CHUNK, resamples - start), rng)
        for name, values in chunk.items():
            found.setdefault(name, []).append(values)
    points = _measures(real[None], imagined[None], _even(real), _even(imagined), paired)
    whole = {name: np.concatenate(parts) for name, parts in found.items()}
    return {name: float(values[0]) for name, values in points.items()}, whole


def _even(scores: np.ndarray) -> np.ndarray:
    return np.full((1, 1, scores.shape[1]), 1.0 / scores.shape[1])


def _resample(
    real: np.ndarray, imagined: np.ndarray, paired: bool, count: int, rng: np.random.Generator
) -> dict[str, Any]:
    policies = real.shape[0]
    chosen = rng.integers(policies, size=(count, policies))
    rows = 1 if paired else policies
    weights = _weights(real.shape[1], count, rows, rng)
    others = weights if paired else _weights(imagined.shape[1], count, rows, rng)
    return _measures(real[chosen], imagined[chosen], weights, others, paired)


def _weights(episodes: int, count: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    """How often each episode is drawn, as shares [count, rows, episodes]."""
    return rng.multinomial(episodes, np.full(episodes, 1.0 / episodes), size=(count, rows)) / episodes


def _measures(
    real: np.ndarray, imagined: np.ndarray, weights: np.ndarray, others: np.ndarray, paired: bool
) -> dict[str, np.ndarray]:
    """Every measure [B] of scores [B, P, E] with episode weights [B, 1 or P, E]."""
    rates, imagined_rates = (real * weights).sum(-1), (imagined * others).sum(-1)
    values = {name: measure(rates, imagined_rates) for name, measure in MEASURES.items()}
    if paired:
        first, second = real - rates[..., None], imagined - imagined_rates[..., None]
        scale = np.sqrt((weights * first**2).sum((-1, -2)) * (weights * second**2).sum((-1, -2)))
        values["agreement"] = _ratio((weights * first * second).sum((-1, -2)), scale)
    return values


def _estimate(value: float, resampled: np.ndarray, policies: int, level: float) -> Estimate:
    sound = resampled[np.isfinite(resampled)]
    tails = ((1.0 - level) / 2.0, (1.0 + level) / 2.0)
    low, high = np.quantile(sound, tails) if sound.size else (np.nan, np.nan)
    return Estimate(value, float(low), float(high), policies, level, "two-level bootstrap")


def _check(real: np.ndarray, imagined: np.ndarray, paired: bool) -> None:
    if real.ndim != 2 or imagined.ndim != 2 or real.shape[0] != imagined.shape[0] or real.shape[0] < 2:
        raise ConfigError(
            f"A ranking needs scores [policies, episodes] of the same two or more policies, got {real.shape} and "
            f"{imagined.shape}."
        )
    if paired and real.shape != imagined.shape:
        raise ConfigError(f"Paired worlds need the same starts, got {real.shape} and {imagined.shape} episodes.")
    if not (np.isfinite(real).all() and np.isfinite(imagined).all()):
        raise ConfigError("A score is NaN or infinite; an episode without a score must be mended, not dropped.")
