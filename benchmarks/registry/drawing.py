"""Registries of the size that is asked for, drawn at random: versions that rest on each other, data, and a log.

Two shapes. A `random` graph has no order: a version rests on any three earlier ones, so that a late one rests on
thousands; it is the hard case for closures, and no registry looks like it. `pipelines` is what teams make who collect,
fit, train and test in rounds. Nothing is measured here.
"""

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from diorama.registry.episodes import EPISODES
from diorama.registry.manifest import manifest_id
from diorama.registry.records import Advisory, BudgetEntry, ChannelEntry, Edge, Entry, Manifest, Replay, Revocation
from diorama.registry.registry import Registry

EDGES = 3
"""Edges that each version of a random graph writes."""
SHARE = 0.3
"""Share of the versions that the measured root is beneath."""
ROUNDS = 20
"""Rounds of a pipeline, each of 11 versions and 31 edges."""
HELD = 100
"""Episodes that a dataset lists, of those that list any: the first of each pipeline, or one in a hundred versions."""
REGION = {"factors": {"friction": [0.6, 1.0]}}
KINDS = ("simulator", "policy", "policy", "policy", "policy", "evaluation", "evaluation", "evaluation", "dataset")
ROLES = {"dataset": "data_from", "simulator": "trained_on", "policy": "trained_in", "evaluation": "evaluated_in"}
"""In which role a version of each kind rests on others in a random graph."""


@dataclass
class Drawn:
    """What was drawn: manifests and their ids in order, and the ids by kind."""

    manifests: list[Manifest] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    kinds: dict[str, list[str]] = field(default_factory=dict)

    def add(
        self, kind: str, name: str, edges: list[tuple], blobs: dict[str, str] | None = None, /, **fields: Any
    ) -> str:
        """Draw one more version; its id. An edge is (role, target) or (role, target, attributes)."""
        number = {"number": len(self.ids)}
        manifest = Manifest(kind, name, fields | number, blobs or {}, tuple(Edge(*edge) for edge in edges))
        self.manifests.append(manifest)
        self.ids.append(manifest_id(manifest))
        self.kinds.setdefault(kind, []).append(self.ids[-1])
        return self.ids[-1]

    @property
    def edges(self) -> int:
        """How many edges were drawn."""
        return sum(len(one.edges) for one in self.manifests)


def random_graph(registry: Registry, size: int) -> Drawn:
    """``size`` versions; `SHARE` of them rest on the first, through each other."""
    chance, drawn = random.Random(0), Drawn()
    tree: list[str] = []
    rest: list[str] = []
    for k in range(size):
        inside = not tree or (rest and k % 10 < 10 * SHARE)
        # Versions outside the tree rest on versions outside only.
        known, kind = (tree if inside else rest), KINDS[k % len(KINDS)]
        targets = sorted({chance.choice(known) for _ in range(EDGES)} if known else set())
        edges = [(ROLES[kind], target) for target in targets]
        blobs = listed(registry, f"random {k}") if k % 100 == 8 else None
        # Each hundredth version is a dataset with episodes, whatever stands in its turn.
        kind = "dataset" if blobs else kind
        known.append(drawn.add(kind, f"family-{k % 100}", edges, blobs, lr=3e-4, seed=k % 7))
    return drawn


def pipelines(registry: Registry, size: int) -> Drawn:
    """At least ``size`` versions in pipelines of `ROUNDS` rounds, of which `SHARE` begin from one common dataset."""
    chance, drawn = random.Random(1), Drawn()
    common = drawn.add("dataset", "common/data", [])
    robot = drawn.add("simulator", "common/robot", [], stands_for="reality")
    tests = drawn.add("scenario_set", "common/tests", [], visibility="open")
    while len(drawn.ids) < size:
        number = len(drawn.ids)
        start = [("derived_from", common, {"relation": "merge"})] if chance.random() < SHARE else []
        edges = [("data_from", robot), *start]
        data = drawn.add("dataset", f"team-{number}/data", edges, listed(registry, str(number)))
        made = (data, "", "")
        for turn in range(ROUNDS):
            made = _round(drawn, chance, f"team-{number}", (robot, tests), made, turn)
    return drawn


