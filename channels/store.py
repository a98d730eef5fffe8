"""Conversations, messages and feedback in one database; the engine works in threads, never on the loop."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import secrets
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import and_, create_engine, delete, event, insert, select, text, update
from sqlalchemy.engine import Connection, Engine, Row, make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import QueuePool

from channels.records import Access, Address, Claim, Conversation, StoredMessage
from channels.tables import (
    addresses,
    conversations,
    feedback,
    link_codes,
    links,
    messages,
    metadata,
    notices_told,
)
from channels.threads import UrgentThreads
from city.messages import Reply
from city.outbox import metadata as outbox_metadata
from city.outbox import outbox_table

T = TypeVar("T")

_OPENED = 20_000


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(tzinfo=None)


def _hash(token: str) -> str:
    # A token holds 256 random bits, so one fast hash is enough: there is nothing to guess.
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def make_engine(url: str) -> Engine:
    """Return an engine for `url`; SQLite files get write-ahead logging and a pool of open connections."""
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, future=True, pool_pre_ping=True)
    engine = create_engine(
        url,
        future=True,
        poolclass=QueuePool,
        pool_size=4,
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "busy_timeout=5000",
            "secure_delete=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


class ConversationStore:
    """The gateway's memory: who may read a conversation, what was said, and what citizens thought of it.

    Args:
        database: SQLAlchemy URL or a ready engine (one made by the caller is not disposed of here).
        owner: name of this process; a message that another process is answering is left to it.
        threads: size of the thread pool; one for SQLite, which has a single writer anyway.
    """

    def __init__(self, database: str | Engine, owner: str | None = None, threads: int = 4) -> None:
        self._owns_engine = isinstance(database, str)
        self.engine = make_engine(database) if isinstance(database, str) else database
        self.owner = owner or uuid.uuid4().hex
        self._is_sqlite = self.engine.dialect.name == "sqlite"
        self._pool = UrgentThreads(1 if self._is_sqlite else threads, "channels-store")
        self.is_open = False
        # Token hashes of conversations in use. One erased by another process stays here for a while, but
        # its rows are gone: `claim` finds no conversation and `history` nothing.
        self._opened: OrderedDict[str, str] = OrderedDict()

    async def _run(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        def transaction() -> T:
            with self.engine.begin() as connection:
                return work(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._pool, transaction)

    async def open(self, create_tables: bool = True) -> None:
        """Create missing tables and take over what a process that ended left half-answered."""

        def prepare() -> None:
            if create_tables:
                metadata.create_all(self.engine)
                outbox_metadata.create_all(self.engine)
            if self._is_sqlite:
                # SQLite serves one process: every lease left in it belongs to one that has ended.
                with self.engine.begin() as connection:
                    connection.execute(update(messages).values(lease_owner=None, lease_until=None))

        await asyncio.get_running_loop().run_in_executor(self._pool, prepare)
        self.is_open = True

    async def close(self) -> None:
        """Give back the leases of this process and close its connections."""
        if self.is_open:
            await self._run(_release, self.owner)
        self.is_open = False
        await asyncio.get_running_loop().run_in_executor(None, partial(self._pool.shutdown, wait=True))
        if self._owns_engine:
            self.engine.dispose()

    async def ping(self) -> bool:
        """Return whether the database answers."""
        if not self.is_open:
            return False
        try:
            await self._run(lambda connection: connection.execute(select(1)).scalar())
        except Exception:
            return False
        return True

    async def create(self, channel: str = "web") -> tuple[str, str]:
        """Make a conversation; return its id and its token, of which only a hash is kept."""
        conversation_id, token = str(uuid.uuid4()), secrets.token_urlsafe(32)
        row = {"id": conversation_id, "channel": channel, "token_hash": _hash(token), "created_at": _now()}
        await self._run(lambda connection: connection.execute(insert(conversations).values(row)))
        return conversation_id, token

    async def for_sender(self, channel: str, sender_id: str) -> str:
        """Return the conversation id of a chat app's sender, made at the first message."""
        found = await self._run(find_sender, channel, sender_id)
        if found is not None:
            return found
        row = {"id": str(uuid.uuid4()), "channel": channel, "sender_id": sender_id, "created_at": _now()}
        try:
            await self._run(lambda connection: connection.execute(insert(conversations).values(row)))
        except IntegrityError:
            return str(await self._run(find_sender, channel, sender_id))
        return str(row["id"])

    async def check_token(self, conversation_id: str, token: str) -> Access:
        """Return whether `token` opens the conversation, compared in constant time."""
        given = _hash(token)
        kept = self._opened.get(conversation_id)
        if kept is None:
            query = select(conversations.c.token_hash).where(conversations.c.id == conversation_id)
            row = await self._run(lambda connection: connection.execute(query).first())
            if row is None:
                return Access.UNKNOWN
            kept = row.token_hash or ""
            self._opened[conversation_id] = kept
            while len(self._opened) > _OPENED:
                self._opened.popitem(last=False)
        return Access.GRANTED if hmac.compare_digest(kept, given) else Access.REFUSED

    async def claim(
        self, conversation_id: str, message_id: str, message: str, lease_s: float, create: bool = True
    ) -> Claim:
        """Store a message before it is answered, or find it.

        Args:
            lease_s: seconds for which other processes leave the message alone.
            create: `False` only looks: a message not seen before gives `Claim.REFUSED` and is not stored.
        """
        work = partial(_claim, owner=self.owner, lease_s=lease_s, create=create)
        try:
            return await self._run(work, conversation_id, message_id, message)
        except IntegrityError:
            # Another process stored the same message between our look and our insert, or erased the
            # conversation; a second look tells which.
            return await self._run(work, conversation_id, message_id, message)

    async def was_told(self, conversation_id: str, notice_id: str) -> bool:
        """Return whether a notice was said in a conversation."""
        return await self._run(_was_told, conversation_id, notice_id)

    async def save_answer(
        self,
        conversation_id: str,
        message_id: str,
        language: str,
        replies: Sequence[Reply],
        notice_id: str = "",
    ) -> None:
        """Store the replies to a claimed message and end the lease; an erased message stays erased.

        Args:
            notice_id: a notice among the replies, which is then known as said.
        """
        values = {
            "language": language,
            "replies": [reply.to_dict() for reply in replies],
            "answered_at": _now(),
            "lease_owner": None,
            "lease_until": None,
        }
        query = update(messages).where(_is_message(conversation_id, message_id)).values(values)

        def save(connection: Connection) -> None:
            kept = connection.execute(query).rowcount
            if kept and notice_id and not _was_told(connection, conversation_id, notice_id):
                told = {"conversation_id": conversation_id, "notice_id": notice_id}
                # Another process may have said it in the same moment.
                with contextlib.suppress(IntegrityError), connection.begin_nested():
                    connection.execute(insert(notices_told).values(told))

        await self._run(save)

    async def in_transaction(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run `work(connection, …)` in one transaction in the store's threads."""
        return await self._run(work, *args, **kwargs)

    async def in_thread(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run synchronous database work in the store's threads: SQLite's writers then never meet."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *args, **kwargs))

    async def urgently(self, work: Callable[..., T], *args: Any) -> T:
        """Run `work` as `in_thread` does, before everything that waits there."""
        return await asyncio.wrap_future(self._pool.urgent(work, *args))

    async def push(
        self, conversation_id: str, message_id: str, replies: Sequence[Reply], language: str | None = None
    ) -> StoredMessage | None:
        """Keep something said unasked in the history; again under the same id changes nothing.

        Returns:
            What is kept, or `None` when the conversation does not exist.
        """
        try:
            return await self._run(_push, conversation_id, message_id, replies, language)
        except IntegrityError:
            return None

    async def address(self, conversation_id: str) -> Address | None:
        """Return where the conversation was last heard from, `None` on the web."""
        return await self._run(_address, conversation_id)

    async def set_address(self, conversation_id: str, address: Address) -> None:
        """Remember where a conversation was heard from."""
        await self._run(keep_address, conversation_id, address)

    async def history(
        self, conversation_id: str, after: str | None = None, limit: int = 200
    ) -> list[StoredMessage]:
        """Return the last `limit` messages, oldest first; with `after`, only later ones than that."""
        return await self._run(_history, conversation_id, after, limit)

    async def rate(self, conversation_id: str, message_id: str, rating: str, comment: str) -> bool:
        """Keep a citizen's rating of an answer, the latest one only; return whether the message exists."""
        return await self._run(_rate, conversation_id, message_id, rating, comment)

    async def forget_before(self, limit: datetime, most: int) -> tuple[int, list[str]]:
        """Delete the oldest messages, with their feedback, that came before `limit`, at most `most`.

        Returns:
            How many went, and the conversations that have none left.
        """
        return await self._run(_forget_before, limit, most)

    async def erase(self, conversation_id: str) -> None:
        """Delete a conversation with its messages and feedback; on SQLite also overwrite them on disk."""
        await self._run(_erase, conversation_id, self._is_sqlite)
        self._opened.pop(conversation_id, None)
        if self._is_sqlite:
            await asyncio.get_running_loop().run_in_executor(self._pool, self._truncate_log)

    def _truncate_log(self) -> None:
        # Deleted text would otherwise stay readable in the write-ahead log until the next checkpoint.
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))

    async def count(self) -> Mapping[str, int]:
        """Return the number of rows per table, for tests and the operator."""

        def rows(connection: Connection) -> dict[str, int]:
            return {
                table.name: len(connection.execute(select(table.c.conversation_id)).all())
                for table in (messages, feedback)
            } | {"conversations": len(connection.execute(select(conversations.c.id)).all())}

        return await self._run(rows)

    async def describe(self, conversation_id: str) -> Conversation | None:
        """Return what is kept about a conversation itself."""
        query = select(conversations).where(conversations.c.id == conversation_id)
        row = await self._run(lambda connection: connection.execute(query).first())
        return None if row is None else Conversation(row.id, row.channel, row.sender_id, row.created_at)


