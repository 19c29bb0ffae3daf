"""Everything about one version on one page."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from diorama.registry.costs import Cost, recorded
from diorama.registry.debt import Debt, debt
from diorama.registry.graph import Graph
from diorama.registry.records import Advisory, Replay
from diorama.registry.status import StatusReport, status_of


@dataclasses.dataclass(frozen=True)
class Neighbour:
    """A version at the other end of an edge, with the edge's role and attributes."""

    role: str
    id: str
    kind: str
    name: str
    attributes: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Page:
    """A version: what it is, its status, what it rests on and what rests on it, what was said about it.

    ``channels`` point at it now, ``former_channels`` did. ``measured`` are evaluations that measure it or were made in
    it, ``claims`` rest on those. ``downstream`` counts everything that rests on it, over any number of edges.
    ``revoked`` is the reason, None where it is not revoked.
    """

    id: str
    kind: str
    name: str
    created: float
    fields: Mapping[str, Any]
    blobs: Mapping[str, str]
    status: StatusReport
    debt: Debt
    rests_on: tuple[Neighbour, ...]
    used_by: tuple[Neighbour, ...]
    downstream: int
    builds: tuple[str, ...]
    cost: Cost
    successors: tuple[str, ...]
    channels: tuple[str, ...]
    former_channels: tuple[str, ...]
    advisories: tuple[Advisory, ...]
    replays: tuple[Replay, ...]
    revoked: str | None
    measured: tuple[str, ...]
    claims: tuple[str, ...]


def explain(graph: Graph, version: str, now: float) -> Page:
    """Everything about a version at the time ``now`` [s since 1970, UTC]. Raises `DataError` for an unknown id."""
    found = graph.get(version)
    measured = _unique(source for source, _ in graph.users(version, "evaluates", "evaluated_in"))
    claims = _unique(source for one in (version, *measured) for source, _ in graph.users(one, "supports"))
    pointing, former = _channels(graph, version)
    return Page(
        id=version,
        kind=found.kind,
        name=found.name,
        created=found.created,
        fields=found.fields,
        blobs=found.manifest.blobs,
        status=status_of(graph, version),
        debt=debt(graph, version, now),
        rests_on=tuple(_neighbour(graph, e.role, e.target, e.attributes) for e in found.edges),
        used_by=tuple(_neighbour(graph, e.role, source, e.attributes) for source, e in graph.users(version)),
        downstream=len(graph.downstream([version])) - 1,
        builds=tuple(build.id for build in graph.builds(version)),
        cost=recorded(graph, version),
        successors=tuple(graph.successors(version)),
        channels=pointing,
        former_channels=former,
        advisories=tuple(graph.advised(version)),
        replays=tuple(r for r in graph.replays() if version in (r.policy, r.world)),
        revoked=graph.revocations.get(version),
        measured=measured,
        claims=claims,
    )


def _unique(ids: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))


def _neighbour(graph: Graph, role: str, version: str, attributes: Mapping[str, Any]) -> Neighbour:
    found = graph.versions.get(version)
    return Neighbour(role, version, found.kind if found else "", found.name if found else "", attributes)


def _channels(graph: Graph, version: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    now = tuple(name for name, events in graph.channels.items() if events[-1].entry.version == version)
    ever = (name for name, events in graph.channels.items() if any(e.entry.version == version for e in events))
    return now, tuple(name for name in ever if name not in now)
