"""Status: the story, every rule of the table, and what holds for all graphs."""

import dataclasses
import pathlib

import pytest
from hypothesis import given, settings
from registry_random import RECIPES, WORSE, entry, make
from registry_story import Maker, visits

from diorama.core.canonical import canonical
from diorama.registry.graph import Graph
from diorama.registry.records import KINDS, ROLES, Advisory, Replay, Revocation
from diorama.registry.render import text
from diorama.registry.rules import RULES, Passage, Status, passes
from diorama.registry.status import Survey, status_all, status_of

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "registry" / "status.md"


def test_the_story(story) -> None:
    m = story.maker
    everything = status_all(m.graph())
    assert everything[story.a] == everything[story.b] == Status.SUSPECT  # v2 is a patch of nobody knows what
    m.say(story.advisory())
    found = status_all(m.graph())
    assert found[story.v1] == Status.STALE
    assert found[story.v2] == found[story.data] == Status.FRESH
    assert (found[story.a], found[story.b]) == (Status.SUSPECT, Status.STALE)
    assert (found[story.score_b], found[story.claim_b]) == (Status.STALE, Status.STALE)
    m.say(Replay("friction-1", story.a, 20, 20, 0, story.v2))
    assert status_of(m.graph(), story.a).status == Status.FRESH
    assert status_of(m.graph(), story.b).status == Status.STALE
    b2 = m.add("policy", "push-t/b", ("trained_in", story.v2), ("supersedes", story.b), visited=visits(0.1, 1.0))
    assert status_of(m.graph(), b2).status == Status.FRESH
    m.say(Revocation(story.data, "an operator withdrew consent"))
    found = status_all(m.graph())
    invalid = (story.data, story.v1, story.v2, story.a, story.b, b2, story.score_b, story.claim_b)
    assert {found[one] for one in invalid} == {Status.INVALID}
    assert found[story.tests] == found[story.reality] == Status.FRESH


def test_a_cause_says_what_happened_where_and_how_it_comes_here(story) -> None:
    story.maker.say(story.advisory())
    report = status_of(story.maker.graph(), story.claim_b)
    assert [(hop.name, hop.role) for hop in report.causes[0].path] == [
        ("push-t/b-works", ""),
        ("push-t/score-b", "supports"),
        ("push-t/world", "evaluated_in"),
    ]
    words = text(status_of(story.maker.graph(), story.b))
    assert "Advisory friction-1 (Blocks slide too far)" in words
    assert "of its visits lie in the region" in words
    assert f"-trained_in-> push-t/world {story.v1[:12]}" in words
    assert canonical(report)


def test_a_failed_replay_proves_the_fault(story) -> None:
    story.maker.say(story.advisory())
    graph = story.maker.graph(Replay("friction-1", story.a, 19, 20, 1, story.v2))
    assert status_of(graph, story.a).status == Status.STALE


def test_visits_that_are_not_on_record_are_unknown_and_a_replay_leaves_a_suspicion(story) -> None:
    blind = story.maker.add("policy", "push-t/blind", ("trained_in", story.v1))
    story.maker.say(story.advisory())
    assert status_of(story.maker.graph(), blind).status == Status.UNKNOWN
    graph = story.maker.graph(Replay("friction-1", blind, 20, 20, 0, story.v2))
    assert status_of(graph, blind).status == Status.SUSPECT


def test_a_fine_tuned_policy_is_suspect_until_its_replay(story) -> None:
    m = story.maker
    edges = ("derived_from", story.b, {"relation": "finetune"}), ("trained_in", story.v2)
    tuned = m.add("policy", "push-t/b", *edges, visited=visits(0.1, 1.0))
    m.say(story.advisory())
    assert status_of(m.graph(), tuned).status == Status.SUSPECT
    assert status_of(m.graph(Replay("friction-1", tuned, 5, 5, 0, story.v2)), tuned).status == Status.FRESH


def test_true_data_of_a_faulty_actor_stay_true(story) -> None:
    m = story.maker
    rolled = m.add("dataset", "push-t/rolled", ("data_from", story.reality), ("data_from", story.b))
    dreamt = m.add("dataset", "push-t/dreamt", ("data_from", story.v1), visited=visits(0.7, 0.9))
    m.say(story.advisory())
    assert status_of(m.graph(), rolled).status == Status.FRESH
    assert status_of(m.graph(), dreamt).status == Status.STALE
    assert status_of(m.graph(Revocation(story.b, "")), rolled).status == Status.INVALID


def test_an_imported_version_is_unknown_and_so_is_what_is_trained_in_it() -> None:
    m = Maker()
    world = m.add("simulator", "foreign", opaque=True)
    policy = m.add("policy", "p", ("trained_in", world))
    score = m.add("evaluation", "e", ("evaluates", policy))
    found = status_all(m.graph())
    assert (found[world], found[policy], found[score]) == (Status.UNKNOWN, Status.UNKNOWN, Status.FRESH)


def test_what_is_not_in_the_registry_is_unknown() -> None:
    m = Maker()
    policy = m.add("policy", "p", ("trained_in", "f" * 64))
    report = status_of(m.graph(), policy)
    assert report.status == Status.UNKNOWN
    assert "is not in the registry" in report.causes[0].sentence


