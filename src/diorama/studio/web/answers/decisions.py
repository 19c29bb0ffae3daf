"""What the release gate decided: question by question, what it looked at, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diorama.core.canonical import from_json
from diorama.core.errors import ConfigError
from diorama.evaluate.gate import LEVELS, Cost
from diorama.recipes.gate_record import GATE
from diorama.registry.records import Version
from diorama.studio.gate_page import cost
from diorama.studio.web.answers.fields import finite, mapping, whole, words
from diorama.studio.web.answers.versions import Row, newest, row
from diorama.studio.web.snapshot import Snapshot

QUESTIONS: Mapping[str, str] = {
    "contract": "Does the policy fit the task, in inputs, outputs and units?",
    "standing": "Is all that it rests on still valid?",
    "worlds": "Was it tested in enough worlds that differ?",
    "audit": "Were the tests new to it, and to whoever made it?",
    "disagreement": "Where the worlds disagree, was reality asked?",
    "estimation": "Does it succeed in reality, on starts drawn by chance?",
    "discovery": "Was reality asked where it is most likely to fail?",
    "hidden modes": "Does some world show every known way to fail?",
    "evidence": "Does the evidence reach far enough?",
}
"""The gate's steps as questions; yes is what a release needs."""


@dataclass(frozen=True)
class Answered:
    """One question of the gate, whether it is answered well, and the answer."""

    name: str
    question: str
    passed: bool
    sentence: str


@dataclass(frozen=True)
class InWorld:
    """The policy in one world: its rate with the interval over ``n`` episodes, and the verdict of the test's audit.

    ``test`` is the evaluation as it stands now; None where it is not registered here.
    """

    world: str
    structure: str
    value: float | int | None
    low: float | int | None
    high: float | int | None
    n: int
    verdict: str
    sentence: str
    test: Row | None


@dataclass(frozen=True)
class Purse:
    """Real starts of one purse: done, and asked for."""

    name: str
    done: int
    asked: int


@dataclass(frozen=True)
class Decision:
    """A decision. ``level``: the rung that the evidence reaches, ``wanted``: the one that the protocol asks for.

    ``value``, ``low``, ``high``: the success rate in reality over ``n`` trials at ``confidence``, None without trials.
    ``least``: what its lower end must reach. ``next``, ``command``, ``costs``: the cheapest step that is missing, ""
    where it passed. ``claim``, ``channel``: what it made and moved.
    """

    row: Row
    policy: Row | None
    passed: bool
    asked: tuple[Answered, ...]
    says: str
    level: str
    wanted: str
    value: float | int | None
    low: float | int | None
    high: float | int | None
    n: int
    confidence: float | int | None
    least: float | int | None
    next: str
    command: str
    costs: str
    worlds: tuple[InWorld, ...]
    effective: float | int | None
    structures: int
    starts: int
    disputed: int
    tried: int
    purses: tuple[Purse, ...]
    budget: str
    open: int
    hidden: tuple[str, ...]
    claim: Row | None
    channel: str

    @property
    def refused(self) -> tuple[Answered, ...]:
        """The questions that are not answered well."""
        return tuple(one for one in self.asked if not one.passed)

    @property
    def ladder(self) -> tuple[tuple[str, str, bool], ...]:
        """The rungs of evidence from the lowest: name, meaning, and whether it is reached."""
        rungs = list(LEVELS)
        reached = rungs.index(self.level) if self.level in LEVELS else -1
        return tuple((name, text, place <= reached) for place, (name, text) in enumerate(LEVELS.items()))


def is_decision(found: Version) -> bool:
    """Whether an audit is the record of a gate."""
    return found.kind == "audit" and GATE in found.fields


def decisions(snapshot: Snapshot) -> list[Decision]:
    """Every decision, the newest first."""
    found = [one for one in newest(snapshot, "audit") if is_decision(one)]
    return snapshot.once("decisions", lambda kept: [decision(kept, one) for one in found])


def of_policy(snapshot: Snapshot, policy: str) -> Decision | None:
    """The newest decision on a policy; None where the gate was never asked."""
    return next((one for one in decisions(snapshot) if one.policy is not None and one.policy.id == policy), None)


def decision(snapshot: Snapshot, found: Version) -> Decision:
    """The decision that an audit keeps."""
    fields, protocol = found.fields, mapping(found.fields.get("protocol"))
    rate, after = mapping(fields.get("estimate")), mapping(fields.get("next"))
    trials = mapping(fields.get("trials"))
    return Decision(
        row=row(snapshot, found),
        policy=next((_row(snapshot, edge.target) for edge in found.edges if edge.role == "affects"), None),
        passed=fields.get(GATE) == "passed",
        asked=tuple(_answered(mapping(one)) for one in _list(fields.get("steps"))),
        says=str(fields.get("says", "")),
        level=str(fields.get("level", "")),
        wanted=str(protocol.get("evidence", "")),
        value=finite(rate.get("value")),
        low=finite(rate.get("low")),
        high=finite(rate.get("high")),
        n=whole(rate.get("count")),
        confidence=finite(rate.get("level")),
        least=finite(protocol.get("least")),
        next=str(after.get("what", "")),
        command=str(after.get("command", "")),
        costs=_costs(after.get("cost")),
        worlds=tuple(_in_world(snapshot, mapping(one)) for one in _list(fields.get("worlds"))),
        effective=finite(fields.get("effective")),
        structures=whole(fields.get("structures")),
        starts=whole(fields.get("starts")),
        disputed=whole(fields.get("disputed")),
        tried=whole(fields.get("tried")),
        purses=tuple(
            Purse(name, whole(trials.get(name)), whole(protocol.get(name))) for name in ("estimation", "discovery")
        ),
        budget=str(protocol.get("budget", "")),
        open=whole(trials.get("open")),
        hidden=words(fields.get("hidden")),
        claim=_row(snapshot, str(fields.get("claim", ""))),
        channel=str(fields.get("channel", "")),
    )


def _answered(step: Mapping[str, Any]) -> Answered:
    name = str(step.get("name", ""))
    return Answered(name, QUESTIONS.get(name, name), step.get("passed") is True, str(step.get("sentence", "")))


def _in_world(snapshot: Snapshot, one: Mapping[str, Any]) -> InWorld:
    rate = mapping(one.get("rate"))
    return InWorld(
        world=str(one.get("world", "")),
        structure=str(one.get("structure", "")),
        value=finite(rate.get("value")),
        low=finite(rate.get("low")),
        high=finite(rate.get("high")),
        n=whole(rate.get("count")),
        verdict=str(one.get("verdict", "")),
        sentence=str(one.get("sentence", "")),
        test=_row(snapshot, str(one.get("evaluation", ""))),
    )


def _row(snapshot: Snapshot, id: str) -> Row | None:
    found = snapshot.graph.versions.get(id)
    return None if found is None else row(snapshot, found)


def _costs(given: Any) -> str:
    try:
        return cost(from_json(Cost, given))
    except ConfigError:
        return ""


def _list(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else []
