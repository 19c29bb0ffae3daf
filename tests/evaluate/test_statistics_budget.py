"""Few real episodes well spent: prediction-powered means, judges, weights, allocation and the two purses."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.core.errors import ConfigError
from diorama.evaluate.statistics import (
    Stratum,
    bounded_mean,
    corrected_rate,
    discovery_draws,
    draw_systematic,
    estimation_draws,
    inclusion,
    judge_report,
    neyman,
    powered_mean,
    saved_share,
    stratified_mean,
    tuned_power,
    union_probability,
    weighted_mean,
)

LEVEL, REPEATS = 0.9, 250
FLOOR = LEVEL - 3 * np.sqrt(LEVEL * (1 - LEVEL) / REPEATS)
CEILING = LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / REPEATS)


def world(rng: np.random.Generator, count: int, rate: float = 0.6, noise: float = 0.2, bias: float = 0.15) -> tuple:
    """Real and imagined outcomes of the same starts; the world is too optimistic and errs at random."""
    real = rng.random(count) < rate
    imagined = np.where(rng.random(count) < noise, rng.random(count) < rate + bias, real)
    return real.astype(float), imagined.astype(float)


def coverage(method, truth: float) -> float:
    rng = np.random.default_rng(0)
    estimates = [method(rng) for _ in range(REPEATS)]
    return float(np.mean([e.low <= truth <= e.high for e in estimates]))


def powered(rng: np.random.Generator, function=powered_mean, count: int = 40, **options):
    real, imagined = world(rng, count)
    return function(real, imagined, world(rng, 400)[1], LEVEL, **options)


@pytest.mark.parametrize("power", [None, 1.0, 0.0])
def test_powered_mean_covers_though_the_world_is_biased(power) -> None:
    assert FLOOR <= coverage(lambda rng: powered(rng, power=power), 0.6) <= CEILING


@pytest.mark.parametrize("count", [8, 40])
def test_bounded_mean_covers_at_any_count(count: int) -> None:
    assert coverage(lambda rng: powered(rng, bounded_mean, count, power=0.7), 0.6) >= FLOOR


def test_tuned_power_saves_what_the_formula_says() -> None:
    """Of 20000 real and 200000 imagined scores the variance falls by rho^2 N / (n + N)."""
    rng = np.random.default_rng(1)
    real, imagined = world(rng, 20_000)
    others = world(rng, 200_000)[1]
    with_help, alone = powered_mean(real, imagined, others), powered_mean(real, imagined, others, power=0.0)
    ratio = ((with_help.high - with_help.low) / (alone.high - alone.low)) ** 2
    assert 1 - ratio == pytest.approx(saved_share(float(np.corrcoef(real, imagined)[0, 1]), 20_000, 200_000), abs=0.01)
    expected = np.cov(real, imagined)[0, 1] / (1.1 * imagined.var())
    assert tuned_power(real, imagined, others) == pytest.approx(expected, abs=0.01)


def test_useless_and_constant_predictions_change_nothing() -> None:
    rng = np.random.default_rng(2)
    real = world(rng, 50)[0]
    alone = powered_mean(real, real, real, power=0.0)
    assert powered_mean(real, np.ones(50), np.ones(500)).value == alone.value == pytest.approx(real.mean())
    half = np.std(real, ddof=1) / np.sqrt(50) * 2.0095752  # Student's quantile of 49 degrees of freedom
    assert (alone.low, alone.high) == pytest.approx((real.mean() - half, real.mean() + half))


def test_perfect_predictions_leave_only_the_imagined_error() -> None:
    rng = np.random.default_rng(3)
    real, others = world(rng, 40)[0], world(rng, 4000)[0]
    estimate, alone = powered_mean(real, real, others, power=1.0), powered_mean(real, real, others, power=0.0)
    assert estimate.value == pytest.approx(others.mean())
    assert estimate.high - estimate.low < 0.4 * np.ptp([alone.low, alone.high])


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-3.0, 3.0), st.floats(0.5, 4.0))
def test_powered_mean_follows_shift_and_scale(seed: int, shift: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    real, imagined = world(rng, 30)
    others = world(rng, 100)[1]
    here = powered_mean(real, imagined, others)
    moved = powered_mean(scale * real + shift, scale * imagined + shift, scale * others + shift)
    assert (moved.low, moved.high) == pytest.approx((scale * here.low + shift, scale * here.high + shift))


STRATA = {"easy": (0.5, 0.8, 80), "hard": (0.3, 0.5, 60), "rare": (0.2, 0.2, 60)}


def test_strata_cover_and_are_narrower_than_one_heap() -> None:
    def stratum(rng: np.random.Generator, weight: float, rate: float, count: int) -> Stratum:
        return Stratum(weight, *world(rng, count, rate, bias=0.05), world(rng, 300, rate, bias=0.05)[1])

    def method(rng: np.random.Generator):
        return stratified_mean([stratum(rng, *settings) for settings in STRATA.values()], LEVEL)

    truth = sum(weight * rate for weight, rate, _ in STRATA.values())
    assert FLOOR <= coverage(method, truth)
    estimate = method(np.random.default_rng(1))
    rng = np.random.default_rng(1)
    heap = powered_mean(*world(rng, 200, truth), world(rng, 900, truth)[1], LEVEL)
    assert estimate.count == 200 and estimate.high - estimate.low < heap.high - heap.low


def judged(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels at a rate of 0.4; the judge misses a tenth of the successes and calls a quarter of the failures good."""
    labels = rng.random(count) < 0.4
    return np.where(labels, rng.random(count) < 0.9, rng.random(count) < 0.25), labels


