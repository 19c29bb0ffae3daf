"""The registry at size: writing, closures, look-ups, status, blobs; on PostgreSQL and S3; MLflow beside it.

python benchmarks/registry/run.py [--quick] [--peer PYTHON] [--only PART ...] [--out FILE]

Default: 100,000 versions and 300,000 edges on SQLite and a folder, a tenth of that on PostgreSQL. ``--peer`` names the
Python of an environment with MLflow (see `peer.py`). What the disk does alone is measured beside what we do with it.
"""

import argparse
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drawing import Drawn, log, pipelines, random_graph
from places import ROOT, bucket, postgresql
from rich.console import Console
from rich.table import Table
from timing import seconds

from diorama.cli.answering import asked
from diorama.recipes.book import Book, Places
from diorama.registry import writes
from diorama.registry.database import writing
from diorama.registry.listing import Search
from diorama.registry.records import Edge, Entry, Manifest
from diorama.registry.registry import Registry
from diorama.registry.status import status_of

ASKED = 200
"""Versions whose status is asked, drawn at random: the times are of one call each."""
PARTS = ("graph", "pipelines", "blobs", "postgresql", "s3", "peer")


@dataclass(frozen=True)
class Sizes:
    """How much is measured: versions, MiB of a blob, repeats of each quick thing."""

    versions: int
    megabytes: int
    repeats: int


class Rows:
    """Times or a sentence by the name of what was measured, all below one heading."""

    def __init__(self, found: dict[str, Any], heading: str) -> None:
        self.found, self.heading = found, heading

    def time(self, name: str, work: Callable[[], Any], repeats: int = 1) -> None:
        """Measure ``repeats`` calls more of one thing."""
        self.found.setdefault(f"{self.heading}: {name}", []).extend(seconds(work, repeats))

    def time_both(self, name: str, work: Callable[[], Any]) -> None:
        """One call more, by the clock and in CPU time of this process, which a busy machine changes less."""
        begun = time.process_time()
        self.time(name, work)
        self.found.setdefault(f"{self.heading}: {name}, CPU time", []).append(time.process_time() - begun)

    def say(self, name: str, sentence: str) -> None:
        """A row without times."""
        self.found[f"{self.heading}: {name}"] = sentence

    def median(self, name: str) -> float:
        """The median of what was measured [s]."""
        return statistics.median(self.found[f"{self.heading}: {name}"])


def tell(registry: Registry, entries: list[Entry]) -> None:
    """Append entries in one transaction: how long the log takes to be made is not measured here."""
    with writing(registry.engine) as connection:
        for entry in entries:
            writes.insert_event(connection, entry, "benchmark")


def measure_graph(registry: Registry, drawn: Drawn, repeats: int, rows: Rows) -> None:
    """Writing in bulk, closures and look-ups in a random graph."""
    many = f"register_many, {len(drawn.ids):,} versions, {drawn.edges:,} edges"
    rows.time(many, lambda: registry.register_many(drawn.manifests))
    first, last = drawn.ids[0], drawn.ids[-1]
    below, above = registry.downstream(first), registry.upstream(last)
    rows.time(f"downstream closure of {len(below):,}", lambda: registry.downstream(first), repeats)
    rows.time(f"upstream closure of {len(above):,}", lambda: registry.upstream(last), repeats)
    some = iter(random.Random(1).sample(drawn.ids, 4 * repeats))
    rows.time("get by id", lambda: registry.get(next(some)), repeats)
    rows.time("get by 12 digits", lambda: registry.get(next(some)[:12]), repeats)
    rows.time("edges to one version", lambda: registry.edges(target=next(some)), repeats)
    rows.time("a page of 50 of a kind", lambda: registry.search(Search(kinds=("policy",))), repeats)
    rows.time("newest of a family", lambda: registry.get("family-7"), repeats)


