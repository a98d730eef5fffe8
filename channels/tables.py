"""Tables of the gateway; the migrations in `city` follow `metadata`."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
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

# The notices that were said in a conversation, each once.
notices_told = Table(
    "notices_told",
    metadata,
    Column("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
    Column("notice_id", String(64), primary_key=True),
)

# The inbound queue. `state`: waiting, done or dead; a done row keeps only its id, against repeated delivery.
inbox = Table(
    "channel_inbox",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("channel", String(32), nullable=False),
    Column("message_id", String(128), nullable=False),
    Column("sender_id", String(255), nullable=False),
    Column("body", JSON, nullable=False),
    Column("state", String(8), nullable=False),
    Column("error", Text, nullable=False),
    Column("lease_owner", String(64), nullable=True),
    Column("lease_until", DateTime, nullable=True),
    Column("created_at", DateTime, nullable=False),
    UniqueConstraint("channel", "message_id", name="uq_channel_inbox_message"),
    Index("ix_channel_inbox_waiting", "state", "seq"),
    Index("ix_channel_inbox_sender", "channel", "sender_id", "state"),
)

# An identity that its owner joined to a conversation of another channel by a one-time code.
links = Table(
    "channel_links",
    metadata,
    Column("channel", String(32), primary_key=True),
    Column("sender_id", String(255), primary_key=True),
    Column("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", DateTime, nullable=False),
)

# One-time codes, hashed; one per conversation.
link_codes = Table(
    "channel_link_codes",
    metadata,
    Column("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
    Column("code_hash", String(64), nullable=False, unique=True),
    Column("expires_at", DateTime, nullable=False),
)

# Channels that staff switched off or on at run time; a channel without a row is on.
switches = Table(
    "channel_switches",
    metadata,
    Column("channel", String(32), primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("changed_by", String(120), nullable=False),
    Column("changed_at", DateTime, nullable=False),
)

# People who asked not to be written to.
opt_outs = Table(
    "channel_opt_outs",
    metadata,
    Column("channel", String(32), primary_key=True),
    Column("sender_id", String(255), primary_key=True),
    Column("since", DateTime, nullable=False),
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