def _round(drawn: Drawn, chance: random.Random, team: str, common: tuple, before: tuple, turn: int) -> tuple:
    """Data of the last policy, a world, a policy, its tests in the world and on the robot, a claim, and five builds."""
    (robot, tests), (data, world, policy) = common, before
    acted = [("data_from", policy)] if policy else []
    grown = [("data_from", robot), ("derived_from", data, {"relation": "merge"}), *acted]
    data = drawn.add("dataset", f"{team}/data", grown, episodes=10 * turn)
    relation = {"relation": "patch" if chance.random() < 0.1 else "finetune"}
    parent = [("derived_from", world, relation)] if world else []
    world = drawn.add("simulator", f"{team}/world", [("trained_on", data), *parent], kind="learned")
    begun = [("initialised_from", policy)] if policy else []
    policy = drawn.add(
        "policy", f"{team}/policy", [("trained_in", world), ("trained_on", data, {"use": "starts"}), *begun],
        visited=_visits(chance),
    )  # fmt: skip
    rests = [
        drawn.add("evaluation", f"{team}/test", [("evaluates", policy), ("evaluated_in", place), ("drawn_from", tests)])
        for place in (world, robot)
    ]
    claim = drawn.add("claim", f"{team}/claim", [("supports", one) for one in rests], estimate=0.8)
    read = {data: [robot], world: [data], policy: [world, data], rests[0]: [policy, world], claim: rests}
    for made, inputs in read.items():
        edges = [("output", made), *(("input", one) for one in inputs)]
        drawn.add("build", "build/action", edges, resources={"wall_s": 60.0})
    return data, world, policy


def _visits(chance: random.Random) -> dict[str, Any]:
    """The sketch of a policy's visits, as training writes it: in half of them the region of the advisories."""
    from diorama.registry.visits import declare

    high = 0.5 if chance.random() < 0.5 else 0.9
    return declare({"friction": [0.2, 0.4, 0.6, 0.8]}).add({"friction": [0.1, 0.3, high]}).to_json()


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
    holding = [one for one in drawn.manifests if EPISODES in one.blobs]
    chosen = chance.sample(holding, min(len(holding), round(100 * share) or 1))
    spoken = [registry.register(one) for dataset in chosen for one in _spoken(registry, dataset, chance)]
    for version in chance.sample(spoken, round(20 * share) or 1):
        yield Revocation(version.id, "consent withdrawn")


def _defects(drawn: Drawn, chance: random.Random, share: float) -> Iterator[Entry]:
    """Advisories on worlds, half of them filed twice; replays on policies; revocations of anything."""
    worlds, policies = drawn.kinds["simulator"], drawn.kinds["policy"]
    affected = {f"advisory-{k}": chance.choice(worlds) for k in range(round(400 * share) or 1)}
    names = list(affected)
    for name in names + names[: len(names) // 2]:
        yield Advisory(name, "blocks slide too far", "high", (affected[name],), REGION)
    for k in range(round(1000 * share)):
        yield Replay(names[k % len(names)], chance.choice(policies), 20, 20, 0, chance.choice(worlds))
    for one in chance.sample(drawn.ids[3:], round(50 * share) or 1):
        yield Revocation(one, "its data were wrong")


def listed(registry: Registry, name: str) -> dict[str, str]:
    """The list of a dataset's episodes, put into the registry as a blob."""
    digests = [hashlib.sha256(f"{name} {k}".encode()).hexdigest() for k in range(HELD)]
    rows = [{"exact": one, "motion": "", "percept": {}, "ids": {}} for one in digests]
    return {EPISODES: registry.add_blob(json.dumps(rows).encode())}


def _spoken(registry: Registry, dataset: Manifest, chance: random.Random) -> list[Manifest]:
    """Three episodes of a dataset as versions."""
    rows = json.loads(registry.read_blob(dataset.blobs[EPISODES]))
    return [registry.episode(row["exact"]).manifest for row in chance.sample(rows, 3)]
