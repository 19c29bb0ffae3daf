"""What changes the tables: new versions with their edges, entries of the log, leases of writers.

Functions of a connection that holds the write lock.
"""

import getpass
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from diorama.core.canonical import canonical
from diorama.core.errors import DataError
from diorama.registry import episodes, queries, tables
from diorama.registry.budgets import balances, check_purse
from diorama.registry.manifest import (
    entry_mentions,
    entry_subject,
    entry_text,
    entry_type,
    entry_versions,
    is_digest,
    manifest_text,
    text_id,
)
from diorama.registry.records import BudgetEntry, Entry, Event, Manifest

LEASE_S = 24 * 3600.0
"""For how long a blob that is put but not registered is spared by ``gc`` [s]."""


@dataclass(frozen=True)
class Draft:
    """A checked manifest on its way into the registry."""

    id: str
    text: str
    manifest: Manifest


def draft(manifest: Manifest) -> Draft:
    """A manifest with its text and id. Raises `DataError` naming its first fault."""
    text = manifest_text(manifest)
    return Draft(text_id(text), text, manifest)


def author() -> str:
    """The user of this process, for the log."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def lease(connection: sa.Connection, digests: Collection[str], seconds: float = LEASE_S) -> None:
    """Let ``gc`` spare these digests for a while, or until they are registered."""
    if not digests:
        return
    until = time.time() + seconds
    connection.execute(
        sa.text(
            "INSERT INTO lease (digest, until) VALUES (:digest, :until) "
            "ON CONFLICT (digest) DO UPDATE SET until = EXCLUDED.until"
        ),
        [{"digest": digest, "until": until} for digest in digests],
    )


def end_leases(connection: sa.Connection, digests: Iterable[str]) -> None:
    """Forget the leases of these digests."""
    for some in queries.batches(digests):
        connection.execute(sa.delete(tables.lease).where(tables.lease.c.digest.in_(some)))


def insert_versions(
    connection: sa.Connection,
    drafts: Sequence[Draft],
    sizes: Mapping[str, int],
    held: Mapping[str, Sequence[str]] = {},
) -> None:
    """Write the drafts that are not registered yet, with their edges and references to blobs, in their order.

    A draft may rest on an earlier one. ``sizes``: digest to size [bytes]. ``held``: id of a dataset to the digests of
    its episodes. Raises `DataError` where a target is missing.
    """
    ids = {one.id for one in drafts}
    targets = {edge.target for one in drafts for edge in one.manifest.edges}
    number = queries.sequences(connection, ids | targets)
    free = queries.next_number(connection, tables.version.c.sequence)
    rows: dict[str, list[dict]] = {"version": [], "edge": [], "blob_reference": []}
    now, new = time.time(), []
    for one in drafts:
        if one.id in number:
            continue
        new.append(one)
        _check_targets(one, number)
        rows["version"].append(_version_row(one, free, now))
        rows["edge"] += _edge_rows(one, free, number)
        rows["blob_reference"] += _reference_rows(one, free, sizes)
        number[one.id] = free
        free += 1
    for table in (tables.version, tables.edge, tables.blob_reference):
        if rows[table.name]:
            connection.execute(sa.insert(table), rows[table.name])
    for one in new:
        _enter_episodes(connection, one, number[one.id], held.get(one.id, ()))


def insert_event(connection: sa.Connection, entry: Entry, by: str) -> Event:
    """Append a checked entry. Raises `DataError` where a version that it speaks of is not registered."""
    text = entry_text(entry)
    known = queries.known_sequences(connection, entry_versions(entry))
    if isinstance(entry, BudgetEntry):
        check_purse(entry, balances(queries.list_events(connection, "budget", entry.budget)))
    number = queries.next_number(connection, tables.event.c.sequence)
    event = Event(number, time.time(), by[:200], entry_type(entry), entry_subject(entry), entry)
    row = {"sequence": number, "time": event.time, "author": event.author, "type": event.type}
    connection.execute(sa.insert(tables.event), row | {"subject": event.subject, "entry": text})
    note_mentions(connection, event, known)
    return event


def note_mentions(connection: sa.Connection, event: Event, known: Mapping[str, int]) -> None:
    """Enter in the index of the log which versions an event speaks of; ``known``: id to sequence number."""
    rows = [
        {"event": event.sequence, "role": role, "version": known[version]}
        for role, version in entry_mentions(event.entry)
        if version in known
    ]
    if rows:
        connection.execute(sa.insert(tables.mention), rows)


def _check_targets(one: Draft, number: Mapping[str, int]) -> None:
    for edge in one.manifest.edges:
        if edge.target not in number:
            raise DataError(
                f"{one.manifest.name} has an edge {edge.role} to {edge.target}, which is not registered; "
                "register that first."
            )


def _enter_episodes(connection: sa.Connection, one: Draft, number: int, digests: Sequence[str]) -> None:
    """Note what a dataset holds, or that an episode is a version now."""
    if digests:
        episodes.enter(connection, number, digests)
    if one.manifest.kind == "episode" and is_digest(exact := one.manifest.fields.get("exact")):
        episodes.note_version(connection, exact, number)


def _version_row(one: Draft, number: int, now: float) -> dict:
    manifest = one.manifest
    row = {"sequence": number, "id": one.id, "kind": manifest.kind, "name": manifest.name}
    return row | {"created": now, "manifest": one.text}


def _edge_rows(one: Draft, source: int, number: Mapping[str, int]) -> list[dict]:
    return [
        {
            "source": source,
            "position": position,
            "target": number[edge.target],
            "role": edge.role,
            "attributes": canonical(edge.attributes),
        }
        for position, edge in enumerate(one.manifest.edges)
    ]


def _reference_rows(one: Draft, source: int, sizes: Mapping[str, int]) -> list[dict]:
    blobs = one.manifest.blobs.items()
    return [{"source": source, "name": name, "digest": digest, "size": sizes[digest]} for name, digest in blobs]
