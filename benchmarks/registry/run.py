"""The registry at size: writing, closures, look-ups, registering, blobs; MLflow in the same run where installed.

python benchmarks/registry/run.py [--quick] [--database URL] [--megabytes 512] [--repeats 5] [--out FILE]

Default: 100,000 versions and 300,000 edges. Raw figures of the disk are measured beside ours, because they bound them.
"""

import argparse
import importlib.util
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from diorama.registry.listing import Search
from diorama.registry.manifest import manifest_id
from diorama.registry.records import Edge, Manifest
from diorama.registry.registry import Registry
from diorama.registry.status import status_of

EDGES = 3
"""Edges that each version writes."""
CLOSURE = 0.3
"""Share of the versions that the measured root is beneath."""


def seconds(work: Callable[[], Any], repeats: int) -> list[float]:
    """The times of ``repeats`` calls [s]."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return times


def manifests(size: int) -> Iterator[Manifest]:
    """A random graph: the first version is a root that `CLOSURE` of the others rests on, through each other."""
    chance = random.Random(0)
    tree: list[str] = []
    rest: list[str] = []
    for k in range(size):
        inside = not tree or (rest and k % 10 < 10 * CLOSURE)
        known = tree if inside else rest
        # Versions outside the tree rest on versions outside only.
        targets = {chance.choice(known) for _ in range(EDGES)} if known else set()
        edges = tuple(Edge("trained_in", target) for target in sorted(targets))
        manifest = Manifest("policy", f"family-{k % 100}", {"k": k, "lr": 3e-4, "seed": k % 7}, {}, edges)
        known.append(manifest_id(manifest))
        yield manifest


def measure_graph(registry: Registry, size: int, repeats: int, rows: dict[str, Any]) -> None:
    """Writing in bulk, closures and look-ups."""
    made = list(manifests(size))
    ids = [manifest_id(one) for one in made]
    edges = sum(len(one.edges) for one in made)
    rows[f"register_many, {size:,} versions, {edges:,} edges"] = seconds(lambda: registry.register_many(made), 1)
    below = registry.downstream(ids[0])
    rows[f"downstream closure of {len(below):,}"] = seconds(lambda: registry.downstream(ids[0]), repeats)
    above = registry.upstream(ids[-1])
    rows[f"upstream closure of {len(above):,}"] = seconds(lambda: registry.upstream(ids[-1]), repeats)
    some = iter(random.Random(1).sample(ids, 4 * repeats))
    rows["get by id"] = seconds(lambda: registry.get(next(some)), repeats)
    rows["get by 12 digits"] = seconds(lambda: registry.get(next(some)[:12]), repeats)
    rows["edges to one version"] = seconds(lambda: registry.edges(target=next(some)), repeats)
    rows["status of one version"] = seconds(lambda: status_of(registry.graph([one := next(some)]), one), repeats)
    rows["a page of 50 of a kind"] = seconds(lambda: registry.search(Search(kinds=("policy",))), repeats)
    rows["newest of a family"] = seconds(lambda: registry.get("family-7"), repeats)


def measure_register(registry: Registry, folder: Path, repeats: int, rows: dict[str, Any]) -> None:
    """One version at a time, against one flush of the disk."""
    target = registry.get("family-7").id
    fresh = iter(range(10**6))

    def one() -> None:
        registry.register(Manifest("policy", "single", {"n": next(fresh)}, {}, (Edge("trained_in", target),)))

    def flush() -> None:
        with (folder / "flushed").open("ab") as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())

    for _ in range(4 * repeats):
        rows.setdefault("register one version", []).extend(seconds(one, 1))
        rows.setdefault("(the disk: append 4 KiB and flush)", []).extend(seconds(flush, 1))


def measure_blobs(registry: Registry, folder: Path, megabytes: int, repeats: int, rows: dict[str, Any]) -> None:
    """Adding and reading back one large blob, against a plain copy that is flushed."""
    head = b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
    header = len(head).to_bytes(8, "little") + head
    source, copy = folder / "large.safetensors", folder / "copy"
    for _ in range(repeats):
        with source.open("wb") as file:
            file.write(header)
            for _ in range(megabytes):
                file.write(os.urandom(2**20))
        digests: list[str] = []
        rows.setdefault(f"(the disk: plain copy of {megabytes} MiB, flushed)", []).extend(
            seconds(lambda: plain_copy(source, copy), 1)
        )
        add = seconds(lambda: digests.append(registry.add_blob(source)), 1)  # noqa: B023 - called at once
        rows.setdefault(f"add a blob of {megabytes} MiB", []).extend(add)
        read = seconds(lambda: registry.copy_blob(digests[0], copy), 1)  # noqa: B023
        rows.setdefault(f"copy out and verify a blob of {megabytes} MiB", []).extend(read)
        (found,) = [one for one in registry.blobs.listing() if one.name == digests[0]]
        registry.blobs.remove(found)


def plain_copy(source: Path, to: Path) -> None:
    """Read and write in pieces of 4 MiB, and flush."""
    with source.open("rb", buffering=0) as read, to.open("wb", buffering=0) as write:
        while piece := read.read(4 * 2**20):
            write.write(piece)
        os.fsync(write.fileno())


def measure_mlflow(folder: Path, repeats: int, rows: dict[str, Any]) -> None:
    """MLflow on SQLite: opening a new store and registering a version. It has no downstream closure."""
    if importlib.util.find_spec("mlflow") is None:
        rows["MLflow"] = "absent: not installed"
        return
    from mlflow.tracking import MlflowClient

    url = f"sqlite:///{folder}/mlflow.db"
    made: list[MlflowClient] = []

    def start() -> None:
        made.append(MlflowClient(tracking_uri=url, registry_uri=url))
        made[0].create_registered_model("family")

    rows["MLflow: open a new store"] = seconds(start, 1)
    version = {"source": str(folder), "tags": {"lr": "3e-4"}}
    rows["MLflow: register one version"] = seconds(
        lambda: made[0].create_model_version("family", **version), 4 * repeats
    )
    rows["MLflow: get one version"] = seconds(lambda: made[0].get_model_version("family", "1"), repeats)
    rows["MLflow: downstream closure"] = "absent: it has no such operation"


def show(rows: dict[str, Any]) -> None:
    """Print medians and worst cases."""
    table = Table(title=f"registry, Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    for head in ("measurement", "median ms", "best ms", "worst ms", "times"):
        table.add_column(head, justify="left" if head == "measurement" else "right")
    for name, times in rows.items():
        if isinstance(times, str):
            table.add_row(name, times)
            continue
        figures = (statistics.median(times), min(times), max(times))
        table.add_row(name, *(f"{1e3 * figure:,.2f}" for figure in figures), str(len(times)))
    Console(width=120).print(table)


def main() -> None:
    """Measure everything in a new folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 versions and 32 MiB")
    parser.add_argument("--database", help="an empty PostgreSQL database; SQLite where it is not given")
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    size, megabytes = (2_000, 32) if arguments.quick else (100_000, arguments.megabytes)
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        opened: list[Registry] = []
        options = {"database": arguments.database}
        rows["open a new registry"] = seconds(lambda: opened.append(Registry.open(folder / "r", **options)), 1)
        with opened[0] as registry:
            measure_graph(registry, size, arguments.repeats, rows)
            measure_register(registry, folder, arguments.repeats, rows)
            measure_blobs(registry, folder, megabytes, arguments.repeats, rows)
        measure_mlflow(folder, arguments.repeats, rows)
    show(rows)
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=2))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
