"""Calls of the hotline."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "hotline_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "hotline_calls",
        sa.Column("provider", sa.String(16), primary_key=True),
        sa.Column("call_id", sa.String(128), primary_key=True),
        sa.Column("caller", sa.String(32), nullable=False),
        sa.Column("conversation_id", sa.String(36), nullable=False),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("state", sa.JSON, nullable=False),
        sa.Column("step", sa.JSON),
        sa.Column("stages", sa.JSON, nullable=False),
    )
    op.create_index("ix_hotline_calls_started_at", "hotline_calls", ["started_at"])
