"""What a version rests on, or what rests on it: the graph around it with the role of every edge."""

import dataclasses
from collections import deque
from collections.abc import Collection

from diorama.core.errors import DataError
from diorama.registry.graph import Graph
from diorama.registry.records import Edge

UP, DOWN = "up", "down"


@dataclasses.dataclass(frozen=True)
class Node:
    """A version in a lineage, and over how many edges it is reached at least."""

    id: str
    kind: str
    name: str
    depth: int


@dataclasses.dataclass(frozen=True)
class Link:
    """That ``source`` rests on ``target`` in ``role``; ``relation`` of a ``derived_from``, else ""."""

    source: str
    role: str
    target: str
    relation: str = ""


@dataclasses.dataclass(frozen=True)
class Lineage:
    """Nodes in the order of their depth, the asked version first, and every link between them.

    ``cut``: versions beyond the asked depth were left out.
    """

    id: str
    direction: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    cut: bool = False


def lineage(graph: Graph, version: str, direction: str = UP, depth: int | None = None) -> Lineage:
    """The lineage ``up`` (what it rests on) or ``down`` (what rests on it), at most ``depth`` edges away.

    Raises `DataError` for an unknown id or direction.
    """
    if direction not in (UP, DOWN):
        raise DataError(f"A lineage goes up or down, not {direction!r}.")
    depths = {graph.get(version).id: 0}
    layer, cut = [version], False
    while layer:
        beyond = [other for one in layer for other in _next(graph, one, direction) if other not in depths]
        reached = depths[layer[0]]
        cut = bool(beyond) and reached == depth
        layer = [] if cut else list(dict.fromkeys(beyond))
        depths |= dict.fromkeys(layer, reached + 1)
    nodes = tuple(Node(one, graph.get(one).kind, graph.get(one).name, at) for one, at in depths.items())
    return Lineage(version, direction, nodes, _links(graph, depths), cut)


def trail(graph: Graph, source: str, target: str, roles: Collection[str] = ()) -> tuple[Link, ...] | None:
    """The fewest edges by which ``source`` rests on ``target``, in these ``roles`` only if given: a witness.

    () where they are the same version, None where it does not rest on it. Raises `DataError` for an unknown source.
    """
    came: dict[str, Link | None] = {graph.get(source).id: None}
    waiting = deque([source])
    while waiting and target not in came:
        for edge in graph.get(waiting[0]).edges:
            if edge.target not in came and edge.target in graph and (not roles or edge.role in roles):
                came[edge.target] = _link(waiting[0], edge)
                waiting.append(edge.target)
        waiting.popleft()
    if target not in came:
        return None
    links, at = [], came[target]
    while at is not None:
        links.append(at)
        at = came[at.source]
    return tuple(reversed(links))


def _link(source: str, edge: Edge) -> Link:
    relation = str(edge.attributes.get("relation", "")) if edge.role == "derived_from" else ""
    return Link(source, edge.role, edge.target, relation)


def _next(graph: Graph, version: str, direction: str) -> list[str]:
    if direction == DOWN:
        return [source for source, _ in graph.users(version)]
    return [target for target in graph.targets(version) if target in graph]


def _links(graph: Graph, chosen: dict[str, int]) -> tuple[Link, ...]:
    found = []
    for source in chosen:
        for edge in graph.get(source).edges:
            if edge.target in chosen:
                found.append(_link(source, edge))
    return tuple(dict.fromkeys(found))
