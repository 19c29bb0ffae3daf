"""Evaluations and what they are worth: agreement between worlds, audits, budgets, claims."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from diorama.core.errors import DataError
from diorama.evaluate.statistics.ranking import kendall, mmrv, pearson, ranking_study
from diorama.registry.records import Version
from diorama.registry.registry import Registry
from diorama.studio.web.answers.fields import finite, mapping, whole
from diorama.studio.web.answers.pairs import Table, Tables
from diorama.studio.web.answers.scores import Score, scores
from diorama.studio.web.answers.versions import Row, newest, row
from diorama.studio.web.snapshot import Snapshot

_LEAST, _MOST, _STARTS, _RESAMPLES = 2, 40, 5, 500
_LARGEST = 16 * 2**20


@dataclass(frozen=True)
class Point:
    """One policy in reality (``x``) and in another world (``y``), each with its interval."""

    policy: str
    name: str
    x: float | int
    x_low: float | int
    x_high: float | int
    y: float | int
    y_low: float | int
    y_high: float | int

    @property
    def apart(self) -> bool:
        """Whether the two intervals do not touch: the world says something else than reality."""
        return self.y_low > self.x_high or self.y_high < self.x_low


@dataclass(frozen=True)
class Agreement:
    """Whether a world ranks policies as reality does.

    ``mmrv``: mean maximum rank violation (Li et al. 2024, SIMPLER), in the unit of the metric, 0 is best. ``pearson``
    and ``kendall``: None with fewer than three policies. ``blind``: the policies on whom the two do not agree within
    their intervals. ``tests``: of each policy, its evaluation in reality and that in the world.
    """

    real: str
    world: str
    tests: tuple[tuple[str, str], ...]
    world_name: str
    origin: str
    metric: str
    rate: bool
    points: tuple[Point, ...]
    mmrv: float | int
    pearson: float | int | None
    kendall: float | int | None

    @property
    def blind(self) -> tuple[Point, ...]:
        """Where the world is blind to what reality shows."""
        return tuple(point for point in self.points if point.apart)


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval; ``starts`` are shared by all policies in both worlds."""

    value: float | int
    low: float | int
    high: float | int
    starts: int


@dataclass(frozen=True)
class Purse:
    """One purse of a budget: what was granted, spent and is left, in ``unit``."""

    budget: str
    purse: str
    granted: float | int
    spent: float | int
    unit: str

    @property
    def left(self) -> float:
        """What is left."""
        return self.granted - self.spent


