"""A number with its interval, and the checks that every method makes of its input. JAX-free."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diorama.core.errors import ConfigError


@dataclass(frozen=True)
class Estimate:
    """A number and its interval: ``value`` in [``low``, ``high``] at ``level``, of ``count`` episodes by ``method``."""

    value: float
    low: float
    high: float
    count: int
    level: float
    method: str

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] (n={self.count})"


def checked_level(level: float) -> float:
    """The level itself; raises `ConfigError` outside (0, 1)."""
    if not 0.0 < level < 1.0:
        raise ConfigError(f"The confidence level must lie between 0 and 1, got {level}.")
    return level


def checked_scores(values: np.ndarray | Sequence[float], level: float = 0.95) -> np.ndarray:
    """Scores [N] as they came; raises `ConfigError` for empty, shaped or non-finite ones and impossible levels."""
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise ConfigError(f"Scores must be a non-empty vector, one for each episode, got shape {array.shape}.")
    if not np.isfinite(array.astype(np.float64)).all():
        raise ConfigError("A score is NaN or infinite; an episode without a score must be mended, not dropped.")
    checked_level(level)
    return array


def checked_bounded(values: np.ndarray | Sequence[float], low: float, high: float, level: float = 0.95) -> np.ndarray:
    """Scores [N] as float64, all within [``low``, ``high``]; raises `ConfigError` where one is not."""
    scores = checked_scores(values, level).astype(np.float64)
    if not low < high or scores.min() < low or scores.max() > high:
        raise ConfigError(
            f"Scores must lie in [{low}, {high}], got {scores.min()} to {scores.max()}; give the bounds of the score."
        )
    return scores


def checked_counts(successes: int, count: int, level: float = 0.95) -> None:
    """Raises `ConfigError` unless 0 <= ``successes`` <= ``count`` and ``count`` >= 1."""
    if count < 1 or not 0 <= successes <= count:
        raise ConfigError(f"{successes} successes in {count} episodes is impossible; give counts with 0 <= s <= n.")
    checked_level(level)


def checked_pair(
    ours: np.ndarray | Sequence[float], theirs: np.ndarray | Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Two boolean vectors [N]; raises `ConfigError` where they differ in length or are not 0 and 1."""
    first, second = checked_scores(ours), checked_scores(theirs)
    if first.shape != second.shape:
        raise ConfigError(
            f"Paired outcomes need equal lengths, got {first.size} and {second.size}; use the same seeds."
        )
    for outcomes in (first, second):
        if not np.isin(outcomes, (0, 1)).all():
            raise ConfigError("Outcomes must be 0 or 1 (failure or success); give booleans.")
    return first.astype(bool), second.astype(bool)
