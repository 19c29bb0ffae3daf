"""The index of episodes: which digests there are, and which datasets hold them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables. Datasets that were registered before enter the index with `diorama registry restore`."""
    op.create_table(
        "episode",
        sa.Column("number", _number(), primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("version", _number(), sa.ForeignKey("version.sequence")),
    )
    op.create_index("episode_by_version", "episode", ["version"])
    op.create_table(
        "held",
        sa.Column("source", _number(), sa.ForeignKey("version.sequence"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("first", _number(), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("held_by_first", "held", ["first"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("held")
    op.drop_table("episode")


def _number() -> sa.types.TypeEngine:
    return sa.BigInteger().with_variant(sa.Integer, "sqlite")
