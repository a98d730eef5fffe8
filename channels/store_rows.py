"""The statements of the conversation store: each works in a transaction that the caller opened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, insert, select, text, update
from sqlalchemy.engine import Connection, Row

from channels.records import Address, Claim, StoredMessage
from channels.tables import (
    addresses,
    conversations,
    feedback,
    link_codes,
    links,
    messages,
    notices_told,
)
from city.messages import Reply
from city.outbox import outbox_table, utc_now


def is_message(conversation_id: str, message_id: str) -> Any:
    """Return the condition that finds one message."""
    return and_(messages.c.conversation_id == conversation_id, messages.c.message_id == message_id)


def find_sender(connection: Connection, channel: str, sender_id: str) -> str | None:
    """Return the conversation that a chat app's sender has of their own."""
    query = select(conversations.c.id).where(
        conversations.c.channel == channel, conversations.c.sender_id == sender_id
    )
    return connection.execute(query).scalar()


def record(row: Row) -> StoredMessage:
    """Return a row as the message that it keeps."""
    replies = None if row.replies is None else tuple(Reply.from_dict(reply) for reply in row.replies)
    return StoredMessage(
        row.message_id, row.text, row.language, replies, row.created_at, getattr(row, "rating", None)
    )


def claim(
    connection: Connection,
    conversation_id: str,
    message_id: str,
    message: str,
    *,
    owner: str,
    lease_s: float,
    create: bool,
) -> Claim:
    """Store a message or find it; see `ConversationStore.claim`."""
    here = conversations.outerjoin(messages, is_message(conversation_id, message_id))
    query = select(messages).select_from(here).where(conversations.c.id == conversation_id)
    row = connection.execute(query).first()
    now = utc_now()
    lease = {"lease_owner": owner, "lease_until": now + timedelta(seconds=lease_s)}
    if row is None:
        return Claim(Claim.UNKNOWN)
    if row.seq is None:
        if not create:
            return Claim(Claim.REFUSED)
        connection.execute(
            insert(messages).values(
                conversation_id=conversation_id, message_id=message_id, text=message, created_at=now, **lease
            )
        )
        return Claim(Claim.NEW, StoredMessage(message_id, message, None, None, now))
    if row.replies is not None:
        return Claim(Claim.ANSWERED, record(row))
    if row.lease_owner not in (None, owner) and row.lease_until > now:
        return Claim(Claim.BUSY, record(row))
    # The condition lets only one of two processes take over a message whose lease ran out.
    taken = connection.execute(
        update(messages)
        .where(is_message(conversation_id, message_id))
        .where(
            messages.c.lease_until.is_(None)
            if row.lease_until is None
            else messages.c.lease_until == row.lease_until
        )
        .values(lease)
    )
    return Claim(Claim.NEW if taken.rowcount else Claim.BUSY, record(row))


def history(
    connection: Connection, conversation_id: str, after: str | None, limit: int
) -> list[StoredMessage]:
    """Return the last messages, oldest first; see `ConversationStore.history`."""
    query = (
        select(messages, feedback.c.rating)
        .outerjoin(
            feedback,
            and_(
                feedback.c.conversation_id == messages.c.conversation_id,
                feedback.c.message_id == messages.c.message_id,
            ),
        )
        .where(messages.c.conversation_id == conversation_id)
    )
    if after:
        start = select(messages.c.seq).where(is_message(conversation_id, after)).scalar_subquery()
        if connection.execute(select(start)).scalar() is not None:
            query = query.where(messages.c.seq > start)
    rows = connection.execute(query.order_by(messages.c.seq.desc()).limit(limit)).all()
    return [record(row) for row in reversed(rows)]


def was_told(connection: Connection, conversation_id: str, notice_id: str) -> bool:
    """Return whether a notice was said in a conversation."""
    told = (notices_told.c.conversation_id == conversation_id) & (notices_told.c.notice_id == notice_id)
    return connection.execute(select(notices_told.c.notice_id).where(told)).first() is not None


