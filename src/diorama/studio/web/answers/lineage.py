"""Lineage: the graph around a version, why it is not fresh, and what a change would make stale before it is made."""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass

from diorama.registry.debt import Debt, debt
from diorama.registry.graph import Graph
from diorama.registry.lineage import DOWN, UP, lineage
from diorama.registry.plan import Plan, Step, plan
from diorama.registry.records import Edge, Manifest, Version
from diorama.registry.rules import Kind, Status, Trouble
from diorama.registry.status import StatusReport, Survey, label
from diorama.studio.web.answers.versions import Row, newest, row
from diorama.studio.web.snapshot import Snapshot

NODES = 70
"""The most versions in one picture."""
PATCH, REVOKE = "patch", "revoke"
"""What can be asked about before it is done."""
_HYPOTHETICAL = "f" * 64
_PAST = ("build", "attestation")
_PATCHABLE = ("simulator", "policy", "dataset", "judge")


@dataclass(frozen=True)
class Node:
    """A version in the picture; ``column`` counts edges from the asked one, below 0 what it rests on."""

    id: str
    kind: str
    name: str
    status: str
    column: int


@dataclass(frozen=True)
class Link:
    """That ``source`` rests on ``target`` in ``role``; ``lit`` where trouble came to the asked version along it."""

    source: str
    target: str
    role: str
    lit: bool


@dataclass(frozen=True)
class Picture:
    """The graph around one version; ``cut`` versions further away were left out."""

    id: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    cut: int


@dataclass(frozen=True)
class WouldBe:
    """A version that would be worse off: its status now and then, and why."""

    id: str
    kind: str
    name: str
    now: str
    then: str
    why: str


@dataclass(frozen=True)
class WhatIf:
    """What a change of one version would do. ``plan``: what a patch would ask for, None where nothing can be planned.

    ``affected`` are the versions whose status would become worse, worst first.
    """

    id: str
    change: str
    affected: tuple[WouldBe, ...]
    plan: Plan | None


@dataclass(frozen=True)
class Node360:
    """What is known of one version in a lineage: status with causes, debt, and the plan where a successor is there."""

    row: Row
    report: StatusReport
    debt: Debt | None
    successor: str
    plan: Plan | None

    @property
    def work(self) -> tuple[Step, ...]:
        """The steps of the plan that ask for something."""
        return () if self.plan is None else tuple(step for step in self.plan.steps if step.action != "keep")


def picture(snapshot: Snapshot, version: str, most: int = NODES) -> Picture:
    """The versions around one, the nearest first, until there are ``most``; builds are left out."""
    return snapshot.recent(("picture", version, str(most)), lambda kept: _picture(kept, version, most))


def _picture(snapshot: Snapshot, version: str, most: int) -> Picture:
    found: dict[str, int] = {}
    for way, sign in ((UP, -1), (DOWN, 1)):
        for node in lineage(snapshot.graph, version, way).nodes:
            if node.kind not in _PAST:
                found.setdefault(node.id, sign * node.depth)
    nearest = sorted(found, key=lambda one: (abs(found[one]), -snapshot.graph.get(one).sequence))
    chosen = set(nearest[:most])
    lit = _lit(snapshot.survey.report(version))
    nodes = tuple(_node(snapshot, one, found[one]) for one in nearest[:most])
    return Picture(version, nodes, _links(snapshot, chosen, lit), len(found) - len(chosen))


def overview(snapshot: Snapshot, most: int = NODES) -> Picture:
    """The newest versions of everything that stands, for a registry that nobody asked a question yet."""
    kinds = ("dataset", "simulator", "policy", "evaluation", "claim", "failure_mode", "audit", "scenario_set", "judge")
    found = newest(snapshot, *kinds)
    chosen = [one.id for one in found[:most]]
    nodes = tuple(_node(snapshot, one, 0) for one in chosen[::-1])
    return Picture("", nodes, _links(snapshot, set(chosen), set()), max(0, len(found) - most))


