"""Decline: the fit is right, its intervals cover, claims expire in time, and factors that do nothing are not named."""

import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from diorama.core import ConfigError
from diorama.evaluate.degradation import REACH, decline, expires, floor_of, slopes

DAY = datetime.date(2026, 1, 1)
REPEATS = 250


def worn(rng: np.random.Generator, intercept: float = 2.0, slope: float = -0.1, days: int = 20, each: int = 15):
    x = np.repeat(np.arange(days), each).astype(float)
    return rng.uniform(size=len(x)) < expit(intercept + slope * x), x


def test_the_line_is_that_of_the_data() -> None:
    success, x = worn(np.random.default_rng(0), each=2000)
    line = decline(success, x)
    assert line.intercept == pytest.approx(2.0, abs=0.06) and line.slope == pytest.approx(-0.1, abs=0.006)
    assert line.p_value < 1e-9 and (line.count, line.first, line.last) == (40_000, 0.0, 19.0)


def test_intervals_cover_and_no_decline_is_seldom_seen_where_there_is_none() -> None:
    rng = np.random.default_rng(1)
    covered, false, early = 0, 0, 0
    floor = 0.6
    truth = (2.0 - np.log(floor / (1 - floor))) / 0.1
    for _ in range(REPEATS):
        line = decline(*worn(rng))
        low, high = line.slope_interval()
        covered += low <= -0.1 <= high
        early += line.holds_until(floor) <= truth
        false += decline(*worn(rng, slope=0.0)).p_value < 0.05
    slack = 4 * np.sqrt(0.05 * 0.95 / REPEATS)
    assert covered / REPEATS > 0.95 - slack
    assert early / REPEATS > 0.95 - slack, "a claim must not outlive the truth"
    assert false / REPEATS < 0.05 + slack


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=60), st.floats(0.05, 0.95))
def test_every_set_of_outcomes_has_a_finite_line_and_a_date(rows: list[tuple[bool, int]], floor: float) -> None:
    success, x = (np.array(column) for column in zip(*rows, strict=True))
    if len(set(x)) < 2:
        with pytest.raises(ConfigError):
            decline(success, x)
        return
    line = decline(success, x)
    assert np.isfinite([line.intercept, line.slope, *line.covariance.ravel()]).all()
    low, high = line.band(np.arange(10.0))
    assert (low <= line.success(np.arange(10.0))).all() and (line.success(np.arange(10.0)) <= high).all()
    assert 0 <= line.holds_until(floor) <= REACH * x.max() + 1e-9
    assert line.holds_until(floor, 0.99) <= line.holds_until(floor, 0.8)
    assert DAY <= expires(line, DAY, floor) <= DAY + datetime.timedelta(days=REACH * int(x.max()) + 1)
    assert 0 < floor_of(line) < 1


def test_a_claim_expires_before_success_does() -> None:
    success, x = worn(np.random.default_rng(2), each=60)
    line = decline(success, x)
    assert expires(line, DAY, 0.6) < DAY + datetime.timedelta(days=17)
    assert expires(line, DAY, 0.6) > DAY + datetime.timedelta(days=9)
    assert expires(line, DAY, 0.99) == DAY
    steady = decline(np.ones(300, bool), np.repeat(np.arange(10.0), 30))
    assert DAY + datetime.timedelta(days=9) < expires(steady, DAY, 0.5) <= DAY + datetime.timedelta(days=19)
    assert expires(steady, DAY, 0.01) == DAY + datetime.timedelta(days=19), (
        "no claim reaches beyond twice what was seen"
    )


def test_only_the_factor_that_matters_is_named() -> None:
    rng = np.random.default_rng(3)
    named = 0
    for _ in range(50):
        factors = {name: rng.uniform(size=200) for name in "abcde"} | {"same": np.ones(200)}
        found = slopes(rng.uniform(size=200) < 0.9 - 0.6 * factors["b"], factors)
        assert found[0].factor == "b" and found[0].adjusted < 0.05 and len(found) == 5
        assert found[0].line.slope < 0
        named += any(one.adjusted < 0.05 for one in found[1:])
    assert named <= 8


def test_impossible_questions_are_refused() -> None:
    line = decline(np.array([True, False, True]), np.array([0.0, 1.0, 2.0]))
    with pytest.raises(ConfigError, match="floor"):
        line.holds_until(1.5)
    with pytest.raises(ConfigError, match="0 or 1"):
        decline(np.array([0.5, 1.0]), np.array([0.0, 1.0]))
