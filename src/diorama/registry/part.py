"""The part of a registry that an answer needs, read by index.

What is asked of one version must not cost more because there are many others. Functions of a connection; versions go by
their sequence numbers here.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from diorama.registry import episodes, queries, tables
from diorama.registry.manifest import entry_versions
from diorama.registry.records import Advisory, Event, Version

_SUCCESSION = ("derived_from", "supersedes", "output", "affects")
"""Roles by which a later version changes what an earlier one means, or says what making it cost."""
_RUNS = ("drawn_from", "output")
"""Roles that lead from regression scenarios to evaluations on them, and to what those cost."""
_PATCH = '%"relation":"patch"%'
"""In the canonical text of an edge's attributes."""
_mention, _event, _edge = tables.mention.c, tables.event.c, tables.edge.c


@dataclass(frozen=True)
class Part:
    """Versions in the order of registration, entries of the log, and dataset to the episodes that it holds, by ids."""

    versions: list[Version]
    events: list[Event]
    held: dict[str, list[str]] = field(default_factory=dict)


def whole(connection: sa.Connection) -> Part:
    """All of it."""
    versions = queries.list_versions(connection, None, None, None)
    return Part(versions, queries.list_events(connection, None, None), episodes.holding(connection))


def about(connection: sa.Connection, roots: Collection[str], down: bool) -> Part:
    """What an answer about ``roots`` (ids) needs, with ``down`` one about all that rests on them, too.

    Without ``down``: what they rest on, what patches or supersedes any of that, the versions that an advisory on any of
    that names, and what was built into the roots. With it, also everything that succeeds or built any of that. Raises
    `DataError` for an id that is not registered.
    """
    asked = set(queries.known_sequences(connection, roots).values())
    found, held = _above(connection, _below(connection, asked) if down else asked)
    if down:
        found, held = _above(connection, queries.reach(connection, found, True, _SUCCESSION))
        later = set(found)
    else:
        later = _successors(connection, found, asked)
    events = _said(connection, found, set(found) if down else asked, asked)
    named = [one for event in events if isinstance(event.entry, Advisory) for one in entry_versions(event.entry)]
    beside = set(queries.sequences(connection, named).values())
    later |= set(queries.reach(connection, beside, True, _RUNS)) if down else beside
    return Part(queries.versions_by_number(connection, later | set(found)), events, held)


def _below(connection: sa.Connection, numbers: Iterable[int]) -> set[int]:
    """What rests on these versions, themselves included; a dataset rests on the episodes that it holds."""
    pairs = episodes.holdings(connection)
    found: set[int] = set()
    waiting = set(numbers)
    while waiting:
        found |= set(queries.reach(connection, waiting, True))
        waiting = {dataset for dataset, one in pairs if one in found} - found
    return found


def _above(connection: sa.Connection, numbers: Iterable[int]) -> tuple[dict[int, str], dict[str, list[str]]]:
    """What these versions rest on, themselves included: number to id; and what datasets among that hold."""
    found: dict[int, str] = {}
    pairs: list[tuple[int, int]] = []
    waiting = set(numbers)
    while waiting:
        new = queries.reach(connection, waiting, False)
        holding = episodes.holdings(connection, new.keys() - found.keys())
        found |= new
        pairs += holding
        waiting = {one for _, one in holding} - found.keys()
    held: dict[str, list[str]] = {}
    for dataset, one in sorted(pairs, key=lambda pair: pair[1]):
        held.setdefault(found[dataset], []).append(found[one])
    return found, held


def _successors(connection: sa.Connection, numbers: Iterable[int], built: Iterable[int]) -> set[int]:
    """What patches or supersedes one of ``numbers``, and the builds of ``built``."""
    # The roles are named first, so that the index is asked for them: what much rests on has thousands of other edges.
    named = _edge.role.in_(("derived_from", "supersedes"))
    patch = (_edge.role == "supersedes") | _edge.attributes.like(_PATCH)
    replaces = _sources(connection, numbers, named & patch)
    return replaces | _sources(connection, built, _edge.role == "output")


def _sources(connection: sa.Connection, targets: Iterable[int], which: sa.ColumnElement[bool]) -> set[int]:
    found: set[int] = set()
    for some in queries.batches(targets):
        found.update(connection.execute(sa.select(_edge.source).where(_edge.target.in_(some), which)).scalars())
    return found


def _said(
    connection: sa.Connection, numbers: Iterable[int], worlds: Iterable[int], pointed: Iterable[int]
) -> list[Event]:
    """What the log says of ``numbers``: advisories with all their entries, replays, revocations.

    Of ``worlds`` also the replays in them, of ``pointed`` the whole history of the channels that pointed there.
    """
    numbers = list(numbers)
    found = _naming(connection, numbers, "replay policy", "revocation version", "advisory affects")
    found |= _naming(connection, worlds, "replay world")
    advisories = {event.subject for event in found.values() if event.type in ("advisory", "replay")}
    channels = {event.subject for event in _naming(connection, pointed, "channel version").values()}
    for kind, subjects in (("advisory", advisories), ("channel", channels)):
        found |= _events(connection, _event.subject, subjects, _event.type == kind)
    return [event for _, event in sorted(found.items())]


def _naming(connection: sa.Connection, numbers: Iterable[int], *roles: str) -> dict[int, Event]:
    """The entries of the log that name one of these versions in one of these roles; asked by index, in two steps."""
    events: set[int] = set()
    for some in queries.batches(numbers):
        question = sa.select(_mention.event).where(_mention.version.in_(some), _mention.role.in_(roles))
        events.update(connection.execute(question).scalars())
    return _events(connection, _event.sequence, events)


def _events(connection: sa.Connection, column: sa.Column, values: Iterable, *which: Any) -> dict[int, Event]:
    found: dict[int, Event] = {}
    for some in queries.batches(values):
        rows = connection.execute(sa.select(tables.event).where(column.in_(some), *which))
        found |= {row.sequence: queries.read_event(row) for row in rows}
    return found
