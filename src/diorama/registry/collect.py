"""Garbage collection: files that no registered version reaches, older than a grace period, and not leased by a writer.

Every removal happens under the write lock, after asking again. A writer leases a digest before its blob is in place, so
either the lease is seen here, or the writer finds the blob gone and puts it again.
"""

import time
from collections.abc import Sequence

import sqlalchemy as sa

from diorama.core.errors import DataError
from diorama.registry import queries, tables, writes
from diorama.registry.blobs import BlobStore, Found, age
from diorama.registry.database import reading, writing
from diorama.registry.registry import Registry

AT_ONCE = 100
"""How many files are removed under one hold of the write lock."""


def collect(registry: Registry, dry_run: bool, grace_s: float, force: bool = False) -> list[str]:
    """Remove what nothing reaches and name it; see `Registry.gc`."""
    if not force:
        _refuse_after_loss(registry)
    gone = []
    for store in (registry.blobs, registry.manifests):
        old = [found for found in store.listing() if age(found) > grace_s]
        for some in queries.batches(old, AT_ONCE):
            gone += _remove(registry, store, some, dry_run)
    if not dry_run:
        _forget_leases(registry)
    return gone


def lost(registry: Registry) -> list[str]:
    """Manifests that are in the store, unregistered and never leased: the database has lost these versions.

    A writer that dies leaves its lease behind, so that its unregistered manifest is not among them.
    """
    names = [found.name for found in registry.manifests.listing() if not found.stray]
    with reading(registry.engine) as connection:
        known = set(queries.sequences(connection, names))
        leased = set(connection.execute(sa.select(tables.lease.c.digest)).scalars())
    # The tables are read as one state after the listing: what a writer puts is leased first and registered last.
    return sorted(set(names) - known - leased)


def reached(connection: sa.Connection, digests: Sequence[str]) -> set[str]:
    """Those of the digests that a version refers to, that are a version, or that a writer leases."""
    live: set[str] = set(queries.sequences(connection, digests))
    reference, lease = tables.blob_reference.c.digest, tables.lease.c
    for some in queries.batches(digests):
        live |= set(connection.execute(sa.select(reference).where(reference.in_(some))).scalars())
        leased = sa.select(lease.digest).where(lease.digest.in_(some), lease.until > time.time())
        live |= set(connection.execute(leased).scalars())
    return live


def _refuse_after_loss(registry: Registry) -> None:
    if names := lost(registry):
        raise DataError(
            f"The database has lost {len(names)} registered versions, {names[0]} among them, so nothing is removed; "
            "run `diorama registry restore` first."
        )


def _remove(registry: Registry, store: BlobStore, some: Sequence[Found], dry_run: bool) -> list[str]:
    with writing(registry.engine) as connection:
        live = reached(connection, [found.name for found in some if not found.stray])
        dead = [found for found in some if found.stray or found.name not in live]
        if not dry_run:
            for found in dead:
                store.remove(found)
            writes.end_leases(connection, [found.name for found in dead if not found.stray])
    return [found.name for found in dead]


def _forget_leases(registry: Registry) -> None:
    """Drop leases that ran out and whose digest has no file any more, or is reached anyway."""
    with writing(registry.engine) as connection:
        lease = tables.lease.c
        over = connection.execute(sa.select(lease.digest).where(lease.until <= time.time())).scalars().all()
        kept = [one for one in over if registry.manifests.size(one) is not None and not reached(connection, [one])]
        writes.end_leases(connection, set(over) - set(kept))
