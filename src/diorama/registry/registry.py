"""The registry: immutable versions that rest on each other, their blobs, and an append-only log.

A write puts the blobs first, then the text of the manifest, then one transaction; a process that dies at any moment
leaves at most files that nothing reaches, which ``gc`` removes. Versions are never changed and never removed.
"""

import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

import sqlalchemy as sa

from diorama.core.errors import DataError
from diorama.registry import episodes, listing, part, queries, writes
from diorama.registry.blobs import BlobStore, check_content, missing, open_store
from diorama.registry.budgets import Balance, balance, balances, check_left
from diorama.registry.database import MOUNTS, database_file, open_database, reading, sqlite_url, writing
from diorama.registry.graph import Graph
from diorama.registry.listing import Family, Line, Listing, Search
from diorama.registry.manifest import check_digest, is_digest
from diorama.registry.records import BudgetEntry, Damage, Edge, Entry, Event, Manifest, Version

HOME = ".diorama"
"""Folder of the registry where none is named."""
DATABASE = "registry.sqlite"
"""Name of the database in that folder."""
GRACE_S = 3600.0
"""How old a file must be before ``gc`` removes it [s]."""
_PREFIX = re.compile(r"[0-9a-f]{4,63}")


class Registry:
    """Versions, blobs and log of one place; many processes may use it at once. A context manager.

    Every method raises `DataError` with a sentence where the storage fails or an answer does not exist.
    """

    def __init__(self, engine: sa.Engine, blobs: BlobStore, manifests: BlobStore) -> None:
        self.engine, self.blobs, self.manifests = engine, blobs, manifests

    @classmethod
    def open(
        cls, place: str | Path = HOME, *, database: str | None = None, blobs: str | None = None, mounts: Path = MOUNTS
    ) -> "Registry":
        """The registry in folder ``place``, made where there is none.

        ``database``: URL such as ``postgresql+psycopg://host/name`` in place of the SQLite file of the folder.
        ``blobs``: another folder, or a URL such as ``s3://bucket/prefix`` or ``gs://bucket/prefix``.
        ``mounts``: the table of mounts, by which SQLite on a network file system is refused.
        """
        if "://" in str(place):
            raise DataError(f"{place} is a URL; give a folder, and URLs as database= and blobs=.")
        folder, shelves = Path(place), blobs or str(place)
        if database is None:
            _refuse_emptied(folder)
        engine = open_database(database or sqlite_url(folder / DATABASE), mounts)
        try:
            return cls(engine, open_store(shelves, "blobs"), open_store(shelves, "manifests"))
        except BaseException:
            engine.dispose()
            raise

    def __enter__(self) -> "Registry":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the database."""
        self.engine.dispose()

    def add_blob(self, source: Path | str | bytes) -> str:
        """Keep a file or bytes and return the digest; what is not registered within a day may be collected.

        Raises `DataError` for a format that could hold code.
        """
        source = Path(source) if isinstance(source, str) else source
        check_content(source)
        return self.blobs.put(source, lambda digest: self._lease([digest]))

    def read_blob(self, digest: str) -> bytes:
        """The content of a blob, verified."""
        return self.blobs.read(digest)

    def copy_blob(self, digest: str, to: Path | str) -> Path:
        """Write the verified content of a blob to the file ``to``."""
        self.blobs.copy(digest, Path(to))
        return Path(to)

    def has_blob(self, digest: str) -> bool:
        """Whether the store has a blob; reading it verifies it."""
        check_digest(digest)
        return self.blobs.size(digest) is not None

    def register(self, manifest: Manifest) -> Version:
        """Register a manifest; one that is registered already is returned as it is.

        Raises `DataError` where a blob or the target of an edge is missing.
        """
        return self.register_many([manifest])[0]

    def register_many(self, manifests: Iterable[Manifest]) -> list[Version]:
        """Register manifests in one transaction, all or none; each may rest on earlier ones."""
        drafts = [writes.draft(manifest) for manifest in manifests]
        with reading(self.engine) as connection:
            known = queries.sequences(connection, {one.id for one in drafts})
        new = [one for one in drafts if one.id not in known]
        if new:
            self._write(new)
        with reading(self.engine) as connection:
            found = {one.id: one for one in queries.versions_by_id(connection, [one.id for one in drafts])}
        return [found[one.id] for one in drafts]

    def get(self, reference: str) -> Version:
        """The version of an id, a channel, a family name (its newest), or four or more first digits of an id."""
        with reading(self.engine) as connection:
            found = queries.versions_by_id(connection, [_resolve(connection, reference)])
        if not found:
            raise DataError(f"No version has the id {reference}; see `diorama registry list`.")
        return found[0]

    def versions(self, kind: str | None = None, name: str | None = None, limit: int | None = None) -> list[Version]:
        """The versions of a kind or a family in the order of registration; ``limit`` keeps the newest."""
        with reading(self.engine) as connection:
            return queries.list_versions(connection, kind, name, limit)

    def search(self, asked: Search) -> Listing:
        """One page of the versions that fit, the newest first, without their manifests."""
        with reading(self.engine) as connection:
            return listing.search(connection, asked)

    def families(self, kind: str | None = None) -> list[Family]:
        """Every kind and name with its count and newest version, the family that changed last first."""
        with reading(self.engine) as connection:
            return listing.families(connection, kind)

    def holding(self, digest: str, name: str | None = None) -> list[Line]:
        """The versions that name a blob, as ``name`` if that is given, the newest first."""
        with reading(self.engine) as connection:
            return listing.holding(connection, digest, name)

    def edges(
        self, source: str | None = None, target: str | None = None, role: str | None = None
    ) -> list[tuple[str, Edge]]:
        """Edges with the id of the version that wrote each; ``source`` and ``target`` are ids."""
        with reading(self.engine) as connection:
            return queries.list_edges(connection, source, target, role)

    def downstream(self, ids: str | Sequence[str], roles: Sequence[str] = ()) -> list[str]:
        """The ids of everything that rests on these versions, without themselves, oldest first.

        ``roles``: over edges of these roles only; () for all.
        """
        return self._closure(ids, True, roles)

    def upstream(self, ids: str | Sequence[str], roles: Sequence[str] = ()) -> list[str]:
        """The ids of everything that these versions rest on, without themselves, oldest first; ``roles`` as above."""
        return self._closure(ids, False, roles)

    def graph(
        self, roots: Sequence[str] | None = None, down: bool = False, episode: episodes.Episode | None = None
    ) -> Graph:
        """A snapshot for status, plans and lineage: the whole registry, or the part that ``roots`` (ids) need.

        The part holds what the roots rest on, what patches or supersedes any of that, and the builds of the roots, with
        what the log says of them; with ``down`` the same for everything that rests on the roots, and all builds.
        ``episode``: one that is asked about and need not be a version; here it is.
        """
        beside = [] if episode is None else [episodes.unregistered(episode)]
        with reading(self.engine) as connection:
            asked = [*(roots or ()), *(edge.target for version in beside for edge in version.edges)]
            asked += episode.datasets if episode is not None and down else ()
            found = part.whole(connection) if roots is None else part.about(connection, asked, down)
        known = {version.id for version in found.versions}
        new = [version for version in beside if version.id not in known]
        held = episodes.with_one(found.held, episode, new)
        return Graph([*found.versions, *new], found.events, held, time.time())

    def episode(self, reference: str) -> episodes.Episode | None:
        """The episode of an exact digest or of its first digits, four or more; None where no dataset holds one.

        Raises `DataError` where several begin like that.
        """
        if not (is_digest(reference) or _PREFIX.fullmatch(reference)):
            return None
        with reading(self.engine) as connection:
            digests = episodes.digests_like(connection, reference)
            if len(digests) > 1:
                raise DataError(f"{reference!r} begins several episodes ({', '.join(digests)}); give more digits.")
            if not digests:
                return None
            held = episodes.holders(connection, digests[0])
            sources = [edge.target for edge in held[0][0].edges if edge.role == "data_from"]
            made_by = queries.versions_by_id(connection, sources)
        first, position = held[0]
        rows = episodes.read_episodes(self.blobs.read(first.manifest.blobs[episodes.EPISODES]))
        return episodes.describe(held, rows[position], made_by)

    def append(self, entry: Entry, author: str | None = None) -> Event:
        """Append an entry to the log; the versions that it speaks of must be registered."""
        with writing(self.engine) as connection:
            return writes.insert_event(connection, entry, author or writes.author())

    def spend(self, budget: str, purse: str, amount: float, unit: str, why: str, author: str | None = None) -> Event:
        """Take ``amount`` (positive) [``unit``] from a purse, before the work is done that it pays for.

        Raises `DataError` where less is left: two processes never spend the same. What was spent all the same, say
        trials that happened, is told by `append`.
        """
        entry = BudgetEntry(budget, purse, -abs(amount), unit, why)
        with writing(self.engine) as connection:
            events = queries.list_events(connection, "budget", budget)
            check_left(entry, balance(events, budget, purse, unit))
            return writes.insert_event(connection, entry, author or writes.author())

    def balances(self, budget: str | None = None) -> list[Balance]:
        """What was granted, spent and is left in each purse of a budget, or of all."""
        return balances(self.events("budget", budget))

    def events(self, type: str | None = None, subject: str | None = None) -> list[Event]:
        """The entries of the log, oldest first."""
        with reading(self.engine) as connection:
            return queries.list_events(connection, type, subject)

    def tip(self) -> tuple[int, int]:
        """The numbers of the newest version and of the newest event; both only grow, 0 where there is none."""
        with reading(self.engine) as connection:
            return queries.tip(connection)

    def since(self, version: int, event: int) -> tuple[list[Version], list[Event], dict[str, list[str]]]:
        """The versions and the events with larger numbers than these, oldest first, as of one moment.

        The third says of all datasets which registered episodes they hold (see `Graph`).
        """
        with reading(self.engine) as connection:
            versions, events = queries.versions_since(connection, version), queries.events_since(connection, event)
            return versions, events, episodes.holding(connection)

    def check(self, deep: bool = True) -> list[Damage]:
        """Everything that is wrong with this registry; without ``deep`` the content of blobs is not read."""
        from diorama.registry.check import check

        return check(self, deep)

    def gc(self, dry_run: bool = False, grace_s: float = GRACE_S, force: bool = False) -> list[str]:
        """Remove the files that nothing reaches and that are older than ``grace_s`` [s]; the names of what went.

        Raises `DataError` where the database has lost versions, unless ``force``.
        """
        from diorama.registry.collect import collect

        return collect(self, dry_run, grace_s, force)

    def restore(self) -> list[Version]:
        """Register again what a damaged database has lost, from the manifests beside the blobs; what came back."""
        from diorama.registry.restore import restore

        return restore(self)

    def _closure(self, ids: str | Sequence[str], down: bool, roles: Sequence[str]) -> list[str]:
        with reading(self.engine) as connection:
            return queries.closure(connection, [ids] if isinstance(ids, str) else ids, down, roles or None)

    def _lease(self, digests: Sequence[str]) -> None:
        with writing(self.engine, lasting=False) as connection:
            writes.lease(connection, digests)

    def _write(self, drafts: Sequence[writes.Draft]) -> None:
        digests = sorted({digest for one in drafts for digest in one.manifest.blobs.values()})
        leased = [*digests, *dict.fromkeys(one.id for one in drafts)]
        # The leases come first, so that what is seen below is still there when the transaction ends.
        self._lease(leased)
        sizes = {digest: self._size(digest) for digest in digests}
        held = {one.id: self._episodes(one.manifest) for one in drafts if one.manifest.kind == "dataset"}
        self.manifests.put_many([one.text.encode() for one in drafts])
        with writing(self.engine) as connection:
            writes.insert_versions(connection, drafts, sizes, held)
            writes.end_leases(connection, leased)

    def _episodes(self, manifest: Manifest) -> list[str]:
        """The digests of a dataset's episodes, from its blob; none where it has none."""
        blob = manifest.blobs.get(episodes.EPISODES)
        return [] if blob is None else [row["exact"] for row in episodes.read_episodes(self.blobs.read(blob))]

    def _size(self, digest: str) -> int:
        size = self.blobs.size(digest)
        if size is None:
            raise missing(digest)
        return size

    @property
    def file(self) -> Path | None:
        """The SQLite file; None on PostgreSQL."""
        return database_file(self.engine)


def _resolve(connection: sa.Connection, reference: str) -> str:
    """The id that a reference means."""
    if is_digest(reference):
        return reference
    if (target := queries.channel_target(connection, reference)) is not None:
        return target
    if newest := queries.list_versions(connection, None, reference, 1):
        return newest[0].id
    candidates = queries.ids_of_prefix(connection, reference) if _PREFIX.fullmatch(reference) else []
    if not candidates:
        raise DataError(f"Nothing is called {reference!r}: no channel, no name, no id; see `diorama registry list`.")
    if len(candidates) > 1:
        listed = ", ".join(candidate[:16] for candidate in candidates[:5])
        raise DataError(f"{reference!r} begins several ids ({listed}); give more digits.")
    return candidates[0]


def _refuse_emptied(folder: Path) -> None:
    """A database cut to nothing looks new to SQLite; the manifests beside it tell."""
    file = folder / DATABASE
    if file.exists() and file.stat().st_size == 0 and any((folder / "manifests").glob("??/*")):
        raise DataError(
            f"{file} is empty although versions were registered; restore it from a copy, or move it away and "
            "run `diorama registry restore`."
        )
