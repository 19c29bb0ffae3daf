"""Policies: where they were tested, how they fail, and two of them compared on the same seeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diorama.evaluate import intervals
from diorama.registry.records import Version
from diorama.studio.web.answers.fields import finite, is_number, mapping, whole
from diorama.studio.web.answers.pairs import Paired, Table, Tables
from diorama.studio.web.answers.scores import Score, of_policy
from diorama.studio.web.answers.versions import Row, newest, row
from diorama.studio.web.answers.worlds import facts
from diorama.studio.web.snapshot import Snapshot

_TRUST = (("trust below 0.5", 0.0, 0.5), ("0.5 to 0.9", 0.5, 0.9), ("0.9 and above", 0.9, 1.0000001))
_EXEMPLARS = 8
_ENDS = ("value", "low", "high")


@dataclass(frozen=True)
class PolicyRow:
    """A policy in the list: its best known world first."""

    row: Row
    score: Score | None
    worlds: int


@dataclass(frozen=True)
class Stratum:
    """Episodes of like trust, and the rate among them."""

    name: str
    n: int
    value: float | int
    low: float | int
    high: float | int


@dataclass(frozen=True)
class Outcomes:
    """The episodes of one evaluation by how they ended.

    ``causes``: cause to count. ``good`` and ``bad``: seeds that succeeded and that did not, or the highest and lowest
    of the main metric where nothing says success; at most eight of ``goods`` and ``bads``. ``values``: the main metric
    of every episode. ``strata``: by trust, empty where none was recorded.
    """

    score: Score
    causes: tuple[tuple[str, int], ...]
    good: tuple[int, ...]
    bad: tuple[int, ...]
    goods: int
    bads: int
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    strata: tuple[Stratum, ...]


@dataclass(frozen=True)
class Hiding:
    """How often a world lets the policy succeed from where it fails in reality, over ``n`` failures."""

    world: str
    value: float | int
    low: float | int
    high: float | int
    n: int


@dataclass(frozen=True)
class FailureMode:
    """A registered way to fail: its version, how many failures show it, and the seeds of some.

    ``fits``: the share of them that the label fits; ``stability``: how surely the group would be found again, 1 is
    best. ``hidden``: what each world makes of them; ``everywhere``: every world hides it. ``seen_in``: versions in
    which it was seen, ``test`` the evaluation among them.
    """

    row: Row
    label: str
    seeds: tuple[int, ...]
    fits: float | int | None
    stability: float | int | None
    hidden: tuple[Hiding, ...]
    everywhere: bool
    seen_in: tuple[str, ...]
    test: str


@dataclass(frozen=True)
class PolicyPage:
    """Everything about one version of a policy."""

    row: Row
    facts: tuple[tuple[str, str], ...]
    scores: tuple[Score, ...]
    outcomes: tuple[Outcomes, ...]
    failure_modes: tuple[FailureMode, ...]
    trained_in: tuple[Row, ...]
    trained_on: tuple[Row, ...]
    family: tuple[Row, ...]
    rivals: tuple[Row, ...]


@dataclass(frozen=True)
class Comparison:
    """Two policies in every world in which both were tested; ``unpaired``: worlds without shared seeds."""

    a: Row
    b: Row
    pairs: tuple[tuple[Score, Score, Paired], ...]
    unpaired: tuple[tuple[Score, Score], ...]


def policy_rows(snapshot: Snapshot) -> list[PolicyRow]:
    """Every policy, tested ones first, then the newest."""
    return snapshot.once("policy rows", _policy_rows)


def policy_page(snapshot: Snapshot, tables: Tables, found: Version) -> PolicyPage:
    """One version of a policy."""
    scores = _newest_by_world(of_policy(snapshot, found.id))
    family = snapshot.graph.family("policy", found.name)[::-1]
    return PolicyPage(
        row=row(snapshot, found),
        facts=facts(found),
        scores=scores,
        outcomes=tuple(one for one in (outcomes(snapshot, tables, score) for score in scores[:6]) if one is not None),
        failure_modes=failure_modes(snapshot, found.id),
        trained_in=_rows(snapshot, snapshot.graph.targets(found.id, "trained_in")),
        trained_on=_rows(snapshot, snapshot.graph.targets(found.id, "trained_on")),
        family=tuple(row(snapshot, one) for one in family),
        rivals=_rivals(snapshot, found.id, scores),
    )


def outcomes(snapshot: Snapshot, tables: Tables, score: Score) -> Outcomes | None:
    """The episodes of one evaluation; None where there is no table of them."""
    table = tables.of(snapshot.graph.get(score.id))
    if table is None or score.metric not in table.metrics:
        return None
    values = table.metrics[score.metric].astype(np.float64)
    order = np.argsort(values, kind="stable")
    if values.dtype == bool or set(np.unique(values)) <= {0.0, 1.0}:
        good, bad = table.seeds[values > 0.5], table.seeds[values <= 0.5]
    else:
        half = min(_EXEMPLARS, len(order) // 2)
        good, bad = table.seeds[order[::-1][:half]], table.seeds[order[:half]]
    return Outcomes(
        score=score,
        causes=_causes(table),
        goods=len(good),
        bads=len(bad),
        good=tuple(int(seed) for seed in good[:_EXEMPLARS]),
        bad=tuple(int(seed) for seed in bad[:_EXEMPLARS]),
        seeds=tuple(int(seed) for seed in table.seeds),
        values=tuple(float(value) for value in values),
        strata=_strata(table, table.metrics[score.metric]),
    )


def compare(snapshot: Snapshot, tables: Tables, a: Version, b: Version) -> Comparison:
    """Two policies, world by world."""
    pairs, unpaired = [], []
    others = {(one.world, one.metric): one for one in reversed(of_policy(snapshot, b.id))}
    for score in _newest_by_world(of_policy(snapshot, a.id)):
        other = others.get((score.world, score.metric))
        if other is None:
            continue
        pair = tables.paired(snapshot.graph.get(score.id), snapshot.graph.get(other.id), score.metric)
        if pair is None:
            unpaired.append((score, other))
        else:
            pairs.append((score, other, pair))
    return Comparison(row(snapshot, a), row(snapshot, b), tuple(pairs), tuple(unpaired))


def failure_modes(snapshot: Snapshot, policy: str = "") -> tuple[FailureMode, ...]:
    """The registered failure modes, of one policy or of all, the newest first."""
    found = []
    for one in newest(snapshot, "failure_mode"):
        ends = [edge.target for edge in one.edges if edge.role == "observed_in"]
        about = {edge.target for edge in one.edges if edge.role == "affects"}
        about |= {t for end in ends if end in snapshot.graph for t in snapshot.graph.targets(end, "evaluates")}
        if not policy or policy in about or policy in ends:
            found.append(_mode(snapshot, one, ends))
    return tuple(found)


def _mode(snapshot: Snapshot, found: Version, ends: list[str]) -> FailureMode:
    fields = found.fields
    tests = [one for one in ends if one in snapshot.graph and snapshot.graph.get(one).kind == "evaluation"]
    seeds = fields.get("episodes")
    return FailureMode(
        row=row(snapshot, found),
        label=str(fields.get("label", found.name)),
        seeds=tuple(int(one) for one in seeds if is_number(one)) if isinstance(seeds, list | tuple) else (),
        fits=finite(fields.get("share")),
        stability=finite(fields.get("stability")),
        hidden=tuple(
            Hiding(str(world), *(one[end] for end in _ENDS), whole(one.get("count")))
            for world, one in mapping(fields.get("hidden")).items()
            if all(is_number(mapping(one).get(end)) for end in _ENDS)
        ),
        everywhere=fields.get("hidden_by_all") is True,
        seen_in=tuple(ends),
        test=next(iter(tests), ""),
    )


def _policy_rows(snapshot: Snapshot) -> list[PolicyRow]:
    found = []
    for one in newest(snapshot, "policy"):
        scores = _newest_by_world(of_policy(snapshot, one.id))
        found.append(PolicyRow(row(snapshot, one), scores[0] if scores else None, len({s.world_name for s in scores})))
    return sorted(found, key=lambda one: (one.score is None, -one.row.created))


def _newest_by_world(scores: list[Score]) -> tuple[Score, ...]:
    """The newest score in each world and of each metric: reality first, then what most episodes say."""
    first: dict[tuple[str, str], Score] = {}
    for one in scores:
        first.setdefault((one.world, one.metric), one)
    return tuple(sorted(first.values(), key=lambda one: (one.origin != "real", one.world_name, -one.n)))


def _rows(snapshot: Snapshot, ids: list[str]) -> tuple[Row, ...]:
    return tuple(row(snapshot, snapshot.graph.get(one)) for one in ids if one in snapshot.graph)


def _rivals(snapshot: Snapshot, policy: str, scores: tuple[Score, ...]) -> tuple[Row, ...]:
    """Policies that were tested in one of these worlds: those it can be compared with."""
    from diorama.studio.web.answers.scores import in_world

    found = dict.fromkeys(other.policy for one in scores for other in in_world(snapshot, one.world))
    return _rows(snapshot, [one for one in found if one != policy][:20])


def _causes(table: Table) -> tuple[tuple[str, int], ...]:
    if table.records is None:
        return ()
    names, counts = np.unique(table.records.cause.astype(str), return_counts=True)
    return tuple(sorted(((str(n), int(c)) for n, c in zip(names, counts, strict=True)), key=lambda one: -one[1]))


def _strata(table: Table, values: np.ndarray) -> tuple[Stratum, ...]:
    trust = None if table.records is None else table.records.trust
    if trust is None or np.isnan(trust).all():
        return ()
    found = []
    for name, low, high in _TRUST:
        inside = values[(trust >= low) & (trust < high)]
        if len(inside):
            estimate: Any = intervals.rate(inside) if values.dtype == bool else intervals.mean(inside)
            found.append(Stratum(name, len(inside), estimate.value, estimate.low, estimate.high))
    return tuple(found)


def metrics_of(found: Version) -> Mapping[str, Any]:
    """The estimates of an evaluation by metric."""
    given = found.fields.get("estimates")
    return given if isinstance(given, Mapping) else {}
