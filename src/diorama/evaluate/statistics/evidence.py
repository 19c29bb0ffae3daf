"""E-values: evidence that adds up. An e-value has a mean of at most 1 under the null; 20 refutes it at 5 %."""

from collections.abc import Sequence

import numpy as np

from diorama.core.errors import ConfigError


def merge_mean(values: np.ndarray | Sequence[float]) -> float:
    """One e-value of several of the same null under any dependence (Vovk & Wang 2021, Ann. Stat. 49)."""
    return float(_checked(values).mean())


def merge_independent(values: np.ndarray | Sequence[float]) -> float:
    """One e-value of several of the same null that are independent, or each made after the last: their product."""
    array = _checked(values)
    return 0.0 if (array == 0).any() else float(np.exp(np.sum(np.log(array))))


def benjamini_hochberg(values: np.ndarray | Sequence[float], alpha: float = 0.05) -> np.ndarray:
    """Which of K nulls [K] to refute so that the expected share of false ones is at most ``alpha``: e-BH.

    Refutes the k nulls with the largest e-values, for the largest k whose k-th largest is at least K / (k alpha);
    holds under any dependence (Wang & Ramdas 2022, JRSS B 84).
    """
    array = _checked(values)
    if not 0.0 < alpha < 1.0:
        raise ConfigError(f"alpha must lie between 0 and 1, got {alpha}.")
    order = np.argsort(-array, kind="stable")
    ranks = np.arange(1, array.size + 1)
    passed = np.flatnonzero(array[order] * ranks * alpha >= array.size)
    refuted = np.zeros(array.size, bool)
    if passed.size:
        refuted[order[: passed[-1] + 1]] = True
    return refuted


def e_to_p(value: float) -> float:
    """A p-value from an e-value, by Markov's inequality: min(1, 1 / e)."""
    return 1.0 if value <= 1.0 else 1.0 / value


def p_to_e(value: float, power: float = 0.5) -> float:
    """An e-value from a p-value: power * p^(power - 1), whose integral over [0, 1] is 1 (Shafer et al. 2011)."""
    if not 0.0 < value <= 1.0 or not 0.0 < power < 1.0:
        raise ConfigError(f"A p-value lies in (0, 1] and the calibrator's power in (0, 1), got {value} and {power}.")
    return power * value ** (power - 1.0)


def _checked(values: np.ndarray | Sequence[float]) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or array.size == 0 or np.isnan(array).any() or (array < 0).any():
        raise ConfigError("E-values must be a non-empty vector of numbers of at least 0.")
    return array
