"""What the runs of a probe say as numbers: the drop on new starts (C11), slopes (C12), gains over a floor (C13)."""

import numpy as np

from diorama.core.errors import ConfigError
from diorama.core.lazy import deferred
from diorama.evaluate.intervals import paired_difference
from diorama.evaluate.statistics.estimate import Estimate, checked_scores

stats = deferred("scipy.stats")

SURE = 0.99
"""Level of a drop: an honest evaluation is labelled by chance once in 200 audits, not once in 40."""
_ONE = 1.0


def drop(before: np.ndarray, after: np.ndarray, level: float = SURE) -> Estimate:
    """How far the mean of other episodes ``after`` [M] lies below that of ``before`` [N].

    Of booleans with the interval of Agresti and Caffo (2000, The American Statistician 54, 280): a success and a
    failure more on each side; of numbers Welch's. The count is that of the new episodes.
    """
    first, second = checked_scores(before, level), checked_scores(after, level)
    value = float(first.mean() - second.mean())
    if first.dtype == bool and second.dtype == bool:
        rates = [(part.sum() + 1) / (part.size + 2) for part in (first, second)]
        sizes = [part.size + 2 for part in (first, second)]
        spread = np.sqrt(sum(p * (1 - p) / n for p, n in zip(rates, sizes, strict=True)))
        half = float(stats.norm.ppf(0.5 + level / 2) * spread)
        middle = float(rates[0] - rates[1])
        return Estimate(value, middle - half, middle + half, second.size, level, "Agresti-Caffo")
    if min(first.size, second.size) < 2:
        return Estimate(value, -np.inf, np.inf, second.size, level, "none (one episode)")
    if np.ptp(first) == 0 and np.ptp(second) == 0:
        return Estimate(value, value, value, second.size, level, "degenerate (all equal)")
    found = stats.ttest_ind(first, second, equal_var=False).confidence_interval(level)
    return Estimate(value, float(found.low), float(found.high), second.size, level, "Welch")


def slope(change: np.ndarray, size: np.ndarray, bounded: bool, level: float = 0.95) -> Estimate:
    """How the score changes per unit of disturbance: the line through 0 of changes [N] over sizes [N] in [0, 1].

    ``change``: score with the disturbance minus that of the same start without. The interval takes the spread about
    the line as it is (White 1980, Econometrica 48, with the correction HC3). ``bounded``: changes are differences of
    booleans; then one success and one failure more at size 1 keep the interval from width zero where nothing changed.
    Raises `ConfigError` where nothing was disturbed.
    """
    change, size = checked_scores(change, level).astype(np.float64), np.asarray(size, np.float64)
    if change.shape != size.shape or not (size**2).sum() > 0:
        raise ConfigError("A slope needs one size for each change, and one that is not zero.")
    value = float(size @ change / (size @ size))
    if bounded:
        change, size = np.append(change, [_ONE, -_ONE]), np.append(size, [_ONE, _ONE])
    if size.size < 3:
        return Estimate(value, -np.inf, np.inf, size.size, level, "none (too few episodes)")
    total = size @ size
    middle = float(size @ change / total)
    rest = (change - middle * size) / (1 - size**2 / total)
    half = float(stats.t.ppf(0.5 + level / 2, size.size - 1) * np.sqrt((size**2 * rest**2).sum()) / total)
    count = size.size - 2 * bounded
    return Estimate(value, middle - half, middle + half, count, level, "line through 0, HC3")


def gain(ours: np.ndarray, floor: np.ndarray, level: float = 0.95) -> Estimate:
    """By how much a score [N] exceeds that of a shortcut [N] on the same starts."""
    return paired_difference(ours, floor, level)
