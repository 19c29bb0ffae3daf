"""The decision of the release gate as a pure function."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diorama.core.canonical import digest, to_json
from diorama.core.errors import ConfigError
from diorama.evaluate.audit import Verdict
from diorama.evaluate.gate import (
    LEVELS,
    Cost,
    Evaluated,
    Evidence,
    GateFacts,
    Release,
    Trials,
    decide,
    evidence_level,
)
from diorama.evaluate.preregistered import Protocol, protocol_of
from diorama.evaluate.statistics import Estimate

RATE = Estimate(0.9, 0.82, 0.95, 60, 0.95, "prediction-powered")
PROTOCOL = Release("lab", least=0.8, budget="lab-2026", estimation=50, discovery=10, disagreement=0.9)
GOOD = GateFacts(
    "p" * 64,
    "lab/new",
    (),
    tuple(Evaluated(name, name, name, RATE, Verdict.CLEAN) for name in ("mujoco", "planar")),
    2.0,
    2,
    80,
    20,
    5,
    Trials(50, 10, 0, RATE, 1, Verdict.CLEAN, "e"),
    evidence=Evidence({"mujoco": "L0"}, True, True, True, True),
)
BAD = {
    "contract": {"contract": ("The action of the policy is not that of the world.",)},
    "standing": {"stale": ("evaluation lab/new is STALE: patched.",)},
    "worlds": {"effective": 1.3},
    "audit": {"worlds": (replace(GOOD.worlds[0], verdict=Verdict.CONTAMINATED), GOOD.worlds[1])},
    "disagreement": {"tried": 1},
    "estimation": {"trials": replace(GOOD.trials, rate=Estimate(0.9, 0.7, 0.95, 60, 0.95, "x"))},
    "discovery": {"trials": replace(GOOD.trials, discovery=3)},
    "hidden modes": {"hidden": ("tee stuck in the corner",)},
    "evidence": {"evidence": Evidence({"mujoco": "L2"})},
}


def test_good_evidence_passes_and_says_no_more_than_it_may() -> None:
    decision = decide(PROTOCOL, GOOD)
    assert decision.passed
    assert decision.level == "L7"
    assert decision.next is None
    assert "0.900 [0.820, 0.950]" in decision.claim


@pytest.mark.parametrize("step", BAD)
def test_each_step_refuses_alone_and_names_a_next_move(step: str) -> None:
    decision = decide(PROTOCOL, replace(GOOD, **BAD[step]))
    assert [one.name for one in decision.steps if not one.passed] == [step]
    assert decision.next is not None
    assert decision.next.command.startswith("diorama ")


@given(st.sets(st.sampled_from(sorted(BAD))), st.sampled_from(sorted(BAD)))
def test_more_faults_never_open_the_gate(faults: set[str], more: str) -> None:
    def passed(names: set[str]) -> bool:
        return decide(PROTOCOL, replace(GOOD, **{k: v for name in sorted(names) for k, v in BAD[name].items()})).passed

    assert passed(faults) == (not faults)
    assert not passed(faults | {more})


def test_the_cheapest_move_comes_first() -> None:
    facts = replace(GOOD, trials=None, effective=1.0, costs={"evaluate": Cost(60.0, None, 0, "an earlier evaluation")})
    decision = decide(PROTOCOL, facts)
    assert decision.next.command == "diorama evaluate pppppppppppp --in WORLD"
    assert decision.next.cost.wall_s == 60.0
    assert decide(PROTOCOL, replace(GOOD, trials=None)).next.cost.trials > 0


@given(st.dictionaries(st.sampled_from("abc"), st.sampled_from(sorted(LEVELS)), max_size=3))
def test_nothing_in_worlds_alone_reaches_reality(claims: dict[str, str]) -> None:
    assert evidence_level(Evidence(claims, trained=True)) <= "L5"
    assert evidence_level(Evidence(claims, trained=True, outside=True)) <= "L5"
    assert evidence_level(Evidence(claims, True, True, True, False)) <= "L5"


def test_an_impossible_protocol_is_refused() -> None:
    for wrong in ({"least": 1.2}, {"verdict": "fine"}, {"evidence": "L9"}, {"estimation": -1}):
        with pytest.raises(ConfigError, match="protocol"):
            replace(PROTOCOL, **wrong)


def test_one_protocol_for_tests_and_release_and_the_old_file_is_still_read() -> None:
    whole = Protocol(alpha=0.1, release=replace(PROTOCOL, level=0.9))
    assert protocol_of(to_json(whole)) == whole
    alone = protocol_of(to_json(PROTOCOL))
    assert alone.release == PROTOCOL and alone.alpha == pytest.approx(0.05)
    assert Protocol().identity == digest({n: v for n, v in to_json(Protocol()).items() if n != "release"})
    assert whole.identity != Protocol(alpha=0.1).identity
    with pytest.raises(ConfigError, match="1 minus the other"):
        Protocol(alpha=0.1, release=PROTOCOL)
    with pytest.raises(ConfigError, match="unknown keys"):
        protocol_of({"least": 0.5})
    with pytest.raises(ConfigError, match="object"):
        protocol_of([1])


def test_an_audit_that_refuses_is_named_and_nothing_tested_asks_for_a_test() -> None:
    bad = replace(GOOD.worlds[1], evaluation="e" * 64, verdict=Verdict.CONTAMINATED)
    assert decide(PROTOCOL, replace(GOOD, worlds=(GOOD.worlds[0], bad))).next.command == f"diorama audit {'e' * 12}"
    nothing = decide(PROTOCOL, GateFacts("p" * 64, "lab/new", (), (), 0.0, 0, costs={"audit": Cost(1.0)}))
    assert nothing.next.command == "diorama evaluate pppppppppppp --in WORLD"