@pytest.mark.parametrize("finite", [False, True])
def test_a_fallible_judge_is_corrected(finite: bool) -> None:
    def method(rng: np.random.Generator):
        return corrected_rate(judged(rng, 800)[0], *judged(rng, 80), LEVEL, finite=finite)

    assert coverage(method, 0.4) >= FLOOR
    assert judged(np.random.default_rng(0), 800)[0].mean() > 0.45


def test_judge_report() -> None:
    report = judge_report(*judged(np.random.default_rng(0), 4000))
    assert report.sensitivity.low < 0.9 < report.sensitivity.high
    assert report.specificity.low < 0.75 < report.specificity.high
    assert report.kappa == pytest.approx((0.81 - 0.488) / (1 - 0.488), abs=0.05)
    assert judge_report(np.ones(3), np.ones(3)).specificity is None


def test_neyman_counts_are_proportional() -> None:
    plan = neyman([0.5, 0.3, 0.2], [0.1, 0.4, 0.2], 1000.0, costs=[1.0, 4.0, 1.0], floor=2)
    ideal = np.array([0.5 * 0.1, 0.3 * 0.4 / 2, 0.2 * 0.2])
    ideal *= 1000 / (ideal @ [1, 4, 1])
    assert plan.counts == pytest.approx(ideal, abs=3) and plan.cost <= 1000.0


def test_neyman_is_best_by_search() -> None:
    weights, deviations = np.array([0.5, 0.3, 0.2]), np.array([0.3, 0.5, 0.05])

    def variance(counts) -> float:
        return float(((weights * deviations) ** 2 / np.array(counts)).sum())

    plan = neyman(weights.tolist(), deviations.tolist(), 20.0, floor=2)
    splits = [(a, b, 20 - a - b) for a, b in itertools.product(range(2, 17), repeat=2) if 20 - a - b >= 2]
    assert variance(plan.counts) == pytest.approx(min(map(variance, splits)))


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.01, 1), st.floats(0, 1), st.floats(0.5, 5), st.integers(2, 50)), min_size=1, max_size=6
    ),
    st.floats(70, 300),
)
def test_allocation_keeps_floor_size_and_budget(strata: list, budget: float) -> None:
    weights, deviations, costs, sizes = (list(column) for column in zip(*strata, strict=True))
    plan = neyman(weights, deviations, budget, costs=costs, sizes=sizes, floor=2)
    assert all(2 <= n <= size for n, size in zip(plan.counts, sizes, strict=True))
    assert plan.cost == pytest.approx(np.dot(plan.counts, costs)) and plan.cost <= budget + 1e-6
    assert plan.probabilities == tuple(n / size for n, size in zip(plan.counts, sizes, strict=True))


RNG = np.random.default_rng(4)
LABELS = np.repeat([0, 1, 2], [300, 100, 50])
LIST_REAL, LIST_IMAGINED = world(RNG, 450, 0.5)
DOUBT = RNG.random(450) ** 2 + 2.0 * (LIST_REAL != LIST_IMAGINED)


