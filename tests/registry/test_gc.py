"""Garbage collection: only what nothing reaches, only when it is old, never under a writer."""

import contextlib
import sqlite3
import time

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from diorama.core.errors import DataError
from diorama.registry import tables
from diorama.registry.records import Edge, Manifest


def end_every_lease(registry) -> None:
    """As if a day had gone by."""
    with registry.engine.begin() as connection:
        connection.execute(sa.update(tables.lease).values(until=time.time() - 1))


def test_what_a_version_reaches_stays_and_the_rest_goes(registry) -> None:
    kept, dropped = registry.add_blob(b'{"kept": 1}'), registry.add_blob(b'{"dropped": 1}')
    registry.register(Manifest("judge", "j", {}, {"a.json": kept}))
    end_every_lease(registry)
    assert registry.gc(dry_run=True, grace_s=-60.0) == [dropped]
    assert registry.has_blob(dropped)
    assert registry.gc(grace_s=-60.0) == [dropped]
    assert not registry.has_blob(dropped)
    assert registry.read_blob(kept) == b'{"kept": 1}'
    assert registry.gc(grace_s=-60.0) == [] == registry.check()


def test_a_blob_that_is_not_registered_yet_survives(registry) -> None:
    digest = registry.add_blob(b"{}")
    assert registry.gc(grace_s=-60.0) == []
    registry.register(Manifest("judge", "j", {}, {"a.json": digest}))
    assert registry.check() == []


def test_a_young_file_survives_without_a_lease(local) -> None:
    digest = local.add_blob(b"{}")
    end_every_lease(local)
    assert local.gc(grace_s=60.0) == []
    assert local.gc(grace_s=-60.0) == [digest]


def test_a_blob_that_is_added_again_is_leased_again(registry) -> None:
    digest = registry.add_blob(b"{}")
    end_every_lease(registry)
    assert registry.add_blob(b"{}") == digest
    assert registry.gc(grace_s=-60.0) == []


def test_a_blob_whose_lease_ran_out_is_refused_when_it_is_gone(registry) -> None:
    digest = registry.add_blob(b"{}")
    end_every_lease(registry)
    registry.gc(grace_s=-60.0)
    with pytest.raises(DataError, match="is missing"):
        registry.register(Manifest("judge", "j", {}, {"a.json": digest}))
    assert registry.versions() == []


def test_between_the_blob_check_and_the_transaction_a_collection_finds_leases(registry, monkeypatch) -> None:
    digest = registry.add_blob(b"{}")
    end_every_lease(registry)
    put = registry.manifests.put_many
    gone = []

    def put_and_collect(contents):
        made = put(contents)
        gone.extend(registry.gc(grace_s=-60.0))
        return made

    monkeypatch.setattr(registry.manifests, "put_many", put_and_collect)
    registry.register(Manifest("judge", "j", {}, {"a.json": digest}))
    assert gone == []
    assert registry.check() == []


def test_stray_files_go_when_they_are_old(local) -> None:
    stray = local.blobs.folder / "partial" / "left"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"half")
    assert [(one.what, one.harmless) for one in local.check()] == [("stray file", True)]
    assert local.gc(grace_s=60.0) == []
    assert local.gc(grace_s=-60.0) == ["partial/left"]
    assert not stray.exists()


def test_nothing_is_removed_after_the_database_lost_versions(local) -> None:
    version = local.register(Manifest("judge", "j", {}, {"a.json": local.add_blob(b"{}")}))
    with contextlib.closing(sqlite3.connect(local.file)) as connection, connection:
        for name in ("blob_reference", "version"):
            connection.execute(f"DELETE FROM {name}")
    with pytest.raises(DataError, match="has lost 1 registered versions.*restore"):
        local.gc(grace_s=-60.0)
    assert [one.what for one in local.check()] == ["lost version"]
    assert [one.id for one in local.restore()] == [version.id]
    assert local.check() == [] == local.gc(grace_s=-60.0)


@st.composite
def histories(draw) -> list[tuple[list[int], list[int]]]:
    """For each version the earlier versions that it rests on, and the blobs (0 to 7) that it has."""
    size = draw(st.integers(0, 7))
    blobs = st.lists(st.integers(0, 7), max_size=3, unique=True)
    targets = [st.lists(st.integers(0, k - 1), max_size=3) if k else st.just([]) for k in range(size)]
    return [(draw(targets[k]), draw(blobs)) for k in range(size)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), spare=st.sets(st.integers(0, 7)), leased=st.sets(st.integers(0, 7)))
def test_gc_keeps_all_that_is_reached_and_nothing_else(local, history, spare, leased) -> None:
    ids: list[str] = []
    for k, (targets, numbers) in enumerate(history):
        blobs = {f"{n}.json": local.add_blob(f'{{"n": {n}}}'.encode()) for n in numbers}
        edges = tuple(Edge("trained_on", ids[target]) for target in targets)
        ids.append(local.register(Manifest("dataset", f"d{k}", {}, blobs, edges)).id)
    for n in spare:
        local.add_blob(f'{{"n": {n}}}'.encode())
    end_every_lease(local)
    held = {local.add_blob(f'{{"n": {n}}}'.encode()) for n in leased}
    wanted = {digest for one in local.versions() for digest in one.manifest.blobs.values()} | held
    local.gc(grace_s=-60.0)
    assert {found.name for found in local.blobs.listing()} == wanted
    assert {found.name for found in local.manifests.listing()} == {one.id for one in local.versions()}
    assert [one for one in local.check() if not one.harmless] == []
    end_every_lease(local)
    local.gc(grace_s=-60.0)
