"""Pairs of characters to search texts by, and indexes for the filters of the list."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from channels.traces.grams import pairs

revision = "traces_0002"
down_revision = "traces_0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AT_ONCE = 2_000
_TURN_INDEXES = ("intent", "decision", "rating")
_CONVERSATION_INDEXES = ("channel", "language")


def upgrade() -> None:
    """Make the table and the indexes, and fill the table from the turns that are kept."""
    gram = sa.String(2).with_variant(sa.String(2, collation="C"), "postgresql")
    op.create_table(
        "trace_grams",
        sa.Column("gram", gram, primary_key=True, nullable=False),
        sa.Column("turn_id", KEY, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    # Each ends with what the list is sorted by, and holds what the other filters ask.
    for name in _TURN_INDEXES:
        others = [column for column in ("day", "channel", "language", *_TURN_INDEXES) if column != name]
        rated = sa.text("rating <> ''") if name == "rating" else None
        op.create_index(
            f"ix_trace_turns_{name}",
            "trace_turns",
            [name, "id", *others],
            sqlite_where=rated,
            postgresql_where=rated,
        )
    for name in _CONVERSATION_INDEXES:
        op.create_index(
            f"ix_trace_conversations_{name}", "trace_conversations", [name, "last_at", "conversation_id"]
        )
    _fill(op.get_bind())


def _fill(connection: sa.engine.Connection) -> None:
    turns = sa.table("trace_turns", sa.column("id", sa.BigInteger), sa.column("text", sa.Text))
    grams = sa.table("trace_grams", sa.column("gram", sa.Text), sa.column("turn_id", sa.BigInteger))
    last = 0
    while True:
        query = sa.select(turns).where(turns.c.id > last).order_by(turns.c.id).limit(_AT_ONCE)
        rows = connection.execute(query).all()
        if not rows:
            return
        last = rows[-1].id
        found = [{"gram": gram, "turn_id": row.id} for row in rows for gram in pairs(row.text)]
        if found:
            connection.execute(sa.insert(grams), found)


def downgrade() -> None:
    """Drop what `upgrade` made."""
    for name in _CONVERSATION_INDEXES:
        op.drop_index(f"ix_trace_conversations_{name}", "trace_conversations")
    for name in _TURN_INDEXES:
        op.drop_index(f"ix_trace_turns_{name}", "trace_turns")
    op.drop_table("trace_grams")