def measure_status(registry: Registry, drawn: Drawn, shape: str, rows: Rows) -> None:
    """The status of many versions: as the library is asked, and as the command line asks."""
    chosen = random.Random(3).sample(drawn.ids, min(ASKED, len(drawn.ids)))
    said = len(registry.events())
    above = statistics.median(len(registry.upstream(one)) for one in chosen)
    book = Book(registry, Places(pathlib.Path("nowhere.json")))
    status_of(registry.graph(chosen[:1]), chosen[0])  # the first question compiles the statements
    for one in chosen:
        rows.time_both(f"status of one version, {shape}", lambda: status_of(registry.graph([one]), one))  # noqa: B023
    for one in chosen:
        rows.time_both(f"status as `diorama status` asks, {shape}", lambda: _as_asked(book, one))  # noqa: B023
    known = [str(status_of(registry.graph([one]), one).status) for one in chosen]
    counts = ", ".join(f"{known.count(status)} {status}" for status in sorted(set(known)))
    text = f"{len(drawn.ids):,} versions, {drawn.edges:,} edges, {said:,} events; above the asked {above:.0f}; {counts}"
    rows.say(shape, text)


def _as_asked(book: Book, word: str) -> None:
    version, graph = asked(book, word[:16])
    status_of(graph, version)


def measure_command(place: pathlib.Path, word: str, repeats: int, rows: Rows) -> None:
    """The whole command, Python's start and imports included."""
    command = [sys.executable, "-m", "diorama.cli.main", "status", word, "--registry", str(place)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}

    def run() -> None:
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)

    rows.time("`diorama status`, a new process", run, repeats)


def measure_register(registry: Registry, folder: pathlib.Path, repeats: int, rows: Rows) -> None:
    """One version at a time, against one flush of the disk."""
    target = registry.versions(limit=1)[0].id
    fresh = iter(range(10**6))

    def one() -> None:
        registry.register(Manifest("policy", "single", {"n": next(fresh)}, {}, (Edge("trained_in", target),)))

    def flush() -> None:
        with (folder / "flushed").open("ab") as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())

    for _ in range(4 * repeats):
        rows.time("register one version", one)
        rows.time("(the disk: append 4 KiB and flush)", flush)


def measure_blobs(registry: Registry, folder: pathlib.Path, sizes: Sizes, rows: Rows) -> None:
    """Adding and reading back one large blob, against a plain copy that is flushed."""
    head = b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
    source, copy = folder / "large.safetensors", folder / "copy"
    plain, add, out = "(the disk: plain copy, flushed)", "add a blob", "copy a blob out, verified"
    for _ in range(sizes.repeats):
        with source.open("wb") as file:
            file.write(len(head).to_bytes(8, "little") + head)
            for _ in range(sizes.megabytes):
                file.write(os.urandom(2**20))
            os.fsync(file.fileno())
        digests: list[str] = []
        rows.time(plain, lambda: plain_copy(source, copy))
        copy.unlink()
        rows.time(add, lambda: digests.append(registry.add_blob(source)))  # noqa: B023 - called at once
        rows.time(out, lambda: registry.copy_blob(digests[0], copy))  # noqa: B023
        copy.unlink()
        (found,) = [one for one in registry.blobs.listing() if one.name == digests[0]]
        registry.blobs.remove(found)
    disk = rows.median(plain)
    shares = ", ".join(f"{name} {disk / rows.median(name):.2f}" for name in (add, out))
    rows.say(f"share of the disk's speed, {sizes.megabytes} MiB", shares)


def plain_copy(source: pathlib.Path, to: pathlib.Path) -> None:
    """Read and write in pieces of 4 MiB, and flush."""
    with source.open("rb", buffering=0) as read, to.open("wb", buffering=0) as write:
        while piece := read.read(4 * 2**20):
            write.write(piece)
        os.fsync(write.fileno())


def measure_shapes(folder: pathlib.Path, heading: str, sizes: Sizes, found: dict[str, Any], **urls: str) -> None:
    """Everything that the database does, in both shapes; ``urls`` of an empty database each."""
    rows, opened = Rows(found, heading), []
    rows.time("open a new registry", lambda: opened.append(Registry.open(folder / "graph", **urls)))
    with opened[0] as registry:
        drawn = random_graph(registry, sizes.versions)
        measure_graph(registry, drawn, sizes.repeats, rows)
        measure_register(registry, folder, sizes.repeats, rows)
        tell(registry, list(log(registry, drawn)))
        measure_status(registry, drawn, "random graph", rows)