def push(
    connection: Connection,
    conversation_id: str,
    message_id: str,
    replies: Sequence[Reply],
    language: str | None,
) -> StoredMessage:
    """Keep something said unasked, once per id."""
    row = connection.execute(select(messages).where(is_message(conversation_id, message_id))).first()
    if row is not None:
        return record(row)
    if language is None:
        spoken = select(messages.c.language).where(
            messages.c.conversation_id == conversation_id, messages.c.language.is_not(None)
        )
        language = connection.execute(spoken.order_by(messages.c.seq.desc()).limit(1)).scalar()
    now = utc_now()
    connection.execute(
        insert(messages).values(
            conversation_id=conversation_id,
            message_id=message_id,
            text="",
            language=language,
            replies=[reply.to_dict() for reply in replies],
            created_at=now,
            answered_at=now,
        )
    )
    return StoredMessage(message_id, "", language, tuple(replies), now)


def address(connection: Connection, conversation_id: str) -> Address | None:
    """Return where a conversation was last heard from."""
    query = select(addresses).where(addresses.c.conversation_id == conversation_id)
    row = connection.execute(query).first()
    if row is not None:
        return Address(row.channel, row.sender_id, row.context, row.language)
    query = select(conversations).where(conversations.c.id == conversation_id)
    row = connection.execute(query).first()
    return Address(row.channel, row.sender_id, {}) if row is not None and row.sender_id else None


def keep_address(connection: Connection, conversation_id: str, address: Address) -> None:
    """Remember where a conversation was heard from."""
    values = {
        "channel": address.channel,
        "sender_id": address.sender_id,
        "context": dict(address.context),
        "language": address.language,
        "updated_at": utc_now(),
    }
    chosen = addresses.c.conversation_id == conversation_id
    if not connection.execute(update(addresses).where(chosen).values(values)).rowcount:
        connection.execute(insert(addresses).values(conversation_id=conversation_id, **values))


def rate(connection: Connection, conversation_id: str, message_id: str, rating: str, comment: str) -> bool:
    """Keep the latest rating of an answer; return whether the message exists."""
    if (
        connection.execute(select(messages.c.seq).where(is_message(conversation_id, message_id))).first()
        is None
    ):
        return False
    key = and_(feedback.c.conversation_id == conversation_id, feedback.c.message_id == message_id)
    connection.execute(delete(feedback).where(key))
    connection.execute(
        insert(feedback).values(
            conversation_id=conversation_id,
            message_id=message_id,
            rating=rating,
            comment=comment,
            created_at=utc_now(),
        )
    )
    return True


def release(connection: Connection, owner: str) -> None:
    """Give back the leases of a process."""
    connection.execute(
        update(messages).where(messages.c.lease_owner == owner).values(lease_owner=None, lease_until=None)
    )


def forget_before(connection: Connection, limit: datetime, most: int) -> tuple[int, list[str]]:
    """Delete the oldest messages from before `limit`; see `ConversationStore.forget_before`."""
    # Numbers grow with time: when the oldest is young enough, all are.
    oldest = select(messages.c.seq, messages.c.conversation_id, messages.c.message_id, messages.c.created_at)
    rows = [
        r for r in connection.execute(oldest.order_by(messages.c.seq).limit(most)) if r.created_at < limit
    ]
    if not rows:
        return 0, []
    ids = {row.conversation_id for row in rows}
    for row in rows:
        here = (feedback.c.conversation_id == row.conversation_id) & (feedback.c.message_id == row.message_id)
        connection.execute(delete(feedback).where(here))
    connection.execute(delete(messages).where(messages.c.seq.in_([row.seq for row in rows])))
    left = select(messages.c.conversation_id).where(messages.c.conversation_id.in_(ids)).distinct()
    return len(rows), sorted(ids - set(connection.execute(left).scalars()))


def erase(connection: Connection, conversation_id: str, is_sqlite: bool) -> None:
    """Delete a conversation and all that hangs on it."""
    if is_sqlite:
        connection.execute(text("PRAGMA secure_delete=ON"))
    connection.execute(delete(feedback).where(feedback.c.conversation_id == conversation_id))
    for table in (addresses, links, link_codes, notices_told, outbox_table):
        connection.execute(delete(table).where(table.c.conversation_id == conversation_id))
    connection.execute(delete(messages).where(messages.c.conversation_id == conversation_id))
    connection.execute(delete(conversations).where(conversations.c.id == conversation_id))
