"""The studio over a large registry: how long each page takes, how fast a video seeks, how much memory it holds.

python benchmarks/studio/run.py [--versions 10000] [--evaluations 1000] [--repeats 20] [--out FILE]

A registry of random versions is made in a scratch folder: worlds with patches, policies trained in them, evaluations of
20 episodes, claims, channels and an advisory. The studio serves it as `diorama studio` does, and each page is asked for
through a socket of this machine. The registry is read before the first request, as the command does (a row of its own).
"""

import argparse
import json
import os
import random
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from diorama.recipes.book import Book, Places
from diorama.registry.manifest import manifest_id
from diorama.registry.records import Advisory, ChannelEntry, Edge, Manifest
from diorama.registry.registry import Registry
from diorama.studio.web.ranges import serve_file
from diorama.studio.web.serve import listen
from diorama.studio.web.settings import Limits, Settings

FIRST, ANY, SEEK = 0.3, 1.0, 0.1
"""Bars [s]: the first page, any page, a jump in a video."""
SEEDS = 20
START = "start: the registry is read"


def manifests(registry: Registry, versions: int, evaluations: int) -> Iterator[Manifest]:
    """One reality, then worlds (a tenth of the rest), evaluations with claims, and policies."""
    chance = random.Random(0)
    reality = Manifest("simulator", "push-t/reality", {"stands_for": "reality", "origin": "physics"})
    yield reality
    worlds, policies = [manifest_id(reality)], []
    claims = evaluations // 4
    for k in range(versions - evaluations - claims - 1):
        if k % 10 == 0:
            parent = chance.choice(worlds[1:] or [None])
            edges = (Edge("derived_from", parent, {"relation": "patch"}),) if parent else ()
            made = Manifest("simulator", f"push-t/world-{k % 50}", {"origin": "learned", "k": k}, {}, edges)
            worlds.append(manifest_id(made))
        else:
            fields = {"visited": {"factors": {"friction": _visited(chance)}}, "k": k}
            world = chance.choice(worlds[1:])
            made = Manifest("policy", f"push-t/policy-{k % 500}", fields, {}, (Edge("trained_in", world),))
            policies.append(manifest_id(made))
        yield made
    for k in range(evaluations):
        tested = evaluation(registry, chance, k, chance.choice(policies), chance.choice(worlds[:6]))
        yield tested
        if k < claims:
            supports = (Edge("supports", manifest_id(tested)),)
            yield Manifest("claim", f"push-t/claim-{k}", {"metric": "success", "k": k, "level": "L5"}, {}, supports)


def evaluation(registry: Registry, chance: random.Random, k: int, policy: str, world: str) -> Manifest:
    """An evaluation of twenty episodes with a table of them."""
    good = [chance.random() < 0.6 for _ in range(SEEDS)]
    table = registry.add_blob(json.dumps({"seed": list(range(SEEDS)), "success": good}).encode())
    rate = sum(good) / SEEDS
    estimate = {"value": rate, "low": max(0.0, rate - 0.2), "high": min(1.0, rate + 0.2), "count": SEEDS}
    fields = {"n": SEEDS, "length": 100, "estimates": {"success": estimate}, "k": k}
    edges = (Edge("evaluates", policy), Edge("evaluated_in", world))
    return Manifest("evaluation", f"push-t/evaluation-{k}", fields, {"episodes.json": table}, edges)


def _visited(chance: random.Random) -> dict[str, Any]:
    low = chance.random()
    return {"edges": [0.5], "counts": [8, 0] if low < 0.5 else [0, 8], "least": low, "most": low}


def filled(book: Book, versions: int, evaluations: int) -> dict[str, str]:
    """The registry at size; gives one id of each kind that has a page."""
    registry = book.registry
    made = list(manifests(registry, versions, evaluations))
    for begin in range(0, len(made), 2000):
        registry.register_many(made[begin : begin + 2000])
    ids = {one.kind: manifest_id(one) for one in made[1:]}
    used = next(one.edges[0].target for one in made if one.kind == "policy")
    registry.append(Advisory("ice", "blocks slide", "high", (used,), {"factors": {"friction": [0.6, 1.0]}}, (), ()))
    registry.append(ChannelEntry("prod", ids["policy"], "first release"))
    return ids | {"patched": used}


