"""Notices, what refers to them, who asked for them, and who was told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "notices_0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite counts up by itself only on a plain INTEGER key.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "notices",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("key", sa.String(500), nullable=False, unique=True),
        sa.Column("texts", sa.JSON, nullable=False),
        sa.Column("severity", sa.String(10), nullable=False),
        sa.Column("districts", sa.JSON, nullable=False),
        sa.Column("channels", sa.JSON, nullable=False),
        sa.Column("starts_at", sa.DateTime, nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("why", sa.String(500), nullable=False),
        sa.Column("author", sa.String(200), nullable=False),
        sa.Column("banner", sa.Boolean, nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_notices_current", "notices", ["state", "expires_at"])
    op.create_table(
        "notice_references",
        sa.Column("key", sa.String(500), primary_key=True),
        sa.Column("by_key", sa.String(500), nullable=False),
        sa.Column("msg_type", sa.String(8), nullable=False),
    )
    op.create_table(
        "notice_subscriptions",
        sa.Column("conversation_id", sa.String(64), primary_key=True),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("districts", sa.JSON, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
    )
    op.create_table(
        "notice_deliveries",
        sa.Column("notice_id", KEY, sa.ForeignKey("notices.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("conversation_id", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(4), primary_key=True),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("told", sa.Boolean, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_notice_deliveries_told", "notice_deliveries", ["told"])


def downgrade() -> None:
    """Drop the tables."""
    for name in ("notice_deliveries", "notice_subscriptions", "notice_references", "notices"):
        op.drop_table(name)
