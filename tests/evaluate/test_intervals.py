"""Intervals: published values, coverage by simulation, refusal of bad input."""

import numpy as np
import pytest

from diorama.core.errors import ConfigError
from diorama.evaluate import mean, paired_difference, rate


def test_wilson_interval_of_nine_in_ten() -> None:
    """Closed form: centre (p + z^2/2n) / (1 + z^2/n)."""
    z, p, n = 1.959963984540054, 0.9, 10
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    estimate = rate(np.arange(10) < 9)
    np.testing.assert_allclose([estimate.low, estimate.high], [centre - half, centre + half], rtol=1e-9)
    assert estimate.count == 10


def test_bootstrap_covers_the_mean() -> None:
    """A 95 % interval of 40 skewed scores covers the true mean in about 95 % of 300 draws."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        estimate = mean(rng.beta(0.5, 2.0, 40))
        hits += estimate.low <= 0.2 <= estimate.high
    assert 0.89 <= hits / 300 <= 0.99


def test_pairing_removes_what_both_share() -> None:
    rng = np.random.default_rng(1)
    shared, small = rng.normal(0, 10, 200), rng.normal(0.5, 0.1, 200)
    estimate = paired_difference(shared + small, shared)
    assert 0.45 < estimate.low < 0.5 < estimate.high < 0.55


@pytest.mark.parametrize("bad", [np.zeros(0), np.zeros((2, 2)), np.array([1.0, np.nan])])
def test_bad_scores_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ConfigError):
        mean(bad)


def test_one_episode_has_no_finite_interval() -> None:
    assert mean(np.array([0.3])).high == np.inf


def test_unequal_pairs_are_refused() -> None:
    with pytest.raises(ConfigError, match="same seeds"):
        paired_difference(np.zeros(3), np.zeros(4))
