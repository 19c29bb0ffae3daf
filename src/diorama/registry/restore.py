"""Putting back what a damaged database has lost, from the texts of the manifests beside the blobs."""

import contextlib

import sqlalchemy as sa

from diorama.core.errors import DataError
from diorama.registry import episodes, queries, tables, writes
from diorama.registry.collect import lost
from diorama.registry.database import reading, writing
from diorama.registry.manifest import read_manifest
from diorama.registry.records import Manifest, Version
from diorama.registry.registry import Registry


def restore(registry: Registry) -> list[Version]:
    """Register every lost version whose manifest, blobs and targets are whole; mend manifest files and the index.

    Each gets a new sequence number and time; the log cannot be restored, because only the database has it.
    """
    _mend_texts(registry)
    _mend_episodes(registry)
    _mend_log(registry)
    waiting = {name: read_manifest(registry.manifests.read(name)) for name in _whole(registry)}
    restored: list[Version] = []
    while ready := [name for name, manifest in waiting.items() if _complete(registry, manifest, waiting)]:
        restored += registry.register_many([waiting.pop(name) for name in ready])
    return restored


def _mend_texts(registry: Registry) -> None:
    with reading(registry.engine) as connection:
        rows = connection.execute(sa.select(tables.version.c.id, tables.version.c.manifest)).all()
    registry.manifests.put_many([row.manifest.encode() for row in rows if not registry.manifests.intact(row.id)])


def listed(registry: Registry) -> list[tuple[int, str, str]]:
    """The datasets that list their episodes: sequence number, id, and the digest of the list."""
    version, reference = tables.version.c, tables.blob_reference.c
    question = sa.select(version.sequence, version.id, reference.digest).join(
        tables.blob_reference, reference.source == version.sequence
    )
    question = question.where(version.kind == "dataset", reference.name == episodes.EPISODES)
    with reading(registry.engine) as connection:
        return [tuple(row) for row in connection.execute(question.order_by(version.sequence))]


def _mend_episodes(registry: Registry) -> None:
    """Enter what the index of episodes lacks or has wrong."""
    for number, _, blob in listed(registry):
        if not registry.blobs.intact(blob):
            continue
        said = [row["exact"] for row in episodes.read_episodes(registry.blobs.read(blob))]
        with writing(registry.engine) as connection:
            if episodes.digests_of(connection, number) != said:
                connection.execute(sa.delete(tables.held).where(tables.held.c.source == number))
                episodes.enter(connection, number, said)


def _mend_log(registry: Registry) -> None:
    """Enter anew which versions the entries of the log speak of, of all that can be read."""
    with writing(registry.engine) as connection:
        known = dict(connection.execute(sa.select(tables.version.c.id, tables.version.c.sequence)).all())
        connection.execute(sa.delete(tables.mention))
        for row in connection.execute(sa.select(tables.event)).all():
            with contextlib.suppress(DataError):
                writes.note_mentions(connection, queries.read_event(row), known)


def _whole(registry: Registry) -> list[str]:
    return [name for name in lost(registry) if registry.manifests.intact(name)]


def _complete(registry: Registry, manifest: Manifest, waiting: dict[str, Manifest]) -> bool:
    """Whether everything that a manifest rests on is registered and its blobs are there."""
    if any(edge.target in waiting for edge in manifest.edges):
        return False
    if not all(registry.has_blob(digest) for digest in manifest.blobs.values()):
        return False
    try:
        for edge in manifest.edges:
            registry.get(edge.target)
    except DataError:
        return False
    return True