def pages(ids: dict[str, str]) -> dict[str, str]:
    """Each page's name and address."""
    return {
        "home": "/",
        "worlds": "/worlds",
        "world": f"/worlds/{ids['patched']}",
        "policies": "/policies",
        "policy": f"/policies/{ids['policy']}",
        "lineage": "/lineage",
        "lineage of a world": f"/lineage?of={ids['patched']}",
        "what a patch would do": f"/lineage?of={ids['patched']}&at={ids['patched']}&change=patch",
        "evaluations": "/evaluations",
        "evaluation": f"/evaluations/{ids['evaluation']}",
        "data": "/data",
        "runs": "/runs",
        "versions": "/versions",
        "versions, stale policies": "/versions?kind=policy&status=STALE",
        "version": f"/versions/{ids['policy']}",
        "report of home": "/?report=1",
        "API: versions": "/api/v1/versions",
    }


def served(app: Any) -> tuple[str, Any]:
    """The address of an application, and its server."""
    import uvicorn

    listening = listen(Settings(port=0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
    threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return f"http://127.0.0.1:{listening.getsockname()[1]}", server


def studio(book: Book) -> Any:
    """The application over a registry, with limits that let one client ask as fast as it can."""
    from diorama.studio.web.app import create_app
    from diorama.studio.web.services import Services

    services = Services(book, Settings(limits=Limits(burst=100_000, rate=100_000.0)))
    services.warm()
    return create_app(services)


def seeks(folder: Path, megabytes: int, repeats: int) -> list[float]:
    """Times [s] of jumps to random places of a large file: one MiB from there, as a player asks."""
    import httpx
    from starlette.applications import Starlette
    from starlette.routing import Route

    film, chance = folder / "film.mp4", random.Random(0)
    with film.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(2**20))
    address, server = served(Starlette(routes=[Route("/film", lambda request: serve_file(request, film))]))
    times = []
    with httpx.Client(base_url=address, timeout=60) as client:
        for _ in range(repeats):
            begin = chance.randrange((megabytes - 1) * 2**20)
            begun = time.perf_counter()
            answer = client.get("/film", headers={"Range": f"bytes={begin}-{begin + 2**20 - 1}"})
            times.append(time.perf_counter() - begun)
            if answer.status_code != 206 or len(answer.content) != 2**20:
                raise SystemExit(f"a range answered {answer.status_code}")
    server.should_exit = True
    return times


def measured(address: str, wanted: dict[str, str], repeats: int) -> dict[str, list[float]]:
    """The times of each page [s], the first request of all under ``first page``."""
    import httpx

    rows: dict[str, list[float]] = {}
    with httpx.Client(base_url=address, timeout=120) as client:
        for name, path in ({"first page": "/"} | wanted).items():
            for _ in range(1 if name == "first page" else repeats):
                begun = time.perf_counter()
                answer = client.get(path, headers={"Accept": "text/html"})
                rows.setdefault(name, []).append(time.perf_counter() - begun)
                if answer.status_code != 200:
                    raise SystemExit(f"{path} answered {answer.status_code}")
    return rows


def show(rows: dict[str, list[float]], console: Console) -> None:
    """Milliseconds of each page beside its bar."""
    table = Table("what", "n", "median [ms]", "95 % [ms]", "worst [ms]", "bar [ms]", "")
    for name, times in rows.items():
        bar = {"first page": FIRST, "jump in a video": SEEK, START: float("inf")}.get(name, ANY)
        ordered = sorted(times)
        high = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        figures = (statistics.median(ordered), high, ordered[-1])
        shown = [f"{1e3 * one:.0f}" for one in figures] + ["" if bar == float("inf") else f"{1e3 * bar:.0f}"]
        table.add_row(name, str(len(times)), *shown, "" if high <= bar else "over")
    console.print(table)


def main() -> None:
    """Build, serve, ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", type=int, default=10_000)
    parser.add_argument("--evaluations", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "registry"
        with Book(Registry.open(place), Places(place)) as book:
            ids = filled(book, given.versions, given.evaluations)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            begun = time.perf_counter()
            app = studio(book)
            rows = {START: [time.perf_counter() - begun]}
            address, server = served(app)
            rows |= measured(address, pages(ids), given.repeats)
            after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            server.should_exit = True
        rows["jump in a video"] = seeks(Path(scratch), given.megabytes, 5 * given.repeats)
    console.print(f"{given.versions:,} versions, {given.evaluations:,} evaluations")
    show(rows, console)
    console.print(f"Peak memory of the process: {before:.0f} MiB before the studio, {after:.0f} MiB after all pages.")
    if given.out:
        given.out.write_text(json.dumps({"seconds": rows, "before_MiB": before, "after_MiB": after}), encoding="utf-8")


if __name__ == "__main__":
    main()
