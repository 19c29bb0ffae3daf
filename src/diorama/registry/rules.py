"""The rule table: what becomes of a version when something happened to what it rests on, by the role of the edge.

`RULES` is the truth; the page docs/registry/status.md says why, and a test holds the two together. Source of the roles
and of the rule of the visited region: the concept model of Diorama's registry (operations, section 11.2).
"""

import dataclasses
import enum
from collections.abc import Callable, Mapping
from typing import Any

from diorama.core.errors import DataError
from diorama.registry.records import Advisory, Edge, Version
from diorama.registry.visits import Overlap, overlap


class Status(enum.StrEnum):
    """How far a version can be relied on, from best to worst."""

    FRESH = "FRESH"
    SUSPECT = "SUSPECT"
    UNKNOWN = "UNKNOWN"
    STALE = "STALE"
    INVALID = "INVALID"

    @property
    def rank(self) -> int:
        """0 for the best."""
        return _RANK[self]


_RANK = {status: rank for rank, status in enumerate(Status)}


class Kind(enum.StrEnum):
    """What can happen to a version."""

    ADVISED = "advised"
    PATCHED = "patched"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"
    UNRECORDED = "unrecorded"
    EXPIRED = "expired"


OWN = {
    Kind.ADVISED: Status.STALE,
    Kind.PATCHED: Status.STALE,
    Kind.SUPERSEDED: Status.STALE,
    Kind.REVOKED: Status.INVALID,
    Kind.UNRECORDED: Status.UNKNOWN,
    Kind.EXPIRED: Status.STALE,
}
"""What becomes of the version itself."""


@dataclasses.dataclass(frozen=True)
class Trouble:
    """What happened to a version, in a ``sentence``; equal ``key``, equal trouble.

    ``ended_by`` are the versions that are known to be without it.
    """

    kind: Kind
    key: str
    sentence: str
    advisory: Advisory | None = None
    ended_by: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Passage:
    """A trouble that comes along an edge of ``source`` from the edge's target.

    ``shares`` keeps what `overlap` found, by the ids of source and advisory; of one graph, where both are as they are.
    """

    source: Version
    edge: Edge
    trouble: Trouble
    target_kind: str = ""
    shares: dict[tuple[str, str], Overlap] = dataclasses.field(default_factory=dict, compare=False)

    def overlap(self) -> Overlap:
        """How much of what ``source`` visited lies in the region of the advisory."""
        advisory = self.trouble.advisory
        key = (self.source.id, advisory.id if advisory is not None else "")
        if key not in self.shares:
            self.shares[key] = self._overlap(advisory.region if advisory is not None else {})
        return self.shares[key]

    def _overlap(self, region: Mapping[str, Any]) -> Overlap:
        try:
            return overlap(self.source.fields.get("visited"), region)
        except DataError:
            return Overlap(0.0, 1.0, ("readable visits",))


Rule = Status | Callable[[Passage], Status | None] | None
"""A fixed status, a function that looks closer, or None: nothing comes through."""


def by_visits(passage: Passage) -> Status:
    """Made with it, step by step: STALE where it visited the region, else SUSPECT; UNKNOWN without a record."""
    share = passage.overlap()
    if share.none:
        return Status.SUSPECT
    return Status.UNKNOWN if share.undecided else Status.STALE


def by_visits_of_all(passage: Passage) -> Status:
    """Made from all of it: STALE, unless the record of visits says that the region is not in it."""
    return Status.SUSPECT if passage.overlap().none else Status.STALE


def by_world(passage: Passage) -> Status | None:
    """Data of a world that was patched are SUSPECT; whoever acted in it left true data, also when acting badly."""
    return None if passage.target_kind == "policy" else Status.SUSPECT


def by_visits_of_world(passage: Passage) -> Status | None:
    """Data of a faulty world: as `by_visits`; of a faulty actor: nothing comes through."""
    return None if passage.target_kind == "policy" else by_visits(passage)


