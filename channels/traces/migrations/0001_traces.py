"""Turns, their details, conversations, and the daily counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "traces_0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite counts up by itself only on a plain INTEGER key.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "trace_turns",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("conversation_id", sa.String(120), nullable=False),
        sa.Column("message_id", sa.String(128), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("intent", sa.String(120), nullable=False),
        sa.Column("confidence", sa.Float),
        sa.Column("runner_up", sa.String(120), nullable=False),
        sa.Column("runner_up_confidence", sa.Float),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("article_id", sa.String(120), nullable=False),
        sa.Column("total_ms", sa.Float, nullable=False),
        sa.Column("model", sa.String(120), nullable=False),
        sa.Column("index_version", sa.String(40), nullable=False),
        sa.Column("rating", sa.String(4), nullable=False),
    )
    op.create_index("ix_trace_turns_message", "trace_turns", ["conversation_id", "message_id"], unique=True)
    op.create_index("ix_trace_turns_day", "trace_turns", ["day", "decision"])
    op.create_table(
        "trace_details",
        sa.Column("turn_id", KEY, primary_key=True, autoincrement=False),
        sa.Column("steps", sa.JSON, nullable=False),
        sa.Column("replies", sa.JSON, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
    )
    op.create_table(
        "trace_conversations",
        sa.Column("conversation_id", sa.String(120), primary_key=True),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("started_day", sa.Date, nullable=False),
        sa.Column("last_at", sa.DateTime, nullable=False),
        *(
            sa.Column(name, sa.Integer, nullable=False)
            for name in (
                "turns",
                "answered",
                "clarified",
                "abstained",
                "failed",
                "handed_over",
                "up",
                "down",
            )
        ),
        sa.Column("last_decision", sa.String(16), nullable=False),
        sa.Column("swept", sa.Integer, nullable=False),
    )
    op.create_index("ix_trace_conversations_last", "trace_conversations", ["last_at"])
    op.create_index(
        "ix_trace_conversations_open", "trace_conversations", ["last_decision", "swept", "last_at"]
    )
    # Holds everything that the daily figures of conversations read.
    op.create_index(
        "ix_trace_conversations_day",
        "trace_conversations",
        ["started_day", "channel", "language", "handed_over", "abstained", "failed", "clarified", "answered"],
    )
    op.create_table(
        "trace_totals",
        sa.Column("dimension", sa.String(16), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("channel", sa.String(32), primary_key=True),
        sa.Column("language", sa.String(16), primary_key=True),
        sa.Column("value", sa.String(120), primary_key=True),
        sa.Column("turns", sa.Integer, nullable=False),
        sa.Column("amount", sa.Float, nullable=False),
        sa.Column("up", sa.Integer, nullable=False),
        sa.Column("down", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("totals", "conversations", "details", "turns"):
        op.drop_table(f"trace_{name}")
