"""Gathering the facts of an audit from the registry. JAX-free.

Training sets are known by what their manifests hold: identities of all episodes, and first observations.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diorama.evaluate.audit import Canary, Corpus, Facts, Item, Link, Looks, Node, Party, Probe, TrustedEpisodes
from diorama.evaluate.audit.ancestry import DESCENT, MAKING
from diorama.evaluate.records import EPISODES as TABLE
from diorama.evaluate.records import read_episodes
from diorama.evaluate.statistics import Estimate
from diorama.recipes.book import Book
from diorama.recipes.describing import EPISODES, STARTS
from diorama.registry.facts import DATA, origin, recorded_at
from diorama.registry.graph import Graph
from diorama.registry.records import Version

QUERIES = "queries"
"""Unit of the looks at a scenario set that its budget, named like the set, grants."""
PROBE = "probe"
"""Field of an evaluation that was made for an audit: the check."""
HELD_OUT = ("sealed", "held-out")
"""Visibilities of scenario sets that nobody may have trained on."""
STATE = "state"
"""The observation by which starts are compared, where it is on record."""


class Gatherer:
    """Reads what one registry says about an evaluation; each training set is read once.

    ``starts`` gives the first observations of an evaluation whose versions do not hold them, by name [N, D].
    """

    def __init__(self, book: Book, starts: Mapping[str, np.ndarray] | None = None) -> None:
        self._book, self._starts = book, starts
        self._corpora: dict[str, Corpus] = {}

    def facts(self, evaluation: str) -> Facts:
        """All facts on the evaluation of a policy in a world that has this id."""
        registry = self._book.registry
        found = registry.get(evaluation)
        policy, world = self._one(found, "evaluates"), self._one(found, "evaluated_in")
        judge = next((edge.target for edge in found.edges if edge.role == "judged_by"), None)
        worlds = self._worlds(policy, world)
        graph = registry.graph(list(dict.fromkeys([evaluation, *worlds])))
        ancestry = [graph.get(one) for one in graph.upstream([evaluation, *worlds])]
        scenarios = self._scenarios(found)
        visibility = str(scenarios.fields.get("visibility", "open")) if scenarios else "open"
        parties = {one: self._party(graph, one) for one in dict.fromkeys([policy, world, *worlds])}
        judged = self._party(graph, judge) if judge else None
        used = [*parties.values(), *([judged] if judged else [])]
        return Facts(
            evaluation,
            self._items(found, scenarios, graph.get(world)),
            parties[policy],
            parties[world],
            judged,
            held_out=visibility in HELD_OUT or scenarios is None,
            visibility=visibility,
            worlds=tuple(parties[one] for one in worlds),
            corpora={one: self._corpora[one] for party in used for one in party.training if one in self._corpora},
            nodes={v.id: Node(v.id, v.kind, v.name, v.created) for v in ancestry},
            links=tuple(Link(v.id, edge.role, edge.target) for v in ancestry for edge in v.edges),
            looks=self._looks(scenarios) if scenarios and visibility == "sealed" else None,
            canaries=_canaries(scenarios),
            probes=self._probes(evaluation),
            episodes=self._episodes(found),
            evaluated_at=found.created,
        )

    def corpus(self, version: Version) -> Corpus | None:
        """The episodes of a dataset; None where its manifest does not hold them."""
        if version.id not in self._corpora:
            if EPISODES not in version.manifest.blobs:
                return None
            identities = self._blob(version, EPISODES)
            starts = self._blob(version, STARTS) if STARTS in version.manifest.blobs else self._lying(version)
            place = str(version.fields.get("world", version.name))
            items = tuple(
                _episode(f"{version.name} episode {k}", one, *_start(starts, k), place)
                for k, one in enumerate(identities)
            )
            self._corpora[version.id] = Corpus(version.id, version.name, items, recorded_at(version))
        return self._corpora[version.id]

    def _party(self, graph: Graph, version: str) -> Party:
        found = graph.get(version)
        above = [graph.get(one) for one in graph.upstream([version], MAKING)]
        data = _largest([one for one in above if one.kind in DATA], self.corpus)
        return Party(
            version,
            found.name,
            tuple(one.id for one in data),
            origin(found),
            tuple(map(str, found.fields.get("family", ()))),
            dict(_unknown(above)),
            tuple(one for one in graph.upstream([version], DESCENT) if one != version),
        )

    def _worlds(self, policy: str, world: str) -> list[str]:
        """The worlds other than reality in which this policy was tested; the world asked about, where there is none."""
        registry = self._book.registry
        tests = [registry.get(source) for source, _ in registry.edges(target=policy, role="evaluates")]
        tests = [one for one in tests if PROBE not in one.fields]
        found = [edge.target for one in tests for edge in one.edges if edge.role == "evaluated_in"]
        simulated = [one for one in dict.fromkeys(found) if origin(registry.get(one)) != "real"]
        return simulated or [world]

    def _scenarios(self, evaluation: Version) -> Version | None:
        target = next((edge.target for edge in evaluation.edges if edge.role == "drawn_from"), None)
        return self._book.registry.get(target) if target else None

    def _items(self, evaluation: Version, scenarios: Version | None, world: Version) -> tuple[Item, ...]:
        """The starts: episodes of a dataset, scenarios of a set, or seeds of the world."""
        if scenarios is not None and scenarios.kind == "dataset":
            corpus = self.corpus(scenarios)
            return corpus.items if corpus else ()
        seeds = _seeds(evaluation, self._table(evaluation))
        starts = self._starts
        if starts is None and scenarios is not None and STARTS in scenarios.manifest.blobs:
            starts = self._blob(scenarios, STARTS)
        place = str(evaluation.fields.get("task", world.fields.get("contract", {}).get("name", "")))
        return tuple(
            Item(f"seed {seed}", start=start, space=space, ids={"session": f"{place} seed-{seed}"})
            for seed, (start, space) in ((seed, _start(starts or {}, k)) for k, seed in enumerate(seeds))
        )

    def _looks(self, scenarios: Version) -> Looks | None:
        registry = self._book.registry
        granted = sum(one.granted for one in registry.balances(scenarios.name) if one.unit == QUERIES)
        if not granted:
            return None
        users = [source for source, _ in registry.edges(target=scenarios.id, role="drawn_from")]
        by = tuple(one for one in users if registry.get(one).kind == "evaluation")
        return Looks(int(granted), len(by), by)

    def _probes(self, evaluation: str) -> tuple[Probe, ...]:
        registry = self._book.registry
        sources = [registry.get(source) for source, _ in registry.edges(target=evaluation, role="affects")]
        made = sorted((one for one in sources if PROBE in one.fields), key=lambda one: one.sequence)
        return tuple(
            Probe(
                one.fields[PROBE],
                one.id,
                {name: read_estimate(e) for name, e in one.fields["measures"].items()},
                dict(one.fields.get("missing", {})),
            )
            for one in made
        )

    def _episodes(self, evaluation: Version) -> TrustedEpisodes | None:
        table = self._table(evaluation)
        if "success" not in table or "trust" not in table:
            return None
        success, trust = np.asarray(table["success"], bool), np.asarray(table["trust"], np.float64)
        return TrustedEpisodes(success, trust, table.get("basis", ""))

    def _table(self, evaluation: Version) -> Mapping[str, Any]:
        return episode_table(self._book, evaluation)

    def _lying(self, version: Version) -> Mapping[str, Any]:
        """First observations from the files of a dataset that was registered without them, where they still lie."""
        from diorama.data import Dataset
        from diorama.recipes.describing import first_observations

        for place in self._book.places.find(version.id):
            if (Path(place) / "meta" / "info.json").is_file():
                starts = first_observations(Dataset.open(place))
                return {name: rows[: version.fields.get("episodes", 0)] for name, rows in starts.items()}
        return {}

    def _blob(self, version: Version, name: str) -> Any:
        return json.loads(self._book.registry.read_blob(version.manifest.blobs[name]))

    def _one(self, evaluation: Version, role: str) -> str:
        return next(edge.target for edge in evaluation.edges if edge.role == role)


def episode_table(book: Book, evaluation: Version) -> Mapping[str, Any]:
    """The episodes of an evaluation, column by column; empty where its version holds none."""
    blobs = evaluation.manifest.blobs
    if TABLE in blobs:
        held = read_episodes(book.registry.read_blob(blobs[TABLE]))
        judged = {"success": held.success} if held.judged else {}
        basis = "; ".join(held.trust_basis.values())
        return {"seed": held.seed, "trust": held.trust, "basis": basis, "factors": held.factors, **judged}
    if EPISODES in blobs:
        return json.loads(book.registry.read_blob(blobs[EPISODES]))
    return {}


def read_estimate(data: Mapping[str, Any]) -> Estimate:
    """An estimate from the JSON values of its fields; infinities are texts there."""
    value, low, high, level = (float(data[name]) for name in ("value", "low", "high", "level"))
    return Estimate(value, low, high, int(data["count"]), level, str(data["method"]))


def evaluated_seeds(book: Book, evaluation: Version) -> list[int]:
    """The seeds of the episodes, in the order of the table."""
    return list(_seeds(evaluation, episode_table(book, evaluation)))


def _seeds(evaluation: Version, table: Mapping[str, Any]) -> Sequence[int]:
    if "seed" in table:
        return [int(seed) for seed in table["seed"]]
    return [int(seed) for seed in evaluation.fields.get("seeds", ())]


def _episode(name: str, one: Mapping[str, Any], start: tuple[float, ...], space: str, place: str) -> Item:
    ids = {kind: str(value) for kind, value in one.get("ids", {}).items()}
    if ids.get("session", "").startswith("seed-"):
        # A seed names a session only together with the world that draws from it.
        ids["session"] = f"{place} {ids['session']}"
    percept = {camera: frames[0] for camera, frames in one.get("percept", {}).items() if frames}
    return Item(name, one["exact"], start, space, one.get("motion", ""), percept, ids)


def _start(starts: Mapping[str, Any], place: int) -> tuple[tuple[float, ...], str]:
    """The start of one episode and the name of the observation that shows it."""
    if not starts:
        return (), ""
    space = STATE if STATE in starts else min(starts)
    rows = starts[space]
    return (tuple(map(float, np.ravel(rows[place]))), space) if place < len(rows) else ((), "")


def _canaries(scenarios: Version | None) -> tuple[Canary, ...]:
    """``fields["canaries"]``: name to ``exact``, ``start`` with ``space``, ``motion`` or ``percept``."""
    said = scenarios.fields.get("canaries", {}) if scenarios else {}
    return tuple(
        Canary(
            name,
            Item(
                name,
                str(one.get("exact", "")),
                tuple(map(float, one.get("start", ()))),
                str(one.get("space", STATE if one.get("start") else "")),
                str(one.get("motion", "")),
                dict(one.get("percept", {})),
            ),
        )
        for name, one in said.items()
    )


def _largest(datasets: Sequence[Version], corpus: Any) -> list[Version]:
    """Datasets without those that are wholly part of another: data that grew have a version for each stage."""
    episodes = {one.id: frozenset(i.digest for i in c.items) for one in datasets if (c := corpus(one)) is not None}
    kept: list[Version] = []
    for one in sorted(datasets, key=lambda version: -len(episodes.get(version.id, ()))):
        part = one.id in episodes and any(episodes[one.id] <= episodes.get(other.id, frozenset()) for other in kept)
        if not part:
            kept.append(one)
    return kept


def _unknown(above: Iterable[Version]) -> Iterable[tuple[str, str]]:
    """Ancestors whose making is not on record, and why."""
    for one in above:
        made = any(edge.role in MAKING for edge in one.edges)
        if one.fields.get("opaque"):
            yield one.id, f"{one.kind} {one.name} was imported; how it was made is not on record"
        elif one.kind in DATA and one.kind == "dataset" and EPISODES not in one.manifest.blobs:
            yield one.id, f"dataset {one.name} does not say which episodes it holds"
        elif one.kind == "policy" and not made and one.fields.get("kind") != "scripted":
            yield one.id, f"policy {one.name} does not say what it was trained on"
        elif one.kind == "simulator" and not made and origin(one) not in ("physics", "real"):
            yield one.id, f"simulator {one.name} does not say what it was trained on"
