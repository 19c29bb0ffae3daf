"""What shortcuts left behind in a version: patches upon patches, unreplayed advisories, data that worlds made up."""

import dataclasses

from diorama.registry.facts import DATA, GENERATED, MAKING, changes_weights, origin, recorded_at
from diorama.registry.graph import Graph
from diorama.registry.records import Version

_DAY_S = 86400.0
_SIZES = ("frames", "steps", "episodes")


@dataclasses.dataclass(frozen=True)
class Debt:
    """The debt of one version.

    ``patch_depth``: patches, fine-tunes and warm starts on the longest chain of its descent, of which
    ``since_full_build`` came after the last build from scratch, ``full_build``. ``unreplayed``: advisories on anything
    that it was made with whose regression scenarios were never replayed on it. ``generated_share``: of the data in its
    ancestry, the share that learned or hybrid worlds made, counted in ``share_unit``; None without data.
    ``calibration_days``: since the newest real data in its ancestry, ``calibrated_by``; None where there are none.
    """

    id: str
    name: str
    patch_depth: int
    since_full_build: int
    full_build: str
    unreplayed: tuple[str, ...]
    generated_share: float | None
    share_unit: str
    calibration_days: float | None
    calibrated_by: str


def debt(graph: Graph, version: str, now: float) -> Debt:
    """The debt of a version at the time ``now`` [s since 1970, UTC]. Raises `DataError` for an unknown id."""
    ancestry = graph.upstream([version], MAKING)
    depth, since, full = _chain(graph, version, ancestry)
    share, unit = _generated(graph, ancestry)
    days, by = _calibration(graph, ancestry, now)
    unreplayed = _unreplayed(graph, version, ancestry)
    return Debt(version, graph.get(version).name, depth, since, full, unreplayed, share, unit, days, by)


def _chain(graph: Graph, version: str, ancestry: list[str]) -> tuple[int, int, str]:
    """Longest chain of changes; of these the ones since the last full build; and that build."""
    depth: dict[str, int] = {}
    since: dict[str, tuple[int, str]] = {}
    for one in ancestry:
        descent = [e for e in graph.get(one).edges if e.role in ("derived_from", "initialised_from")]
        changed = [e.target for e in descent if changes_weights(e) and e.target in since]
        depth[one] = max((depth.get(e.target, 0) + changes_weights(e) for e in descent), default=0)
        count, full = max((since[target] for target in changed), default=(-1, one))
        since[one] = (count + 1, full)
    return depth[version], *since[version]


def _unreplayed(graph: Graph, version: str, ancestry: list[str]) -> tuple[str, ...]:
    advisories = {a.id: a for one in ancestry if one != version for a in graph.advised(one)}
    asked = [a for a in advisories.values() if a.regressions and version not in a.fixed_in]
    return tuple(sorted(a.id for a in asked if not graph.replay(a.id, version)))


def _generated(graph: Graph, ancestry: list[str]) -> tuple[float | None, str]:
    """Only data that are not put together from other data count, so that nothing counts twice."""
    data = [found for one in ancestry if (found := graph.get(one)).kind in DATA and not _composed(graph, found)]
    if not data:
        return None, ""
    unit = next((size for size in _SIZES if all(_size(found, size) > 0 for found in data)), "")
    weights = [_size(found, unit) if unit else 1.0 for found in data]
    made = sum(weight for weight, found in zip(weights, data, strict=True) if _made_up(graph, found))
    return made / sum(weights), unit or "data sets"


def _composed(graph: Graph, data: Version) -> bool:
    return any(graph.get(t).kind in DATA for t in graph.targets(data.id, *MAKING) if t in graph)


def _made_up(graph: Graph, data: Version) -> bool:
    sources = [graph.get(target) for target in graph.targets(data.id, "data_from") if target in graph]
    return any(origin(one) in GENERATED for one in [data, *sources])


def _size(data: Version, name: str) -> float:
    value = data.fields.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _calibration(graph: Graph, ancestry: list[str], now: float) -> tuple[float | None, str]:
    real = [found for one in ancestry if (found := graph.get(one)).kind in DATA and _real(graph, found)]
    if not real:
        return None, ""
    newest = max(real, key=recorded_at)
    return (now - recorded_at(newest)) / _DAY_S, newest.id


def _real(graph: Graph, data: Version) -> bool:
    sources = [graph.get(target) for target in graph.targets(data.id, "data_from") if target in graph]
    return any(origin(one) == "real" for one in [data, *sources])
