"""Questions to the tables: versions by id, edges, closures. Functions of a connection; `Registry` is their face."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from diorama.core.errors import DataError
from diorama.registry import tables
from diorama.registry.manifest import parse_manifest, read_entry, text_id
from diorama.registry.records import Edge, Event, Version

_AT_ONCE = 500
_version, _edge, _event = tables.version, tables.edge, tables.event


def batches(values: Iterable[Any], size: int = _AT_ONCE) -> Iterator[list[Any]]:
    """``values`` in lists of at most ``size``, so that a query stays below the limit of parameters."""
    values = list(values)
    for start in range(0, len(values), size):
        yield values[start : start + size]


def read_version(row: Any) -> Version:
    """A row of the table of versions. Raises `DataError` where its text does not hash to its id."""
    if text_id(row.manifest) != row.id:
        raise DataError(
            f"Version {row.id} was altered: its manifest has another SHA-256; restore the database from a copy."
        )
    return Version(row.id, parse_manifest(row.manifest), row.created, row.sequence)


def sequences(connection: sa.Connection, ids: Iterable[str]) -> dict[str, int]:
    """Id to sequence number, of those ids that are registered."""
    found: dict[str, int] = {}
    for some in batches(set(ids)):
        question = sa.select(_version.c.id, _version.c.sequence).where(_version.c.id.in_(some))
        found.update((row.id, row.sequence) for row in connection.execute(question))
    return found


def known_sequences(connection: sa.Connection, ids: Collection[str]) -> dict[str, int]:
    """As `sequences`; raises `DataError` naming the first id that is not registered."""
    found = sequences(connection, ids)
    for one in ids:
        if one not in found:
            raise DataError(f"Version {one} is not registered here; register it, or import it, first.")
    return found


def versions_by_id(connection: sa.Connection, ids: Iterable[str]) -> list[Version]:
    """The versions with these ids, in the order of registration."""
    rows = []
    for some in batches(set(ids)):
        rows += connection.execute(sa.select(_version).where(_version.c.id.in_(some))).all()
    return [read_version(row) for row in sorted(rows, key=lambda row: row.sequence)]


def versions_by_number(connection: sa.Connection, numbers: Iterable[int]) -> list[Version]:
    """The versions with these sequence numbers, in the order of registration."""
    rows = []
    for some in batches(set(numbers)):
        rows += connection.execute(sa.select(_version).where(_version.c.sequence.in_(some))).all()
    return [read_version(row) for row in sorted(rows, key=lambda row: row.sequence)]


def list_versions(connection: sa.Connection, kind: str | None, name: str | None, limit: int | None) -> list[Version]:
    """Versions of a kind or a name in the order of registration; ``limit`` keeps the newest."""
    question = sa.select(_version).order_by(_version.c.sequence.desc())
    for column, value in ((_version.c.kind, kind), (_version.c.name, name)):
        question = question if value is None else question.where(column == value)
    rows = connection.execute(question.limit(limit)).all()
    return [read_version(row) for row in reversed(rows)]


def tip(connection: sa.Connection) -> tuple[int, int]:
    """The largest sequence numbers of versions and of events, 0 where there are none."""
    return tuple(next_number(connection, table.c.sequence) - 1 for table in (_version, _event))


def versions_since(connection: sa.Connection, sequence: int) -> list[Version]:
    """The versions that were registered after number ``sequence``, oldest first."""
    later = sa.select(_version).where(_version.c.sequence > sequence).order_by(_version.c.sequence)
    return [read_version(row) for row in connection.execute(later)]


def events_since(connection: sa.Connection, sequence: int) -> list[Event]:
    """The entries of the log after number ``sequence``, oldest first."""
    later = sa.select(_event).where(_event.c.sequence > sequence).order_by(_event.c.sequence)
    return [read_event(row) for row in connection.execute(later)]


def list_edges(
    connection: sa.Connection, source: str | None, target: str | None, role: str | None
) -> list[tuple[str, Edge]]:
    """Edges with the id of the version that wrote each, in the order of registration."""
    writer, rested = _version.alias("writer"), _version.alias("rested")
    question = (
        sa.select(writer.c.id.label("writer"), _edge.c.role, rested.c.id.label("rested"), _edge.c.attributes)
        .join_from(_edge, writer, _edge.c.source == writer.c.sequence)
        .join(rested, _edge.c.target == rested.c.sequence)
        .order_by(_edge.c.source, _edge.c.position)
    )
    for column, value in ((writer.c.id, source), (rested.c.id, target), (_edge.c.role, role)):
        question = question if value is None else question.where(column == value)
    rows = connection.execute(question)
    return [(row.writer, Edge(row.role, row.rested, json.loads(row.attributes))) for row in rows]


def closure(
    connection: sa.Connection, ids: Collection[str], down: bool, roles: Sequence[str] | None = None
) -> list[str]:
    """Every version that rests on ``ids`` (``down``) or that they rest on, without themselves, oldest first."""
    start = known_sequences(connection, ids)
    found = reach(connection, start.values(), down, roles)
    own = set(start.values())
    return [found[sequence] for sequence in sorted(found) if sequence not in own]


def reach(
    connection: sa.Connection, numbers: Iterable[int], down: bool, roles: Sequence[str] | None = None
) -> dict[int, str]:
    """As `closure` with sequence numbers in place of ids: number to id, the start included."""
    found: dict[int, str] = {}
    question = _closure(down, roles)
    for some in batches(numbers):
        found.update(connection.execute(question, {"roots": some}).all())
    return found


def list_events(connection: sa.Connection, kind: str | None, subject: str | None) -> list[Event]:
    """Entries of the log, oldest first."""
    question = sa.select(_event).order_by(_event.c.sequence)
    for column, value in ((_event.c.type, kind), (_event.c.subject, subject)):
        question = question if value is None else question.where(column == value)
    return [read_event(row) for row in connection.execute(question)]


def mentions(connection: sa.Connection) -> dict[int, set[tuple[str, int]]]:
    """The index of the log: number of an entry to the roles and numbers of the versions that it speaks of."""
    found: dict[int, set[tuple[str, int]]] = {}
    for row in connection.execute(sa.select(tables.mention)):
        found.setdefault(row.event, set()).add((row.role, row.version))
    return found


def read_event(row: Any) -> Event:
    """A row of the log."""
    return Event(row.sequence, row.time, row.author, row.type, row.subject, read_entry(row.type, row.entry))


def channel_target(connection: sa.Connection, name: str) -> str | None:
    """The id that a channel points at now; None where there is no such channel."""
    question = sa.select(_event).where(_event.c.type == "channel", _event.c.subject == name)
    row = connection.execute(question.order_by(_event.c.sequence.desc()).limit(1)).first()
    return None if row is None else read_event(row).entry.version


def ids_of_prefix(connection: sa.Connection, prefix: str, limit: int = 6) -> list[str]:
    """The first ids that begin with a prefix of hexadecimal digits."""
    within = (_version.c.id >= prefix, _version.c.id < prefix + "g")
    return list(
        connection.execute(sa.select(_version.c.id).where(*within).order_by(_version.c.id).limit(limit)).scalars()
    )


def next_number(connection: sa.Connection, column: sa.Column) -> int:
    """One more than the largest number in a column; safe under the write lock."""
    return (connection.execute(sa.select(sa.func.max(column))).scalar() or 0) + 1


def _closure(down: bool, roles: Sequence[str] | None) -> sa.Select:
    here, there = (_edge.c.target, _edge.c.source) if down else (_edge.c.source, _edge.c.target)
    roots = sa.select(_version.c.sequence).where(_version.c.sequence.in_(sa.bindparam("roots", expanding=True)))
    reach = roots.cte("reach", recursive=True)
    step = sa.select(there).where(here == reach.c.sequence)
    step = step if roles is None else step.where(_edge.c.role.in_(roles))
    reach = reach.union(step)
    return sa.select(_version.c.sequence, _version.c.id).join(reach, _version.c.sequence == reach.c.sequence)
