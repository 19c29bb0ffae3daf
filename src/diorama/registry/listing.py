"""Lists of versions that stay quick in a large registry: filtered and paged in the database, manifests unread.

Functions of a connection; `Registry.search`, `Registry.families` and `Registry.holding` are their face.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from diorama.core.errors import DataError
from diorama.registry import tables
from diorama.registry.records import KINDS, ROLES

MOST = 10_000
"""Largest page."""
_version, _edge, _reference = tables.version, tables.edge, tables.blob_reference


@dataclass(frozen=True)
class Search:
    """Which versions a page shows, the newest first; every condition that is given must hold.

    ``kinds``: any of them. ``name``: the family. ``containing``: a part of the family's name. ``since``, ``until``:
    registered then [s since 1970, UTC]. ``on``: rests on this id directly, in one of ``roles`` (any, if none is given).
    ``under``: the id that a version rests on lies beneath it. ``limit``: lines of a page; ``before``: see `Listing`.
    """

    kinds: tuple[str, ...] = ()
    name: str = ""
    containing: str = ""
    since: float | None = None
    until: float | None = None
    on: str = ""
    under: str = ""
    roles: tuple[str, ...] = ()
    limit: int = 50
    before: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MOST:
            raise DataError(f"A page of {self.limit} versions was asked for; ask for 1 to {MOST}.")
        for known, given in ((KINDS, self.kinds), (ROLES, self.roles)):
            if unknown := set(given) - set(known):
                raise DataError(f"The registry knows no {unknown.pop()!r}; it knows {', '.join(known)}.")


@dataclass(frozen=True)
class Line:
    """A version in a list: what its row says, without its manifest."""

    id: str
    kind: str
    name: str
    created: float
    sequence: int


@dataclass(frozen=True)
class Listing:
    """One page. ``total`` counts all that fit. ``before``: give it to the search for the next page; None at the end."""

    lines: tuple[Line, ...]
    total: int
    before: int | None = None


@dataclass(frozen=True)
class Family:
    """The versions of one kind and name: how many, and the newest."""

    kind: str
    name: str
    count: int
    newest: Line


def search(connection: sa.Connection, asked: Search) -> Listing:
    """One page of the versions that fit."""
    fitting = _conditions(asked)
    total = connection.execute(sa.select(sa.func.count()).select_from(_version).where(*fitting)).scalar() or 0
    question = sa.select(*_columns(_version)).where(*fitting).order_by(_version.c.sequence.desc())
    if asked.before is not None:
        question = question.where(_version.c.sequence < asked.before)
    rows = connection.execute(question.limit(asked.limit + 1)).all()
    lines = tuple(_line(row) for row in rows[: asked.limit])
    return Listing(lines, total, lines[-1].sequence if len(rows) > asked.limit else None)


def families(connection: sa.Connection, kind: str | None = None) -> list[Family]:
    """Every kind and name with its count and newest version, the family that changed last first."""
    grouped = sa.select(sa.func.count().label("count"), sa.func.max(_version.c.sequence).label("newest"))
    grouped = grouped.group_by(_version.c.kind, _version.c.name)
    groups = (grouped if kind is None else grouped.where(_version.c.kind == kind)).subquery()
    question = sa.select(groups.c.count, *_columns(_version)).join(groups, _version.c.sequence == groups.c.newest)
    rows = connection.execute(question.order_by(_version.c.sequence.desc()))
    return [Family(row.kind, row.name, row.count, _line(row)) for row in rows]


def holding(connection: sa.Connection, digest: str, name: str | None = None) -> list[Line]:
    """The versions that name a blob, as ``name`` if that is given, the newest first."""
    question = sa.select(*_columns(_version)).join(_reference, _reference.c.source == _version.c.sequence)
    question = question.where(_reference.c.digest == digest).distinct()
    question = question if name is None else question.where(_reference.c.name == name)
    return [_line(row) for row in connection.execute(question.order_by(_version.c.sequence.desc()))]


def _conditions(asked: Search) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if asked.kinds:
        found.append(_version.c.kind.in_(asked.kinds))
    if asked.name:
        found.append(_version.c.name == asked.name)
    if asked.containing:
        found.append(_version.c.name.contains(asked.containing, autoescape=True))
    if asked.since is not None:
        found.append(_version.c.created >= asked.since)
    if asked.until is not None:
        found.append(_version.c.created < asked.until)
    if asked.on:
        found.append(_version.c.sequence.in_(_resting(asked.on, asked.roles)))
    if asked.under:
        found.append(_version.c.sequence.in_(_beneath(asked.under, asked.roles)))
    return found


def _resting(target: str, roles: tuple[str, ...]) -> sa.Select:
    """The sequence numbers of what rests directly on an id."""
    own = sa.select(_version.c.sequence).where(_version.c.id == target).scalar_subquery()
    question = sa.select(_edge.c.source).where(_edge.c.target == own)
    return question.where(_edge.c.role.in_(roles)) if roles else question


def _beneath(target: str, roles: tuple[str, ...]) -> sa.Select:
    """The sequence numbers of everything that rests on an id over any number of edges, without itself."""
    reach = _resting(target, roles).cte("beneath", recursive=True)
    step = sa.select(_edge.c.source).where(_edge.c.target == reach.c.source)
    reach = reach.union(step.where(_edge.c.role.in_(roles)) if roles else step)
    return sa.select(reach.c.source)


def _columns(table: sa.Table) -> list[sa.Column]:
    return [table.c[name] for name in ("id", "kind", "name", "created", "sequence")]


def _line(row: Any) -> Line:
    return Line(row.id, row.kind, row.name, row.created, row.sequence)
