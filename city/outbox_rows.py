"""What the outbox keeps: its table, one entry of it, and the states that an entry goes through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.engine import Row

from city.messages import Reply

KEY_CHARS = 255
# Ends the lease's owner once a send has begun. If the owner ends before it tells the outcome, nobody knows
# whether the message was taken.
BEGUN = "!"

metadata = MetaData()

# Times are UTC without an offset. `state`: waiting, sent or dead. `parts_sent` counts the messages of the
# platform that a parcel was split into and that have left already. A lease that is over but still has an
# owner belongs to an attempt whose end nobody saw.
outbox_table = Table(
    "outbox",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("key", String(KEY_CHARS), nullable=False, unique=True),
    Column("conversation_id", String(64), nullable=False),
    Column("replies", JSON, nullable=False),
    Column("context", JSON, nullable=False),
    Column("state", String(8), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("parts_sent", Integer, nullable=False),
    Column("next_at", DateTime, nullable=False),
    Column("error", Text, nullable=False),
    Column("lease_owner", String(64), nullable=True),
    Column("lease_until", DateTime, nullable=True),
    Column("created_at", DateTime, nullable=False),
    Column("finished_at", DateTime, nullable=True),
    Index("ix_outbox_due", "state", "next_at"),
    Index("ix_outbox_order", "conversation_id", "state", "seq"),
)


@dataclass(frozen=True)
class Parcel:
    """One entry: replies for a conversation.

    `attempts` counts the present attempt too. `unsure` says that an earlier attempt at the part after
    `parts_sent` ended unseen: it may have been taken.
    """

    seq: int
    key: str
    conversation_id: str
    replies: Sequence[Reply]
    context: Mapping[str, Any] = field(default_factory=dict)
    state: str = "waiting"
    attempts: int = 0
    parts_sent: int = 0
    error: str = ""
    created_at: datetime = datetime(1970, 1, 1)
    unsure: bool = False


@dataclass(frozen=True)
class Mark:
    """Something that happened to a parcel on its way, to be written down together with others.

    `kind`: `begun` before its first message leaves, `part` when `parts` messages have left, `sent` at its end.
    """

    kind: str
    seq: int
    parts: int = 0


def utc_now() -> datetime:
    """Return the present in UTC, without an offset, as the tables keep it."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


def no_lease() -> dict[str, None]:
    """Return the columns of a parcel that nobody holds."""
    return {"lease_owner": None, "lease_until": None}


def delivered(now: datetime) -> dict[str, Any]:
    """Return the columns of a parcel that has left: its text is kept no longer."""
    return {"state": "sent", "replies": [], "context": {}, "error": "", **no_lease(), "finished_at": now}


def is_unsure(row: Row) -> bool:
    """Return whether a send of this row began whose end nobody saw."""
    return bool(row.lease_owner and row.lease_owner.endswith(BEGUN))


def parcel_of(row: Row, attempts: int | None = None, unsure: bool = False) -> Parcel:
    """Return a row of the table as a parcel."""
    return Parcel(
        seq=row.seq,
        key=row.key,
        conversation_id=row.conversation_id,
        replies=tuple(Reply.from_dict(reply) for reply in row.replies),
        context=row.context,
        state=row.state,
        attempts=row.attempts if attempts is None else attempts,
        parts_sent=row.parts_sent,
        error=row.error,
        created_at=row.created_at,
        unsure=unsure,
    )