HAPPENINGS = {
    "patched": lambda m, t: m.add("simulator", "patch", ("derived_from", t, {"relation": "patch"})),
    "superseded": lambda m, t: m.add("simulator", "newer", ("supersedes", t)),
    "advised": lambda m, t: m.say(Advisory("one", "a fault", "low", (t,))),
    "revoked": lambda m, t: m.say(Revocation(t, "bad")),
    "unrecorded": lambda m, t: None,
}


def comes_through(role: str, happening: str) -> str:
    """What becomes of a fresh version when something happens to the simulator that it rests on in ``role``."""
    m = Maker()
    target = m.add("simulator", "target", opaque=happening == "unrecorded")
    extra = {"relation": "base"} if role == "derived_from" else {}
    source = m.add("policy", "source", (role, target, extra))
    HAPPENINGS[happening](m, target)
    status = status_of(m.graph(), source).status
    return "" if status is Status.FRESH else str(status)


def test_the_table_of_the_page_is_the_table_of_the_rules() -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.read_text().splitlines() if "|" in line]
    table = {row[0].strip("`"): row[1:6] for row in rows if len(row) == 7 and row[0][0] == "`"}
    assert set(table) == set(ROLES) == set(RULES)
    for role, cells in table.items():
        shown = ["STALE" if cell == "by region" else cell.replace("-", "") for cell in cells]
        assert shown == [comes_through(role, happening) for happening in HAPPENINGS], role


@pytest.mark.parametrize("role", ["trained_on", "trained_in", "data_from"])
def test_roles_that_ask_for_the_region_ask_for_it(role: str) -> None:
    m = Maker()
    world = m.add("simulator", "w")
    source = m.add("dataset", "s", (role, world), visited=visits(0.1, 0.5))
    m.say(Advisory("one", "a fault", "low", (world,), {"factors": {"friction": [0.6, 1.0]}}))
    assert status_of(m.graph(), source).status == Status.SUSPECT


@settings(max_examples=30, deadline=None)
@given(RECIPES, WORSE)
def test_nothing_gets_fresher_by_an_advisory_or_a_revocation(recipe, event) -> None:
    maker = make(recipe)
    before = status_all(maker.graph())
    after = status_all(maker.graph(entry(maker, event)))
    assert all(after[one].rank >= status.rank for one, status in before.items())


@settings(max_examples=30, deadline=None)
@given(RECIPES)
def test_nothing_is_better_than_its_inputs_allow(recipe) -> None:
    graph = make(recipe).graph()
    survey = Survey(graph)
    for version in graph.versions.values():
        for edge in version.edges:
            for mark in survey.marks.get(edge.target, {}).values():
                kind = graph.get(edge.target).kind
                given_status = passes(Passage(version, edge, mark.trouble, kind), mark.status)
                advisory = mark.trouble.advisory
                if given_status and not (advisory and graph.replay(advisory.id, version.id)):
                    assert survey.status(version.id).rank >= given_status.rank


@settings(max_examples=20, deadline=None)
@given(RECIPES)
def test_one_version_asked_alone_has_the_same_status(recipe) -> None:
    graph = make(recipe).graph()
    found = status_all(graph)
    for one in graph.versions:
        report = status_of(graph, one)
        assert report.status == found[one]
        assert bool(report.causes) == (report.status is not Status.FRESH)
        for cause in report.causes:
            steps = zip(cause.path, cause.path[1:], strict=False)
            assert all(hop.role in {e.role for e in graph.get(a.id).edges if e.target == hop.id} for a, hop in steps)


def test_kinds_do_not_change_what_comes_along_a_measurement() -> None:
    for kind in KINDS:
        m = Maker()
        world = m.add("simulator", "w")
        source = m.add(kind, "s", ("evaluated_in", world))
        m.say(dataclasses.replace(Advisory("one", "a fault"), affects=(world,)))
        assert status_of(m.graph(), source).status == Status.STALE


@pytest.mark.parametrize(
    ("fields", "over"),
    [
        ({"expires": "1970-01-02"}, 86_400.0),
        ({"expires": 5_000}, 5_000.0),
        ({"valid_days": 2}, 2 * 86_400.0 + 2_000.0),
        ({"expires": "soon"}, 0.0),
        ({"valid_days": True}, 0.0),
    ],
)
def test_what_has_an_end_is_stale_from_then_on(fields, over) -> None:
    m = Maker()
    test = m.add("evaluation", "push-t/test")
    claim = m.add("claim", "push-t/claim", ("supports", test), **fields)

    def status(now: float) -> Status:
        return status_of(Graph(m.versions.values(), now=now), claim).status

    assert status(over) == Status.STALE
    assert over == 0.0 or status(over - 1.0) == Status.FRESH
    (cause,) = status_of(Graph(m.versions.values(), now=over), claim).causes
    words = "names an end that cannot be read" if over == 0.0 else "held until 1970-01-0"
    assert words in cause.sentence and [one.id for one in cause.path] == [claim]


def test_what_names_no_end_holds() -> None:
    m = Maker()
    for fields in ({}, {"expires": ""}, {"expires": None}):
        claim = m.add("claim", "push-t/claim", **fields)
        assert status_of(Graph(m.versions.values(), now=1e12), claim).status == Status.FRESH
