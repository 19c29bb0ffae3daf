"""Episodes: found by their digest, with what holds them and where they came from; what is said of one travels."""

import hashlib
import json

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.core.errors import DataError
from diorama.registry import episodes, tables
from diorama.registry.database import reading
from diorama.registry.episodes import EPISODES
from diorama.registry.lineage import lineage
from diorama.registry.records import Edge, Manifest, Revocation, Version
from diorama.registry.registry import Registry
from diorama.registry.status import status_of


def exact(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def dataset(registry: Registry, numbers: list[int], *edges: Edge, name: str = "lab/data") -> Version:
    rows = [
        {"exact": exact(k), "motion": f"{k:08x}", "percept": {"top": ["ff"]}, "ids": {"operator": f"p{k % 2}"}}
        for k in numbers
    ]
    blob = registry.add_blob(json.dumps(rows).encode())
    return registry.register(Manifest("dataset", name, {"world": "arm", "n": len(numbers)}, {EPISODES: blob}, edges))


@pytest.fixture
def told(registry) -> dict[str, Version]:
    """A robot, two policies that acted, a dataset that grew, a world and a policy that learned."""
    robot = registry.register(Manifest("simulator", "lab/robot", {"origin": "real"}))
    actors = [registry.register(Manifest("policy", f"lab/p{k}")) for k in range(2)]
    acted = [Edge("data_from", one.id, {"operator": [f"p{k}"]}) for k, one in enumerate(actors)]
    made = [Edge("data_from", robot.id), *acted]
    first = dataset(registry, [1, 2, 3], *made)
    grown = dataset(registry, [1, 2, 3, 4], *made, Edge("derived_from", first.id, {"relation": "merge"}))
    world = registry.register(Manifest("simulator", "lab/world", {}, {}, (Edge("trained_on", first.id),)))
    later = registry.register(Manifest("simulator", "lab/later", {}, {}, (Edge("trained_on", grown.id),)))
    return {"robot": robot, "p0": actors[0], "p1": actors[1], "first": first, "grown": grown, "w": world, "l": later}


def test_an_episode_is_found_by_its_digest_with_its_origin(registry, told) -> None:
    found = registry.episode(exact(3))
    assert found == registry.episode(exact(3)[:10])
    assert (found.motion, found.percept, found.ids) == ("00000003", {"top": ["ff"]}, {"operator": "p1"})
    assert found.datasets == (told["first"].id, told["grown"].id) and found.position == 2
    assert (found.origin, found.simulator, found.policy) == ("real", told["robot"].id, told["p1"].id)
    assert (found.embodiment, found.recorded_at, found.family) == ("arm", None, "lab/data")
    assert registry.episode(exact(4)).datasets == (told["grown"].id,)
    assert registry.episode("0" * 64) is None and registry.episode("../../etc/passwd") is None


def test_what_is_not_a_version_yet_has_a_lineage_and_a_status(registry, told) -> None:
    episode = registry.episode(exact(4))
    graph = registry.graph([], down=True, episode=episode)
    (one,) = (v.id for v in graph.versions.values() if v.kind == "episode")
    assert {node.name for node in lineage(graph, one, "down").nodes} == {"lab/data/episode", "lab/data", "lab/later"}
    assert {node.name for node in lineage(graph, one, "up").nodes} == {"lab/data/episode", "lab/robot", "lab/p0"}
    assert status_of(graph, one).status == "FRESH"
    assert registry.versions(kind="episode") == []
    registry.append(Revocation(told["robot"].id, "a bent finger"))
    assert status_of(registry.graph([], episode=episode), one).status == "INVALID"


def test_a_revoked_episode_makes_invalid_what_learned_from_it_and_only_that(registry, told) -> None:
    version = registry.register(registry.episode(exact(4)).manifest)
    assert {e.target for e in version.edges} == {told["robot"].id, told["p0"].id}
    registry.append(Revocation(version.id, "consent withdrawn"))
    statuses = {name: str(status_of(registry.graph([one.id]), one.id).status) for name, one in told.items()}
    assert {name for name, status in statuses.items() if status == "INVALID"} == {"grown", "l"}
    report = status_of(registry.graph(), told["l"].id)
    assert [hop.role for hop in report.causes[0].path] == ["", "trained_on", "holds"]
    assert registry.check() == []


def test_a_dataset_that_grew_takes_a_few_rows(registry) -> None:
    for count in (100, 200, 300):
        dataset(registry, list(range(count)))
    with reading(registry.engine) as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.held)).scalar() == 3
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.episode)).scalar() == 300
    assert len(registry.episode(exact(50)).datasets) == 3 and registry.episode(exact(250)).position == 250


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), max_size=8), min_size=1, max_size=5))
def test_the_index_says_what_the_datasets_hold(tmp_path_factory, held) -> None:
    with Registry.open(tmp_path_factory.mktemp("registry")) as registry:
        made = [dataset(registry, numbers, name=f"lab/d{k}") for k, numbers in enumerate(held)]
        with reading(registry.engine) as connection:
            for version, numbers in zip(made, held, strict=True):
                assert episodes.digests_of(connection, version.sequence) == [exact(k) for k in numbers]
        for k in range(10):
            holding = [v.id for v, numbers in zip(made, held, strict=True) if k in numbers]
            found = registry.episode(exact(k))
            assert list(found.datasets if found else []) == holding


def test_a_damaged_index_is_named_and_mended(registry, told) -> None:
    with registry.engine.begin() as connection:
        connection.execute(sa.delete(tables.held).where(tables.held.c.source == told["first"].sequence))
    assert [(one.what, one.subject) for one in registry.check()] == [("altered episodes", told["first"].id)]
    registry.restore()
    assert registry.check() == [] and registry.episode(exact(1)).datasets[0] == told["first"].id


@pytest.mark.parametrize("content", [b"{}", b'[{"exact": "../x"}]', b"[1]", b'{"exact": 1}'])
def test_a_list_that_is_none_is_refused(local, content) -> None:
    blob = local.add_blob(content)
    with pytest.raises(DataError, match="episodes.json"):
        local.register(Manifest("dataset", "d", {}, {EPISODES: blob}))
    assert local.versions() == []
