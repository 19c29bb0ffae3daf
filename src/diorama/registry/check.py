"""Finding and naming damage: of blobs, manifests, versions, edges and the database itself."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from diorama.core.canonical import canonical
from diorama.core.errors import DataError
from diorama.registry import queries, tables
from diorama.registry.collect import lost
from diorama.registry.database import failing
from diorama.registry.episodes import digests_of, read_episodes
from diorama.registry.essentials import complaint
from diorama.registry.manifest import entry_mentions, read_manifest, text_id
from diorama.registry.records import Damage
from diorama.registry.registry import Registry
from diorama.registry.restore import listed

FAULTS = (
    "missing blob",
    "truncated blob",
    "corrupted blob",
    "missing manifest",
    "corrupted manifest",
    "altered version",
    "edge to nothing",
    "altered edges",
    "altered references",
    "altered episodes",
    "lost version",
    "damaged log",
    "unreadable database",
    "unfinished registration",
    "stray file",
    "incomplete version",
)
"""What `Damage.what` can be."""
_MEND_DATABASE = "restore the database from a copy, or move it away and run `diorama registry restore`"


def check_place(
    place: str | Path, *, database: str | None = None, blobs: str | None = None, complete: bool = False
) -> list[Damage]:
    """The damage of the registry in a folder, one that cannot be opened included; arguments as `Registry.open`.

    ``complete``: name versions that lack an essential field, too.
    """
    try:
        with Registry.open(place, database=database, blobs=blobs) as registry:
            return [*check(registry), *(incomplete(registry) if complete else ())]
    except DataError as error:
        return [Damage("unreadable database", database or str(place), str(error))]


def check(registry: Registry, deep: bool = True) -> list[Damage]:
    """Everything that is wrong with a registry. ``deep`` reads every blob and hashes it."""
    found: list[Damage] = []
    parts: list[Callable[[], Iterator[Damage]]] = [
        lambda: _database(registry),
        lambda: _dangling(registry),
        lambda: _versions(registry),
        lambda: _episodes(registry),
        lambda: _log(registry),
        lambda: _blobs(registry, deep),
        lambda: _manifests(registry, deep),
    ]
    for part in parts:
        try:
            found += part()
        except DataError as error:
            found.append(_unreadable(registry, str(error)))
    return list(dict.fromkeys(found))


def incomplete(registry: Registry) -> Iterator[Damage]:
    """Versions that lack an essential field (`diorama.registry.essentials`); nothing of them is damaged."""
    for version in registry.versions():
        if sentence := complaint(version.manifest):
            mend = "Register it again with that and an edge supersedes to this one."
            yield Damage("incomplete version", version.id, f"{version.id[:12]}: {sentence} {mend}", harmless=True)


def _unreadable(registry: Registry, sentence: str) -> Damage:
    return Damage("unreadable database", registry.engine.url.render_as_string(hide_password=True), sentence)


def _database(registry: Registry) -> Iterator[Damage]:
    """Whether SQLite finds its own pages whole; PostgreSQL checks its own."""
    if registry.file is None:
        return
    with failing(registry.engine), registry.engine.connect() as connection:
        answers = connection.exec_driver_sql("PRAGMA integrity_check(5)").scalars().all()
    if answers != ["ok"]:
        yield _unreadable(registry, f"The database is damaged ({answers[0].splitlines()[0]}); {_MEND_DATABASE}.")


def _dangling(registry: Registry) -> Iterator[Damage]:
    """Edges whose target or source is no version."""
    edge, version = tables.edge, tables.version
    with failing(registry.engine), registry.engine.connect() as connection:
        for end in (edge.c.target, edge.c.source):
            question = sa.select(edge.c.source, edge.c.position, edge.c.role, edge.c.target)
            question = question.outerjoin(version, version.c.sequence == end).where(version.c.sequence.is_(None))
            for row in connection.execute(question):
                subject = f"{row.source} --{row.role}--> {row.target}"
                sentence = f"Edge {subject} (sequence numbers) has an end that is no version; {_MEND_DATABASE}."
                yield Damage("edge to nothing", subject, sentence)


def _versions(registry: Registry) -> Iterator[Damage]:
    """Whether each version hashes to its id, and its edges and references are those of its manifest."""
    with failing(registry.engine), registry.engine.connect() as connection:
        edges, references = _rows(connection, tables.edge), _rows(connection, tables.blob_reference)
        ids = dict(connection.execute(sa.select(tables.version.c.sequence, tables.version.c.id)).all())
        for row in connection.execute(sa.select(tables.version).order_by(tables.version.c.sequence)):
            if text_id(row.manifest) != row.id:
                sentence = f"The manifest of version {row.id} has another SHA-256 than its id; {_MEND_DATABASE}."
                yield Damage("altered version", row.id, sentence)
                continue
            yield from _one_version(row, edges.get(row.sequence, []), references.get(row.sequence, []), ids)


def _one_version(row: Any, edges: list[Any], references: list[Any], ids: dict[int, str]) -> Iterator[Damage]:
    try:
        manifest = read_manifest(row.manifest)
    except DataError as error:
        yield Damage("altered version", row.id, f"Version {row.id} is not valid: {error}")
        return
    said = [(edge.role, edge.target, canonical(edge.attributes)) for edge in manifest.edges]
    stored = [(edge.role, ids.get(edge.target), edge.attributes) for edge in sorted(edges, key=lambda e: e.position)]
    if said != stored:
        sentence = f"The edges of version {row.id} in the database are not those of its manifest; {_MEND_DATABASE}."
        yield Damage("altered edges", row.id, sentence)
    if {one.name: one.digest for one in references} != dict(manifest.blobs):
        sentence = f"The blobs of version {row.id} in the database are not those of its manifest; {_MEND_DATABASE}."
        yield Damage("altered references", row.id, sentence)


def _rows(connection: sa.Connection, table: sa.Table) -> dict[int, list[Any]]:
    rows: dict[int, list[Any]] = {}
    for row in connection.execute(sa.select(table)):
        rows.setdefault(row.source, []).append(row)
    return rows


def _episodes(registry: Registry) -> Iterator[Damage]:
    """Whether the index of episodes says what the datasets hold. A list that cannot be read is named with the blobs."""
    for number, version, blob in listed(registry):
        with failing(registry.engine), registry.engine.connect() as connection:
            found = digests_of(connection, number)
        try:
            said = [row["exact"] for row in read_episodes(registry.blobs.read(blob))]
        except DataError:
            continue
        if found != said:
            sentence = f"The index does not hold the episodes of dataset {version}; run `diorama registry restore`."
            yield Damage("altered episodes", version, sentence)


def _log(registry: Registry) -> Iterator[Damage]:
    """Whether every entry can be read, and is found by the versions that it speaks of."""
    with failing(registry.engine), registry.engine.connect() as connection:
        known = dict(connection.execute(sa.select(tables.version.c.id, tables.version.c.sequence)).all())
        noted = queries.mentions(connection)
        for row in connection.execute(sa.select(tables.event).order_by(tables.event.c.sequence)):
            try:
                entry = queries.read_event(row).entry
            except DataError as error:
                yield Damage("damaged log", str(row.sequence), f"Entry {row.sequence}: {error}")
                continue
            if noted.get(row.sequence, set()) != {(role, known[v]) for role, v in entry_mentions(entry) if v in known}:
                sentence = f"The index of the log has entry {row.sequence} wrong; run `diorama registry restore`."
                yield Damage("damaged log", str(row.sequence), sentence)


def _blobs(registry: Registry, deep: bool) -> Iterator[Damage]:
    """Whether every blob that a version refers to is there and whole, and what else lies on the shelf."""
    reference = tables.blob_reference.c
    question = sa.select(reference.digest, sa.func.max(reference.size)).group_by(reference.digest)
    with failing(registry.engine), registry.engine.connect() as connection:
        wanted = dict(connection.execute(question.order_by(reference.digest)).all())
    present = {found.name: found for found in registry.blobs.listing()}
    for digest, size in wanted.items():
        if digest not in present:
            yield Damage("missing blob", digest, f"Blob {digest} is missing; add the original file again.")
        elif present[digest].size < size:
            cut = f"Blob {digest} has {present[digest].size} of {size} bytes; add the original file again."
            yield Damage("truncated blob", digest, cut)
        elif present[digest].size != size or (deep and not registry.blobs.intact(digest)):
            sentence = f"Blob {digest} has another content than it was added with; add the original file again."
            yield Damage("corrupted blob", digest, sentence)
    yield from _strays(name for name, found in present.items() if found.stray)


def _manifests(registry: Registry, deep: bool) -> Iterator[Damage]:
    """Whether the text of every version lies on the shelf whole, and whether the database knows every text there."""
    present = {found.name: found for found in registry.manifests.listing()}
    # A manifest is on its shelf before its version is in the database, so the database is asked second for what is
    # there and first for what must be: no writer can look like damage.
    missing_rows = lost(registry)
    with failing(registry.engine), registry.engine.connect() as connection:
        texts = dict(connection.execute(sa.select(tables.version.c.id, tables.version.c.manifest)).all())
    for version in texts:
        if version not in present and registry.manifests.size(version) is None:
            sentence = f"The manifest file of version {version} is missing; run `diorama registry restore`."
            yield Damage("missing manifest", version, sentence)
        elif deep and not registry.manifests.intact(version):
            sentence = f"The manifest file of version {version} is damaged; run `diorama registry restore`."
            yield Damage("corrupted manifest", version, sentence)
    for version in missing_rows:
        sentence = f"Version {version} was registered, but the database has lost it; run `diorama registry restore`."
        yield Damage("lost version", version, sentence)
    unfinished = {name for name, found in present.items() if not found.stray} - set(texts) - set(missing_rows)
    for version in sorted(unfinished):
        sentence = f"A writer died, or is busy, before it registered {version}; `diorama registry gc` removes the rest."
        yield Damage("unfinished registration", version, sentence, harmless=True)
    yield from _strays(name for name, found in present.items() if found.stray)


def _strays(names: Iterator[str]) -> Iterator[Damage]:
    for name in sorted(names):
        sentence = f"{name} is no blob: a writer died, or is busy; `diorama registry gc` removes it when it is old."
        yield Damage("stray file", name, sentence, harmless=True)
