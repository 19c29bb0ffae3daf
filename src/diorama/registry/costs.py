"""What a step of a plan is expected to take, from what builds and evaluations recorded; and expected negative flips."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

from diorama.registry.graph import Graph
from diorama.registry.records import Replay, Version

_Z95 = 1.959963984540054


@dataclasses.dataclass(frozen=True)
class Cost:
    """Wall clock [s], device seconds [s] and energy [J] with its source; None where unknown. ``basis`` says from where.

    ``work`` is the id of the build or evaluation that recorded it, so that one build of two outputs counts once.
    """

    wall_s: float | None = None
    device_s: float | None = None
    joules: float | None = None
    energy_source: str = "none"
    basis: str = "unknown"
    work: str = ""

    @property
    def known(self) -> bool:
        """Whether at least the wall clock is known."""
        return self.wall_s is not None


NOTHING = Cost(0.0, 0.0, 0.0, "none", "nothing is to be done")
WITH_EVALUATIONS = Cost(0.0, 0.0, 0.0, "none", "counted with the evaluations")


@dataclasses.dataclass(frozen=True)
class Total:
    """The sum of known costs. ``unknown`` steps have no known cost; ``no_joules`` steps have no known energy."""

    wall_s: float
    device_s: float
    joules: float
    energy_sources: tuple[str, ...]
    unknown: int
    no_joules: int


@dataclasses.dataclass(frozen=True)
class Flips:
    """Share of scenarios that were passed before and are expected to fail after: ``count`` of ``total`` flipped.

    ``low`` to ``high`` is the 95 % interval of Wilson (1927). ``basis`` says whose replays were counted.
    """

    rate: float
    low: float
    high: float
    count: int
    total: int
    basis: str


def cost_of(graph: Graph, version: str) -> Cost:
    """What making this version took: its newest build, its own record, else the newest like it of the same family."""
    own = recorded(graph, version)
    found = graph.get(version)
    return own if own.known else family_cost(graph, found.kind, found.name)


def family_cost(graph: Graph, kind: str, name: str) -> Cost:
    """What making the newest of a family took for which that is recorded; unknown where it is for none."""
    return newest(graph, [v.id for v in graph.family(kind, name)], f"an earlier {kind} {name}")


def newest(graph: Graph, versions: Iterable[str], words: str) -> Cost:
    """The newest recorded cost among versions, named by ``words``; unknown where none has one."""
    for version in sorted(versions, key=lambda one: -graph.get(one).sequence):
        if (cost := recorded(graph, version)).known:
            return dataclasses.replace(cost, basis=words)
    return Cost()


def recorded(graph: Graph, version: str) -> Cost:
    """What the newest build with resources says, else what the version itself says; unknown where neither does."""
    for build in reversed(graph.builds(version)):
        if (cost := _read(build, "its build")).known:
            return cost
    return _read(graph.get(version), "its own record")


def sum_costs(costs: Iterable[Cost]) -> Total:
    """The sum over steps; the same work counts once."""
    costs = list(costs)
    works: dict[str, Cost] = {}
    for i, cost in enumerate(costs):
        works.setdefault(cost.work or str(i), cost)
    known = [cost for cost in works.values() if cost.known]
    sources = {cost.energy_source for cost in known if cost.joules}
    return Total(
        sum((cost.wall_s or 0.0 for cost in known), 0.0),
        sum((cost.device_s or 0.0 for cost in known), 0.0),
        sum((cost.joules or 0.0 for cost in known), 0.0),
        tuple(sorted(sources)),
        sum(not cost.known for cost in costs),
        sum(cost.joules is None for cost in works.values()),
    )


def expected_flips(graph: Graph, policy: str, world: str) -> Flips | None:
    """Expected negative flips of a policy that moves to ``world``, from paired replays; None where none is recorded.

    Its own replays count if there are any, else those of other policies that moved to the same world.
    """
    return flips_among(paired_replays(graph, world), policy)


def paired_replays(graph: Graph, world: str) -> list[Replay]:
    """The replays in a world that compare it with another one."""
    return [r for r in graph.replays() if r.total > 0 and r.world == world]


def flips_among(paired: list[Replay], policy: str) -> Flips | None:
    """`expected_flips` from the replays in the world, for who asks for many policies."""
    own = [r for r in paired if r.policy == policy]
    if own:
        return _flips(own[-1:], "its own replay in that world")
    newest_of = {(r.advisory, r.policy): r for r in paired}
    return _flips(list(newest_of.values()), f"replays of {len(newest_of)} other policies in that world")


def wilson(count: int, total: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927)."""
    share, weight = count / total, _Z95**2 / total
    middle = (share + weight / 2) / (1 + weight)
    half = _Z95 * math.sqrt(share * (1 - share) / total + weight / (4 * total)) / (1 + weight)
    return max(0.0, middle - half), min(1.0, middle + half)


def _flips(replays: list[Replay], basis: str) -> Flips | None:
    total, count = sum(r.total for r in replays), sum(r.flips for r in replays)
    return Flips(count / total, *wilson(count, total), count, total, basis) if total else None


def _read(version: Version, basis: str) -> Cost:
    taken: Any = version.fields.get("resources")
    if not isinstance(taken, Mapping) or _number(taken, "wall_s") is None:
        return Cost()
    numbers = (_number(taken, name) for name in ("wall_s", "device_s", "joules"))
    return Cost(*numbers, str(taken.get("energy_source") or "none"), basis, version.id)


def _number(taken: Mapping[str, Any], name: str) -> float | None:
    value = taken.get(name)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable else None
