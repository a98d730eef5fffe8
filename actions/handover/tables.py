"""The desk's tables; `actions/handover/migrations` makes them. Times are UTC."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()
_KEY = BigInteger().with_variant(Integer(), "sqlite")

# `live` holds the conversation while it is at the desk, and nothing afterwards: unique, it lets a conversation
# stand there only once.
cases = Table(
    "handover_cases",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("conversation_id", String(64), nullable=False),
    Column("live", String(64), nullable=True, unique=True),
    Column("channel", String(32), nullable=False),
    Column("language", String(16), nullable=False),
    Column("state", String(8), nullable=False),
    Column("team", String(32), nullable=False),
    Column("reason", String(16), nullable=False),
    Column("detail", String(64), nullable=False),
    Column("topic", String(200), nullable=False),
    Column("summary", JSON, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("created_at", DateTime, nullable=False),
    # Place in the queue; one who comes back to it keeps the old place.
    Column("queued_at", DateTime, nullable=False),
    # Since when somebody waits without interruption; giving up counts from here.
    Column("waiting_since", DateTime, nullable=False),
    # How many more waited than there were free places when the citizen came.
    Column("ahead", Integer, nullable=False),
    Column("opened_at", DateTime, nullable=True),
    Column("closed_at", DateTime, nullable=True),
    Column("operator", String(120), nullable=True),
    Column("outcome", String(12), nullable=False),
    Column("close_reason", String(32), nullable=False),
    Column("rating", Integer, nullable=True),
    Column("request_number", String(40), nullable=False),
    # Whether a request has still to be filed for it.
    Column("to_file", Boolean, nullable=False),
    Column("told_at", DateTime, nullable=True),
    Column("told_position", Integer, nullable=False),
    Column("last_citizen_at", DateTime, nullable=True),
    Column("last_operator_at", DateTime, nullable=True),
)

# `message_id` names a citizen's message or an operator's key press, so that each is taken in once. `replies` is
# what goes out to the citizen; it has gone to the outbox once `sent`.
entries = Table(
    "handover_entries",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("case_id", _KEY, ForeignKey("handover_cases.id", ondelete="CASCADE"), nullable=False),
    Column("at", DateTime, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("author", String(120), nullable=False),
    Column("text", Text, nullable=False),
    Column("message_id", String(140), nullable=True),
    Column("replies", JSON(none_as_null=True), nullable=True),
    Column("sent", Boolean, nullable=False),
    # Ids of photos that the citizen sent with it; the requests' store keeps them.
    Column("photos", JSON(none_as_null=True), nullable=True),
)

operators = Table(
    "handover_operators",
    metadata,
    Column("name", String(120), primary_key=True),
    Column("away", Boolean, nullable=False),
    Column("last_seen", DateTime, nullable=False),
)

# Answers in a row that did not help.
misses = Table(
    "handover_misses",
    metadata,
    Column("conversation_id", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("updated_at", DateTime, nullable=False),
)
