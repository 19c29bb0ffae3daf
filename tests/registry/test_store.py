"""The registry on every kind of place: versions, edges, closures, the log, opening, restoring."""

import dataclasses
import pathlib
import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from diorama.core.errors import DataError
from diorama.registry import database, tables
from diorama.registry.database import network_file_system, open_database, revision, sqlite_url
from diorama.registry.manifest import manifest_id
from diorama.registry.records import Advisory, BudgetEntry, ChannelEntry, Edge, Manifest, Replay, Revocation
from diorama.registry.registry import Registry

SOURCE = pathlib.Path(database.__file__).parents[2]


def simple(name: str, *targets: str, role: str = "trained_in", **fields) -> Manifest:
    return Manifest("policy", name, fields, {}, tuple(Edge(role, target) for target in targets))


def test_a_version_is_found_by_every_name_it_has(registry) -> None:
    first = registry.register(simple("push-t/policy", seed=1))
    second = registry.register(simple("push-t/policy", seed=2))
    registry.append(ChannelEntry("prod", first.id, "first"))
    assert registry.get(first.id) == first == registry.get("prod") == registry.get(first.id[:12])
    assert registry.get("push-t/policy") == second
    registry.append(ChannelEntry("prod", second.id, "better"))
    registry.append(ChannelEntry("prod", first.id, "rolled back"))
    assert registry.get("prod") == first
    assert [event.entry.reason for event in registry.events("channel", "prod")] == ["first", "better", "rolled back"]
    assert (first.sequence, second.sequence) == (1, 2)


def test_registering_again_gives_the_same_version(registry) -> None:
    one = registry.register(simple("a", x=1))
    assert registry.register(simple("a", x=1)) == one
    assert registry.register_many([simple("a", x=1), simple("b"), simple("b")])[1:] == [registry.get("b")] * 2
    assert len(registry.versions()) == 2


def test_what_is_read_back_is_what_was_registered(registry) -> None:
    digest = registry.add_blob(b'{"weights": [1, 2]}')
    world = registry.register(Manifest("simulator", "world", {"dt": 0.1, "ä": [None, True]}, {"w/a.json": digest}))
    edges = (Edge("trained_in", world.id, {"share": 0.5}), Edge("selected_by", world.id), Edge("trained_in", world.id))
    policy = registry.register(Manifest("policy", "policy", {}, {}, edges))
    assert registry.get(policy.id).edges == edges
    assert registry.get(world.id).fields == {"dt": 0.1, "ä": [None, True]}
    assert registry.read_blob(world.manifest.blobs["w/a.json"]) == b'{"weights": [1, 2]}'
    assert manifest_id(registry.get(policy.id).manifest) == policy.id
    assert registry.edges(target=world.id) == [(policy.id, edge) for edge in edges]
    assert registry.edges(source=policy.id, role="selected_by") == [(policy.id, edges[1])]
    assert registry.edges(source=world.id) == []


def test_listing_by_kind_name_and_number(registry) -> None:
    made = registry.register_many([simple(f"p{k % 2}", k=k) for k in range(6)] + [Manifest("dataset", "d")])
    assert registry.versions() == made
    assert registry.versions(kind="dataset") == made[-1:]
    assert registry.versions(name="p1", limit=2) == [made[3], made[5]]


def test_closures_go_both_ways(registry) -> None:
    root = registry.register(simple("root"))
    left, right = registry.register_many([simple("left", root.id), simple("right", root.id)])
    tip = registry.register(simple("tip", left.id, right.id))
    alone = registry.register(simple("alone"))
    assert registry.downstream(root.id) == [left.id, right.id, tip.id]
    assert registry.upstream([tip.id]) == [root.id, left.id, right.id]
    assert registry.downstream([left.id, right.id]) == [tip.id]
    assert registry.downstream(alone.id) == registry.upstream(alone.id) == []


def test_a_batch_may_rest_on_itself_and_is_all_or_nothing(registry) -> None:
    first = simple("first")
    second = simple("second", manifest_id(first))
    made = registry.register_many([first, second])
    assert registry.downstream(made[0].id) == [made[1].id]
    with pytest.raises(DataError, match="not registered"):
        registry.register_many([simple("third"), simple("fourth", "0" * 64)])
    assert len(registry.versions()) == 2


def test_missing_targets_and_blobs_are_refused(registry) -> None:
    with pytest.raises(DataError, match="edge trained_in to 0000.*not registered"):
        registry.register(simple("p", "0" * 64))
    with pytest.raises(DataError, match=f"Blob {'0' * 64} is missing"):
        registry.register(Manifest("policy", "p", {}, {"w.json": "0" * 64}))
    assert registry.versions() == []


def test_questions_without_an_answer_are_named(registry) -> None:
    many = registry.register_many([simple("p", k=k) for k in range(5)])
    for ask in ("nothing", "0" * 64, "zzzz"):
        with pytest.raises(DataError, match=ask):
            registry.get(ask)
    with pytest.raises(DataError, match="not registered"):
        registry.downstream("0" * 64)
    assert registry.get(many[0].id[:20]) == many[0]


def test_an_ambiguous_prefix_lists_its_candidates(local) -> None:
    ids = [one.id for one in local.register_many([simple("p", k=k) for k in range(600)])]
    clash = sorted(ids, key=lambda one: one[:4])
    pairs = [(a, b) for a, b in zip(clash, clash[1:], strict=False) if a[:4] == b[:4]]
    assert pairs, "600 ids share a first four digits with probability 0.94 and these ids never change"
    with pytest.raises(DataError, match="several ids.*more digits") as caught:
        local.get(pairs[0][0][:4])
    assert pairs[0][0][:16] in str(caught.value) and pairs[0][1][:16] in str(caught.value)


