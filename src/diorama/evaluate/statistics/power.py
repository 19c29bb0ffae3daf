"""How many episodes an answer takes, before the first is played."""

import math

from diorama.core.errors import ConfigError
from diorama.core.lazy import deferred

stats = deferred("scipy.stats")


def episodes_per_arm(first: float, second: float, power: float = 0.8, level: float = 0.95) -> int:
    """Episodes of each policy to tell two rates apart, two-sided, unpaired (Fleiss 1981, without correction)."""
    _check_rates(first, second)
    if first == second:
        raise ConfigError(f"No number of episodes tells {first} from {second}; give two different rates.")
    critical, wanted = _quantiles(power, level)
    mean = (first + second) / 2
    pooled = critical * math.sqrt(2 * mean * (1 - mean))
    apart = wanted * math.sqrt(first * (1 - first) + second * (1 - second))
    return math.ceil((pooled + apart) ** 2 / (first - second) ** 2)


def pairs_needed(wins: float, losses: float, power: float = 0.8, level: float = 0.95) -> int:
    """Pairs on common starts to tell two policies apart by McNemar's test (Miettinen 1968, Connor's form).

    ``wins``, ``losses``: probabilities that only ours, only theirs succeeds on a start.
    """
    _check_rates(wins, losses)
    if wins == losses or wins + losses > 1.0:
        raise ConfigError(f"Wins {wins} and losses {losses} must differ and sum to at most 1.")
    critical, wanted = _quantiles(power, level)
    differ, gap = wins + losses, wins - losses
    return math.ceil((critical * math.sqrt(differ) + wanted * math.sqrt(differ - gap**2)) ** 2 / gap**2)


def episodes_to_see(prevalence: float, probability: float = 0.95) -> int:
    """Episodes until a failure of this prevalence was seen at least once with this probability."""
    if not (0.0 < prevalence < 1.0 and 0.0 < probability < 1.0):
        raise ConfigError(f"Prevalence and probability lie in (0, 1), got {prevalence} and {probability}.")
    return math.ceil(math.log1p(-probability) / math.log1p(-prevalence) - 1e-9)


def saved_share(correlation: float, real: int, imagined: int) -> float:
    """Share of real episodes that tuned prediction-powered inference saves at equal width: rho^2 N / (n + N).

    ``correlation`` of real and imagined scores per episode, of ``real`` n and ``imagined`` N episodes.
    """
    if not -1.0 <= correlation <= 1.0 or real < 1 or imagined < 0:
        raise ConfigError("A correlation lies in [-1, 1], and there is at least one real episode.")
    return correlation**2 * imagined / (real + imagined)


def _quantiles(power: float, level: float) -> tuple[float, float]:
    if not (0.0 < power < 1.0 and 0.0 < level < 1.0):
        raise ConfigError(f"Power and level lie in (0, 1), got {power} and {level}.")
    return float(stats.norm.ppf((1.0 + level) / 2.0)), float(stats.norm.ppf(power))


def _check_rates(first: float, second: float) -> None:
    if not (0.0 <= first <= 1.0 and 0.0 <= second <= 1.0):
        raise ConfigError(f"Rates lie in [0, 1], got {first} and {second}.")
