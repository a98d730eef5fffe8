"""Posts, topics, hourly counts, alarms, what people did, notifications, cursors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "opinion_0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite counts up by itself only on a plain INTEGER key.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "opinion_posts",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("key", sa.String(40), nullable=False, unique=True),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("external_id", sa.String(300), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("received_at", sa.DateTime, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("author", sa.String(16), nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("reach", sa.Float, nullable=False),
        sa.Column("sentiment", sa.String(8), nullable=False),
        sa.Column("p_negative", sa.Float, nullable=False),
        sa.Column("p_positive", sa.Float, nullable=False),
        sa.Column("unsure", sa.Boolean, nullable=False),
        sa.Column("emotion", sa.String(8), nullable=False),
        sa.Column("needs_action", sa.Float, nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("factors", sa.JSON, nullable=False),
        sa.Column("topic_id", KEY),
        sa.Column("category", sa.String(40), nullable=False),
        sa.Column("district", sa.String(60), nullable=False),
        sa.Column("place", sa.String(60), nullable=False),
        sa.Column("copies", sa.Integer, nullable=False),
        sa.Column("fingerprint", sa.String(24), nullable=False),
        sa.Column("notes", sa.JSON, nullable=False),
        sa.Column("model", sa.String(60), nullable=False),
    )
    op.create_table(
        "opinion_seen",
        sa.Column("key", sa.String(40), primary_key=True),
        sa.Column("post_id", KEY, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("author", sa.String(16), nullable=False),
    )
    op.create_table(
        "opinion_topics",
        sa.Column("id", KEY, primary_key=True, autoincrement=False),
        sa.Column("first_at", sa.DateTime, nullable=False),
        sa.Column("last_at", sa.DateTime, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("centre", sa.LargeBinary, nullable=False),
        sa.Column("terms", sa.JSON, nullable=False),
        sa.Column("categories", sa.JSON, nullable=False),
        sa.Column("places", sa.JSON, nullable=False),
        sa.Column("districts", sa.JSON, nullable=False),
        sa.Column("category", sa.String(40), nullable=False),
        sa.Column("place", sa.String(60), nullable=False),
        sa.Column("district", sa.String(60), nullable=False),
        sa.Column("label_zh", sa.String(200), nullable=False),
        sa.Column("label_en", sa.String(200), nullable=False),
        sa.Column("muted_until", sa.DateTime),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("merged_into", KEY),
    )
    op.create_table(
        "opinion_hours",
        sa.Column("scope", sa.String(120), primary_key=True),
        sa.Column("hour", sa.DateTime, primary_key=True),
        sa.Column("posts", sa.Integer, nullable=False),
        sa.Column("negative", sa.Integer, nullable=False),
        sa.Column("concern", sa.Integer, nullable=False),
        sa.Column("severe", sa.Integer, nullable=False),
    )
    op.create_table(
        "opinion_alarms",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("rule", sa.String(16), nullable=False),
        sa.Column("scope", sa.String(120), nullable=False),
        sa.Column("topic_id", KEY),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("opened_at", sa.DateTime, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
        sa.Column("escalations", sa.Integer, nullable=False),
        sa.Column("peak", sa.Float, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Column("category", sa.String(40), nullable=False),
        sa.Column("label_zh", sa.String(200), nullable=False),
        sa.Column("label_en", sa.String(200), nullable=False),
        sa.Column("owner_zh", sa.String(80), nullable=False),
        sa.Column("owner_en", sa.String(80), nullable=False),
        sa.Column("model", sa.String(60), nullable=False),
        sa.Column("acted_by", sa.String(80), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("chart", sa.String(80), nullable=False),
    )
    op.create_table(
        "opinion_deeds",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("by", sa.String(80), nullable=False),
        sa.Column("deed", sa.String(16), nullable=False),
        sa.Column("alarm_id", KEY),
        sa.Column("topic_id", KEY),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_table(
        "opinion_notifications",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("key", sa.String(120), nullable=False, unique=True),
        sa.Column("target", sa.String(40), nullable=False),
        sa.Column("alarm_id", KEY),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.DateTime, nullable=False),
        sa.Column("sent_at", sa.DateTime),
        sa.Column("error", sa.Text, nullable=False),
    )
    op.create_table(
        "opinion_cursors",
        sa.Column("source", sa.String(300), primary_key=True),
        sa.Column("position", sa.JSON, nullable=False),
    )
    op.create_table(
        "opinion_rejects",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("sample", sa.Text, nullable=False),
    )
    op.create_table(
        "opinion_webhook_inbox",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("item", sa.JSON, nullable=False),
    )
    op.create_index("opinion_posts_at", "opinion_posts", ["at"])
    op.create_index("opinion_posts_topic", "opinion_posts", ["topic_id", "at"])
    op.create_index("opinion_posts_fingerprint", "opinion_posts", ["fingerprint", "at"])
    op.create_index("opinion_seen_post", "opinion_seen", ["post_id"])
    op.create_index("opinion_seen_at", "opinion_seen", ["at"])
    op.create_index("opinion_topics_last", "opinion_topics", ["last_at"])
    op.create_index("opinion_hours_hour", "opinion_hours", ["hour"])
    op.create_index("opinion_alarms_opened", "opinion_alarms", ["opened_at"])
    op.create_index("opinion_alarms_scope", "opinion_alarms", ["scope", "opened_at"])
    op.create_index("opinion_notifications_next", "opinion_notifications", ["state", "next_at"])


def downgrade() -> None:
    """Drop the tables."""
    for name in (
        "opinion_posts",
        "opinion_seen",
        "opinion_topics",
        "opinion_hours",
        "opinion_alarms",
        "opinion_deeds",
        "opinion_notifications",
        "opinion_cursors",
        "opinion_rejects",
        "opinion_webhook_inbox",
    ):
        op.drop_table(name)
