"""The tables of the registry's database, for SQLite and PostgreSQL alike. Migrations make and change them.

Edges join versions by their sequence numbers: short keys keep the closure of a large graph quick.
"""

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text, text

SCHEMA_REVISION = "0003"
"""The newest migration; a database that is at it is opened without loading the migrations."""

metadata = MetaData()
_number = BigInteger().with_variant(Integer, "sqlite")

version = Table(
    "version",
    metadata,
    Column("sequence", _number, primary_key=True, autoincrement=False),
    Column("id", String(64), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("name", String(200), nullable=False),
    Column("created", Float(53), nullable=False),
    Column("manifest", Text, nullable=False),
    Index("version_by_name", "name", "sequence"),
    Index("version_by_kind", "kind", "sequence"),
)

edge = Table(
    "edge",
    metadata,
    Column("source", _number, ForeignKey("version.sequence"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("target", _number, ForeignKey("version.sequence"), nullable=False),
    Column("role", String(32), nullable=False),
    Column("attributes", Text, nullable=False),
    Index("edge_by_target", "target", "role", "source"),
    Index("edge_by_source", "source", "target"),
    sqlite_with_rowid=False,
)

blob_reference = Table(
    "blob_reference",
    metadata,
    Column("source", _number, ForeignKey("version.sequence"), primary_key=True),
    Column("name", String(4100), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Index("blob_reference_by_digest", "digest"),
    sqlite_with_rowid=False,
)

episode = Table(
    "episode",
    metadata,
    Column("number", _number, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("version", _number, ForeignKey("version.sequence")),
    Index("episode_by_version", "version"),
    Index(
        "episode_spoken_of",
        "number",
        sqlite_where=text("version IS NOT NULL"),
        postgresql_where=text("version IS NOT NULL"),
    ),
)

held = Table(
    "held",
    metadata,
    Column("source", _number, ForeignKey("version.sequence"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("first", _number, nullable=False),
    Column("count", Integer, nullable=False),
    Index("held_by_first", "first"),
    sqlite_with_rowid=False,
)

event = Table(
    "event",
    metadata,
    Column("sequence", _number, primary_key=True, autoincrement=False),
    Column("time", Float(53), nullable=False),
    Column("author", String(200), nullable=False),
    Column("type", String(32), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("entry", Text, nullable=False),
    Index("event_by_subject", "type", "subject", "sequence"),
)

mention = Table(
    "mention",
    metadata,
    Column("event", _number, ForeignKey("event.sequence"), primary_key=True),
    Column("role", String(32), primary_key=True),
    Column("version", _number, ForeignKey("version.sequence"), primary_key=True),
    Index("mention_by_version", "version", "role", "event"),
    sqlite_with_rowid=False,
)

lease = Table(
    "lease",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("until", Float(53), nullable=False),
)
