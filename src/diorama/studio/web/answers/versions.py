"""Lists of versions and everything about one: rows, filters, pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from diorama.registry.manifest import is_digest
from diorama.registry.records import Version
from diorama.registry.rules import Status
from diorama.studio.web.errors import MissingError
from diorama.studio.web.snapshot import Snapshot

T = TypeVar("T")
PAGE, MOST = 50, 500
"""Rows of a page if nothing is said, and the most that can be asked for."""


@dataclass(frozen=True)
class Row:
    """One version in a list; ``channels`` point at it now, ``why`` is the first reason for its status."""

    id: str
    kind: str
    name: str
    created: float | int
    status: str
    channels: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Listing(Generic[T]):
    """One page of a list of ``total``; ``page`` counts from 1."""

    items: tuple[T, ...]
    total: int
    page: int
    size: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least 1."""
        return max(1, -(-self.total // self.size))


def cut(found: Sequence[T], page: int = 1, size: int = PAGE) -> Listing[T]:
    """One page of a list."""
    return Listing(tuple(found[(page - 1) * size : page * size]), len(found), page, size)


def version(snapshot: Snapshot, digest: str, *kinds: str) -> Version:
    """The version of an id, of one of ``kinds`` if any are given. Raises `MissingError` for anything else."""
    found = snapshot.graph.versions.get(digest) if is_digest(digest) else None
    if found is None or (kinds and found.kind not in kinds):
        what = " or ".join(kinds) or "version"
        raise MissingError(f"There is no {what} {digest[:12]} here; look for it in the list of versions.")
    return found


def row(snapshot: Snapshot, found: Version) -> Row:
    """A version as a row."""
    status = snapshot.survey.status(found.id)
    why = snapshot.survey.reason(found.id)
    pointing = snapshot.once("pointing", _pointing).get(found.id, ())
    return Row(found.id, found.kind, found.name, found.created, str(status), tuple(pointing), why)


def listing(
    snapshot: Snapshot, kind: str = "", name: str = "", status: str = "", page: int = 1, size: int = PAGE
) -> Listing[Row]:
    """Versions, the newest first; ``name`` is found anywhere in the family's name or at the beginning of the id."""
    found = [
        one
        for one in snapshot.once("newest", _newest)
        if (not kind or one.kind == kind)
        and (not name or name in one.name or one.id.startswith(name))
        and (not status or snapshot.survey.status(one.id) == status)
    ]
    chosen = cut(found, page, size)
    return Listing(tuple(row(snapshot, one) for one in chosen.items), chosen.total, page, size)


def newest(snapshot: Snapshot, *kinds: str) -> list[Version]:
    """The versions of some kinds, the newest first."""
    by_kind = snapshot.once("by kind", _by_kind)
    found = [one for kind in kinds for one in by_kind.get(kind, ())]
    return found if len(kinds) == 1 else sorted(found, key=lambda one: -one.sequence)


def statuses(snapshot: Snapshot) -> Mapping[str, int]:
    """How many versions have each status; records of the past (builds, attestations) do not count."""
    return snapshot.once("statuses", _statuses)


def _statuses(snapshot: Snapshot) -> dict[str, int]:
    counted = {str(status): 0 for status in Status}
    for one in snapshot.graph.versions.values():
        if one.kind not in ("build", "attestation"):
            counted[str(snapshot.survey.status(one.id))] += 1
    return counted


def _pointing(snapshot: Snapshot) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, events in snapshot.graph.channels.items():
        found.setdefault(events[-1].entry.version, []).append(name)
    return found


def _newest(snapshot: Snapshot) -> list[Version]:
    return list(snapshot.graph.versions.values())[::-1]


def _by_kind(snapshot: Snapshot) -> dict[str, list[Version]]:
    found: dict[str, list[Version]] = {}
    for one in snapshot.once("newest", _newest):
        found.setdefault(one.kind, []).append(one)
    return found
