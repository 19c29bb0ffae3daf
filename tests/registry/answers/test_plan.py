"""Plans: what to do, in which order, at what cost."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registry_random import RECIPES, make
from registry_story import visits

from diorama.core import DataError
from diorama.core.canonical import canonical
from diorama.registry.costs import wilson
from diorama.registry.plan import Action, Plan, plan
from diorama.registry.records import Replay, Revocation
from diorama.registry.render import text
from diorama.registry.rules import Status
from diorama.registry.status import status_all


def actions(found: Plan) -> dict[str, Action]:
    return {step.id: step.action for step in found.steps}


def test_the_story(story) -> None:
    story.maker.say(story.advisory())
    found = plan(story.maker.graph(), story.v1, story.v2)
    assert actions(found) == {
        story.a: Action.REPLAY,
        story.b: Action.RETRAIN,
        story.score_a: Action.EVALUATE,
        story.score_b: Action.EVALUATE,
        story.claim_b: Action.EVALUATE,
    }
    cost = {step.id: step.cost for step in found.steps}
    assert (cost[story.b].wall_s, cost[story.b].joules, cost[story.b].basis) == (200.0, 4000.0, "its build")
    assert not cost[story.a].known and not cost[story.score_a].known  # no such work was ever recorded
    assert (found.total.wall_s, found.total.unknown) == (210.0, 2)
    assert "1. replay regression: policy push-t/a" in text(found)
    assert "the cost of 2 steps is unknown" in text(found)
    assert canonical(found)


def test_a_plan_that_was_carried_out_is_empty(story) -> None:
    m = story.maker
    m.say(story.advisory())
    m.say(Replay("friction-1", story.a, 20, 20, 0, story.v2))
    b2 = m.add("policy", "push-t/b", ("trained_in", story.v2), ("supersedes", story.b), visited=visits(0.1, 1.0))
    half = actions(plan(m.graph(), story.v1, story.v2))
    assert (half[story.a], half[story.b], half[story.score_b]) == (Action.KEEP, Action.KEEP, Action.EVALUATE)
    for policy, name in ((story.a, "score-a"), (b2, "score-b")):
        edges = ("evaluates", policy), ("evaluated_in", story.v2), ("drawn_from", story.tests)
        score = m.add("evaluation", f"push-t/{name}", *edges)
    m.add("claim", "push-t/b-works", ("supports", score), estimate=0.9)
    assert set(actions(plan(m.graph(), story.v1, story.v2)).values()) == {Action.KEEP}


def test_another_test_of_a_policy_is_no_heir_of_its_evaluation(story) -> None:
    """A replay has the same kind and the same targets; what it measures is something else."""
    m = story.maker
    m.say(story.advisory())
    m.say(Replay("friction-1", story.a, 20, 20, 0, story.v2))
    bare = ("evaluates", story.a), ("evaluated_in", story.v1)
    test = m.add("evaluation", "push-t/a/evaluation", *bare)
    in_v2 = ("evaluates", story.a), ("evaluated_in", story.v2)
    m.add("evaluation", "push-t/a/replay", *in_v2, ("drawn_from", story.high))
    m.add("evaluation", "push-t/a/evaluation", *in_v2, ("drawn_from", story.high))
    m.add("evaluation", "push-t/a/replay", *in_v2)
    m.add("evaluation", "push-t/a/evaluation", *in_v2, length=99)
    assert actions(plan(m.graph(), story.v1, story.v2))[test] is Action.EVALUATE
    m.add("evaluation", "push-t/a/evaluation", *in_v2)
    assert actions(plan(m.graph(), story.v1, story.v2))[test] is Action.KEEP


def test_a_fine_tune_is_offered_and_never_from_weights_of_revoked_things(story) -> None:
    m = story.maker
    m.say(story.advisory())
    tuned = m.add("policy", "push-t/b", ("derived_from", story.b, {"relation": "finetune"}), number=2)
    m.build(tuned, wall_s=20.0)
    offered = {step.id: step for step in plan(m.graph(), story.v1, story.v2).steps}[story.b]
    assert (offered.action, offered.cheaper.wall_s) == (Action.RETRAIN, 20.0)
    assert actions(plan(m.graph(), story.v1, story.v2, finetune=True))[story.b] is Action.FINETUNE
    graph = m.graph(Revocation(story.v1, "leaked"))
    assert actions(plan(graph, story.v1, story.v2, finetune=True))[story.b] is Action.RETRAIN


def test_flips_are_expected_from_paired_replays(story) -> None:
    m = story.maker
    m.say(story.advisory())
    m.say(Replay("friction-1", story.a, 18, 20, 2, story.v2))
    steps = {step.id: step for step in plan(m.graph(), story.v1, story.v2).steps}
    own, others = steps[story.a].flips, steps[story.b].flips
    assert (own.count, own.total, own.basis) == (2, 20, "its own replay in that world")
    assert (others.rate, others.basis) == (0.1, "replays of 1 other policies in that world")
    assert own.low < 0.1 < own.high


def test_the_interval_of_wilson() -> None:
    # Worked by hand for 2 of 20: (0.1 + 0.0960365) / 1.192073 -+ 1.959964 * sqrt(0.0045 + 0.002401) / 1.192073.
    assert wilson(2, 20) == pytest.approx((0.027867, 0.301034), abs=2e-4)
    assert wilson(0, 20)[0] == 0.0


def test_a_version_cannot_take_its_own_place(story) -> None:
    with pytest.raises(DataError, match="its own place"):
        plan(story.maker.graph(), story.v1, story.v1)


def test_an_advisory_that_the_new_version_does_not_fix_is_said(story) -> None:
    story.maker.say(dataclasses.replace(story.advisory(), fixed_in=()))
    assert "not named as fixed in the advisories friction-1" in plan(story.maker.graph(), story.v1, story.v2).notes[0]


@settings(max_examples=30, deadline=None)
@given(RECIPES, st.integers(0, 99))
def test_a_plan_is_in_order_and_holds_all_that_is_not_fresh(recipe, at: int) -> None:
    maker = make(recipe)
    old = list(maker.versions)[at % len(maker.versions)]
    new = maker.add("simulator", "random/new", ("derived_from", old, {"relation": "patch"}))
    graph = maker.graph()
    found = plan(graph, old, new)
    place = {step.id: i for i, step in enumerate(found.steps)}
    assert all(place[e.target] < at for one, at in place.items() for e in graph.get(one).edges if e.target in place)
    expected = {v for v in graph.downstream([old]) if graph.get(v).kind != "build"} - {old, new}
    assert set(place) == expected
    everything = status_all(graph)
    assert all(step.status.rank <= everything[step.id].rank or step.status is Status.SUSPECT for step in found.steps)