def by_unrecorded_world(passage: Passage) -> Status | None:
    """Data of a world of unknown making are UNKNOWN; an unknown actor leaves true data."""
    return None if passage.target_kind == "policy" else Status.UNKNOWN


REGION_RULES = (by_visits, by_visits_of_all, by_visits_of_world)
"""The rules that ask where a version was."""


@dataclasses.dataclass(frozen=True)
class RoleRules:
    """What comes along the edges of one role. ``words`` completes "the version ... the other"."""

    words: str
    patched: Rule
    advised: Rule
    revoked: Rule
    unrecorded: Rule
    why: str
    superseded: Rule = None
    expired: Rule = None

    def rule(self, kind: Kind) -> Rule:
        """The rule for a kind of trouble."""
        return getattr(self, kind.value)


_S, _U, _T, _I = Status.SUSPECT, Status.UNKNOWN, Status.STALE, Status.INVALID

RULES: Mapping[str, RoleRules] = {
    "derived_from": RoleRules("is derived from", _S, _S, _I, _U, "it may have inherited the fault"),
    "initialised_from": RoleRules("starts from", _S, _S, _I, _U, "it may have inherited the fault"),
    "trained_on": RoleRules("was trained on", _S, by_visits_of_all, _I, _U, "it learned from all of the data"),
    "trained_in": RoleRules("was trained in", _S, by_visits, _I, _U, "it learned where it went"),
    "data_from": RoleRules(
        "holds data from", by_world, by_visits_of_world, _I, by_unrecorded_world, "its data were made there"
    ),
    "selected_by": RoleRules("was selected by", _S, _S, _T, None, "the choice may fall otherwise, the weights stay"),
    "evaluates": RoleRules("measures", None, None, _I, None, "a measurement of a faulty policy is still a measurement"),
    "evaluated_in": RoleRules("was measured in", _T, _T, _I, _U, "it says something about another world"),
    "judged_by": RoleRules("was judged by", _T, _T, _I, _U, "another judge may say otherwise"),
    "drawn_from": RoleRules("is drawn from", _S, _T, _I, _U, "the scenarios are not what they were said to be"),
    "observed_in": RoleRules("was seen in", _S, _S, _T, None, "it has to be seen again"),
    "hidden_by": RoleRules("is hidden by", _S, _S, None, None, "the successor may show it"),
    "supports": RoleRules("rests on", _T, _T, _I, _U, "a claim is as good as its evaluations"),
    "affects": RoleRules("speaks about", None, None, None, None, "what was found stays found"),
    "supersedes": RoleRules("replaces", None, None, None, None, "a successor does not rest on what it replaces"),
    "input": RoleRules("read", None, None, None, None, "a record of the past stays true"),
    "output": RoleRules("wrote", None, None, None, None, "a record of the past stays true"),
    "holds": RoleRules("holds", None, by_visits_of_all, _I, _U, "it is part of the data"),
    "attests": RoleRules("signs", None, None, None, None, "a signature says who, not how good"),
}
"""Role to rules. What comes through is never worse than the target's own status for the same reason."""


def passes(passage: Passage, status: Status) -> Status | None:
    """What becomes of the source where its target has ``status`` for this trouble; None where nothing comes through."""
    if passage.source.id in passage.trouble.ended_by:
        return None
    rule = RULES[passage.edge.role].rule(passage.trouble.kind)
    given = rule(passage) if callable(rule) else rule
    return None if given is None else min(given, status, key=lambda s: s.rank)


def after_replay(status: Status, passed: bool) -> Status | None:
    """What becomes of a status once the advisory's regression scenarios were replayed; None: it is cleared.

    Passing clears SUSPECT and leaves UNKNOWN as SUSPECT; failing proves the fault. STALE and INVALID stay.
    """
    if status.rank >= Status.STALE.rank:
        return status
    if not passed:
        return Status.STALE
    return Status.SUSPECT if status is Status.UNKNOWN else None
