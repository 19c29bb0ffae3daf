"""A registry of the size that is asked for, drawn at random: versions that rest on each other, data, and a log.

One drawing serves every measurement, so that the closure that is walked, the version whose status is asked and the log
that is read belong to one registry. Nothing is measured here.
"""

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from diorama.registry.episodes import EPISODES
from diorama.registry.manifest import manifest_id
from diorama.registry.records import (
    Advisory,
    BudgetEntry,
    ChannelEntry,
    Edge,
    Entry,
    Manifest,
    Replay,
    Revocation,
)
from diorama.registry.registry import Registry

EDGES = 3
"""Edges that each version writes."""
CLOSURE = 0.3
"""Share of the versions that the measured root is beneath."""
ROLES = {"dataset": "data_from", "simulator": "trained_on", "policy": "trained_in", "evaluation": "evaluated_in"}
"""In which role a version of each kind rests on others here."""
KINDS = ("simulator", "policy", "policy", "policy", "policy", "evaluation", "evaluation", "evaluation", "dataset")
FIELDS = {"dataset": {"merkle_root": "0" * 64, "episodes": 0}}
LISTED, HELD = 1000, 100
"""Datasets that list their episodes, in a registry of 100,000 versions, and episodes of each."""


@dataclass
class Drawn:
    """What was drawn: the ids in their order, by kind, and of the patches."""

    ids: list[str] = field(default_factory=list)
    kinds: dict[str, list[str]] = field(default_factory=dict)
    manifests: list[Manifest] = field(default_factory=list)


def draw(registry: Registry, size: int) -> Drawn:
    """A random graph: the first version is a root that `CLOSURE` of the others rests on, through each other.

    One dataset in ten lists `HELD` episodes of its own, whose list is put into the registry as a blob.
    """
    chance, drawn = random.Random(0), Drawn()
    tree: list[str] = []
    rest: list[str] = []
    for k in range(size):
        inside = not tree or (rest and k % 10 < 10 * CLOSURE)
        known = tree if inside else rest
        kind = KINDS[k % len(KINDS)]
        # Versions outside the tree rest on versions outside only.
        targets = sorted({chance.choice(known) for _ in range(EDGES)} if known else set())
        edges = tuple(Edge(ROLES[kind], target) for target in targets)
        if kind == "simulator" and edges and k % 20 == 0:
            edges = (Edge("derived_from", targets[0], {"relation": "patch"}), *edges[1:])
        blobs = _episodes(registry, k) if kind == "dataset" and k % 10 == 8 else {}
        fields = {"k": k, "lr": 3e-4, "seed": k % 7}
        manifest = Manifest(kind, f"family-{k % 100}", fields, blobs, edges)
        one = manifest_id(manifest)
        known.append(one)
        drawn.ids.append(one)
        drawn.kinds.setdefault(kind, []).append(one)
        drawn.manifests.append(manifest)
    return drawn


def log(registry: Registry, drawn: Drawn) -> Iterator[Entry]:
    """Entries on what was drawn.

    For 100,000 versions 600 on advisories, 1,000 replays, 1,500 of channels, 1,000 of a budget, 50 revocations; 300
    episodes become versions, of which 20 are revoked.
    """
    chance, share = random.Random(2), len(drawn.ids) / 100_000
    yield from _defects(drawn, chance, share)
    for k in range(round(1500 * share)):
        yield ChannelEntry(f"team-{k % 20}/prod", chance.choice(drawn.kinds["policy"]), "a release")
    yield BudgetEntry("sealed", "held-out queries", 1e6, "queries", "granted")
    for _ in range(round(1000 * share)):
        yield BudgetEntry("sealed", "held-out queries", -1.0, "queries", "one look")
    listed = [one for one in drawn.manifests if EPISODES in one.blobs]
    spoken = [
        registry.register(_episode(one, position))
        for one in chance.sample(listed, min(len(listed), round(100 * share) or 1))
        for position in chance.sample(range(HELD), 3)
    ]
    for version in spoken[: round(20 * share) or 1]:
        yield Revocation(version.id, "consent withdrawn")


def _defects(drawn: Drawn, chance: random.Random, share: float) -> Iterator[Entry]:
    worlds, policies = drawn.kinds["simulator"], drawn.kinds["policy"]
    names = [f"advisory-{k}" for k in range(round(400 * share) or 1)]
    for k, name in enumerate(names + names[: len(names) // 2]):
        chosen = random.Random(k % len(names)).choice(worlds)
        yield Advisory(name, "blocks slide too far", "high", (chosen,), {"factors": {"friction": [0.6, 1.0]}})
    for k in range(round(1000 * share)):
        yield Replay(names[k % len(names)], chance.choice(policies), 20, 20, 0, chance.choice(worlds))
    for one in chance.sample(drawn.ids, round(50 * share) or 1):
        yield Revocation(one, "its data were wrong")


def _exact(k: int, position: int) -> str:
    return hashlib.sha256(f"{k} {position}".encode()).hexdigest()


def _episodes(registry: Registry, k: int) -> dict[str, str]:
    rows = [{"exact": _exact(k, position), "motion": "", "percept": {}, "ids": {}} for position in range(HELD)]
    return {EPISODES: registry.add_blob(json.dumps(rows).encode())}


def _episode(dataset: Manifest, position: int) -> Manifest:
    exact = _exact(dataset.fields["k"], position)
    fields = {"exact": exact, "motion": "", "percept": {}, "ids": {}, "embodiment": "arm", "recorded_at": None}
    origin = {"kind": "real", "simulator": "", "policy": ""}
    return Manifest("episode", f"{dataset.name}/episode", fields | {"origin": origin})