@dataclass(frozen=True)
class Check:
    """One check of an audit: what it asks, how it ended, in a sentence, and the pairs that prove it."""

    name: str
    title: str
    state: str
    sentence: str
    witnesses: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Verdict:
    """An audit of an evaluation."""

    row: Row
    verdict: str
    about: tuple[Row, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Claim:
    """A registered claim: what it says, how surely, up to which level, and whether it still stands."""

    row: Row
    estimand: str
    estimate: float | int | None
    low: float | int | None
    high: float | int | None
    level: str
    n: int | None


def agreements(snapshot: Snapshot) -> list[Agreement]:
    """Every world in which at least two policies were tested that were also tested in reality."""
    return snapshot.once("agreements", _agreements)


def with_interval(snapshot: Snapshot, tables: Tables, found: Agreement) -> Interval | None:
    """The MMRV of an agreement with its 95 % interval: a bootstrap over policies and over the starts that all share.

    None where the episodes are not on record, share too few starts or do not vary, and of too many policies.
    """
    key = ("agreement", found.world, found.metric)
    return snapshot.recent(key, lambda kept: _interval(kept, tables, found))


def purses(snapshot: Snapshot) -> list[Purse]:
    """Every purse, by budget."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for name, events in sorted(snapshot.graph.budgets.items()):
        for event in events:
            sums = found.setdefault((name, event.entry.purse, event.entry.unit), [0.0, 0.0])
            sums[event.entry.amount < 0] += abs(event.entry.amount)
    return [Purse(name, purse, granted, spent, unit) for (name, purse, unit), (granted, spent) in found.items()]


def verdicts(snapshot: Snapshot, registry: Registry, most: int = 20) -> list[Verdict]:
    """The newest audits with their checks and witnesses."""
    found = [one for one in newest(snapshot, "audit") if "checks" in one.fields]
    return [verdict(snapshot, registry, one) for one in found[:most]]


def claims(snapshot: Snapshot) -> list[Claim]:
    """Every claim, the newest first."""
    return snapshot.once("claims", lambda one: [_claim(one, found) for found in newest(one, "claim")])


def _agreements(snapshot: Snapshot) -> list[Agreement]:
    newest_of: dict[tuple[str, str, str], Score] = {}
    for one in scores(snapshot):
        newest_of.setdefault((one.policy, one.world, one.metric), one)
    real = [one for one in newest_of.values() if one.origin == "real"]
    by_policy = {(one.policy, one.metric): one for one in sorted(real, key=lambda one: one.created)}
    groups: dict[tuple[str, str], list[tuple[Score, Score]]] = {}
    for one in newest_of.values():
        beside = by_policy.get((one.policy, one.metric))
        if one.origin != "real" and beside is not None:
            groups.setdefault((one.world, one.metric), []).append((beside, one))
    made = [_agreement(pairs) for pairs in groups.values() if len(pairs) >= _LEAST]
    return sorted(made, key=lambda one: (-len(one.points), one.world_name))


def _agreement(pairs: list[tuple[Score, Score]]) -> Agreement:
    points = tuple(Point(r.policy, r.label, r.value, r.low, r.high, w.value, w.low, w.high) for r, w in pairs)
    real, other = np.array([p.x for p in points]), np.array([p.y for p in points])
    spread = len(points) > _LEAST and np.ptp(real) > 0 and np.ptp(other) > 0
    first, world = pairs[0]
    return Agreement(
        real=first.world_name,
        world=world.world,
        tests=tuple((r.id, w.id) for r, w in pairs),
        world_name=world.world_name,
        origin=world.origin,
        metric=world.metric,
        rate=world.rate,
        points=points,
        mmrv=float(mmrv(real, other)),
        pearson=float(pearson(real, other)) if spread else None,
        kendall=float(kendall(real, other)) if spread else None,
    )


def _interval(snapshot: Snapshot, tables: Tables, found: Agreement) -> Interval | None:
    if not _LEAST < len(found.points) <= _MOST:
        return None
    pairs = [[tables.of(snapshot.graph.get(one)) for one in pair] for pair in found.tests]
    if any(table is None or found.metric not in table.metrics for pair in pairs for table in pair):
        return None
    shared = reduce(np.intersect1d, [table.seeds for pair in pairs for table in pair])
    if len(shared) < _STARTS:
        return None
    real, other = (np.stack([_scores_at(pair[side], found.metric, shared) for pair in pairs]) for side in (0, 1))
    study = ranking_study(real, other, resamples=_RESAMPLES)["mmrv"]
    # Where episodes do not vary a bootstrap knows nothing: a width of zero is no certainty.
    return Interval(study.value, study.low, study.high, len(shared)) if study.low < study.high else None


def _scores_at(table: Table, metric: str, seeds: np.ndarray) -> np.ndarray:
    _, place, _ = np.intersect1d(table.seeds, seeds, return_indices=True)
    return table.metrics[metric][place].astype(np.float64)


def verdict(snapshot: Snapshot, registry: Registry, found: Version) -> Verdict:
    """The audit that a version keeps."""
    about = [edge.target for edge in found.edges if edge.role == "affects" and edge.target in snapshot.graph]
    checks = mapping(found.fields.get("checks"))
    titles, proofs = _record(registry, found)
    told = tuple(
        Check(
            str(name),
            titles.get(str(name), ""),
            str(one.get("state", "")),
            str(one.get("sentence", "")),
            proofs.get(str(name), ()),
        )
        for name, one in sorted(checks.items(), key=lambda pair: (len(str(pair[0])), str(pair[0])))
        if isinstance(one, Mapping)
    )
    rows = tuple(row(snapshot, snapshot.graph.get(one)) for one in about)
    return Verdict(row(snapshot, found), str(found.fields.get("verdict", "unknown")), rows, told)


def _record(registry: Registry, found: Version) -> tuple[dict[str, str], dict[str, tuple[tuple[str, str, str], ...]]]:
    """Check to its title, and to the pairs that prove what it found, from the record of the audit."""
    record = next((digest for name, digest in found.manifest.blobs.items() if name.endswith(".json")), None)
    if record is None or (registry.blobs.size(record) or _LARGEST + 1) > _LARGEST:
        return {}, {}
    try:
        outcomes = json.loads(registry.read_blob(record)).get("outcomes", [])
        titles = {str(one["check"]): str(one.get("title", "")) for one in outcomes}
        return titles, {str(one["check"]): tuple(_pairs(one)) for one in outcomes}
    except (DataError, ValueError, KeyError, TypeError, AttributeError):
        return {}, {}


def _pairs(outcome: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    found = [w for finding in outcome.get("findings", ()) for w in finding.get("witnesses", ())]
    return [(str(w["left"]), str(w["right"]), str(w["how"])) for w in found[:6]]


def _claim(snapshot: Snapshot, found: Version) -> Claim:
    fields = found.fields
    ends = fields.get("interval")
    low, high = map(finite, ends) if isinstance(ends, list | tuple) and len(ends) == 2 else (None, None)
    return Claim(
        row(snapshot, found),
        str(fields.get("estimand", found.name)),
        finite(fields.get("estimate")),
        low,
        high,
        str(fields.get("evidence_level", "")),
        whole(fields.get("n")) or None,
    )
