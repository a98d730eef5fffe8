"""Tables of the gateway; the migrations in `city` follow `metadata`."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

_Serial = BigInteger().with_variant(Integer, "sqlite")

# Times are UTC without an offset. A chat app's sender has `sender_id`, a web conversation `token_hash`.
conversations = Table(
    "conversations",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("channel", String(32), nullable=False),
    Column("sender_id", String(255), nullable=True),
    Column("token_hash", String(64), nullable=True),
    Column("created_at", DateTime, nullable=False),
    UniqueConstraint("channel", "sender_id", name="uq_conversations_sender"),
)

# `replies` is SQL NULL until the message is answered; the lease says which process is answering it.
messages = Table(
    "messages",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("message_id", String(128), nullable=False),
    Column("text", Text, nullable=False),
    Column("language", String(16), nullable=True),
    Column("replies", JSON(none_as_null=True), nullable=True),
    Column("created_at", DateTime, nullable=False),
    Column("answered_at", DateTime, nullable=True),
    Column("lease_owner", String(64), nullable=True),
    Column("lease_until", DateTime, nullable=True),
    UniqueConstraint("conversation_id", "message_id", name="uq_messages_message"),
    Index("ix_messages_lease_owner", "lease_owner"),
)

# Where the person behind a conversation was last heard from; pushes go there.
addresses = Table(
    "conversation_addresses",
    metadata,
    Column("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
    Column("channel", String(32), nullable=False),
    Column("sender_id", String(255), nullable=False),
    Column("context", JSON, nullable=False),
    Column("language", String(16), nullable=True),
    Column("updated_at", DateTime, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("message_id", String(128), nullable=False),
    Column("rating", String(4), nullable=False),
    Column("comment", Text, nullable=False, default=""),
    Column("created_at", DateTime, nullable=False),
    UniqueConstraint("conversation_id", "message_id", name="uq_feedback_message"),
)
