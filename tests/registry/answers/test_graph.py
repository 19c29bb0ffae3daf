"""The graph in memory: closures, order, and what the log says."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registry_random import RECIPES, make
from registry_story import Maker

from diorama.core import DataError
from diorama.registry.graph import Graph
from diorama.registry.lineage import lineage, trail
from diorama.registry.records import ROLES, Edge, Manifest, Replay, Version


def walk(graph: Graph, start: str, down: bool, roles: tuple[str, ...]) -> set[str]:
    """The closure by trying every edge until nothing is added."""
    pairs = [(v.id, e.target) for v in graph.versions.values() for e in v.edges if not roles or e.role in roles]
    pairs = pairs if down else [(target, source) for source, target in pairs]
    found = {start}
    while more := {source for source, target in pairs if target in found} - found:
        found |= more
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), RECIPES, st.lists(st.sampled_from(ROLES), max_size=6))
def test_a_closure_is_what_a_walk_finds(at: int, recipe, roles: list[str]) -> None:
    graph = make(recipe).graph()
    start = list(graph.versions)[at % len(graph)]
    assert set(graph.downstream([start], roles)) == walk(graph, start, True, tuple(roles))
    assert set(graph.upstream([start], roles)) == walk(graph, start, False, tuple(roles))


@settings(max_examples=30, deadline=None)
@given(RECIPES)
def test_each_version_stands_behind_what_it_rests_on(recipe) -> None:
    graph = make(recipe).graph()
    order = graph.order(graph.versions)
    place = {version: i for i, version in enumerate(order)}
    assert sorted(order) == sorted(graph.versions)
    assert all(place[e.target] < place[v.id] for v in graph.versions.values() for e in v.edges)


def test_a_long_chain_is_no_recursion() -> None:
    maker, ids = Maker(), []
    for _ in range(1500):
        ids.append(maker.add("dataset", "chain", *[("data_from", one) for one in ids[-1:]]))
    graph = maker.graph()
    assert graph.upstream([ids[-1]]) == ids
    assert graph.downstream([ids[0]]) == ids


def test_a_cycle_is_refused() -> None:
    one, two = (Manifest("policy", "p", edges=(Edge("trained_in", target),)) for target in ("b", "a"))
    with pytest.raises(DataError, match="cycle"):
        Graph([Version("a", one, 0.0, 1), Version("b", two, 0.0, 2)]).order(["a", "b"])


def test_an_unknown_version_is_named(story) -> None:
    with pytest.raises(DataError, match="abc is not in this graph"):
        story.maker.graph().upstream(["abc"])


def test_the_newest_entry_of_an_advisory_counts(story) -> None:
    story.maker.say(story.advisory(fixed=False))
    assert story.maker.graph(story.advisory()).advisories["friction-1"].fixed_in == (story.v2,)
    assert story.maker.graph().advised(story.v1)[0].fixed_in == ()


def test_a_replay_counts_only_where_it_proves_something(story) -> None:
    def seen(*entries):
        return story.maker.graph(*entries).replay("friction-1", story.a)

    advisory = story.advisory(fixed=False)
    good = Replay("friction-1", story.a, 20, 20, 0, story.v2)
    assert seen(advisory, good) == good
    assert seen(advisory, Replay("friction-1", story.a, 0, 0)) is None
    assert seen(advisory, Replay("friction-1", story.a, 20, 20, 0, story.v1)) is None
    assert seen(advisory, good, story.advisory()) == good  # a fix changes nothing of the question
    wider = dataclasses.replace(advisory, region={"everywhere": True})
    assert seen(advisory, good, wider) is None


@settings(max_examples=30, deadline=None)
@given(RECIPES, st.integers(0, 99), st.integers(0, 99))
def test_a_trail_is_a_shortest_chain_of_edges(recipe, first, second) -> None:
    graph = make(recipe).graph()
    ids = list(graph.versions)
    source, target = ids[first % len(ids)], ids[second % len(ids)]
    found = trail(graph, source, target)
    depths = {node.id: node.depth for node in lineage(graph, source).nodes}
    if target not in depths:
        assert found is None
        return
    assert len(found) == depths[target]
    at = source
    for link in found:
        assert link.source == at and any(e.role == link.role and e.target == link.target for e in graph.get(at).edges)
        at = link.target
    assert at == target