def node(snapshot: Snapshot, version: str, planned: bool = False) -> Node360:
    """One version: why it has its status, what it owes and, where ``planned``, what its newest successor asks for.

    A plan takes as long as there are versions below; only who shows it asks for it.
    """
    found = snapshot.graph.get(version)
    successors = snapshot.graph.successors(version)
    successor = max(successors, key=lambda one: snapshot.graph.get(one).sequence, default="")
    owed = debt(snapshot.graph, version, time.time()) if found.kind in ("policy", "simulator") else None
    work = None
    if successor and planned:
        work = snapshot.recent(("plan", version, successor), lambda one: plan(one.graph, version, successor))
    return Node360(row(snapshot, found), snapshot.survey.report(version), owed, successor, work)


def what_if(snapshot: Snapshot, version: str, change: str = PATCH) -> WhatIf:
    """What a patch or a revocation would do, worked out on a copy of the graph; nothing is registered."""
    return snapshot.recent(("what if", version, change), lambda one: _what_if(one, version, change))


def _what_if(snapshot: Snapshot, version: str, change: str) -> WhatIf:
    graph, found = snapshot.graph, snapshot.graph.get(version)
    order = graph.downstream([version])
    below = set(order)
    trouble = _trouble(graph, version, change)
    then = Survey(graph, order, {version: (trouble,)})
    affected = [
        WouldBe(one, graph.get(one).kind, graph.get(one).name, str(snapshot.survey.status(one)), str(status), why)
        for one in order
        if one != version and graph.get(one).kind not in _PAST
        for status, why in [_worse(snapshot, then, one)]
        if status is not None
    ]
    affected.sort(key=lambda one: -Status(one.then).rank)
    planned = None
    if change == PATCH and found.kind in _PATCHABLE:
        planned = plan(_with_patch(graph, found, below), version, _HYPOTHETICAL)
        planned = dataclasses.replace(planned, notes=())
    return WhatIf(version, change, tuple(affected), planned)


def _worse(snapshot: Snapshot, then: Survey, one: str) -> tuple[Status | None, str]:
    status, now = then.status(one), snapshot.survey.status(one)
    if status.rank <= now.rank:
        return None, ""
    return status, then.reason(one)


def _trouble(graph: Graph, version: str, change: str) -> Trouble:
    if change == REVOKE:
        return Trouble(Kind.REVOKED, f"revoked {version}", f"{label(graph, version)} would be revoked.")
    text = f"{label(graph, version)} would be patched, and no advisory says where the two differ."
    return Trouble(Kind.PATCHED, f"patched {version}", text)


def _with_patch(graph: Graph, found: Version, below: set[str]) -> Graph:
    """The part of the graph that a plan needs, with a patch that does not exist."""
    part = set(graph.upstream(below))
    part |= {source for one in list(part) for source, _ in graph.users(one, "output")}
    versions = [graph.get(one) for one in part]
    edges = (Edge("derived_from", found.id, {"relation": "patch"}),)
    last = max(version.sequence for version in versions)
    patch = Version(_HYPOTHETICAL, Manifest(found.kind, found.name, found.fields, {}, edges), found.created, last + 1)
    return Graph([*versions, patch])


def _node(snapshot: Snapshot, version: str, column: int) -> Node:
    found = snapshot.graph.get(version)
    return Node(version, found.kind, found.name, str(snapshot.survey.status(version)), column)


def _links(snapshot: Snapshot, chosen: set[str], lit: set[tuple[str, str]]) -> tuple[Link, ...]:
    found: dict[tuple[str, str], Link] = {}
    for source in chosen:
        for edge in snapshot.graph.get(source).edges:
            if edge.target in chosen:
                ends = (source, edge.target)
                found.setdefault(ends, Link(source, edge.target, edge.role, ends in lit))
    return tuple(found.values())


def _lit(report: StatusReport) -> set[tuple[str, str]]:
    """The steps of the path of the worst cause."""
    causes: Sequence = report.causes[:1]
    return {(a.id, b.id) for cause in causes for a, b in zip(cause.path, cause.path[1:], strict=False)}
