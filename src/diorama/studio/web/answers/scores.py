"""What policies scored in which world, and which of them stands first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from diorama.registry.facts import origin
from diorama.registry.records import Version
from diorama.registry.rules import Status
from diorama.studio.web.answers.fields import is_number, whole
from diorama.studio.web.answers.versions import newest
from diorama.studio.web.snapshot import Snapshot

REAL = "real"
_SUCCESS, _DIGITS = "success", 8


@dataclass(frozen=True)
class Measure:
    """Another metric of the same episodes, with its interval."""

    name: str
    value: float | int
    low: float | int
    high: float | int
    rate: bool


@dataclass(frozen=True)
class Score:
    """One policy in one world: the main metric's estimate with its interval over ``n`` episodes.

    ``rate``: the metric is a share of episodes. ``level``: the highest rung of the evidence ladder that a claim on this
    evaluation states, "" without a claim. ``status`` is the evaluation's, ``policy_status`` the policy's. ``scripted``:
    it acts by a rule or at random and needs no training. ``label``: its name, with the beginning of its id where
    several versions of that name were tested. ``also``: the other metrics of the same episodes.
    """

    id: str
    created: float | int
    policy: str
    policy_name: str
    world: str
    world_name: str
    origin: str
    metric: str
    value: float | int
    low: float | int
    high: float | int
    n: int
    rate: bool
    level: str
    status: str
    policy_status: str
    scripted: bool
    label: str
    also: tuple[Measure, ...]


@dataclass(frozen=True)
class Standing:
    """The policies that were tested in one world by one metric, best first; each by its newest evaluation there.

    ``valid`` are those whose policy and evaluation are not STALE or INVALID; the first of them leads.
    """

    world: str
    world_name: str
    origin: str
    metric: str
    scores: tuple[Score, ...]

    @property
    def valid(self) -> tuple[Score, ...]:
        """The scores that still say something about a policy that may be used."""
        bad = (Status.STALE, Status.INVALID)
        return tuple(one for one in self.scores if one.status not in bad and one.policy_status not in bad)


def scores(snapshot: Snapshot) -> list[Score]:
    """Every score of a policy, the newest first."""
    return snapshot.once("scores", _scores)


def of_policy(snapshot: Snapshot, policy: str) -> list[Score]:
    """The scores of one policy."""
    return snapshot.once("scores by policy", lambda one: _grouped(one, "policy")).get(policy, [])


def in_world(snapshot: Snapshot, world: str) -> list[Score]:
    """The scores in one world."""
    return snapshot.once("scores by world", lambda one: _grouped(one, "world")).get(world, [])


def standings(snapshot: Snapshot) -> list[Standing]:
    """Who stands where: reality first, then the worlds in which most policies were tested."""
    return snapshot.once("standings", _standings)


def estimates(found: Version) -> dict[str, Mapping[str, Any]]:
    """The estimates of an evaluation that are whole."""
    given = found.fields.get("estimates")
    return {name: one for name, one in given.items() if _whole(one)} if isinstance(given, Mapping) else {}


def main_metric(found: Mapping[str, Any], claimed: str = "") -> str:
    """Success where it is measured, else what was claimed, else the first."""
    return next(
        (name for name in found if name.startswith(_SUCCESS)), claimed if claimed in found else next(iter(found))
    )


def tested(snapshot: Snapshot, evaluation: Version) -> tuple[Version, Version] | None:
    """The policy and the world of an evaluation; None for an exam of a world."""
    ends = {edge.role: edge.target for edge in evaluation.edges if edge.role in ("evaluates", "evaluated_in")}
    pair = [snapshot.graph.versions.get(ends.get(role, "")) for role in ("evaluates", "evaluated_in")]
    return None if None in pair or pair[0].kind != "policy" else (pair[0], pair[1])


def _scores(snapshot: Snapshot) -> list[Score]:
    found = [one for one in (_score(snapshot, one) for one in newest(snapshot, "evaluation")) if one is not None]
    versions: dict[str, set[str]] = {}
    for one in found:
        versions.setdefault(one.policy_name, set()).add(one.policy)
    several = {name for name, ids in versions.items() if len(ids) > 1}
    return [_labelled(one) if one.policy_name in several else one for one in found]


def _labelled(one: Score) -> Score:
    return replace(one, label=f"{one.policy_name} {one.policy[:_DIGITS]}")


def _score(snapshot: Snapshot, evaluation: Version) -> Score | None:
    pair, given = tested(snapshot, evaluation), estimates(evaluation)
    if pair is None or not given:
        return None
    policy, world = pair
    claims = [snapshot.graph.get(source) for source, _ in snapshot.graph.users(evaluation.id, "supports")]
    metric = main_metric(given, next((str(one.fields.get("metric")) for one in claims), ""))
    estimate = given[metric]
    mine = [one for one in claims if policy.fields.get("actor") is None]
    return Score(
        id=evaluation.id,
        created=evaluation.created,
        policy=policy.id,
        policy_name=policy.name,
        world=world.id,
        world_name=world.name,
        origin=origin(world) or "unknown",
        metric=metric,
        value=float(estimate["value"]),
        low=float(estimate["low"]),
        high=float(estimate["high"]),
        n=whole(evaluation.fields.get("n")) or whole(estimate.get("count")),
        rate=is_rate(metric, estimate),
        level=max((str(one.fields.get("evidence_level", "")) for one in mine), default=""),
        status=str(snapshot.survey.status(evaluation.id)),
        policy_status=str(snapshot.survey.status(policy.id)),
        scripted=bool(policy.fields.get("actor")),
        label=policy.name,
        also=tuple(_measure(name, one) for name, one in given.items() if name != metric),
    )


def _measure(name: str, found: Mapping[str, Any]) -> Measure:
    ends = (float(found[end]) for end in ("value", "low", "high"))
    return Measure(name, *ends, is_rate(name, found))


def _standings(snapshot: Snapshot) -> list[Standing]:
    groups: dict[tuple[str, str], dict[str, Score]] = {}
    for one in scores(snapshot):
        groups.setdefault((one.world_name, one.metric), {}).setdefault(one.policy, one)
    found = []
    for (name, metric), by_policy in groups.items():
        ranked = tuple(sorted(by_policy.values(), key=lambda one: (-one.value, one.scripted)))
        newest_one = max(ranked, key=lambda one: one.created)
        found.append(Standing(newest_one.world, name, newest_one.origin, metric, ranked))
    return sorted(found, key=lambda one: (one.origin != REAL, -len(one.scores), one.world_name))


def _grouped(snapshot: Snapshot, by: str) -> dict[str, list[Score]]:
    found: dict[str, list[Score]] = {}
    for one in scores(snapshot):
        found.setdefault(getattr(one, by), []).append(one)
    return found


def _whole(estimate: Any) -> bool:
    if not isinstance(estimate, Mapping):
        return False
    return all(is_number(estimate.get(name)) for name in ("value", "low", "high"))


def is_rate(metric: str, estimate: Mapping[str, Any]) -> bool:
    """Whether a metric is a share of episodes."""
    return metric.startswith(_SUCCESS) or "wilson" in str(estimate.get("method", "")).lower()
