"""From an evaluation in reality to failure modes: rerun, group, replay in every world, register."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from diorama.core import Trajectory
from diorama.core.canonical import canonical, to_json
from diorama.core.errors import ConfigError, DataError
from diorama.evaluate import run_episodes
from diorama.evaluate.failures import (
    GENERAL,
    BlindSpot,
    Clusters,
    Records,
    Slice,
    blind_spots,
    cluster,
    find_slices,
    labelled,
    page,
    replay_failures,
)
from diorama.evaluate.failures.taxonomy import modes_of
from diorama.evaluate.records import EPISODES, Episodes, read_episodes
from diorama.recipes.book import Book
from diorama.recipes.describing import family
from diorama.recipes.exam_requests import Failures
from diorama.recipes.tasks import Actor, Task
from diorama.recipes.worlds import World
from diorama.registry.facts import origin
from diorama.registry.records import Edge, Manifest

PAGE = "page.txt"


@dataclass(frozen=True, eq=False)
class Found:
    """Everything on the page."""

    records: Records
    slices: list[Slice]
    clusters: Clusters
    spots: list[BlindSpot]
    text: str


def table_of(book: Book | None, word: str) -> tuple[Episodes, str | None]:
    """The episodes of an evaluation, and its id where the registry knows it."""
    if Path(word).is_file():
        return read_episodes(Path(word)), None
    if book is None:
        raise ConfigError(f"There is no file {word}, and no registry to look for such an evaluation in.")
    version = book.registry.get(word)
    if EPISODES not in version.manifest.blobs:
        raise DataError(f"{version.name} ({version.id[:12]}) keeps no table of episodes; evaluate again.")
    found = read_episodes(book.registry.read_blob(version.manifest.blobs[EPISODES]))
    # Trials of a budget name their world by its id.
    real = [edge.target for edge in version.edges if edge.role == "evaluated_in" and _is_real(book, edge.target)]
    world = np.where(np.isin(found.world.astype(str), real), "reality", found.world).astype(object)
    return replace(found, world=world), version.id


def _is_real(book: Book, world: str) -> bool:
    return origin(book.registry.get(world)) == "real"


def real_part(episodes: Episodes, task: Task, policy: str | None) -> Episodes:
    """The episodes of one policy in reality. Raises `ConfigError` where that is not one policy, or none failed."""
    names = {task.name, "reality"}
    real = episodes.take(np.array([world in names for world in episodes.world], bool))
    if not task.success:
        raise ConfigError(f"{task.name!r} says of no episode that it failed; bring a Task with a success metric.")
    if not len(real):
        raise ConfigError(f"No episode of the table is of reality ({task.name}); failures are looked for in reality.")
    several = sorted(set(real.policy))
    if policy in several:
        real = real.of(policy=policy)
    elif len(several) > 1:
        raise ConfigError(f"The table holds the policies {several}; name one of them with --policy.")
    if real.success.all():
        raise ConfigError(f"All {len(real)} episodes succeeded; there is no failure to explain.")
    return real


def explain(request: Failures, task: Task, policy: Actor, real: Episodes, worlds: Sequence[World]) -> Found:
    """Run the failures again in reality, and find modes, slices and blind spots."""
    failed = np.flatnonzero(~real.success)[: request.most]
    seeds, length = real.seed[failed], task.steps(request.length)
    env, ways = task.env(), task.ways or GENERAL
    scenario = scenario_of(real, list(env.spec.scenario.factors), failed)
    again = run_episodes(env, policy, seeds, length, scenario)
    endings = ways.endings(again)
    groups = cluster(np.stack(list(endings.values()), axis=1))
    modes = modes_of(seeds, labelled(endings, ways.rules), groups.label, ways.rules, groups.stability)
    succeeded = {world.name: _hides(request, task, policy, world, again, seeds, scenario) for world in worlds}
    records = _records(real, task, failed, ways.phases(endings))
    slices = find_slices(1.0 - real.success, {n: v for n, v in real.factors.items() if np.ptp(v) > 0})
    spots = blind_spots(modes, seeds, succeeded)
    title = f"How {real.policy[0]} fails in {task.name}"
    return Found(records, slices, groups, spots, page(title, records, slices, groups, spots))


def scenario_of(real: Episodes, factors: Sequence[str], rows: np.ndarray) -> dict[str, np.ndarray]:
    """The scenario of some rows of a table, from its columns ``friction``, ``goal_position.0``, ``goal_position.1``."""
    found = {}
    for name in factors:
        entries = sorted((c for c in real.factors if re.fullmatch(rf"{re.escape(name)}\.\d+", c)), key=_entry)
        if name in real.factors:
            found[name] = real.factors[name][rows].astype(np.float32)
        elif entries:
            found[name] = np.stack([real.factors[c][rows] for c in entries], axis=1).astype(np.float32)
    return found


def registered(
    book: Book, request: Failures, found: Found, evaluation: str | None, worlds: Sequence[World], real: str
) -> list[str]:
    """Register each mode, with where it was observed and what hides it; the ids, in the order of the page."""
    by_name = {world.name: world.version for world in worlds}
    command = {"verb": "failures", "share": request.share, "most": request.most}
    inputs = {"world": sorted({real, *by_name.values()}), "evaluation": [evaluation] if evaluation else []}
    seeds = sorted(int(seed) for spot in found.spots for seed in spot.mode.episodes)
    made = []
    with book.recorder(book.action(command, inputs, seeds)) as stage:
        blob = stage.blob(found.text)
        for number, spot in enumerate(found.spots):
            fields = {
                **to_json(asdict(spot.mode)),
                "seen_in": list(spot.seen_in),
                "hidden_by": list(spot.hidden_by),
                "hidden_by_all": spot.everywhere,
                "hidden": {name: to_json(share) for name, share in spot.hidden.items()},
            }
            edges = [Edge("observed_in", real)]
            edges += [Edge("observed_in", evaluation)] if evaluation else []
            edges += [Edge("hidden_by", by_name[name]) for name in spot.hidden_by]
            name = family(request.env, "failures", spot.mode.label)
            manifest = Manifest("failure_mode", name, fields, {PAGE: blob}, tuple(edges))
            made.append(stage.output(f"mode-{number}", manifest))
        stage.took(steps=len(seeds))
    return made


def as_json(found: Found) -> str:
    """The page as JSON for machines."""
    return canonical(
        {
            "failures": int(found.records.failed.sum()),
            "episodes": len(found.records),
            "slices": [to_json(asdict(one)) for one in found.slices],
            "clusters": {"count": found.clusters.count, "stability": found.clusters.stability},
            "modes": [
                to_json(asdict(spot.mode)) | {"seen_in": list(spot.seen_in), "hidden_by": list(spot.hidden_by)}
                for spot in found.spots
            ],
        }
    )


def _hides(
    request: Failures,
    task: Task,
    policy: Actor,
    world: World,
    failures: Trajectory,
    seeds: np.ndarray,
    scenario: dict[str, np.ndarray],
) -> np.ndarray:
    told = {name: rows for name, rows in scenario.items() if name in world.env.spec.scenario.factors}
    played = replay_failures(world.env, policy, failures, seeds, share=request.share, scenario=told)
    # The score asks for the whole scenario, also for what this world cannot be told.
    judged = replace(played, scenario={**failures.scenario, **played.scenario})
    return np.asarray(task.metrics[task.success](judged), bool)


def _records(real: Episodes, task: Task, failed: np.ndarray, phases: np.ndarray) -> Records:
    phase = np.full(len(real), "not run again", object)
    phase[failed], phase[real.success] = phases, "success"
    progress = real.metrics.get(task.headline, real.success.astype(np.float64))
    return Records(real.seed, real.success, progress, real.cause, phase, dict(real.factors))


def _entry(column: str) -> int:
    return int(column.rpartition(".")[2])
