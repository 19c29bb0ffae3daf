"""Scenario sets and protocols: drawn from their seeds, read back as written, and strict about what they are for."""

import datetime
import json

import numpy as np
import pytest

from diorama.core.canonical import canonical, from_json
from diorama.core.errors import ConfigError
from diorama.core.spec import Factor, ScenarioSpace
from diorama.evaluate.preregistered import Protocol
from diorama.evaluate.records import Episodes, texts
from diorama.evaluate.scenarios import ScenarioSet, draw

SPACE = ScenarioSpace({"mass": Factor(1.0, 0.5, 2.0, "kg"), "corner": Factor((0.0, 0.0), -1.0, 1.0, "m", "", (2,))})
TODAY = datetime.date(2026, 12, 1)


def episodes(scores, masses) -> Episodes:
    count = len(scores)
    fixed = (texts(word, count) for word in ("i", "p", "w"))
    won = np.asarray(scores) > 0.5
    return Episodes(
        *fixed,
        np.arange(count),
        np.full(count, 3),
        won,
        texts("time", count),
        {"score": np.asarray(scores, float), "won": won.astype(float)},
        {"mass": np.asarray(masses, float)},
        rates=("won",),
    )


def test_a_scenario_depends_on_its_seed_alone_and_reads_back() -> None:
    many = draw(SPACE, "arm", range(5), {"mass": (0.8, 1.2), "corner": None}, "dev", "2026-12-31")
    one = draw(SPACE, "arm", [3], {"mass": (0.8, 1.2), "corner": None}, "dev", "2026-12-31")
    assert one.rows["mass"] == many.rows["mass"][3:4] and one.rows["corner"] == many.rows["corner"][3:4]
    assert all(0.8 <= value <= 1.2 for value in many.rows["mass"]) and len(set(many.rows["mass"])) == 5
    back = from_json(ScenarioSet, json.loads(canonical(many)))
    assert back.identity == many.identity != one.identity and many.first(2).seeds == (0, 1)


@pytest.mark.parametrize(
    ("vary", "fault"), [({"colour": None}, "no factor 'colour'"), ({"mass": (0.1, 1.0)}, "draw it from within")]
)
def test_what_cannot_be_drawn_is_refused(vary, fault) -> None:
    with pytest.raises(ConfigError, match=fault):
        draw(SPACE, "arm", range(2), vary)


def test_a_set_is_for_its_task_and_its_time() -> None:
    made = draw(SPACE, "arm", range(2), expires="2026-11-30")
    with pytest.raises(ConfigError, match="expired on 2026-11-30"):
        made.check("arm", TODAY)
    with pytest.raises(ConfigError, match="drawn for 'arm'"):
        made.check("leg", TODAY)
    with pytest.raises(ConfigError, match="is no date"):
        draw(SPACE, "arm", range(2), expires="next week")
    with pytest.raises(ConfigError, match="each one once"):
        ScenarioSet("arm", (1, 1))
    with pytest.raises(ConfigError, match="must be one of"):
        from_json(ScenarioSet, {"task": "arm", "seeds": [1], "visibility": "secret"})


def test_a_protocol_counts_parts_and_estimates() -> None:
    rules = Protocol(strata={"mass": (1.0,)}, exclude={"mass": (1.9, 2.0)}, alpha=0.1)
    counted = rules.counted(episodes([0.2, 0.8, 0.9, 1.0], [0.6, 0.7, 1.5, 1.95]))
    assert len(counted) == 3
    assert {name: len(part) for name, part in rules.parts(counted).items()} == {
        "mass from -inf to 1": 2,
        "mass from 1 to inf": 1,
    }
    assert rules.estimate(counted, "won").level == 0.9 and rules.estimate(counted, "won").value == pytest.approx(2 / 3)
    with pytest.raises(ConfigError, match="speaks of the factor 'friction'"):
        Protocol(exclude={"friction": (0.0, 1.0)}).counted(counted)


def test_a_sequential_protocol_looks_with_intervals_that_allow_it() -> None:
    rules = Protocol(episodes=60, stop="sequential", batch=25, width=0.2)
    assert rules.looks == (25, 50, 60) and Protocol().looks == (100,)
    scores = episodes(np.tile([0.4, 0.6], 30), np.ones(60))
    for metric in ("score", "won"):
        fixed, watched = Protocol().estimate(scores, metric), rules.estimate(scores, metric)
        assert watched.high - watched.low > fixed.high - fixed.low and watched.low <= fixed.value <= watched.high
    assert rules.satisfied([rules.estimate(scores, "score")]) and not rules.satisfied(
        [rules.estimate(episodes([0.0, 1.0], [1, 1]), "won")]
    )
    with pytest.raises(ConfigError, match="an alpha between 0 and 1"):
        Protocol(alpha=1.5)
