"""How long a claim holds: success against the time since calibration, and against each factor. JAX-free.

A logistic line is fitted to outcomes of single episodes, with Jeffreys' penalty, so that it stays finite where all
outcomes are alike (Firth 1993, Biometrika 80; Heinze and Schemper 2002, Statistics in Medicine 21). Success declines by
that line only as far as it was observed; a claim never reaches farther than `REACH` times the time that was observed.
"""

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from diorama.core.errors import ConfigError
from diorama.core.lazy import deferred
from diorama.evaluate.statistics.estimate import checked_level

stats = deferred("scipy.stats")

REACH = 2.0
"""A claim expires at this many times the observed time at the latest, however little success declined until then."""
_ROUNDS, _STEP = 100, 5.0


@dataclass(frozen=True)
class Decline:
    """A logistic line: ``logit(success) = intercept + slope * x``, x in ``unit`` (days, or a factor's own).

    ``covariance`` [2, 2] of intercept and slope. ``count``: episodes. ``first``, ``last``: the range of x seen.
    ``p_value``: of no slope, two-sided (Wald).
    """

    intercept: float
    slope: float
    covariance: np.ndarray
    count: int
    first: float
    last: float
    unit: str = "d"

    @property
    def deviation(self) -> float:
        """The standard error of the slope."""
        return math.sqrt(float(self.covariance[1, 1]))

    @property
    def p_value(self) -> float:
        """Two-sided, of a slope of 0."""
        return float(2 * stats.norm.sf(abs(self.slope) / self.deviation))

    def slope_interval(self, level: float = 0.95) -> tuple[float, float]:
        """The interval of the slope [1 / unit]."""
        half = float(stats.norm.isf((1 - checked_level(level)) / 2)) * self.deviation
        return self.slope - half, self.slope + half

    def success(self, x: np.ndarray | float) -> np.ndarray:
        """The expected success at x."""
        return np.asarray(expit(self.intercept + self.slope * np.asarray(x, np.float64)))

    def band(self, x: np.ndarray | float, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """The interval of the expected success at each x, pointwise."""
        place = np.asarray(x, np.float64)
        middle = self.intercept + self.slope * place
        c = self.covariance
        half = stats.norm.isf((1 - checked_level(level)) / 2) * np.sqrt(
            c[0, 0] + 2 * place * c[0, 1] + place**2 * c[1, 1]
        )
        return np.asarray(expit(middle - half)), np.asarray(expit(middle + half))

    def holds_until(self, floor: float, level: float = 0.95, reach: float = REACH) -> float:
        """Up to which x the lower end of the one-sided interval at ``level`` stays at or above ``floor``.

        0 where it never does; at most ``reach`` times the last x that was observed. Raises `ConfigError` for a floor
        outside of (0, 1).
        """
        if not 0 < floor < 1:
            raise ConfigError(f"The floor of a claim is a success rate between 0 and 1, not {floor}.")
        days = np.linspace(0.0, reach * self.last, 4001)
        low, _ = self.band(days, 2 * checked_level(level) - 1)
        below = np.flatnonzero(low < floor)
        if not below.size:
            return float(days[-1])
        return float(days[below[0] - 1]) if below[0] else 0.0


@dataclass(frozen=True)
class Slope:
    """One factor: the line, and the p-value of no slope corrected for all factors (Holm 1979)."""

    factor: str
    line: Decline
    adjusted: float


def decline(success: np.ndarray, x: np.ndarray, unit: str = "d") -> Decline:
    """Fit the line to outcomes [N] bool at x [N] (such as days since calibration).

    Raises `ConfigError` for unequal lengths, fewer than two different x, and values that are not finite.
    """
    outcome, place = np.asarray(success, np.float64), np.asarray(x, np.float64)
    if outcome.shape != place.shape or outcome.ndim != 1 or not np.isfinite(place).all() or len(np.unique(place)) < 2:
        raise ConfigError(
            "A decline needs one outcome and one finite x for each episode, and at least two different x."
        )
    if not np.isin(outcome, (0, 1)).all():
        raise ConfigError("Outcomes must be 0 or 1 (failure or success); give booleans.")
    scale = float(np.ptp(place))
    design = np.stack([np.ones_like(place), (place - place.min()) / scale], axis=1)
    weights, covariance = _firth(design, outcome)
    change = np.array([[1.0, -place.min() / scale], [0.0, 1.0 / scale]])
    fitted, spread = change @ weights, change @ covariance @ change.T
    return Decline(
        float(fitted[0]), float(fitted[1]), spread, len(outcome), float(place.min()), float(place.max()), unit
    )


def slopes(success: np.ndarray, factors: Mapping[str, np.ndarray]) -> list[Slope]:
    """The line of each factor that varies, the surest first."""
    lines = {name: decline(success, column, name) for name, column in factors.items() if np.ptp(column) > 0}
    order = sorted(lines, key=lambda name: lines[name].p_value)
    found, largest = [], 0.0
    for place, name in enumerate(order):
        largest = max(largest, min(1.0, lines[name].p_value * (len(order) - place)))
        found.append(Slope(name, lines[name], largest))
    return found


def expires(
    line: Decline, calibrated: datetime.date, floor: float, level: float = 0.95, reach: float = REACH
) -> datetime.date:
    """The date on which a claim "success is at least ``floor``" expires; x of the line is days since ``calibrated``.

    The day itself no longer counts: the last day of the claim is the one before. A claim that does not even hold on the
    day of calibration expires on that day.
    """
    days = line.holds_until(floor, level, reach)
    return calibrated + datetime.timedelta(days=math.floor(days) + 1 if days > 0 else 0)


def floor_of(line: Decline, share: float = 0.9) -> float:
    """A floor that is ``share`` of the success on the day of calibration, inside of (0, 1)."""
    return float(np.clip(share * line.success(0.0), 1e-6, 1 - 1e-6))


def _firth(design: np.ndarray, outcome: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights [2] and covariance [2, 2] of the penalised logistic regression, by Newton's method with short steps."""
    rate = (outcome.sum() + 0.5) / (len(outcome) + 1)
    weights = np.array([float(logit(rate)), 0.0])
    covariance = np.eye(2)
    for _ in range(_ROUNDS):
        chance = expit(design @ weights)
        curvature = chance * (1 - chance)
        covariance = np.linalg.inv(design.T @ (curvature[:, None] * design) + 1e-12 * np.eye(2))
        leverage = curvature * np.einsum("ni,ij,nj->n", design, covariance, design)
        step = covariance @ (design.T @ (outcome - chance + leverage * (0.5 - chance)))
        size = np.abs(step).max()
        weights = weights + step * min(1.0, _STEP / max(size, 1e-12))
        if size < 1e-8:
            break
    return weights, covariance
