"""Faults: writers together, writers killed, full disks, damaged files. Nothing registered is lost; damage is named.

The 200 kills of the acceptance list are in ``benchmarks/registry/faults.py``.
"""

import contextlib
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from diorama.core.errors import DataError
from diorama.registry import database
from diorama.registry.check import check_place
from diorama.registry.records import Edge, Manifest
from diorama.registry.registry import Registry

WRITER = pathlib.Path(__file__).parent / "writer.py"
SOURCE = pathlib.Path(database.__file__).parents[2]


def start(place: dict, number: int, count: int, *largest: int) -> subprocess.Popen:
    """A writing process on its way. ``largest``: no file that it writes may grow beyond so many bytes."""
    arguments = json.dumps({key: str(value) for key, value in place.items()})
    command = [sys.executable, str(WRITER), arguments, str(number), str(count), *map(str, largest)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env={"PYTHONPATH": str(SOURCE)}, **pipes)


def said(output: str) -> list[tuple[str, str]]:
    """The ids and digests that a writer said to be registered; a last line that is cut does not count."""
    lines = output.split("\n")[:-1]
    return [(line.split()[0], line.split()[1]) for line in lines if " " in line]


def prove(registry: Registry, registered: list[tuple[str, str]]) -> None:
    """Nothing said to be registered is lost, and everything visible is whole."""
    for version, digest in registered:
        assert registry.get(version).manifest.blobs == {"w.json": digest}
        assert json.loads(registry.read_blob(digest))
    assert [one for one in registry.check() if not one.harmless] == []


@pytest.mark.parametrize("place", ["sqlite and folder", "postgresql and folder"], indirect=True)
def test_many_processes_write_at_once(place) -> None:
    """Eight on SQLite, whose lock is a file; PostgreSQL's is its own, and four show that it is taken."""
    Registry.open(**place).close()
    number, each = (4 if "database" in place else 8), 5
    writers = [start(place, writer, each) for writer in range(number)]
    registered = []
    for writer in writers:
        out, err = writer.communicate(timeout=240)
        assert (writer.returncode, err) == (0, "")
        registered += said(out)
    with Registry.open(**place) as registry:
        assert len(registered) == number * each
        prove(registry, registered)
        versions, events = registry.versions(), registry.events("budget")
    assert [one.sequence for one in versions] == list(range(1, number * each + 2))
    assert [event.sequence for event in events] == list(range(1, number * each + 1))


def test_killed_writers_lose_nothing_and_leave_nothing_half(folder) -> None:
    chance = random.Random(0)
    registered = []
    for number in range(5):
        writer = start({"place": folder}, number, 10_000)
        # After so many versions, and then anywhere within the next one.
        lines = [writer.stdout.readline() for _ in range(1 + chance.randrange(4))]
        try:
            writer.wait(chance.uniform(0.0, 0.03))
        except subprocess.TimeoutExpired:
            writer.kill()
        out, _ = writer.communicate(timeout=60)
        assert writer.returncode == -9
        registered += said("".join(lines) + out)
    assert registered
    with Registry.open(folder) as registry:
        prove(registry, registered)
        with registry.engine.begin() as connection:
            connection.execute(sa.text("UPDATE lease SET until = 0"))
        registry.gc(grace_s=-60.0)
        prove(registry, registered)
        assert registry.check() == []


@pytest.mark.parametrize("size", [16_000, 300_000])
def test_a_full_disk_stops_a_writer_with_a_sentence_and_loses_nothing(folder, size) -> None:
    Registry.open(folder).close()
    writer = start({"place": folder}, 0, 10_000, size)
    out, err = writer.communicate(timeout=240)
    assert writer.returncode == 1
    assert "DataError" in err
    with Registry.open(folder) as registry:
        prove(registry, said(out))
    assert bool(said(out)) == (size == 300_000)


@pytest.fixture
def tiny(tmp_path) -> Iterator[pathlib.Path]:
    """A file system of one MiB; skips where none can be mounted."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_disk_that_is_really_full_is_said_and_reading_goes_on(tiny) -> None:
    """The test above limits the size of a file; here the file system has no room."""
    made = []
    with Registry.open(tiny / "r") as registry:
        with pytest.raises(DataError, match="full.*free space and try again|No space left.*free space"):
            for number in range(200):
                digest = registry.add_blob(json.dumps({"a": "x" * 20_000, "n": number}).encode())
                made.append((registry.register(Manifest("policy", "p", {"n": number}, {"w.json": digest})).id, digest))
        assert 0 < len(made) < 200
        prove(registry, made)


@pytest.fixture
def small(folder: pathlib.Path) -> dict:
    """A folder with two versions and one blob; their ids, the digest and the paths of their files."""
    with Registry.open(folder / "r") as registry:
        digest = registry.add_blob(b'{"weights": [1, 2, 3]}')
        first = registry.register(Manifest("simulator", "world", {}, {"w.json": digest})).id
        second = registry.register(Manifest("policy", "policy", {}, {}, (Edge("trained_in", first),))).id
    root = folder / "r"
    paths = {"blob": root / "blobs" / digest[:2] / digest, "manifest": root / "manifests" / first[:2] / first}
    return {"root": root, "digest": digest, "first": first, "second": second, **paths}


def names(root: pathlib.Path) -> list[tuple[str, str]]:
    return [(one.what, one.subject) for one in check_place(root)]


def alter(root: pathlib.Path, statement: str, *values) -> None:
    """Change the tables behind the registry's back, without its foreign keys."""
    with contextlib.closing(sqlite3.connect(root / "registry.sqlite")) as connection, connection:
        connection.execute(statement, values)


