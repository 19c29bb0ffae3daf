"""Scores against closed forms; calibrated and miscalibrated models are told apart."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import norm

from diorama.core.canonical import canonical
from diorama.exam import examine_open_loop
from diorama.exam.calibration import fair_crps, judged, levels, ranks, share

RNG = np.random.default_rng


def test_the_score_of_two_draws_by_hand():
    """CRPS = mean |x - y| - half the mean distance of two different draws."""
    samples = np.array([0.0, 1.0]).reshape(2, 1)
    np.testing.assert_allclose(fair_crps(samples, np.array([0.5])), [0.5 - 0.5])
    np.testing.assert_allclose(fair_crps(samples, np.array([3.0])), [2.5 - 0.5])
    samples = np.array([2.0, -1.0, 0.5]).reshape(3, 1)
    np.testing.assert_allclose(fair_crps(samples, np.array([0.0])), [3.5 / 3 - (3 + 1.5 + 1.5) / 6])


def test_the_score_of_equal_draws_is_the_absolute_error():
    real = RNG(0).normal(size=(4, 3))
    np.testing.assert_allclose(fair_crps(np.zeros((7, 4, 3)), real), np.abs(real))


def test_the_score_of_a_gaussian_is_its_closed_form_at_any_number_of_draws():
    """Gneiting and Raftery 2007, equation 21; the fair score is unbiased."""
    for truth in (0.0, 1.3):
        exact = truth * (2 * norm.cdf(truth) - 1) + 2 * norm.pdf(truth) - 1 / np.sqrt(np.pi)
        for draws in (2, 40):
            found = fair_crps(RNG(draws).normal(size=(draws, 40_000)), np.full(40_000, truth))
            assert found.mean() == pytest.approx(exact, abs=4 * found.std() / 200)


def test_ranks_count_what_lies_below_and_break_ties_by_chance():
    samples = np.array([0.0, 1.0, 2.0, 3.0]).reshape(4, 1)
    assert [int(ranks(samples, np.array([y]), RNG(0))[0]) for y in (-1.0, 0.5, 2.5, 9.0)] == [0, 1, 3, 4]
    tied = ranks(np.ones((4, 5000)), np.ones(5000), RNG(0))
    np.testing.assert_allclose(np.bincount(tied, minlength=5) / 5000, 0.2, atol=0.03)


def test_shares_of_a_place_are_a_partition_and_exact_where_the_draws_allow():
    rank = np.arange(40)
    np.testing.assert_allclose(sum(share(rank, 39, k / 10, (k + 1) / 10) for k in range(10)), 1.0)
    for level in (0.5, 0.8, 0.9, 0.95):
        inside = share(rank, 39, 0.5 - level / 2, 0.5 + level / 2)
        assert set(np.round(inside, 9)) == {0.0, 1.0} and inside.mean() == pytest.approx(level)
    np.testing.assert_allclose(share(np.arange(3), 2, 0.0, 0.5), [1.0, 0.5, 0.0])


def test_levels_end_at_the_widest_interval_of_the_draws():
    assert levels(39) == (0.5, 0.8, 0.9, 0.95)
    assert levels(5) == (0.5, 0.6667)
    assert levels(2) == (0.3333,)


def test_each_entry_counts_by_its_weight():
    samples, real = RNG(0).normal(size=(9, 50, 2, 2)), np.zeros((50, 2, 2))
    first = judged(samples, real, np.array([1.0, 0.0]), RNG(1))
    np.testing.assert_allclose(first["crps"], fair_crps(samples, real)[..., 0])
    both = judged(samples, real, np.array([1.0, 3.0]), RNG(1))
    np.testing.assert_allclose(both["crps"], fair_crps(samples, real) @ [0.25, 0.75])


@pytest.fixture(scope="module")
def examined(line, walks):
    """The exam of a noisy walk by models that expect ``sigma`` times as much noise as there is."""
    batch, _ = walks(count=400, sigma=0.5)
    groups = np.arange(400)
    return {
        factor: examine_open_loop(line(1.0, sigma=0.5 * factor), batch, groups, drawn=400) for factor in (1.0, 0.5, 2.0)
    }


def test_a_calibrated_model_covers_as_often_as_it_says(examined):
    result = examined[1.0].calibration
    assert examined[1.0].stochastic and list(result.horizon) == [1, 5] and (result.draws, result.windows) == (39, 400)
    for level, curve in result.coverage.items():
        nominal = float(level)
        error = np.sqrt(nominal * (1 - nominal) / 400)
        np.testing.assert_allclose(curve.mean, nominal, atol=3.5 * error)
        assert np.all(curve.low < nominal) and np.all(nominal < curve.high)
        np.testing.assert_allclose((curve.high - curve.low) / (2 * 1.96 * error), 1.0, atol=0.25)
    assert result.verdict == ("calibrated", "calibrated") and result.judged == 0.9
    np.testing.assert_allclose(result.spread_skill.mean, 1.0, atol=0.1)
    np.testing.assert_allclose(result.histogram, 0.1, atol=4 * np.sqrt(0.09 / 400))
    np.testing.assert_allclose(result.histogram.sum(axis=-1), 1.0)


def test_the_score_of_a_calibrated_gaussian_is_its_expectation(examined):
    """E CRPS = sigma / sqrt(pi), and the absolute error of its median is sigma sqrt(2 / pi)."""
    result, scale = examined[1.0].calibration, examined[1.0].entries["x.place"].copy_last.mean
    unit = examined[1.0].copy_last.mean[[0, 4]] / scale[[0, 4]]  # standard deviations per metre
    sigma = 0.5 * np.sqrt([1, 5]) * unit
    np.testing.assert_allclose(result.crps.mean, sigma / np.sqrt(np.pi), rtol=0.08)
    np.testing.assert_allclose(result.point_errors["median of the draws"].mean, sigma * np.sqrt(2 / np.pi), rtol=0.08)
    np.testing.assert_allclose(result.skill.mean, sigma, rtol=0.1)
    assert np.all(result.gain.high < 0)


def test_an_overconfident_model_is_caught(examined):
    result = examined[0.5].calibration
    for level, curve in result.coverage.items():
        expected = 2 * norm.cdf(norm.ppf(0.5 + float(level) / 2) / 2) - 1
        np.testing.assert_allclose(curve.mean, expected, atol=0.08)
    assert result.verdict == ("overconfident", "overconfident")
    np.testing.assert_allclose(result.spread_skill.mean, 0.5, atol=0.06)
    assert np.all(result.histogram[:, [0, -1]] > 0.15) and np.all(
        result.crps.mean > examined[1.0].calibration.crps.mean
    )


def test_an_underconfident_model_is_caught(examined):
    result = examined[2.0].calibration
    assert result.verdict == ("underconfident", "underconfident")
    np.testing.assert_allclose(result.spread_skill.mean, 2.0, atol=0.2)


def test_each_member_of_an_ensemble_is_one_draw(line, walks):
    """Members whose gains lie evenly about the truth: their mean is exact, the truth is in the middle of them."""
    batch, groups = walks()
    result = examine_open_loop(line(0.8, 0.9, 1.1, 1.2), batch, groups).calibration
    assert result.draws == 4 and list(result.coverage) == ["0.5", "0.6"]
    np.testing.assert_allclose(result.coverage["0.6"].mean, 1.0)
    assert set(result.verdict) == {"underconfident"}
    assert np.all(result.skill.mean < 1e-5)
    few = examine_open_loop(line(0.8, 0.9, 1.1, 1.2), batch, groups, draws=2).calibration
    assert few.draws == 2 and set(few.verdict) == {"overconfident"}


def test_a_model_that_always_imagines_the_same_has_no_calibration(line, walks):
    batch, groups = walks()
    result = examine_open_loop(line(1.0), batch, groups)
    assert result.calibration is None and result.stochastic is False
    assert examine_open_loop(line(1.0), batch, groups, draws=0).stochastic is None


def test_equal_seeds_give_equal_results(line, walks):
    batch, groups = walks(count=12)
    model = line(1.0, sigma=0.5)
    once, again, other = (examine_open_loop(model, batch, groups, seed=seed, draws=3) for seed in (1, 1, 2))
    assert canonical(plain(once)) == canonical(plain(again)) != canonical(plain(other))


def plain(value):
    """Dataclasses and arrays as JSON values."""
    if dataclasses.is_dataclass(value):
        return plain(vars(value))
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