def test_weighted_draws_cover_the_mean_of_the_list() -> None:
    """From draws aimed at doubt the plain mean is wrong and the weighted one right, with and without predictions."""

    def draw(rng: np.random.Generator):
        return discovery_draws({"disagreement": DOUBT}, {"disagreement": 1.0}, 80, rng, blind=0.3)

    def alone(rng: np.random.Generator):
        draws = draw(rng)
        return weighted_mean(LIST_REAL[draws.index], draws.probability, LEVEL)

    def helped(rng: np.random.Generator):
        draws = draw(rng)
        real, imagined = LIST_REAL[draws.index], LIST_IMAGINED[draws.index]
        help_ = {"predictions": imagined, "all_predictions": LIST_IMAGINED, "power": 0.7}
        return weighted_mean(real, draws.probability, LEVEL, **help_)

    truth = LIST_REAL.mean()
    assert coverage(alone, truth) >= FLOOR - 0.02
    assert coverage(helped, truth) >= FLOOR - 0.02
    rng = np.random.default_rng(5)
    missed = [LIST_IMAGINED[i] != LIST_REAL[i] for _ in range(50) for i in draw(rng).index]
    assert np.mean(missed) > 2 * np.mean(LIST_IMAGINED != LIST_REAL)


def test_stratified_draws_cover_and_record_their_chances() -> None:
    counts = {0: 30, 1: 20, 2: 10}
    draws = estimation_draws(LABELS, counts, np.random.default_rng(0))
    assert draws.purse == "estimation" and len(set(draws.index.tolist())) == 60
    np.testing.assert_allclose(draws.probability, np.array([0.1, 0.2, 0.2])[LABELS[draws.index]])

    def method(rng: np.random.Generator):
        drawn = estimation_draws(LABELS, counts, rng)
        return weighted_mean(LIST_REAL[drawn.index], drawn.probability, LEVEL)

    assert coverage(method, LIST_REAL.mean()) >= FLOOR


def test_a_whole_list_leaves_no_width() -> None:
    estimate = weighted_mean(LIST_REAL, np.ones(450))
    assert estimate.low == estimate.high == pytest.approx(LIST_REAL.mean())


def test_each_start_is_drawn_with_its_recorded_chance() -> None:
    chances = inclusion(np.array([8.0, 1.0, 2.0, 0.5, 1.5, 3.0]), 3)
    assert chances[0] == 1.0 and chances.sum() == pytest.approx(3.0)
    rng, repeats, seen = np.random.default_rng(6), 4000, np.zeros(6)
    for _ in range(repeats):
        index = draw_systematic(chances, rng)
        assert len(set(index.tolist())) == 3
        seen[index] += 1
    assert np.abs(seen / repeats - chances).max() < 4 * np.sqrt(0.25 / repeats)
    assert union_probability(np.array([0.5]), np.array([0.5]))[0] == 0.75


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0.001, 1e3), min_size=2, max_size=40), st.data())
def test_chances_sum_to_the_draws_and_keep_the_order(sizes: list, data) -> None:
    count = data.draw(st.integers(1, len(sizes)))
    chances = inclusion(np.array(sizes), count)
    assert chances.sum() == pytest.approx(count) and (chances > 0).all() and (chances <= 1).all()
    assert (np.diff(chances[np.argsort(sizes)]) >= -1e-12).all()
    assert len(np.unique(draw_systematic(chances, np.random.default_rng(0)))) == count


def test_a_silent_signal_gives_its_weight_to_the_others() -> None:
    signals = {"disagreement": np.array([0.0, 0.0, 1.0, 0.0]), "patched": np.zeros(4)}
    draws = discovery_draws(signals, {"disagreement": 0.2, "patched": 0.8}, 1, np.random.default_rng(0), blind=0.0)
    assert draws.index.tolist() == [2] and draws.probability.tolist() == [1.0]
    nothing = {"patched": np.zeros(4)}
    assert discovery_draws(nothing, {"patched": 1.0}, 2, np.random.default_rng(0)).probability.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: powered_mean(np.ones(3), np.ones(2), np.ones(9)),
        lambda: powered_mean(np.ones(1), np.ones(1), np.ones(9)),
        lambda: bounded_mean(np.ones(3), np.ones(3), np.ones(9) * 2),
        lambda: stratified_mean([Stratum(0.5, np.ones(3), np.ones(3), np.ones(3))]),
        lambda: weighted_mean(np.ones(3), np.zeros(3)),
        lambda: neyman([1.0], [1.0], 1.0),
        lambda: estimation_draws(LABELS, {0: 3}, np.random.default_rng(0)),
        lambda: inclusion(np.ones(3), 4),
        lambda: discovery_draws({"a": -np.ones(3)}, {"a": 1.0}, 1, np.random.default_rng(0)),
    ],
)
def test_impossible_input_is_refused(wrong) -> None:
    with pytest.raises(ConfigError):
        wrong()
