"""Success rates at a number of episodes fixed before the first: exact, score and posterior intervals."""

from diorama.core.lazy import deferred
from diorama.evaluate.statistics.estimate import Estimate, checked_counts

stats = deferred("scipy.stats")


def clopper_pearson(successes: int, count: int, level: float = 0.95) -> Estimate:
    """Exact interval of a rate: covers at least at ``level`` for every rate (Clopper & Pearson 1934, Biometrika 26)."""
    checked_counts(successes, count, level)
    tail, failures = (1.0 - level) / 2.0, count - successes
    low = float(stats.beta.ppf(tail, successes, failures + 1)) if successes else 0.0
    high = float(stats.beta.ppf(1.0 - tail, successes + 1, failures)) if failures else 1.0
    return Estimate(successes / count, low, high, count, level, "Clopper-Pearson")


def wilson(successes: int, count: int, level: float = 0.95) -> Estimate:
    """Score interval of a rate: covers at about ``level`` on average over rates (Wilson 1927, JASA 22)."""
    checked_counts(successes, count, level)
    interval = stats.binomtest(successes, count).proportion_ci(level, method="wilson")
    return Estimate(successes / count, float(interval.low), float(interval.high), count, level, "Wilson")


def beta_posterior(
    successes: int, count: int, level: float = 0.95, prior: tuple[float, float] = (1.0, 1.0)
) -> Estimate:
    """Posterior mean and equal-tailed credible interval under a Beta prior; (0.5, 0.5) is Jeffreys'.

    A credible interval holds at ``level`` on average over rates drawn from the prior, not for every rate.
    """
    checked_counts(successes, count, level)
    posterior = stats.beta(prior[0] + successes, prior[1] + count - successes)
    low, high = posterior.interval(level)
    return Estimate(float(posterior.mean()), float(low), float(high), count, level, f"Beta{prior} posterior")
