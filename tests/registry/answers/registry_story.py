"""Hand-built records: a small maker of graphs, and the worked story of the registry."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from diorama.registry.graph import Graph
from diorama.registry.manifest import entry_subject, entry_type, manifest_id
from diorama.registry.records import Advisory, Edge, Entry, Event, Manifest, Version
from diorama.registry.visits import declare

FRICTION = {"factors": {"friction": [0.6, 1.0]}}


class Maker:
    """Registers in memory: versions by their true ids, and entries of the log."""

    def __init__(self) -> None:
        self.versions: dict[str, Version] = {}
        self.events: list[Event] = []

    def add(self, kind: str, name: str, /, *edges: tuple, blobs: Mapping[str, str] = {}, **fields: Any) -> str:
        """Register; an edge is (role, target) or (role, target, attributes)."""
        manifest = Manifest(kind, name, fields, blobs, tuple(Edge(*edge) for edge in edges))
        number = len(self.versions) + 1
        version = Version(manifest_id(manifest), manifest, created=1000.0 * number, sequence=number)
        return self.versions.setdefault(version.id, version).id

    def build(self, output: str, **resources: Any) -> str:
        """Register the build of a version with its resources."""
        return self.add("build", "build/" + output[:8], ("output", output), resources=resources)

    def say(self, entry: Entry) -> None:
        """Append an entry to the log."""
        number = len(self.events) + 1
        event = Event(number, 1000.0 * number, "ada", entry_type(entry), entry_subject(entry), entry)
        self.events.append(event)

    def graph(self, *more: Entry) -> Graph:
        """The graph of now, with more entries that are not kept."""
        aside = Maker()
        aside.events = list(self.events)
        for entry in more:
            aside.say(entry)
        return Graph(self.versions.values(), aside.events)


@dataclasses.dataclass
class Story:
    """The ids of the worked story, and its maker."""

    maker: Maker
    reality: str
    data: str
    v1: str
    v2: str
    low: str
    high: str
    tests: str
    a: str
    b: str
    score_a: str
    score_b: str
    claim_b: str

    def advisory(self, *, fixed: bool = True) -> Advisory:
        """High friction is wrong in v1."""
        return Advisory(
            "friction-1",
            "Blocks slide too far",
            "high",
            (self.v1,),
            FRICTION,
            (self.v2,) if fixed else (),
            (self.high,),
        )


def visits(low: float, high: float) -> dict[str, Any]:
    """A record of 100 visits spread evenly between two frictions."""
    spread = np.linspace(low, high, 100)
    return declare({"friction": [0.2, 0.4, 0.6, 0.8]}).add({"friction": spread}).to_json()


def tell() -> Story:
    """World v1 on real data; A at low friction, B everywhere; B scored and claimed in v1; v2 patches v1."""
    m = Maker()
    reality = m.add("simulator", "push-t/reality", kind="physics", stands_for="reality")
    data = m.add("dataset", "push-t/data", ("data_from", reality), frames=1000)
    v1 = m.add(
        "simulator", "push-t/world", ("trained_on", data), kind="learned", config={"width": 64, "layers": [1, 2]}
    )
    low = m.add("scenario_set", "push-t/low-friction")
    high = m.add("scenario_set", "push-t/high-friction")
    tests = m.add("scenario_set", "push-t/tests")
    a = m.add("policy", "push-t/a", ("trained_in", v1), ("drawn_from", low), visited=visits(0.1, 0.5))
    b = m.add("policy", "push-t/b", ("trained_in", v1), visited=visits(0.1, 1.0))
    score_a = _score(m, a, v1, tests, "a")
    score_b = _score(m, b, v1, tests, "b")
    claim_b = m.add("claim", "push-t/b-works", ("supports", score_b), estimate=0.8)
    v2 = m.add(
        "simulator",
        "push-t/world",
        ("derived_from", v1, {"relation": "patch"}),
        ("trained_on", data),
        kind="learned",
        config={"width": 64, "layers": [1, 3]},
    )
    m.build(v1, wall_s=300.0, device_s=300.0, joules=9000.0, energy_source="nvml_counter")
    m.build(a, wall_s=100.0, device_s=100.0, joules=2000.0, energy_source="nvml_counter")
    m.build(b, wall_s=200.0, device_s=200.0, joules=4000.0, energy_source="nvml_counter")
    m.build(score_b, wall_s=10.0, device_s=0.0, joules=None, energy_source="none")
    return Story(m, reality, data, v1, v2, low, high, tests, a, b, score_a, score_b, claim_b)


def _score(m: Maker, policy: str, world: str, tests: str, name: str) -> str:
    edges = ("evaluates", policy), ("evaluated_in", world), ("drawn_from", tests)
    return m.add("evaluation", f"push-t/score-{name}", *edges, estimates={"success": {"value": 0.8}})
