"""The notices' tables; `actions/notices/migrations` makes them. Times are UTC."""

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

notices = Table(
    "notices",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("kind", String(8), nullable=False),
    Column("key", String(500), nullable=False, unique=True),
    Column("texts", JSON, nullable=False),
    Column("severity", String(10), nullable=False),
    Column("districts", JSON, nullable=False),
    Column("channels", JSON, nullable=False),
    Column("starts_at", DateTime, nullable=False),
    Column("expires_at", DateTime, nullable=False),
    Column("state", String(10), nullable=False),
    # Why it is hidden, cancelled or replaced.
    Column("why", String(500), nullable=False),
    Column("author", String(200), nullable=False),
    Column("banner", Boolean, nullable=False),
    Column("raw", Text, nullable=False),
    Column("created_at", DateTime, nullable=False),
)

# Which CAP messages an Update or a Cancel is about, also those that have not arrived yet.
references = Table(
    "notice_references",
    metadata,
    Column("key", String(500), primary_key=True),
    Column("by_key", String(500), nullable=False),
    Column("msg_type", String(8), nullable=False),
)

subscriptions = Table(
    "notice_subscriptions",
    metadata,
    Column("conversation_id", String(64), primary_key=True),
    Column("language", String(16), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("districts", JSON, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("since", DateTime, nullable=False),
)

# One row per person, notice and kind ("news" or "end"): whoever makes it may tell it, nobody else. `told` turns true
# once it is in the outbox, or was said with an answer.
deliveries = Table(
    "notice_deliveries",
    metadata,
    Column("notice_id", _KEY, ForeignKey("notices.id", ondelete="CASCADE"), primary_key=True),
    Column("conversation_id", String(64), primary_key=True),
    Column("kind", String(4), primary_key=True),
    Column("language", String(16), nullable=False),
    Column("told", Boolean, nullable=False),
    Column("at", DateTime, nullable=False),
)