def test_a_whole_registry_has_no_damage(small) -> None:
    assert names(small["root"]) == []


def test_damaged_blobs_are_named(small) -> None:
    blob = small["blob"]
    whole = blob.read_bytes()
    blob.chmod(0o644)
    for content, what in ((whole[:-3], "truncated"), (b"X" + whole[1:], "corrupted"), (whole + b" ", "corrupted")):
        blob.write_bytes(content)
        assert names(small["root"]) == [(f"{what} blob", small["digest"])]
    blob.unlink()
    assert names(small["root"]) == [("missing blob", small["digest"])]
    with Registry.open(small["root"]) as registry:
        registry.add_blob(whole)
    assert names(small["root"]) == []


def test_damaged_manifest_files_are_named_and_mended(small) -> None:
    manifest = small["manifest"]
    manifest.chmod(0o644)
    manifest.write_bytes(b"{}")
    assert names(small["root"]) == [("corrupted manifest", small["first"])]
    manifest.unlink()
    assert names(small["root"]) == [("missing manifest", small["first"])]
    with Registry.open(small["root"]) as registry:
        assert registry.restore() == []
    assert names(small["root"]) == []


def test_altered_rows_are_named(small) -> None:
    root = small["root"]
    alter(root, "UPDATE edge SET role = 'judged_by'")
    assert names(root) == [("altered edges", small["second"])]
    alter(root, "UPDATE edge SET role = 'trained_in', target = 77")
    assert [what for what, _ in names(root)] == ["edge to nothing", "altered edges"]
    alter(root, "UPDATE edge SET target = 1")
    alter(root, "UPDATE blob_reference SET name = 'other.json'")
    assert names(root) == [("altered references", small["first"])]
    alter(root, "UPDATE blob_reference SET name = 'w.json'")
    alter(root, "UPDATE version SET manifest = replace(manifest, 'world', 'house') WHERE id = ?", small["first"])
    assert names(root) == [("altered version", small["first"])]
    with Registry.open(root) as registry, pytest.raises(DataError, match="was altered"):
        registry.get(small["first"])


def test_a_damaged_log_is_named(small) -> None:
    alter(small["root"], "INSERT INTO event VALUES (1, 0.0, 'ann', 'revocation', 'x', '{\"version\": 3}')")
    assert names(small["root"]) == [("damaged log", "1")]


def test_an_unfinished_registration_is_harmless(small, monkeypatch) -> None:
    def die(*_arguments) -> None:
        raise KeyboardInterrupt

    with Registry.open(small["root"]) as registry:
        monkeypatch.setattr("diorama.registry.writes.insert_versions", die)
        with pytest.raises(KeyboardInterrupt):
            registry.register(Manifest("policy", "never"))
    found = check_place(small["root"])
    assert [(one.what, one.harmless) for one in found] == [("unfinished registration", True)]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.9])
def test_a_truncated_copy_of_the_database_is_named_and_restored(small, share) -> None:
    root, file = small["root"], small["root"] / "registry.sqlite"
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    found = names(root)
    assert found and {what for what, _ in found} <= {"unreadable database", "lost version"}
    file.unlink()
    for rest in root.glob("registry.sqlite-*"):
        rest.unlink()
    with Registry.open(root) as registry:
        assert {one.subject for one in registry.check()} == {small["first"], small["second"]}
        assert [one.id for one in registry.restore()] == [small["first"], small["second"]]
    assert names(root) == []


def test_an_older_copy_of_the_database_is_named_and_caught_up(small) -> None:
    root, file = small["root"], small["root"] / "registry.sqlite"
    shutil.copy(file, root.parent / "old.sqlite")
    with Registry.open(root) as registry:
        newer = registry.register(Manifest("policy", "newer", {}, {}, (Edge("trained_in", small["first"]),))).id
    shutil.copy(root.parent / "old.sqlite", file)
    assert names(root) == [("lost version", newer)]
    with Registry.open(root) as registry:
        assert [one.id for one in registry.restore()] == [newer]
    assert names(root) == []


def test_a_file_that_is_no_database_is_named(small) -> None:
    (small["root"] / "registry.sqlite").write_bytes(b"not a database at all" * 500)
    assert names(small["root"]) == [("unreadable database", str(small["root"]))]
    with pytest.raises(DataError, match="registry check.*restore"):
        Registry.open(small["root"])