def _is_message(conversation_id: str, message_id: str) -> Any:
    return and_(messages.c.conversation_id == conversation_id, messages.c.message_id == message_id)


def find_sender(connection: Connection, channel: str, sender_id: str) -> str | None:
    """Return the conversation that a chat app's sender has of their own."""
    query = select(conversations.c.id).where(
        conversations.c.channel == channel, conversations.c.sender_id == sender_id
    )
    return connection.execute(query).scalar()


def _record(row: Row) -> StoredMessage:
    replies = None if row.replies is None else tuple(Reply.from_dict(reply) for reply in row.replies)
    return StoredMessage(
        row.message_id, row.text, row.language, replies, row.created_at, getattr(row, "rating", None)
    )


def _claim(
    connection: Connection,
    conversation_id: str,
    message_id: str,
    message: str,
    *,
    owner: str,
    lease_s: float,
    create: bool,
) -> Claim:
    here = conversations.outerjoin(messages, _is_message(conversation_id, message_id))
    query = select(messages).select_from(here).where(conversations.c.id == conversation_id)
    row = connection.execute(query).first()
    now = _now()
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
        return Claim(Claim.ANSWERED, _record(row))
    if row.lease_owner not in (None, owner) and row.lease_until > now:
        return Claim(Claim.BUSY, _record(row))
    # The condition lets only one of two processes take over a message whose lease ran out.
    taken = connection.execute(
        update(messages)
        .where(_is_message(conversation_id, message_id))
        .where(
            messages.c.lease_until.is_(None)
            if row.lease_until is None
            else messages.c.lease_until == row.lease_until
        )
        .values(lease)
    )
    return Claim(Claim.NEW if taken.rowcount else Claim.BUSY, _record(row))


