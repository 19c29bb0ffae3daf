"""What worlds imagined of common starts, for a plan of real trials: scores, and the signals that discovery follows.

JAX-free.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from diorama.core.errors import ConfigError, DataError
from diorama.recipes.audit_facts import PROBE, episode_table
from diorama.recipes.book import Book
from diorama.registry.facts import origin
from diorama.registry.records import Version
from diorama.registry.visits import from_json

EXAM = "exam"
"""Field of an evaluation that examines, as `diorama exploit` does."""
TRUST, COVERAGE, PATCH = "low trust", "low coverage", "recent patch"


@dataclass(frozen=True, eq=False)
class Imagined:
    """Scores [K, W, M] of K policies in W worlds (ids) on M common seeds, and the signals [M]."""

    seeds: np.ndarray
    scores: np.ndarray
    signals: Mapping[str, np.ndarray]
    worlds: tuple[str, ...]
    evaluations: tuple[str, ...]
    task: str


def imagined_scores(book: Book, policies: Sequence[str], among: Collection[str] | None = None) -> Imagined:
    """The newest evaluations of every policy in each world but reality, on the seeds that all of them share.

    ``among``: only these worlds (ids). Raises `ConfigError` where the policies share no world or no seed.
    """
    by_policy = [world_tests(book, policy) for policy in policies]
    worlds = [one for one in by_policy[0] if all(one in tests for tests in by_policy) and (not among or one in among)]
    if not worlds:
        raise ConfigError(
            "No world other than reality has tested all of these policies with episodes on record; run "
            "`diorama evaluate POLICY --in WORLD,...` for each of them on the same seeds first."
        )
    tests = [[tests[world] for world in worlds] for tests in by_policy]
    tables = [[episode_table(book, one) for one in row] for row in tests]
    seeds = sorted(set.intersection(*(set(map(int, t["seed"])) for row in tables for t in row)))
    if not seeds:
        raise ConfigError("The evaluations of these policies share no seed; evaluate them on the same seeds.")
    scores = np.stack([[_by_seed(t, "success", seeds) for t in row] for row in tables])
    return Imagined(
        np.asarray(seeds, np.int64),
        scores,
        _signals(book, policies, worlds, tables, seeds),
        tuple(worlds),
        tuple(one.id for row in tests for one in row),
        str(tests[0][0].fields.get("task", _contract(book, worlds[0]))),
    )


def world_tests(book: Book, policy: str) -> dict[str, Version]:
    """The newest evaluation of a policy in each world but reality that has its episodes on record, by world.

    What was played for a check of an audit, or to look for exploitation, is no test: it has starts of its own.
    """
    sources = [book.registry.get(source) for source, _ in book.registry.edges(target=policy, role="evaluates")]
    found: dict[str, Version] = {}
    for one in sorted(sources, key=lambda version: version.sequence):
        world = next((edge.target for edge in one.edges if edge.role == "evaluated_in"), None)
        if world is None or {PROBE, EXAM} & one.fields.keys() or origin(book.registry.get(world)) == "real":
            continue
        if {"seed", "success"} <= set(episode_table(book, one)):
            found[world] = one
    return found


def _by_seed(table: Mapping[str, np.ndarray], column: str, seeds: Sequence[int]) -> np.ndarray:
    place = {int(seed): k for k, seed in enumerate(table["seed"])}
    return np.asarray(table[column], np.float64)[[place[seed] for seed in seeds]]


def _signals(
    book: Book, policies: Sequence[str], worlds: Sequence[str], tables: Sequence, seeds: Sequence[int]
) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    trusts = [_by_seed(t, "trust", seeds) for row in tables for t in row if "trust" in t]
    if trusts and np.isfinite(trusts).any():
        found[TRUST] = 1.0 - np.where(np.isfinite(trusts), trusts, 1.0).min(axis=0)
    if factors := _factors(tables[0][0], seeds):
        found |= _coverage(book, policies, factors) | _patched(book, worlds, factors)
    return found


def _factors(table: Mapping, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    columns = table.get("factors", {})
    return {name: _by_seed({"seed": table["seed"], name: values}, name, seeds) for name, values in columns.items()}


def _coverage(book: Book, policies: Sequence[str], factors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """How seldom a policy visited in training what a start asks of it: 1 is never, by its rarest factor."""
    rare = []
    for policy in policies:
        visited = book.registry.get(policy).fields.get("visited")
        try:
            histograms = from_json(visited).factors if visited else {}
        except DataError:
            continue
        for name in sorted(set(histograms) & set(factors)):
            counts = np.asarray(histograms[name].counts, np.float64)
            bins = np.searchsorted(histograms[name].edges, factors[name], side="right")
            rare.append(1.0 - counts[bins] / max(counts.max(), 1.0))
    return {COVERAGE: np.max(rare, axis=0)} if rare else {}


def _patched(book: Book, worlds: Sequence[str], factors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """1 in the region of an advisory that one of the worlds mends."""
    events = book.registry.events(type="advisory")
    newest = {event.subject: event.entry for event in events}
    touched = np.zeros(len(next(iter(factors.values()))))
    for entry in newest.values():
        bounds = entry.region.get("factors", {})
        if not set(entry.fixed_in) & set(worlds) or not bounds or not set(bounds) <= set(factors):
            continue
        inside = [(low <= factors[name]) & (factors[name] <= high) for name, (low, high) in bounds.items()]
        touched = np.maximum(touched, np.logical_and.reduce(inside).astype(float))
    return {PATCH: touched} if touched.any() else {}


def _contract(book: Book, world: str) -> str:
    return str(book.registry.get(world).fields.get("contract", {}).get("name", ""))
