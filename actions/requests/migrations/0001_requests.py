"""Requests with their history, followers, photos, wrong look-ups, and the queue to a remote Open311 server."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "requests_0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite counts up by itself only on a plain INTEGER key.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "requests_requests",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("number", sa.String(24), nullable=False, unique=True),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("filing_key", sa.String(200), nullable=False, unique=True),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("category", sa.String(60), nullable=False, index=True),
        sa.Column("department", sa.String(60), nullable=False, index=True),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("needs_review", sa.Boolean, nullable=False),
        sa.Column("urgency", sa.String(10), nullable=False),
        sa.Column("danger", sa.String(12)),
        sa.Column("state", sa.String(12), nullable=False, index=True),
        sa.Column("outcome", sa.String(12)),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("lat", sa.Float, index=True),
        sa.Column("lon", sa.Float),
        sa.Column("district", sa.String(40)),
        sa.Column("contact", sa.String(200), nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("source", sa.String(12), nullable=False),
        sa.Column("conversation_id", sa.String(64), index=True),
        sa.Column("assignee", sa.String(120), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False, index=True),
        sa.Column("updated_at", sa.DateTime, nullable=False, index=True),
        sa.Column("respond_due", sa.DateTime, nullable=False),
        sa.Column("resolve_due", sa.DateTime, nullable=False),
        sa.Column("responded_at", sa.DateTime),
        sa.Column("resolved_at", sa.DateTime),
        sa.Column("closed_at", sa.DateTime),
        sa.Column("reopened", sa.Integer, nullable=False),
        sa.Column("rating", sa.Integer),
        sa.Column("solved", sa.Boolean),
        sa.Column("rating_comment", sa.Text, nullable=False),
        sa.Column("token", sa.String(40), nullable=False, unique=True),
        sa.Column("attributes", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "requests_events",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("request_id", KEY, sa.ForeignKey("requests_requests.id"), nullable=False, index=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("actor", sa.String(120), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("state", sa.String(12)),
        sa.Column("public", sa.Boolean, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("told", sa.Boolean, nullable=False, index=True),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "requests_followers",
        sa.Column("request_id", KEY, sa.ForeignKey("requests_requests.id"), primary_key=True),
        sa.Column("conversation_id", sa.String(64), primary_key=True),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "requests_photos",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("request_id", KEY, sa.ForeignKey("requests_requests.id"), index=True),
        sa.Column("conversation_id", sa.String(64), index=True),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("lat", sa.Float),
        sa.Column("lon", sa.Float),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "requests_misses",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("conversation_id", sa.String(64), nullable=False, index=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "requests_remote",
        sa.Column("request_id", KEY, sa.ForeignKey("requests_requests.id"), primary_key=True),
        sa.Column("state", sa.String(10), nullable=False, index=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.DateTime, nullable=False, index=True),
        sa.Column("service_code", sa.String(120), nullable=False),
        sa.Column("marker", sa.String(60), nullable=False),
        sa.Column("remote_id", sa.String(200), index=True),
        sa.Column("remote_token", sa.String(200)),
        sa.Column("remote_status", sa.String(40)),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.Column("polled_at", sa.DateTime),
        sa.UniqueConstraint("marker", name="uq_requests_remote_marker"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("remote", "misses", "photos", "followers", "events", "requests"):
        op.drop_table(f"requests_{name}")
