"""Rankings and plans: SIMPLER's table, SciPy's correlations, two-level coverage, robust means, useful numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from diorama.core.errors import ConfigError
from diorama.evaluate.statistics import (
    correlation_interval,
    episodes_per_arm,
    episodes_to_see,
    interquartile_mean,
    interquartile_mean_interval,
    kendall,
    mmrv,
    pairs_needed,
    pearson,
    ranking_difference,
    ranking_study,
    saved_share,
    spearman,
)

# Success rates of SIMPLER (arXiv 2405.05941): real, simulated, and the r, MMRV and mean difference they give.
SIMPLER = {
    "pick coke can": (
        (0.907, 0.853, 0.920, 0.760, 0.133, 0.293),
        (0.787, 0.857, 0.710, 0.567, 0.027, 0.170),
        (0.975, 0.031, -0.125),
    ),
    "move near": (
        (0.733, 0.633, 0.583, 0.450, 0.017, 0.350),
        (0.779, 0.442, 0.354, 0.317, 0.050, 0.042),
        (0.856, 0.111, -0.130),
    ),
    "open drawer": (
        (0.333, 0.815, 0.704, 0.519, 0.000, 0.148),
        (0.157, 0.601, 0.463, 0.296, 0.000, 0.009),
        (0.983, 0.000, -0.166),
    ),
    "close drawer": (
        (0.630, 0.926, 0.889, 0.741, 0.000, 0.519),
        (0.343, 0.861, 0.667, 0.891, 0.278, 0.444),
        (0.771, 0.123, -0.037),
    ),
    "apple in drawer": (
        (0.074, 0.185, 0.185, 0.407, 0.000, 0.000),
        (0.037, 0.065, 0.130, 0.213, 0.000, 0.000),
        (0.969, 0.000, -0.068),
    ),
    "spoon on towel": ((0.000, 0.333, 0.417), (0.000, 0.125, 0.472), (0.827, 0.000, -0.051)),
    "carrot on plate": ((0.000, 0.250, 0.083), (0.042, 0.083, 0.097), (0.571, 0.111, -0.037)),
    "stack cube": ((0.000, 0.000, 0.125), (0.000, 0.000, 0.042), (1.000, 0.000, -0.028)),
    "eggplant in basket": ((0.000, 0.250, 0.400), (0.000, 0.431, 0.569), (0.989, 0.000, 0.117)),
}


@pytest.mark.parametrize("task", SIMPLER)
def test_simpler_table(task: str) -> None:
    real, imagined, expected = SIMPLER[task]
    difference = np.mean(np.array(imagined) - np.array(real))
    found = (
        float(pearson(np.array(real), np.array(imagined))),
        float(mmrv(np.array(real), np.array(imagined))),
        difference,
    )
    assert found == pytest.approx(expected, abs=6e-4)


rates = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), min_size=4, max_size=12)


@settings(max_examples=25, deadline=None)
@given(rates, st.integers(0, 2**32 - 1))
def test_correlations_are_scipys(real: list, seed: int) -> None:
    imagined = np.random.default_rng(seed).permutation(real)
    first = np.array(real)
    if np.ptp(first) == 0:
        assert np.isnan(pearson(first, imagined))
        return
    assert float(pearson(first, imagined)) == pytest.approx(stats.pearsonr(first, imagined).statistic, abs=1e-9)
    assert float(spearman(first, imagined)) == pytest.approx(stats.spearmanr(first, imagined).statistic, abs=1e-9)
    assert float(kendall(first, imagined)) == pytest.approx(stats.kendalltau(first, imagined).statistic, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(rates, st.integers(0, 2**32 - 1))
def test_rank_violations_are_bounded_and_see_only_order(real: list, seed: int) -> None:
    first, rng = np.array(real), np.random.default_rng(seed)
    imagined = rng.random(first.size)
    value = float(mmrv(first, imagined))
    assert 0.0 <= value <= np.ptp(first)
    assert mmrv(first, first) == 0.0 and mmrv(first, 3 * imagined**3 + 1) == pytest.approx(value)
    order = rng.permutation(first.size)
    assert mmrv(first[order], imagined[order]) == pytest.approx(value)


def test_measures_work_on_the_last_axis() -> None:
    rng = np.random.default_rng(0)
    real, imagined = rng.random((2, 7, 5))
    for measure in (mmrv, pearson, spearman, kendall):
        np.testing.assert_allclose(
            measure(real, imagined), [measure(a, b) for a, b in zip(real, imagined, strict=True)]
        )


@pytest.mark.parametrize(
    ("correlation", "policies", "expected"),
    [
        (0.975, 6, (0.78, 0.997)),
        (0.856, 6, (0.15, 0.98)),
        (0.88, 8, (0.46, 0.98)),
        (0.78, 5, (-0.33, 0.99)),
        (0.95, 20, (0.88, 0.98)),
    ],
)
def test_fisher_intervals(correlation: float, policies: int, expected: tuple) -> None:
    assert correlation_interval(correlation, policies) == pytest.approx(expected, abs=0.0055)
    assert correlation_interval(correlation, 3) == (-1.0, 1.0)


def family(rng: np.random.Generator, policies: int, episodes: int, bias: float = -0.1) -> tuple[np.ndarray, np.ndarray]:
    """Policies of random quality on common starts; the world knows them up to noise, a bias and chance."""
    quality = rng.normal(0.0, 0.8, policies)
    known = quality + rng.normal(0.0, 0.3, policies)
    real = stats.norm.cdf(quality)[:, None] > rng.random(episodes)
    imagined = stats.norm.cdf(known)[:, None] + bias > rng.random(episodes)
    return real.astype(float), imagined.astype(float)


def test_the_study_covers_bias_over_policies_and_episodes() -> None:
    rng, held, wrongly_narrow = np.random.default_rng(1), 0, 0
    known = np.random.default_rng(2).normal(0.0, np.hypot(0.8, 0.3), 200_000)
    bias = np.maximum(stats.norm.cdf(known) - 0.1, 0.0).mean() - 0.5
    for _ in range(80):
        real, imagined = family(rng, 15, 40)
        estimate = ranking_study(real, imagined, level=0.9, resamples=200)["bias"]
        held += estimate.low <= bias <= estimate.high
        only_policies = (imagined - real).mean(axis=1)
        half = 1.645 * only_policies.std() / np.sqrt(15)
        wrongly_narrow += abs(only_policies.mean() - bias) <= half
    assert held / 80 >= 0.9 - 3 * np.sqrt(0.09 / 80)
    assert wrongly_narrow < held


@pytest.mark.parametrize("paired", [True, False])
def test_the_study_points_at_the_plain_measures(paired: bool) -> None:
    real, imagined = family(np.random.default_rng(3), 12, 60)
    study = ranking_study(real, imagined, paired=paired, resamples=300)
    assert study["mmrv"].value == pytest.approx(float(mmrv(real.mean(1), imagined.mean(1))))
    assert study["kendall"].value == pytest.approx(float(kendall(real.mean(1), imagined.mean(1))))
    assert ("agreement" in study) == paired
    for name, estimate in study.items():
        assert estimate.low <= estimate.high and estimate.count == 12, name
    again = ranking_study(real, imagined, paired=paired, resamples=300)
    assert study == again


def test_agreement_is_within_policies_and_is_what_saves_trials() -> None:
    rng = np.random.default_rng(4)
    real = (rng.random((10, 300)) < np.linspace(0.1, 0.9, 10)[:, None]).astype(float)
    imagined = rng.permuted(real, axis=1)
    study = ranking_study(real, imagined, resamples=250)
    assert study["pearson"].value > 0.999 and abs(study["agreement"].value) < 0.06
    assert ranking_study(real, real, resamples=250)["agreement"].value == pytest.approx(1.0)


def test_two_worlds_are_compared_on_the_same_resamples() -> None:
    rng = np.random.default_rng(11)
    real = rng.normal(np.linspace(0, 1, 6)[:, None], 1.0, (6, 40))
    close, far = real + rng.normal(0, 0.1, real.shape), real + rng.normal(0, 3.0, real.shape)
    found = ranking_difference(real, close, far, resamples=300)
    ours, theirs = (ranking_study(real, world, resamples=300) for world in (close, far))
    for name in ("pearson", "mmrv", "agreement", "bias"):
        assert found[name].value == pytest.approx(ours[name].value - theirs[name].value)
    assert found["agreement"].low > 0.5 and found["pearson"].value > 0 > found["mmrv"].value
    same = ranking_difference(real, close, close, resamples=300)
    assert all((each.value, each.low, each.high) == (0.0, 0.0, 0.0) for each in same.values())


def test_a_difference_of_biases_lies_in_its_interval_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(12), 0
    for _ in range(200):
        real = rng.normal(size=(24, 30))
        shifts = rng.normal(0.3, 0.2, (24, 1))  # Of each policy, 0.3 in the mean over all there might be.
        theirs = real + rng.normal(0, 0.5, real.shape)
        estimate = ranking_difference(real, theirs + shifts, theirs, level=0.9, resamples=200)["bias"]
        held += estimate.low <= 0.3 <= estimate.high
    # The percentile interval is the normal one with the plain variance: Student's t with 23 says how often it holds.
    expected = 2 * stats.t.cdf(stats.norm.ppf(0.95) * np.sqrt(23 / 24), 23) - 1
    assert held / 200 == pytest.approx(expected, abs=3 * np.sqrt(0.1 / 200))


def test_interquartile_mean_by_hand_and_its_interval() -> None:
    assert interquartile_mean([np.array([0.0, 1.0, 2.0, 100.0])]) == 1.5
    tasks = [np.arange(4.0), 10.0 + np.arange(4.0)]
    assert interquartile_mean(tasks) == 6.5
    rng, held = np.random.default_rng(5), 0
    for _ in range(150):
        estimate = interquartile_mean_interval([rng.normal(m, 1, 20) for m in (0, 0, 0)], 0.9, resamples=300)
        held += estimate.low <= 0.0 <= estimate.high
    assert held / 150 >= 0.9 - 3 * np.sqrt(0.09 / 150)


def test_useful_numbers() -> None:
    assert [episodes_per_arm(*pair) for pair in ((0.5, 0.7), (0.8, 0.9), (0.9, 0.95))] == [93, 199, 435]
    assert (episodes_to_see(0.05), episodes_to_see(0.01)) == (59, 299)
    assert [round(saved_share(r, 1, 10), 2) for r in (0.45, 0.5, 0.7, 0.9)] == [0.18, 0.23, 0.45, 0.74]


def test_planned_numbers_have_the_power() -> None:
    rng, reached, repeats = np.random.default_rng(6), 0, 2000
    count = pairs_needed(0.25, 0.1)
    wins, losses, _ = rng.multinomial(count, [0.25, 0.1, 0.65], repeats).T
    reached = np.mean(np.abs(wins - losses) / np.sqrt(wins + losses) > 1.96)
    assert reached == pytest.approx(0.8, abs=0.04)
    first, second = rng.binomial(93, 0.5, repeats) / 93, rng.binomial(93, 0.7, repeats) / 93
    pooled = (first + second) / 2
    assert np.mean(np.abs(first - second) / np.sqrt(pooled * (1 - pooled) * 2 / 93) > 1.96) == pytest.approx(
        0.8, abs=0.04
    )


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 0.9), st.floats(0.02, 0.09), st.floats(0.5, 0.95))
def test_plans_are_symmetric_and_monotone(rate: float, gap: float, power: float) -> None:
    needed = episodes_per_arm(rate, rate + gap, power)
    assert needed == episodes_per_arm(rate + gap, rate, power) >= episodes_per_arm(rate, rate + gap, power / 2)
    seen = episodes_to_see(gap)
    assert (1 - gap) ** seen <= 0.05 + 1e-9 < (1 - gap) ** (seen - 1) + 1e-8


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ranking_study(np.ones((1, 4)), np.ones((1, 4))),
        lambda: ranking_study(np.ones((3, 4)), np.ones((3, 5))),
        lambda: correlation_interval(1.2, 9),
        lambda: episodes_per_arm(0.5, 0.5),
        lambda: pairs_needed(0.7, 0.6),
        lambda: episodes_to_see(0.0),
        lambda: saved_share(2.0, 1, 1),
    ],
)
def test_impossible_input_is_refused(wrong) -> None:
    with pytest.raises(ConfigError):
        wrong()