def test_the_log_keeps_every_kind_of_entry_in_order(registry) -> None:
    version = registry.register(simple("p")).id
    entries = [
        BudgetEntry("held-out", "estimation", 100.0, "queries", "granted"),
        Advisory("friction", "Slides", affects=(version,), region={"factors": {"friction": [0.6, 1.0]}}),
        Replay("friction", version, 9, 10, 1),
        Revocation(version, "wrong labels"),
    ]
    events = [registry.append(entry, author="ann") for entry in entries]
    assert registry.events() == events
    assert [event.entry for event in events] == entries
    assert [event.sequence for event in events] == [1, 2, 3, 4]
    assert {event.author for event in events} == {"ann"}
    assert registry.events("replay", "friction") == [events[2]]
    with pytest.raises(DataError, match="not registered"):
        registry.append(Revocation("0" * 64))
    assert len(registry.events()) == 4


def test_the_graph_is_whole_or_the_part_that_is_asked_about(registry) -> None:
    old = registry.register(Manifest("simulator", "world", {"v": 1}))
    new = registry.register(
        Manifest("simulator", "world", {"v": 2}, {}, (Edge("derived_from", old.id, {"relation": "patch"}),))
    )
    policy = registry.register(simple("policy", old.id))
    build = registry.register(Manifest("build", "b", {}, {}, (Edge("output", policy.id),)))
    other = registry.register(simple("other", old.id))
    registry.append(ChannelEntry("prod", policy.id))
    assert set(registry.graph().versions) == {old.id, new.id, policy.id, build.id, other.id}
    part = registry.graph([policy.id])
    assert set(part.versions) == {old.id, new.id, policy.id, build.id}
    assert set(registry.graph([old.id], down=True).versions) == set(registry.graph().versions)
    assert list(part.channels) == ["prod"]


def test_a_registry_is_the_same_when_opened_again(place) -> None:
    with Registry.open(**place) as registry:
        version = registry.register(Manifest("judge", "j", {}, {"j.json": registry.add_blob(b"{}")}))
    with Registry.open(**place) as registry:
        assert registry.get(version.id) == version
        assert registry.check() == []


def test_the_migrations_make_the_tables_that_the_code_uses(registry) -> None:
    with registry.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, tables.metadata)
    assert found == []
    folder = pathlib.Path(database.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == tables.SCHEMA_REVISION == revision(registry.engine)


def test_a_registry_of_a_newer_release_is_refused(place) -> None:
    with Registry.open(**place) as registry, registry.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DataError, match="newer Diorama.*upgrade"):
        Registry.open(**place)


OPEN = (
    "import sys, time; from diorama.registry.registry import Registry\n"
    "sys.stdin.read(1)\n"
    "options = dict(zip(('place', 'database'), sys.argv[1:]))\n"
    "with Registry.open(**options) as r: sys.stdout.write(str(len(r.versions())))\n"
)


@pytest.mark.parametrize("place", ["sqlite and folder", "postgresql and folder"], indirect=True)
def test_many_processes_open_a_new_database_together(place) -> None:
    command = [sys.executable, "-c", OPEN, str(place["place"]), *([place["database"]] if "database" in place else [])]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    number = 2 if "database" in place else 4
    processes = [subprocess.Popen(command, env={"PYTHONPATH": str(SOURCE)}, **pipes) for _ in range(number)]
    for process in processes:
        process.stdin.write(b"!")
        process.stdin.flush()
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, b"0", b"")


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"])
def test_sqlite_on_a_network_file_system_is_refused(folder, kind) -> None:
    mounts = folder / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {folder} {kind} rw 0 0\n")
    with pytest.raises(DataError, match=rf"network file system \({kind}\).*use PostgreSQL .DIORAMA_DATABASE="):
        Registry.open(folder / "registry", mounts=mounts)
    assert not (folder / "registry").exists()


def test_the_innermost_mount_decides(folder) -> None:
    mounts = folder / "mounts"
    inner = folder / "with blank"
    lines = ["srv:/ / nfs rw 0 0", f"/dev/vda {folder} ext4 rw 0 0", f"srv:/y {folder}/with\\040blank nfs4 rw 0 0"]
    mounts.write_text("\n".join(lines))
    assert network_file_system(folder, mounts) is None
    assert network_file_system(inner / "below", mounts) == "nfs4"
    assert network_file_system(pathlib.Path("/elsewhere"), mounts) == "nfs"
    assert network_file_system(folder, folder / "absent") is None


def test_sqlite_waits_and_keeps_a_write_ahead_log(local) -> None:
    with local.engine.connect() as connection:
        pragma = {n: connection.exec_driver_sql(f"PRAGMA {n}").scalar() for n in ("journal_mode", "busy_timeout")}
        keys = connection.exec_driver_sql("PRAGMA foreign_keys").scalar()
    assert pragma == {"journal_mode": "wal", "busy_timeout": 30_000}
    assert keys == 1


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "nonsense"])
def test_other_databases_are_refused(url) -> None:
    with pytest.raises(DataError):
        open_database(url)


def test_a_url_in_place_of_the_folder_is_refused() -> None:
    with pytest.raises(DataError, match="give a folder"):
        Registry.open("s3://bucket/x")


def test_a_relative_folder_gives_an_absolute_url() -> None:
    assert sqlite_url(pathlib.Path("x.sqlite")).startswith("sqlite:////")


def test_versions_are_frozen(local) -> None:
    version = local.register(simple("p"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        version.id = "x"