def measure_pipelines(folder: pathlib.Path, heading: str, sizes: Sizes, found: dict[str, Any], **urls: str) -> None:
    """Status in a registry such as teams make, which is another one."""
    rows = Rows(found, heading)
    with Registry.open(folder / "pipelines", **urls) as registry:
        drawn = pipelines(registry, sizes.versions)
        registry.register_many(drawn.manifests)
        tell(registry, list(log(registry, drawn)))
        measure_status(registry, drawn, "pipelines", rows)
        below = registry.downstream(drawn.ids[0])
        rows.time(f"downstream closure of {len(below):,}, pipelines", lambda: registry.downstream(drawn.ids[0]), 3)
    if not urls:
        measure_command(folder / "pipelines", drawn.kinds["policy"][-1], sizes.repeats, rows)


def measure_folder(folder: pathlib.Path, sizes: Sizes, found: dict[str, Any]) -> None:
    """Blobs in a local folder."""
    with Registry.open(folder / "blobs") as registry:
        measure_blobs(registry, folder, sizes, Rows(found, "folder"))


def measure_postgresql(folder: pathlib.Path, sizes: Sizes, found: dict[str, Any]) -> None:
    """PostgreSQL on this machine, a tenth of the versions."""
    smaller = Sizes(sizes.versions // 10, sizes.megabytes, sizes.repeats)
    for measure in (measure_shapes, measure_pipelines):
        with postgresql() as url:
            if url is None:
                found["PostgreSQL"] = "absent: its programs or psycopg are not installed"
                return
            measure(folder / "p", "PostgreSQL", smaller, found, database=url)


def measure_s3(folder: pathlib.Path, sizes: Sizes, found: dict[str, Any]) -> None:
    """Blobs and manifests on an S3 server of this machine, an eighth of the bytes."""
    smaller = Sizes(sizes.versions, sizes.megabytes // 8, sizes.repeats)
    with bucket() as url:
        if url is None:
            found["S3 (moto)"] = "absent: moto is not installed"
            return
        rows = Rows(found, "S3 (moto)")
        with Registry.open(folder / "s", blobs=url) as registry:
            registry.register(Manifest("policy", "first"))
            measure_register(registry, folder, sizes.repeats, rows)
            measure_blobs(registry, folder, smaller, rows)


def measure_peer(folder: pathlib.Path, python: str | None, repeats: int, found: dict[str, Any]) -> None:
    """MLflow, in an environment of its own."""
    if python is None:
        found["MLflow"] = "absent: name the Python of an environment with mlflow-skinny by --peer"
        return
    command = [python, str(pathlib.Path(__file__).with_name("peer.py")), str(folder), str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        found["MLflow"] = f"absent: {python} cannot run it ({done.stderr.strip().splitlines()[-1][:200]})"
        return
    found.update(json.loads(done.stdout.splitlines()[-1]))


def show(found: dict[str, Any]) -> None:
    """Print medians and worst cases."""
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    table = Table(
        title=f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, load {load}"
    )
    for head in ("measurement", "median ms", "best ms", "worst ms", "times"):
        table.add_column(head, justify="left" if head == "measurement" else "right")
    for name, times in found.items():
        if isinstance(times, str):
            table.add_row(f"{name}: {times}")
            continue
        figures = (statistics.median(times), min(times), max(times))
        table.add_row(name, *(f"{1e3 * figure:,.2f}" for figure in figures), str(len(times)))
    Console(width=150).print(table)


def main() -> None:
    """Measure everything in a new folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2,000 versions and 32 MiB")
    parser.add_argument("--peer", help="Python of an environment with mlflow-skinny, sqlalchemy, alembic, sqlparse")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    sizes = Sizes(*((2_000, 32) if arguments.quick else (100_000, 512)), arguments.repeats)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        parts = {
            "graph": lambda: measure_shapes(folder, "SQLite", sizes, found),
            "pipelines": lambda: measure_pipelines(folder, "SQLite", sizes, found),
            "blobs": lambda: measure_folder(folder, sizes, found),
            "postgresql": lambda: measure_postgresql(folder, sizes, found),
            "s3": lambda: measure_s3(folder, sizes, found),
            "peer": lambda: measure_peer(folder, arguments.peer, sizes.repeats, found),
        }
        for part in arguments.only:
            parts[part]()
            if arguments.out:
                # What was measured is kept, whatever becomes of the rest.
                arguments.out.write_text(json.dumps(found, indent=2))
    show(found)


if __name__ == "__main__":
    main()
