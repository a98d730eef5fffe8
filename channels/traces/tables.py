"""Tables of the traces; `channels/traces/migrations` makes them. Times are UTC, days are the city's."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Date,
    DateTime,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()
_KEY = BigInteger().with_variant(Integer(), "sqlite")

# One row per answered turn, slim so that lists and searches read little; the rest is in `details`.
turns = Table(
    "trace_turns",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("conversation_id", String(120), nullable=False),
    Column("message_id", String(128), nullable=False),
    Column("at", DateTime, nullable=False),
    Column("day", Date, nullable=False),
    Column("channel", String(32), nullable=False),
    Column("language", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("intent", String(120), nullable=False),
    Column("confidence", Float),
    Column("runner_up", String(120), nullable=False),
    Column("runner_up_confidence", Float),
    Column("decision", String(16), nullable=False),
    Column("source", String(16), nullable=False),
    Column("article_id", String(120), nullable=False),
    Column("total_ms", Float, nullable=False),
    Column("model", String(120), nullable=False),
    Column("index_version", String(40), nullable=False),
    Column("rating", String(4), nullable=False),
)

details = Table(
    "trace_details",
    metadata,
    Column("turn_id", _KEY, primary_key=True, autoincrement=False),
    Column("steps", JSON, nullable=False),
    Column("replies", JSON, nullable=False),
    Column("comment", Text, nullable=False),
)

# Pairs of neighbouring characters of each turn's text, for searching (see `channels.traces.grams`). Compared byte by
# byte, whatever language the database sorts in.
grams = Table(
    "trace_grams",
    metadata,
    Column(
        "gram",
        String(2).with_variant(String(2, collation="C"), "postgresql"),
        primary_key=True,
        nullable=False,
    ),
    Column("turn_id", _KEY, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# One row per conversation: `started_day` and the counts are what containment is computed from.
conversations = Table(
    "trace_conversations",
    metadata,
    Column("conversation_id", String(120), primary_key=True),
    Column("channel", String(32), nullable=False),
    Column("language", String(16), nullable=False),
    Column("started_at", DateTime, nullable=False),
    Column("started_day", Date, nullable=False),
    Column("last_at", DateTime, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("answered", Integer, nullable=False),
    Column("clarified", Integer, nullable=False),
    Column("abstained", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("handed_over", Integer, nullable=False),
    Column("up", Integer, nullable=False),
    Column("down", Integer, nullable=False),
    Column("last_decision", String(16), nullable=False),
    # Whether a clarification that the citizen left without an answer was handed on to the inbox.
    Column("swept", Integer, nullable=False),
)

# Anonymous counts per day, which outlive the traces: `dimension` says what `value` is (see `statistics`).
totals = Table(
    "trace_totals",
    metadata,
    Column("dimension", String(16), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("channel", String(32), primary_key=True),
    Column("language", String(16), primary_key=True),
    Column("value", String(120), primary_key=True),
    Column("turns", Integer, nullable=False),
    Column("amount", Float, nullable=False),
    Column("up", Integer, nullable=False),
    Column("down", Integer, nullable=False),
)
