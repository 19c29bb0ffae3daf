"""Which versions each entry of the log speaks of, so that what is said of one version is found without reading all."""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ROLES = ("version", "policy", "world", "affects", "fixed_in", "regressions")
_SPOKEN = "version IS NOT NULL"


def upgrade() -> None:
    """Make the table and fill it from the log; index the episodes that are versions, and edges by target and role."""
    op.create_table(
        "mention",
        sa.Column("event", _number(), sa.ForeignKey("event.sequence"), primary_key=True),
        sa.Column("role", sa.String(32), primary_key=True),
        sa.Column("version", _number(), sa.ForeignKey("version.sequence"), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("mention_by_version", "mention", ["version", "role", "event"])
    op.create_index(
        "episode_spoken_of",
        "episode",
        ["number"],
        sqlite_where=sa.text(_SPOKEN),
        postgresql_where=sa.text(_SPOKEN),
    )
    op.drop_index("edge_by_target", "edge")
    op.create_index("edge_by_target", "edge", ["target", "role", "source"])
    _fill(op.get_bind())


def downgrade() -> None:
    """Drop the table and the index of episodes, and index edges as before."""
    op.drop_index("edge_by_target", "edge")
    op.create_index("edge_by_target", "edge", ["target", "source"])
    op.drop_index("episode_spoken_of", "episode")
    op.drop_table("mention")


def _fill(connection: sa.Connection) -> None:
    numbers = dict(connection.execute(sa.text("SELECT id, sequence FROM version")).all())
    events = connection.execute(sa.text("SELECT sequence, type, entry FROM event")).all()
    rows = [
        {"event": event, "role": f"{kind} {role}", "version": numbers[version]}
        for event, kind, entry in events
        for role, version in _mentions(entry)
        if version in numbers
    ]
    if rows:
        into = sa.text("INSERT INTO mention (event, role, version) VALUES (:event, :role, :version)")
        connection.execute(into, rows)


def _mentions(entry: str) -> Iterator[tuple[str, Any]]:
    """Roles and ids in an entry; none in one that is damaged, which `diorama registry check` names."""
    try:
        said = json.loads(entry)
        found = {role: said.get(role) or [] for role in _ROLES}
    except (ValueError, AttributeError):
        return
    for role, value in found.items():
        yield from ((role, one) for one in dict.fromkeys([value] if isinstance(value, str) else value))


def _number() -> sa.types.TypeEngine:
    return sa.BigInteger().with_variant(sa.Integer, "sqlite")
