"""What is read for an answer about one version gives the answer that the whole registry gives."""

import dataclasses
import hashlib
import json
import shutil

import pytest
import sqlalchemy as sa
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from registry_random import EVENTS, NUMBER, VERSIONS, WORSE, entry, fields, laid
from registry_story import Maker

from diorama.registry import part, tables
from diorama.registry.costs import Cost
from diorama.registry.database import reading
from diorama.registry.debt import debt
from diorama.registry.episodes import EPISODES
from diorama.registry.explain import explain
from diorama.registry.plan import plan
from diorama.registry.records import ChannelEntry, Edge, Manifest, Revocation
from diorama.registry.registry import Registry
from diorama.registry.status import status_of

HELD = st.tuples(st.just("hold"), st.lists(st.integers(0, 5), min_size=1, max_size=4), VERSIONS)
SAID = st.tuples(st.just("speak"), st.integers(0, 5), st.booleans())
STEPS = st.lists(st.one_of(VERSIONS, HELD, SAID), min_size=2, max_size=12)
LOG = st.lists(st.one_of(EVENTS, WORSE, st.tuples(st.just("channel"), st.sampled_from("ab"), NUMBER)), max_size=6)

BACK = (
    "DROP INDEX episode_spoken_of",
    "DROP TABLE mention",
    "DROP INDEX edge_by_target",
    "CREATE INDEX edge_by_target ON edge (target, source)",
    "UPDATE alembic_version SET version_num = '0002'",
)
"""From the tables of today back to those of the second migration."""


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """The folder of an empty registry, to be copied: making the tables takes longer than an example."""
    place = tmp_path_factory.mktemp("empty") / "registry"
    Registry.open(place).close()
    return place


def tell(registry: Registry, steps: list, log: list) -> list[str]:
    """Register what the steps say and append what the log says; the ids."""
    ids: list[str] = []
    for number, step in enumerate(steps):
        if step[0] == "hold":
            ids.append(_dataset(registry, ids, number, *step[1:]))
        elif step[0] == "speak":
            _spoken(registry, ids, *step[1:])
        else:
            ids.append(_register(registry, ids, number, *step))
    maker = Maker()
    maker.versions = {one.id: one for one in registry.versions()}
    for event in log if maker.versions else ():
        named = [*maker.versions]
        said = ChannelEntry(event[1], named[event[2] % len(named)]) if event[0] == "channel" else entry(maker, event)
        registry.append(said)
    return [*maker.versions]


def _register(registry: Registry, ids: list, number: int, kind: str, edges: list, opaque: int, visited: int) -> str:
    made = tuple(Edge(*edge) for edge in laid(ids, edges))
    return registry.register(Manifest(kind, "random/version", fields(number, opaque, visited), {}, made)).id


def _dataset(registry: Registry, ids: list, number: int, held: list, like: tuple) -> str:
    rows = [{"exact": _exact(k), "motion": "", "percept": {}, "ids": {}} for k in held]
    blob = registry.add_blob(json.dumps(rows).encode())
    edges = tuple(Edge(*edge) for edge in laid(ids, like[1]))
    said = fields(number, like[2], like[3])
    return registry.register(Manifest("dataset", "random/data", said, {EPISODES: blob}, edges)).id


def _spoken(registry: Registry, ids: list, number: int, revoked: bool) -> None:
    """An episode becomes a version where a dataset holds it, and may be revoked."""
    if (found := registry.episode(_exact(number))) is not None:
        ids.append(registry.register(found.manifest).id)
        if revoked:
            registry.append(Revocation(ids[-1], "consent withdrawn"))


def _exact(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


@settings(max_examples=25, deadline=None, phases=(Phase.reuse, Phase.generate))
@given(STEPS, LOG, NUMBER)
def test_the_part_answers_as_the_whole(empty, tmp_path_factory, steps, log, at) -> None:
    place = tmp_path_factory.mktemp("part") / "registry"
    shutil.copytree(empty, place)
    with Registry.open(place) as registry:
        ids = tell(registry, steps, log)
        whole = registry.graph()
        for one in ids:
            alone = registry.graph([one])
            assert status_of(alone, one) == status_of(whole, one)
            assert debt(alone, one, 0.0) == debt(whole, one, 0.0)
            assert explain(registry.graph([one], down=True), one, 0.0) == explain(whole, one, 0.0)
        several = registry.graph(ids[-3:])
        assert [status_of(several, one) for one in ids[-3:]] == [status_of(whole, one) for one in ids[-3:]]
        if len(ids) > 1:
            old, new = ids[at % len(ids)], ids[(at + 1) % len(ids)]
            found = plan(registry.graph([old, new], down=True), old, new)
            assert _uncosted(found) == _uncosted(plan(whole, old, new))
    shutil.rmtree(place)


def _uncosted(found):
    """A plan without its costs: those of others of the family, which are no part of an answer, may be known."""
    return [dataclasses.replace(step, cost=Cost(), cheaper=None) for step in found.steps], found.notes


def test_what_does_not_concern_a_version_is_not_read(registry) -> None:
    policies = [registry.register(Manifest("policy", f"lab/p{k}")).id for k in range(3)]
    for one in policies:
        registry.append(ChannelEntry(f"to-{one[:6]}", one, "first"))
        registry.append(Revocation(one, "bad"))
    with reading(registry.engine) as connection:
        found = part.about(connection, [policies[1]], False)
    assert [version.id for version in found.versions] == [policies[1]]
    assert [(event.type, event.entry.version) for event in found.events] == [
        ("channel", policies[1]),
        ("revocation", policies[1]),
    ]


def test_what_is_held_leads_to_what_that_holds(local) -> None:
    """A foreign copy holds an episode of a policy that learned from data that hold a revoked one."""
    first = _dataset(local, [], 0, [1], ("", [], 1, 0))
    policy = local.register(Manifest("policy", "lab/p", {}, {}, (Edge("trained_on", first),))).id
    blob = local.get(_dataset(local, [policy], 1, [2], ("", [("data_from", 0, "")], 1, 0))).manifest.blobs
    copy = local.register(Manifest("dataset", "foreign/copy", {}, blob)).id
    _spoken(local, [], 2, False)
    _spoken(local, [], 1, True)
    assert str(status_of(local.graph([copy]), copy).status) == "INVALID"
    assert status_of(local.graph([copy]), copy) == status_of(local.graph(), copy)


def test_a_log_of_before_its_index_is_indexed_when_it_is_opened(place) -> None:
    with Registry.open(**place) as registry:
        one = registry.register(Manifest("policy", "lab/p")).id
        registry.append(Revocation(one, "bad"))
        with registry.engine.begin() as connection:
            for step in BACK:
                connection.exec_driver_sql(step)
    with Registry.open(**place) as registry:
        assert status_of(registry.graph([one]), one).status == "INVALID"
        assert registry.check() == []


def test_a_damaged_index_of_the_log_is_named_and_mended(registry) -> None:
    one = registry.register(Manifest("policy", "lab/p")).id
    registry.append(Revocation(one, "bad"))
    with registry.engine.begin() as connection:
        connection.execute(sa.delete(tables.mention))
    (damage,) = registry.check()
    assert damage.what == "damaged log" and "registry restore" in damage.sentence
    registry.restore()
    assert registry.check() == [] and status_of(registry.graph([one]), one).status == "INVALID"
