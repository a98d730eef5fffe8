"""Conversations at the desk, their lines, operators, and misses in a row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "handover_0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite counts up by itself only on a plain INTEGER key.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "handover_cases",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("conversation_id", sa.String(64), nullable=False),
        sa.Column("live", sa.String(64), nullable=True, unique=True),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("team", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("detail", sa.String(64), nullable=False),
        sa.Column("topic", sa.String(200), nullable=False),
        sa.Column("summary", sa.JSON, nullable=False),
        sa.Column("urgent", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("queued_at", sa.DateTime, nullable=False),
        sa.Column("waiting_since", sa.DateTime, nullable=False),
        sa.Column("ahead", sa.Integer, nullable=False),
        sa.Column("opened_at", sa.DateTime),
        sa.Column("closed_at", sa.DateTime),
        sa.Column("operator", sa.String(120)),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("close_reason", sa.String(32), nullable=False),
        sa.Column("rating", sa.Integer),
        sa.Column("request_number", sa.String(40), nullable=False),
        sa.Column("to_file", sa.Boolean, nullable=False),
        sa.Column("told_at", sa.DateTime),
        sa.Column("told_position", sa.Integer, nullable=False),
        sa.Column("last_citizen_at", sa.DateTime),
        sa.Column("last_operator_at", sa.DateTime),
    )
    op.create_index("ix_handover_cases_queue", "handover_cases", ["state", "urgent", "queued_at"])
    op.create_index("ix_handover_cases_conversation", "handover_cases", ["conversation_id", "created_at"])
    op.create_index("ix_handover_cases_closed", "handover_cases", ["closed_at"])
    op.create_table(
        "handover_entries",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("case_id", KEY, sa.ForeignKey("handover_cases.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("author", sa.String(120), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("message_id", sa.String(140)),
        sa.Column("replies", sa.JSON(none_as_null=True)),
        sa.Column("sent", sa.Boolean, nullable=False),
        sa.UniqueConstraint("case_id", "kind", "message_id", name="uq_handover_entries_message"),
    )
    op.create_index("ix_handover_entries_sent", "handover_entries", ["sent", "id"])
    op.create_table(
        "handover_operators",
        sa.Column("name", sa.String(120), primary_key=True),
        sa.Column("away", sa.Boolean, nullable=False),
        sa.Column("last_seen", sa.DateTime, nullable=False),
    )
    op.create_table(
        "handover_misses",
        sa.Column("conversation_id", sa.String(64), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("misses", "operators", "entries", "cases"):
        op.drop_table(f"handover_{name}")
