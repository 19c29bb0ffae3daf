"""Intervals of rates and means: useful numbers, closed forms, exact or simulated coverage, monotonicity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from diorama.core.errors import ConfigError
from diorama.evaluate.statistics import (
    beta_binomial,
    beta_binomial_path,
    beta_posterior,
    betting_mean,
    betting_path,
    clopper_pearson,
    wilson,
)

METHODS = [clopper_pearson, wilson, beta_posterior, beta_binomial]
RATES = np.linspace(0.02, 0.98, 49)


def floor_of(level: float, repeats: int) -> float:
    """What a coverage of ``level`` stays above, but for three Monte-Carlo errors."""
    return level - 3 * np.sqrt(level * (1 - level) / repeats)


def exact_coverage(method, count: int, level: float = 0.9) -> np.ndarray:
    """Probability [rates] that the interval holds the rate, summed over all outcomes."""
    intervals = [method(successes, count, level) for successes in range(count + 1)]
    low, high = (np.array([getattr(i, end) for i in intervals]) for end in ("low", "high"))
    held = (low <= RATES[:, None]) & (RATES[:, None] <= high)
    return (held * stats.binom.pmf(np.arange(count + 1), count, RATES[:, None])).sum(-1)


@pytest.mark.parametrize(
    ("successes", "count", "exact", "anytime"),
    [
        (9, 10, (0.56, 1.00), (0.46, 1.00)),
        (45, 50, (0.78, 0.97), (0.71, 0.98)),
        (90, 100, (0.82, 0.95), (0.77, 0.97)),
        (180, 200, (0.85, 0.94), (0.81, 0.96)),
    ],
)
def test_useful_numbers(successes: int, count: int, exact: tuple, anytime: tuple) -> None:
    fixed, sequential = clopper_pearson(successes, count), beta_binomial(successes, count)
    assert (fixed.low, fixed.high) == pytest.approx(exact, abs=0.0055)
    assert (sequential.low, sequential.high) == pytest.approx(anytime, abs=0.0055)


def test_clopper_pearson_leaves_each_tail_its_half_and_is_closed_at_the_ends() -> None:
    interval = clopper_pearson(7, 20, 0.9)
    assert stats.binom.sf(6, 20, interval.low) == pytest.approx(0.05)
    assert stats.binom.cdf(7, 20, interval.high) == pytest.approx(0.05)
    none = clopper_pearson(0, 60)
    np.testing.assert_allclose((none.low, none.high), (0.0, 1 - 0.025 ** (1 / 60)), rtol=1e-9)


def test_posterior_of_a_uniform_prior() -> None:
    estimate = beta_posterior(3, 8)
    assert estimate.value == pytest.approx(0.4)
    assert stats.beta.cdf([estimate.low, estimate.high], 4, 6) == pytest.approx([0.025, 0.975])


def test_mixture_of_one_failure_by_hand() -> None:
    """After one failure M(p) = 1 / (2 (1 - p)) under the uniform prior, so p is refuted from 1 - alpha / 2 on."""
    estimate = beta_binomial(0, 1, 0.9)
    assert (estimate.low, estimate.high) == pytest.approx((0.0, 0.95))


@pytest.mark.parametrize("count", [5, 20, 60])
def test_exact_and_anytime_intervals_cover_every_rate(count: int) -> None:
    assert exact_coverage(clopper_pearson, count).min() >= 0.9
    assert exact_coverage(beta_binomial, count).min() >= 0.9


@pytest.mark.parametrize("method", [wilson, beta_posterior])
def test_score_and_posterior_cover_on_average_over_rates(method) -> None:
    coverage = exact_coverage(method, 40)
    assert coverage.mean() == pytest.approx(0.9, abs=0.015)
    assert coverage.min() < 0.9


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=12, deadline=None)
@given(count=st.integers(1, 80), data=st.data())
def test_rates_are_bounded_symmetric_and_monotone(method, count: int, data) -> None:
    successes = data.draw(st.integers(0, count))
    here, mirrored = method(successes, count), method(count - successes, count)
    assert 0.0 <= here.low <= here.value <= here.high <= 1.0
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - here.high, 1 - here.low), abs=1e-9)
    if successes < count:
        above = method(successes + 1, count)
        assert above.low >= here.low and above.high >= here.high
    wide = method(successes, count, 0.99)
    assert wide.low <= here.low and wide.high >= here.high


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.97])
def test_beta_binomial_sequence_covers_under_continuous_peeking(rate: float) -> None:
    rng, repeats = np.random.default_rng(0), 150
    held = 0
    for _ in range(repeats):
        low, high = beta_binomial_path(rng.random(120) < rate, 0.9)
        held += bool((low <= rate).all() and (rate <= high).all())
    assert held / repeats >= floor_of(0.9, repeats)


def test_peeking_at_a_fixed_interval_fails_where_the_sequence_holds() -> None:
    rng, repeats, missed = np.random.default_rng(1), 200, 0
    looks = range(10, 200, 20)
    for _ in range(repeats):
        successes = np.cumsum(rng.random(200) < 0.5)
        intervals = [clopper_pearson(int(successes[n - 1]), n, 0.9) for n in looks]
        missed += not all(i.low <= 0.5 <= i.high for i in intervals)
    assert missed / repeats > 0.13


DISTRIBUTIONS = {
    "rare": (lambda rng, n: (rng.random(n) < 0.05).astype(float), 0.05),
    "skewed": (lambda rng, n: rng.beta(0.5, 2.0, n), 0.2),
    "narrow": (lambda rng, n: rng.beta(60.0, 40.0, n), 0.6),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("sequential", [True, False])
def test_betting_covers_any_distribution(name: str, sequential: bool) -> None:
    """The sequential interval is the intersection of all before it, so the last one tells of every peek."""
    draw, mean = DISTRIBUTIONS[name]
    rng, repeats, held = np.random.default_rng(2), 150, 0
    for _ in range(repeats):
        estimate = betting_mean(draw(rng, 60), 0.9, sequential=sequential)
        held += estimate.low <= mean <= estimate.high
    assert held / repeats >= floor_of(0.9, repeats)


def test_betting_of_two_scores_by_hand() -> None:
    """Two ones: stakes from the variances 1/4 and 5/32; means below the root of a parabola are refuted."""
    stakes = np.sqrt(2 * np.log(40) / np.array([0.25 * np.log(2), 5 / 32 * 2 * np.log(3)]))
    loss = np.roots([stakes.prod(), stakes.sum(), 1 - 40]).max()
    estimate = betting_mean(np.ones(2))
    assert (estimate.low, estimate.high) == pytest.approx((1 - loss, 1.0))
    assert (betting_mean(np.ones(1)).low, betting_mean(np.zeros(2)).high) == (0.0, pytest.approx(loss))


def test_betting_learns_a_small_spread_that_rates_cannot() -> None:
    rng = np.random.default_rng(3)
    scores = rng.beta(600.0, 400.0, 200)
    narrow, rate = betting_mean(scores, sequential=False), clopper_pearson(120, 200)
    assert narrow.high - narrow.low < 0.3 * (rate.high - rate.low)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-2.0, 3.0), min_size=1, max_size=40))
def test_betting_is_bounded_and_symmetric(scores: list) -> None:
    here = betting_mean(scores, low=-2.0, high=3.0)
    mirrored = betting_mean(1.0 - np.array(scores), low=-2.0, high=3.0)
    assert -2.0 <= here.low <= here.high <= 3.0
    assert (mirrored.low, mirrored.high) == pytest.approx((1.0 - here.high, 1.0 - here.low), abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_paths_shrink_and_end_at_the_interval(seed: int) -> None:
    scores = np.random.default_rng(seed).random(60)
    low, high = betting_path(scores, grid=400)
    last = betting_mean(scores)
    assert (np.diff(low) >= 0).all() and (np.diff(high) <= 0).all()
    assert last.low - 1 / 400 <= low[-1] <= last.low + 1e-9 and last.high - 1e-9 <= high[-1] <= last.high + 1 / 400
    low, high = beta_binomial_path(scores < 0.5)
    assert (np.diff(low) >= 0).all() and (np.diff(high) <= 0).all()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: clopper_pearson(3, 2),
        lambda: wilson(0, 0),
        lambda: beta_binomial(1, 2, 1.0),
        lambda: betting_mean([0.5, 1.5]),
        lambda: betting_mean([]),
    ],
)
def test_impossible_input_is_refused(wrong) -> None:
    with pytest.raises(ConfigError):
        wrong()
