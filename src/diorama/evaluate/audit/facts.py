"""The facts that an audit rests on: plain values that whoever keeps the records fills in.

An id is whatever names a version for the keeper, a digest hexadecimal digits.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from diorama.evaluate.statistics.estimate import Estimate


@dataclass(frozen=True)
class Item:
    """One episode, or one start of one: everything by which it can be recognised.

    ``exact``: SHA-256 of an episode's columns. ``start``: the start state [D] in the space called ``space``. ``motion``
    and ``percept``: the sketches of `diorama.data.identity`, of pictures only the first frame of each camera. ``ids``:
    session, scene, ... ``recorded_at`` [s since 1970, UTC].
    """

    name: str
    exact: str = ""
    start: tuple[float, ...] = ()
    space: str = ""
    motion: str = ""
    percept: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    recorded_at: float | None = None

    @property
    def digest(self) -> str:
        """Of the episode, else of its start as float32, else the name."""
        if self.exact or not self.start:
            return self.exact or self.name
        return hashlib.sha256(np.asarray(self.start, "<f4").tobytes()).hexdigest()

    @property
    def recognisable(self) -> bool:
        """Whether it could be found among others at all."""
        return bool(self.exact or self.start or self.motion or self.percept)


@dataclass(frozen=True)
class Corpus:
    """A training set: its id, name and episodes. ``recorded_at``: when its last episode was recorded."""

    id: str
    name: str
    items: tuple[Item, ...]
    recorded_at: float | None = None


@dataclass(frozen=True)
class Party:
    """The policy, a world or a judge: the ids of all training sets in its ancestry.

    ``origin`` of a world: real, physics, learned or hybrid. ``family``: tags of its structure. ``unknown``: ancestors
    whose making is not on record, as sentences by id. ``bases``: ancestors whose weights went into it.
    """

    id: str
    name: str
    training: tuple[str, ...] = ()
    origin: str = ""
    family: tuple[str, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)
    bases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """A version in the ancestry: its kind, its name, and when it was registered [s since 1970, UTC]."""

    id: str
    kind: str
    name: str
    created: float | None = None


@dataclass(frozen=True)
class Link:
    """That ``source`` rests on ``target`` in ``role``."""

    source: str
    role: str
    target: str


@dataclass(frozen=True)
class Looks:
    """The ledger of a sealed scenario set: looks granted, looks taken, and who took them (ids)."""

    granted: int
    taken: int
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Canary:
    """A sealed scenario that was never released; ``marker`` is how it can be recognised."""

    name: str
    marker: Item


@dataclass(frozen=True)
class Probe:
    """What a run for the audit measured: its version's id, and each measure with its interval.

    C11 ``drop``; C12 ``slope: AXIS``; C13 ``gain over FLOOR``; C15 ``agreement``. ``missing``: what could not be
    measured, such as an axis or a floor (``run`` for the whole check), and why, as a sentence.
    """

    check: str
    id: str
    measures: Mapping[str, Estimate]
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TrustedEpisodes:
    """Success [N] and trust [N] (0 to 1, NaN where unknown) of the episodes of the evaluation; ``basis``: of trust."""

    success: np.ndarray
    trust: np.ndarray
    basis: str = ""


@dataclass(frozen=True)
class Facts:
    """All that is known about one evaluation.

    ``held_out``: whether it claims starts that nobody trained on. ``visibility`` of its scenarios: open, dev or sealed.
    ``corpora``: every training set that a party names, by id; one whose episodes are not on record is missing.
    ``worlds``: all worlds of the ensemble, this evaluation's among them. ``nodes`` and ``links``: the ancestry of all
    parties. ``looks``: None where no ledger is kept. ``clock``: what told the times.
    """

    evaluation: str
    items: tuple[Item, ...]
    policy: Party
    world: Party
    judge: Party | None = None
    held_out: bool = True
    visibility: str = "open"
    worlds: tuple[Party, ...] = ()
    corpora: Mapping[str, Corpus] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    looks: Looks | None = None
    canaries: tuple[Canary, ...] = ()
    probes: tuple[Probe, ...] = ()
    episodes: TrustedEpisodes | None = None
    evaluated_at: float | None = None
    clock: str = "the clock of the machine that registered"
