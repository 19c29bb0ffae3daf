"""The first tables: versions, edges, references to blobs, the append-only log, leases of writers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables. Written out, because a migration must not change when the tables of today do."""
    _versions()
    _edges()
    _blob_references()
    _events()
    op.create_table(
        "lease",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("until", sa.Float(53), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("lease", "event", "blob_reference", "edge", "version"):
        op.drop_table(name)


def _number() -> sa.types.TypeEngine:
    return sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _reference(name: str, **options: bool) -> sa.Column:
    return sa.Column(name, _number(), sa.ForeignKey("version.sequence"), **options)


def _versions() -> None:
    op.create_table(
        "version",
        sa.Column("sequence", _number(), primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created", sa.Float(53), nullable=False),
        sa.Column("manifest", sa.Text, nullable=False),
    )
    op.create_index("version_by_name", "version", ["name", "sequence"])
    op.create_index("version_by_kind", "version", ["kind", "sequence"])


def _edges() -> None:
    op.create_table(
        "edge",
        _reference("source", primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        _reference("target", nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("attributes", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("edge_by_target", "edge", ["target", "source"])
    op.create_index("edge_by_source", "edge", ["source", "target"])


def _blob_references() -> None:
    op.create_table(
        "blob_reference",
        _reference("source", primary_key=True),
        sa.Column("name", sa.String(4100), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("blob_reference_by_digest", "blob_reference", ["digest"])


def _events() -> None:
    op.create_table(
        "event",
        sa.Column("sequence", _number(), primary_key=True, autoincrement=False),
        sa.Column("time", sa.Float(53), nullable=False),
        sa.Column("author", sa.String(200), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("entry", sa.Text, nullable=False),
    )
    op.create_index("event_by_subject", "event", ["type", "subject", "sequence"])
