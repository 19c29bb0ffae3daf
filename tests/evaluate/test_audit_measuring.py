"""The numbers of a probe, by simulation: their intervals hold what they say, and none passes for certain by chance."""

import numpy as np
import pytest

from diorama.core.errors import ConfigError
from diorama.evaluate.audit import Facts, Party, Probe, State, audit
from diorama.evaluate.audit.measuring import drop, gain, slope
from diorama.evaluate.statistics import Estimate


def covered(estimates, truth: float) -> float:
    return float(np.mean([one.low <= truth <= one.high for one in estimates]))


@pytest.mark.parametrize("rates", [(0.5, 0.5), (0.95, 0.8), (1.0, 1.0), (0.9, 0.5)])
def test_a_drop_of_rates_covers_and_seldom_accuses_the_honest(rates) -> None:
    rng = np.random.default_rng(0)
    made = [drop(rng.random(100) < rates[0], rng.random(50) < rates[1]) for _ in range(1000)]
    assert covered(made, rates[0] - rates[1]) >= 0.98
    if rates[0] == rates[1]:
        assert np.mean([one.low > 0 for one in made]) <= 0.01
    assert all(one.high > one.low for one in made)


def test_a_drop_of_scores_covers() -> None:
    rng = np.random.default_rng(1)
    made = [drop(rng.normal(1, 1, 60), rng.normal(0.5, 3, 30)) for _ in range(300)]
    assert 0.98 <= covered(made, 0.5) <= 1.0
    assert drop(np.ones(3), np.ones(4)).low == 0.0
    assert drop(np.ones(1), np.ones(4)).low == -np.inf


@pytest.mark.parametrize("bounded", [False, True])
def test_a_slope_covers_where_the_spread_grows_with_the_size(bounded: bool) -> None:
    rng, made = np.random.default_rng(2), []
    for _ in range(1000):
        size = rng.uniform(0, 1, 50)
        change = -(rng.random(50) < 0.4 * size).astype(float) if bounded else rng.normal(-0.4 * size, size)
        made.append(slope(change, size, bounded))
    assert 0.93 <= covered(made, -0.4) <= 0.99
    assert np.mean([one.high < 0 for one in made]) > 0.5


def test_a_slope_of_rates_that_never_changed_is_no_certainty() -> None:
    nothing = slope(np.zeros(50), np.linspace(0, 1, 50), True)
    assert nothing.value == 0.0 and nothing.low < -0.05 and nothing.high > 0.05
    with pytest.raises(ConfigError, match="not zero"):
        slope(np.zeros(3), np.zeros(3), True)


def test_a_gain_is_paired() -> None:
    ours = np.arange(20.0)
    assert gain(ours, ours - 1).low == pytest.approx(1.0)


def asked(*probes: Probe):
    return audit(Facts("e", (), Party("p", "policy"), Party("w", "world"), probes=probes))


def test_a_check_that_could_not_be_run_says_why_and_hides_nothing_older() -> None:
    one = Estimate(0.5, 0.3, 0.7, 50, 0.95, "x")
    failed = Probe("C11", "b", {}, {"run": "The world cannot be had here."})
    result = asked(failed)
    assert result.not_run["C11"] == "The world cannot be had here."
    assert "--probe" in result.not_run["C12"]
    older = Probe("C11", "a", {"drop": one})
    assert asked(older, failed).outcome("C11").state is State.FOUND
    part = Probe("C13", "c", {"gain over blind": one}, {"replay": "It was trained on no data."})
    said = asked(part).outcome("C13")
    assert said.state is State.PASSED and "Not run: replay. It was trained on no data." in said.sentence


def test_a_gain_over_replay_that_is_a_trifle_beside_that_over_blindness_is_none() -> None:
    gains = {"gain over blind": Estimate(40.0, 30.0, 50.0, 50, 0.95, "x")}
    trifle, real = (Estimate(value, low, 2 * value, 50, 0.95, "x") for value, low in ((0.5, 0.1), (9.0, 4.0)))
    assert asked(Probe("C13", "a", gains | {"gain over replay": trifle})).outcome("C13").state is State.FOUND
    assert asked(Probe("C13", "a", gains | {"gain over replay": real})).outcome("C13").state is State.PASSED
    assert asked(Probe("C13", "a", {"gain over replay": trifle})).outcome("C13").state is State.PASSED
