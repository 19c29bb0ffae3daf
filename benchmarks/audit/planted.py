"""A small registry with an honest evaluation in it, and leaks of every kind planted into the same story.

The honest story: a policy was trained in a learned world on data of reality; it is tested in two other worlds on sealed
starts that nobody has seen, scored by a learned judge. Operators, robots and objects are the same on both sides, the
starts come from one distribution, trust varies without success depending on it: none of that is a leak.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core.canonical import canonical, to_json
from diorama.data.identity import EpisodeIdentity, motion_sketch
from diorama.envs.pusht.starts import drawn_starts, settled
from diorama.evaluate.audit import Audit, Verdict
from diorama.evaluate.statistics import Estimate
from diorama.recipes.auditing import audit_evaluation
from diorama.recipes.book import Book, Places
from diorama.registry.manifest import manifest_id
from diorama.registry.records import BudgetEntry, Edge, Manifest
from diorama.registry.registry import Registry

EPISODES, STARTS = 24, 30
CORNERS = {"agent_low": 50.0, "agent_high": 450.0, "block_low": 100.0, "block_high": 400.0}


def push_t_starts(seeds: np.ndarray) -> np.ndarray:
    """Starts of Push-T for seeds, [N, 5]."""
    regions = {name: np.full((len(seeds), 2), value) for name, value in CORNERS.items()}
    starts = settled(drawn_starts(np.asarray(seeds), regions), np.full(len(seeds), 30.0))
    starts[:, 4] %= 2 * np.pi
    return starts.astype(np.float32).astype(np.float64)


def walk(rng: np.random.Generator, steps: int = 60) -> np.ndarray:
    """Actions of an episode: a random path in the plane, [T, 2] px."""
    return 256 + np.cumsum(rng.normal(size=(steps, 2)) * 20, axis=0)


@dataclass
class Data:
    """A training set before it is registered: who the episodes are, and where they start."""

    identities: list[EpisodeIdentity]
    starts: np.ndarray
    fields: dict[str, Any] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)


@dataclass
class Story:
    """All parts of the honest story. A plant changes one of them before they are registered."""

    name: str
    rng: np.random.Generator
    data: Data
    others: Data
    judged: Data
    seeds: np.ndarray
    starts: np.ndarray
    success: np.ndarray
    trust: np.ndarray
    tested_in: str = "mujoco"
    looks: tuple[int, int] = (2, 2)
    probes: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    drawn_from_data: bool = False
    policy_edges: list[Edge] = field(default_factory=list)
    mujoco_edges: list[str] = field(default_factory=list)
    selected: str = ""
    other_fields: dict[str, Any] = field(default_factory=dict)
    other_trained: bool = True
    other_from_policy: bool = False
    patched: bool = False
    canaries: dict[str, Any] = field(default_factory=dict)


def episodes(rng: np.random.Generator, seeds: np.ndarray) -> Data:
    """Episodes of these seeds: their sessions are the seeds, operator and robot always the same."""
    identities = [
        EpisodeIdentity(
            hashlib.sha256(rng.bytes(32)).hexdigest(),
            motion_sketch(walk(rng)),
            {},
            {"session": f"seed-{seed}", "operator": "ann", "robot": "arm 1", "object": "tee"},
        )
        for seed in seeds
    ]
    return Data(identities, push_t_starts(seeds))


def honest(seed: int) -> Story:
    """The story without a leak."""
    rng = np.random.default_rng(seed)
    seeds = rng.choice(50_000, 3 * EPISODES, replace=False)
    parts = [episodes(rng, part) for part in np.split(seeds, 3)]
    tested = 100_000 + rng.choice(50_000, STARTS, replace=False)
    canary = {"canary 1": {"start": push_t_starts(np.array([900_000 + seed]))[0].tolist(), "space": "state"}}
    fair = {
        "C11": {"drop": Estimate(0.01, -0.1, 0.12, 50, 0.95, "bootstrap")},
        "C12": {"slope: friction": Estimate(-0.1, -0.2, -0.02, 50, 0.95, "bootstrap")},
        "C13": {"gain over blind": Estimate(0.5, 0.3, 0.7, 50, 0.95, "bootstrap")},
        "C15": {"agreement": Estimate(0.95, 0.88, 0.99, 60, 0.95, "Wilson")},
    }
    trust = rng.uniform(0.2, 1.0, STARTS)
    success = rng.random(STARTS) < 0.7
    return Story(str(seed), rng, *parts, tested, push_t_starts(tested), success, trust, probes=fair, canaries=canary)


def _copied_start(story: Story, data: Data) -> None:
    data.starts[story.rng.integers(EPISODES)] = story.starts[story.rng.integers(STARTS)]


def _near_start(story: Story, data: Data) -> None:
    start = story.starts[story.rng.integers(STARTS)]
    data.starts[story.rng.integers(EPISODES)] = start + story.rng.uniform(-1, 1, 5) * [0.5, 0.5, 0.5, 0.5, 0.005]


def _session(story: Story) -> None:
    one = story.rng.integers(EPISODES)
    ids = {**story.data.identities[one].ids, "session": f"seed-{story.seeds[story.rng.integers(STARTS)]}"}
    story.data.identities[one] = replace(story.data.identities[one], ids=ids)


def _canary(story: Story) -> None:
    story.others.starts[story.rng.integers(EPISODES)] = story.canaries["canary 1"]["start"]


def _exploited(story: Story) -> None:
    story.trust = np.where(np.arange(STARTS) < STARTS // 2, 0.1, 0.9)
    story.success = story.rng.random(STARTS) < np.where(story.trust < 0.5, 0.97, 0.1)


def _probe(check: str, measure: str, value: float, low: float, high: float) -> Callable[[Story], None]:
    def plant(story: Story) -> None:
        story.probes[check] = {measure: Estimate(value, low, high, 50, 0.95, "bootstrap")}

    return plant


def _set(**values: Any) -> Callable[[Story], None]:
    def plant(story: Story) -> None:
        for name, value in values.items():
            setattr(story, name, value)

    return plant


def _recorded_later(story: Story) -> None:
    story.data.fields["recorded_at"] = "2999-01-01T00:00:00+00:00"


PLANTS: Mapping[str, tuple[str, Verdict, Callable[[Story], None]]] = {
    "start in the policy's data": ("C1", Verdict.CONTAMINATED, lambda s: _copied_start(s, s.data)),
    "start half a pixel from one in the policy's data": (
        "C1",
        Verdict.CONTAMINATED,
        lambda s: _near_start(s, s.data),
    ),
    "episodes of the policy's data as scenarios": ("C1", Verdict.CONTAMINATED, _set(drawn_from_data=True)),
    "start in the world's data": (
        "C2",
        Verdict.CONTAMINATED,
        lambda s: (_copied_start(s, s.others), _set(tested_in="other")(s)) and None,
    ),
    "start in the judge's data": ("C3", Verdict.CONTAMINATED, lambda s: _copied_start(s, s.judged)),
    "session on both sides": ("C4", Verdict.CONTAMINATED, _session),
    "tested in the world of training": ("C5", Verdict.LABELLED, _set(tested_in="trained")),
    "tested in a patch of the world of training": ("C5", Verdict.LABELLED, _set(tested_in="patch", patched=True)),
    "selected in the world of the test": ("C5", Verdict.LABELLED, _set(selected="mujoco")),
    "worlds that share their data": ("C6", Verdict.CLEAN, _set(mujoco_edges=["others"])),
    "world trained on the policy's own episodes": (
        "C7",
        Verdict.LABELLED,
        _set(other_from_policy=True, tested_in="other"),
    ),
    "training data recorded after the test": ("C8", Verdict.CONTAMINATED, _recorded_later),
    "more looks than granted": ("C9", Verdict.CONTAMINATED, _set(looks=(2, 3))),
    "sealed without a ledger": ("C9", Verdict.UNVERIFIABLE, _set(looks=(0, 1))),
    "canary in a training set": (
        "C10",
        Verdict.CONTAMINATED,
        lambda s: (_canary(s), _set(tested_in="other")(s)) and None,
    ),
    "score falls on new starts": ("C11", Verdict.LABELLED, _probe("C11", "drop", 0.3, 0.12, 0.45)),
    "no better than a blind policy": ("C13", Verdict.LABELLED, _probe("C13", "gain over blind", 0.02, -0.1, 0.15)),
    "success where the world is not trusted": ("C14", Verdict.CONTAMINATED, _exploited),
    "judge disagrees with people": ("C15", Verdict.LABELLED, _probe("C15", "agreement", 0.7, 0.6, 0.8)),
    "ancestor not on record": ("C16", Verdict.UNVERIFIABLE, _set(other_trained=False, tested_in="other")),
}
"""What is planted: which check must find it, the verdict that must follow, and how it is planted."""


def opened(folder: Path) -> Book:
    """A registry for stories."""
    return Book(Registry.open(folder), Places(folder))


def told(story: Story, book: Book) -> str:
    """Register the story; the id of its evaluation. Several stories may stand in one registry."""
    registry = book.registry
    made: dict[str, Manifest] = {}

    def add(name: str, manifest: Manifest) -> str:
        made[name] = manifest
        return manifest_id(manifest)

    def blob(data: Any) -> str:
        return registry.add_blob(canonical(data).encode())

    def dataset(name: str, data: Data, edges: list[Edge]) -> str:
        blobs = {
            "episodes.json": blob([to_json(one) for one in data.identities]),
            "starts.json": blob({"state": data.starts.tolist()}),
        }
        return add(name, Manifest("dataset", f"push-t/{name}", {"world": "push-t"} | data.fields, blobs, tuple(edges)))

    real = add("real", _simulator("real", {"origin": "physics", "stands_for": "reality"}))
    scripted = add("scripted", Manifest("policy", "push-t/play", {"kind": "scripted"}))
    source = [Edge("data_from", real), Edge("data_from", scripted)]
    data, judged = dataset("data", story.data, source), dataset("judged", story.judged, source)
    trained = add("trained", _simulator("trained", {"origin": "learned"}, Edge("trained_on", data)))
    patched = add(
        "patch", _simulator("patch", {"origin": "learned"}, Edge("derived_from", trained, {"relation": "patch"}))
    )
    tags = {"origin": "physics", "family": ["physics", "mujoco"]}
    first = add("mujoco-0", _simulator("mujoco", tags))
    chosen = {"mujoco": first, "": ""}[story.selected]
    edges = [Edge("trained_in", trained), Edge("trained_on", data, {"use": "starts"})]
    if chosen:
        draft = add("draft", Manifest("policy", "push-t/draft", {}, {}, tuple(edges)))
        trial = Manifest("evaluation", "push-t/trial", {}, {}, (Edge("evaluates", draft), Edge("evaluated_in", chosen)))
        edges += [Edge("selected_by", add("trial", trial))]
    policy = add("policy", Manifest("policy", "push-t/policy", {}, {}, tuple(edges)))
    source_of_others = [*source, *([Edge("data_from", policy)] if story.other_from_policy else [])]
    others = dataset("others", story.others, source_of_others)
    other = _simulator(
        "other",
        {"origin": "learned", "family": ["learned", "rssm"]},
        *([Edge("trained_on", others)] if story.other_trained else []),
    )
    worlds = {"real": real, "trained": trained, "patch": patched, "mujoco": first, "other": add("other", other)}
    if story.mujoco_edges:
        shared = _simulator("mujoco", tags, Edge("trained_on", others))
        worlds["mujoco"] = add("mujoco", shared)
    judge = add("judge", Manifest("judge", "push-t/judge", {}, {}, (Edge("trained_on", judged),)))
    fields = {"visibility": "sealed", "canaries": story.canaries}
    hidden = {"starts.json": blob({"state": story.starts.tolist()})}
    sealed = add("sealed", Manifest("scenario_set", f"push-t/sealed-{story.name}", fields, hidden))
    table = {"seed": story.seeds.tolist(), "success": story.success.tolist(), "trust": story.trust.tolist()}

    def evaluation(name: str, world: str, scenarios: str) -> str:
        edges = (
            Edge("evaluates", policy),
            Edge("evaluated_in", worlds[world]),
            Edge("judged_by", judge),
            Edge("drawn_from", scenarios),
        )
        manifest = Manifest("evaluation", f"push-t/{name}", {"task": "push-t"}, {"episodes.json": blob(table)}, edges)
        return add(name, manifest)

    main = evaluation("main", story.tested_in, data if story.drawn_from_data else sealed)
    for k, world in zip(
        range(story.looks[1] - 1), ["mujoco" if story.tested_in == "other" else "other", "mujoco"], strict=False
    ):
        evaluation(f"look-{k}", world, sealed)
    for check, measures in story.probes.items():
        fields = {"probe": check, "measures": {name: to_json(one) for name, one in measures.items()}}
        add(f"probe {check}", Manifest("evaluation", "push-t/probe", fields, {}, (Edge("affects", main),)))
    registry.register_many(made.values())
    if story.looks[0]:
        registry.append(BudgetEntry(f"push-t/sealed-{story.name}", "main", float(story.looks[0]), "queries"))
    return main


def _simulator(name: str, fields: Mapping[str, Any], *edges: Edge) -> Manifest:
    return Manifest("simulator", f"push-t/{name}", {"contract": {"name": "push-t"}, **fields}, {}, edges)


def audited(story: Story, book: Book) -> Audit:
    """The audit of the story's evaluation."""
    return audit_evaluation(book, told(story, book), register=False, starts={"state": story.starts}).audit
