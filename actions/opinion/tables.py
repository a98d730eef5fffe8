"""Tables of the opinion module; `migrations` makes them. Times are UTC without an offset."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()
_KEY = BigInteger().with_variant(Integer(), "sqlite")

posts = Table(
    "opinion_posts",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("key", String(40), nullable=False, unique=True),
    Column("source", String(40), nullable=False),
    Column("external_id", String(300), nullable=False),
    Column("at", DateTime, nullable=False),
    Column("received_at", DateTime, nullable=False),
    Column("text", Text, nullable=False),
    Column("language", String(8), nullable=False),
    Column("author", String(16), nullable=False),
    Column("url", String(500), nullable=False),
    Column("reach", Float, nullable=False),
    Column("sentiment", String(8), nullable=False),
    Column("p_negative", Float, nullable=False),
    Column("p_positive", Float, nullable=False),
    Column("unsure", Boolean, nullable=False),
    Column("emotion", String(8), nullable=False),
    Column("needs_action", Float, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("score", Float, nullable=False),
    Column("factors", JSON, nullable=False),
    Column("topic_id", _KEY),
    Column("category", String(40), nullable=False),
    Column("district", String(60), nullable=False),
    Column("place", String(60), nullable=False),
    Column("copies", Integer, nullable=False),
    Column("fingerprint", String(24), nullable=False),
    Column("notes", JSON, nullable=False),
    Column("model", String(60), nullable=False),
    Index("opinion_posts_at", "at"),
    Index("opinion_posts_topic", "topic_id", "at"),
    Index("opinion_posts_fingerprint", "fingerprint", "at"),
)

# Every key that was ever read within `keep_days`, of posts and of the reposts folded into them.
seen = Table(
    "opinion_seen",
    metadata,
    Column("key", String(40), primary_key=True),
    Column("post_id", _KEY, nullable=False),
    Column("at", DateTime, nullable=False),
    Column("author", String(16), nullable=False),
    Index("opinion_seen_post", "post_id"),
    Index("opinion_seen_at", "at"),
)

topics = Table(
    "opinion_topics",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=False),
    Column("first_at", DateTime, nullable=False),
    Column("last_at", DateTime, nullable=False),
    Column("size", Integer, nullable=False),
    Column("centre", LargeBinary, nullable=False),
    Column("terms", JSON, nullable=False),
    Column("categories", JSON, nullable=False),
    Column("places", JSON, nullable=False),
    Column("districts", JSON, nullable=False),
    Column("category", String(40), nullable=False),
    Column("place", String(60), nullable=False),
    Column("district", String(60), nullable=False),
    Column("label_zh", String(200), nullable=False),
    Column("label_en", String(200), nullable=False),
    Column("muted_until", DateTime),
    Column("state", String(8), nullable=False),
    Column("merged_into", _KEY),
    Index("opinion_topics_last", "last_at"),
)

# Hourly counts by scope: "city", "district:…", "category:…", "cd:category|district", "topic:…".
hours = Table(
    "opinion_hours",
    metadata,
    Column("scope", String(120), primary_key=True),
    Column("hour", DateTime, primary_key=True),
    Column("posts", Integer, nullable=False),
    Column("negative", Integer, nullable=False),
    Column("concern", Integer, nullable=False),
    Column("severe", Integer, nullable=False),
    Index("opinion_hours_hour", "hour"),
)

alarms = Table(
    "opinion_alarms",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("rule", String(16), nullable=False),
    Column("scope", String(120), nullable=False),
    Column("topic_id", _KEY),
    Column("level", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("opened_at", DateTime, nullable=False),
    Column("updated_at", DateTime, nullable=False),
    Column("escalations", Integer, nullable=False),
    Column("peak", Float, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("category", String(40), nullable=False),
    Column("label_zh", String(200), nullable=False),
    Column("label_en", String(200), nullable=False),
    Column("owner_zh", String(80), nullable=False),
    Column("owner_en", String(80), nullable=False),
    Column("model", String(60), nullable=False),
    Column("acted_by", String(80), nullable=False),
    Column("note", Text, nullable=False),
    Column("chart", String(80), nullable=False),
    Index("opinion_alarms_opened", "opened_at"),
    Index("opinion_alarms_scope", "scope", "opened_at"),
)

# What people did with an alarm or topic; never changed afterwards.
deeds = Table(
    "opinion_deeds",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("at", DateTime, nullable=False),
    Column("by", String(80), nullable=False),
    Column("deed", String(16), nullable=False),
    Column("alarm_id", _KEY),
    Column("topic_id", _KEY),
    Column("note", Text, nullable=False),
)

# `state`: waiting, sending (claimed), sent, dead, or unknown (the process died between sending and noting it).
notifications = Table(
    "opinion_notifications",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("key", String(120), nullable=False, unique=True),
    Column("target", String(40), nullable=False),
    Column("alarm_id", _KEY),
    Column("title", String(200), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(8), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", DateTime, nullable=False),
    Column("sent_at", DateTime),
    Column("error", Text, nullable=False),
    Index("opinion_notifications_next", "state", "next_at"),
)

# How far a source was read; written in the transaction that keeps what was read.
cursors = Table(
    "opinion_cursors",
    metadata,
    Column("source", String(300), primary_key=True),
    Column("position", JSON, nullable=False),
)

rejects = Table(
    "opinion_rejects",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("at", DateTime, nullable=False),
    Column("source", String(40), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("sample", Text, nullable=False),
)

webhook_inbox = Table(
    "opinion_webhook_inbox",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("source", String(40), nullable=False),
    Column("item", JSON, nullable=False),
)