def _history(
    connection: Connection, conversation_id: str, after: str | None, limit: int
) -> list[StoredMessage]:
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
        start = select(messages.c.seq).where(_is_message(conversation_id, after)).scalar_subquery()
        if connection.execute(select(start)).scalar() is not None:
            query = query.where(messages.c.seq > start)
    rows = connection.execute(query.order_by(messages.c.seq.desc()).limit(limit)).all()
    return [_record(row) for row in reversed(rows)]


def _was_told(connection: Connection, conversation_id: str, notice_id: str) -> bool:
    told = (notices_told.c.conversation_id == conversation_id) & (notices_told.c.notice_id == notice_id)
    return connection.execute(select(notices_told.c.notice_id).where(told)).first() is not None


def _push(
    connection: Connection,
    conversation_id: str,
    message_id: str,
    replies: Sequence[Reply],
    language: str | None,
) -> StoredMessage:
    row = connection.execute(select(messages).where(_is_message(conversation_id, message_id))).first()
    if row is not None:
        return _record(row)
    if language is None:
        spoken = select(messages.c.language).where(
            messages.c.conversation_id == conversation_id, messages.c.language.is_not(None)
        )
        language = connection.execute(spoken.order_by(messages.c.seq.desc()).limit(1)).scalar()
    now = _now()
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


def _address(connection: Connection, conversation_id: str) -> Address | None:
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
        "updated_at": _now(),
    }
    chosen = addresses.c.conversation_id == conversation_id
    if not connection.execute(update(addresses).where(chosen).values(values)).rowcount:
        connection.execute(insert(addresses).values(conversation_id=conversation_id, **values))


def _rate(connection: Connection, conversation_id: str, message_id: str, rating: str, comment: str) -> bool:
    if (
        connection.execute(select(messages.c.seq).where(_is_message(conversation_id, message_id))).first()
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
            created_at=_now(),
        )
    )
    return True


def _release(connection: Connection, owner: str) -> None:
    connection.execute(
        update(messages).where(messages.c.lease_owner == owner).values(lease_owner=None, lease_until=None)
    )


def _forget_before(connection: Connection, limit: datetime, most: int) -> tuple[int, list[str]]:
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


def _erase(connection: Connection, conversation_id: str, is_sqlite: bool) -> None:
    if is_sqlite:
        connection.execute(text("PRAGMA secure_delete=ON"))
    connection.execute(delete(feedback).where(feedback.c.conversation_id == conversation_id))
    for table in (addresses, links, link_codes, notices_told, outbox_table):
        connection.execute(delete(table).where(table.c.conversation_id == conversation_id))
    connection.execute(delete(messages).where(messages.c.conversation_id == conversation_id))
    connection.execute(delete(conversations).where(conversations.c.id == conversation_id))
