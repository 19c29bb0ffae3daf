"""Random graphs and logs: Hypothesis draws plain recipes, tests make graphs of them.

Nothing of Diorama runs while drawing: under beartype it would use the global random generator, which Hypothesis
refuses.
"""

from typing import Any

from hypothesis import strategies as st
from registry_story import Maker, visits

from diorama.registry.records import KINDS, RELATIONS, ROLES, Advisory, Entry, Replay, Revocation

REGIONS = (
    {"everywhere": True},
    {"factors": {"friction": [0.6, 1.0]}},
    {"factors": {"friction": [0.0, 0.05]}},
    {"factors": {"mass": [0.0, 1.0]}},
    {},
)
VISITED = (None, visits(0.1, 0.5), visits(0.1, 1.0), {"factors": 4})
NUMBER = st.integers(0, 99)
EDGES = st.tuples(st.sampled_from(ROLES + ("trained_in", "derived_from") * 3), NUMBER, st.sampled_from(RELATIONS))
VERSIONS = st.tuples(st.sampled_from(KINDS), st.lists(EDGES, max_size=3), st.integers(0, 9), st.integers(0, 3))
TELLING = {
    "advisory": st.tuples(
        st.lists(NUMBER, min_size=1, max_size=2), st.integers(0, 4), st.lists(NUMBER, max_size=2), NUMBER
    ),
    "replay": st.tuples(NUMBER, st.integers(0, 2), NUMBER),
    "revocation": st.tuples(NUMBER),
}
NAMES = st.sampled_from(["one", "two"])
EVENTS = st.one_of([st.tuples(st.just(kind), NAMES, what) for kind, what in TELLING.items()])
RECIPES = st.tuples(st.lists(VERSIONS, min_size=2, max_size=9), st.lists(EVENTS, max_size=4))
WORSE = st.one_of([st.tuples(st.just(kind), st.just("three"), TELLING[kind]) for kind in ("advisory", "revocation")])


def make(recipe: tuple[list, list]) -> Maker:
    """The maker of a recipe: versions with edges to earlier ones, then the log."""
    maker, ids = Maker(), []
    for number, (kind, edges, opaque, visited) in enumerate(recipe[0]):
        ids.append(maker.add(kind, "random/version", *laid(ids, edges), **fields(number, opaque, visited)))
    for event in recipe[1]:
        maker.say(entry(maker, event))
    return maker


def fields(number: int, opaque: int, visited: int) -> dict[str, Any]:
    """The fields of a version, by its recipe."""
    seen = {} if VISITED[visited] is None else {"visited": VISITED[visited]}
    return {"number": number, "opaque": opaque == 0, **seen}


def entry(maker: Maker, event: tuple) -> Entry:
    """The entry of an event's recipe, on versions that there are."""
    ids = list(maker.versions)
    kind, name, what = event
    if kind == "revocation":
        return Revocation(ids[what[0] % len(ids)], "bad")
    if kind == "replay":
        world = ids[what[2] % len(ids)] if what[2] % 2 else ""
        return Replay(name, ids[what[0] % len(ids)], what[1], 2, 0, world)
    return _advisory(maker, ids, name, *what)


def _advisory(maker: Maker, ids: list, name: str, affects: list, region: int, fixed: list, regression: int) -> Advisory:
    """An advisory on some versions, fixed in some of their patches."""
    affected = tuple({ids[one % len(ids)]: None for one in affects})
    patches = [patch for one in affected for patch in maker.graph().patches(one)]
    fixes = tuple({patches[one % len(patches)]: None for one in fixed}) if patches else ()
    regressions = (ids[regression % len(ids)],) if regression % 2 else ()
    return Advisory(name, "a fault", "low", affected, REGIONS[region], fixes, regressions)


def laid(ids: list, edges: list) -> list[tuple]:
    """Edges to some of ``ids``, by their recipes."""
    if not ids:
        return []
    pairs = [(role, ids[at % len(ids)], relation) for role, at, relation in edges]
    return [(r, t, {"relation": relation} if r == "derived_from" else {}) for r, t, relation in pairs]
