"""What the registry keeps: manifests and their edges, registered versions, and entries of the append-only log.

Plain frozen data, checked by `diorama.registry.manifest`. Concepts and roles: docs of the registry.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = (
    "episode",
    "dataset",
    "scenario_set",
    "simulator",
    "policy",
    "judge",
    "protocol",
    "build",
    "evaluation",
    "failure_mode",
    "audit",
    "claim",
    "attestation",
)
"""What a version can be."""
ROLES = (
    "derived_from",
    "initialised_from",
    "trained_on",
    "trained_in",
    "data_from",
    "selected_by",
    "evaluates",
    "evaluated_in",
    "judged_by",
    "drawn_from",
    "observed_in",
    "hidden_by",
    "supersedes",
    "affects",
    "supports",
    "input",
    "output",
    "attests",
    "holds",
)
"""How a version can rest on another; an edge is written by the version that rests.

``holds`` is not written: a graph draws it from a dataset to its episodes that are versions, by the index of episodes.
"""
RELATIONS = ("base", "finetune", "patch", "distil", "merge")
"""Values of the attribute ``relation`` of a ``derived_from`` edge."""


@dataclass(frozen=True)
class Edge:
    """That the writing version rests on ``target`` (an id) in ``role``; ``attributes`` are JSON values."""

    role: str
    target: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """Everything that a version is; its id is the SHA-256 of its canonical JSON.

    ``name`` is the family, such as ``push-t/world``. ``fields`` are JSON values. ``blobs`` maps a relative path-like
    name to the SHA-256 of the content [64 hexadecimal digits]. No time stamp, so that equal content is one version.
    """

    kind: str
    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    blobs: Mapping[str, str] = field(default_factory=dict)
    edges: tuple[Edge, ...] = ()


@dataclass(frozen=True)
class Version:
    """A registered manifest: when it was first registered [s since 1970, UTC], and as which in order (1, 2, ...)."""

    id: str
    manifest: Manifest
    created: float
    sequence: int

    @property
    def kind(self) -> str:
        """The kind of the manifest."""
        return self.manifest.kind

    @property
    def name(self) -> str:
        """The family name of the manifest."""
        return self.manifest.name

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of the manifest."""
        return self.manifest.fields

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges of the manifest."""
        return self.manifest.edges


@dataclass(frozen=True)
class ChannelEntry:
    """The channel points at ``version`` from now on; a rollback is another entry."""

    channel: str
    version: str
    reason: str = ""


@dataclass(frozen=True)
class BudgetEntry:
    """``amount`` [``unit``] granted to (positive) or spent from (negative) one purse of a budget."""

    budget: str
    purse: str
    amount: float
    unit: str
    why: str = ""


@dataclass(frozen=True)
class Advisory:
    """A defect of the versions ``affects`` within ``region``. A later entry of the same ``id`` replaces this one.

    ``region`` is ``{"factors": {name: [low, high]}}``, ``{"everywhere": true}`` or has ``"cells"`` of a visited sketch.
    ``fixed_in`` are versions without the defect; ``regressions`` are scenario sets that a policy can be replayed on.
    """

    id: str
    title: str
    severity: str = "unrated"
    affects: tuple[str, ...] = ()
    region: Mapping[str, Any] = field(default_factory=lambda: {"everywhere": True})
    fixed_in: tuple[str, ...] = ()
    regressions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Replay:
    """The regression scenarios of an advisory replayed on a policy: ``passed`` of ``total``.

    ``flips`` counts the scenarios that were passed before and are failed now (negative flips). ``world`` is the version
    that they were replayed in.
    """

    advisory: str
    policy: str
    passed: int
    total: int
    flips: int = 0
    world: str = ""


@dataclass(frozen=True)
class Revocation:
    """``version`` must not be used any more."""

    version: str
    reason: str = ""


Entry = ChannelEntry | BudgetEntry | Advisory | Replay | Revocation
ENTRIES: dict[str, type] = {
    "channel": ChannelEntry,
    "budget": BudgetEntry,
    "advisory": Advisory,
    "replay": Replay,
    "revocation": Revocation,
}
"""The type of an event to the class of its entry."""


@dataclass(frozen=True)
class Event:
    """One entry of the append-only log: its order (1, 2, ...), time [s since 1970, UTC] and author."""

    sequence: int
    time: float
    author: str
    type: str
    subject: str
    entry: Entry


@dataclass(frozen=True)
class Damage:
    """One thing that is wrong with a registry, named in a sentence that says the mend.

    ``what`` is one of `diorama.registry.check.FAULTS`; ``subject`` is the id, digest or file. A ``harmless`` one loses
    nothing: it was left by a writer that died, and ``gc`` removes it, or it is a version that says too little.
    """

    what: str
    subject: str
    sentence: str
    harmless: bool = False
