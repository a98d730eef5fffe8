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
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import create_engine, event, insert, select, text, update
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import QueuePool

from channels import store_rows as rows
from channels.records import Access, Address, Claim, Conversation, StoredMessage
from channels.tables import (
    conversations,
    feedback,
    messages,
    metadata,
    notices_told,
)
from channels.threads import UrgentThreads
from city.messages import Reply
from city.outbox import metadata as outbox_metadata
from city.outbox import utc_now

T = TypeVar("T")

_OPENED = 20_000


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
            await self._run(rows.release, self.owner)
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
        row = {"id": conversation_id, "channel": channel, "token_hash": _hash(token), "created_at": utc_now()}
        await self._run(lambda connection: connection.execute(insert(conversations).values(row)))
        return conversation_id, token

    async def for_sender(self, channel: str, sender_id: str) -> str:
        """Return the conversation id of a chat app's sender, made at the first message."""
        found = await self._run(rows.find_sender, channel, sender_id)
        if found is not None:
            return found
        row = {"id": str(uuid.uuid4()), "channel": channel, "sender_id": sender_id, "created_at": utc_now()}
        try:
            await self._run(lambda connection: connection.execute(insert(conversations).values(row)))
        except IntegrityError:
            return str(await self._run(rows.find_sender, channel, sender_id))
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
        work = partial(rows.claim, owner=self.owner, lease_s=lease_s, create=create)
        try:
            return await self._run(work, conversation_id, message_id, message)
        except IntegrityError:
            # Another process stored the same message between our look and our insert, or erased the
            # conversation; a second look tells which.
            return await self._run(work, conversation_id, message_id, message)

    async def was_told(self, conversation_id: str, notice_id: str) -> bool:
        """Return whether a notice was said in a conversation."""
        return await self._run(rows.was_told, conversation_id, notice_id)

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
            "answered_at": utc_now(),
            "lease_owner": None,
            "lease_until": None,
        }
        query = update(messages).where(rows.is_message(conversation_id, message_id)).values(values)

        def save(connection: Connection) -> None:
            kept = connection.execute(query).rowcount
            if kept and notice_id and not rows.was_told(connection, conversation_id, notice_id):
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
            return await self._run(rows.push, conversation_id, message_id, replies, language)
        except IntegrityError:
            return None

    async def address(self, conversation_id: str) -> Address | None:
        """Return where the conversation was last heard from, `None` on the web."""
        return await self._run(rows.address, conversation_id)

    async def set_address(self, conversation_id: str, address: Address) -> None:
        """Remember where a conversation was heard from."""
        await self._run(rows.keep_address, conversation_id, address)

    async def history(
        self, conversation_id: str, after: str | None = None, limit: int = 200
    ) -> list[StoredMessage]:
        """Return the last `limit` messages, oldest first; with `after`, only later ones than that."""
        return await self._run(rows.history, conversation_id, after, limit)

    async def rate(self, conversation_id: str, message_id: str, rating: str, comment: str) -> bool:
        """Keep a citizen's rating of an answer, the latest one only; return whether the message exists."""
        return await self._run(rows.rate, conversation_id, message_id, rating, comment)

    async def forget_before(self, limit: datetime, most: int) -> tuple[int, list[str]]:
        """Delete the oldest messages, with their feedback, that came before `limit`, at most `most`.

        Returns:
            How many went, and the conversations that have none left.
        """
        return await self._run(rows.forget_before, limit, most)

    async def erase(self, conversation_id: str) -> None:
        """Delete a conversation with its messages and feedback; on SQLite also overwrite them on disk."""
        await self._run(rows.erase, conversation_id, self._is_sqlite)
        self._opened.pop(conversation_id, None)
        if self._is_sqlite:
            await asyncio.get_running_loop().run_in_executor(self._pool, self._truncate_log)

    def _truncate_log(self) -> None:
        # Deleted text would otherwise stay readable in the write-ahead log until the next checkpoint.
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))

    async def count(self) -> Mapping[str, int]:
        """Return the number of rows per table, for tests and the operator."""

        def per_table(connection: Connection) -> dict[str, int]:
            return {
                table.name: len(connection.execute(select(table.c.conversation_id)).all())
                for table in (messages, feedback)
            } | {"conversations": len(connection.execute(select(conversations.c.id)).all())}

        return await self._run(per_table)

    async def describe(self, conversation_id: str) -> Conversation | None:
        """Return what is kept about a conversation itself."""
        query = select(conversations).where(conversations.c.id == conversation_id)
        row = await self._run(lambda connection: connection.execute(query).first())
        return None if row is None else Conversation(row.id, row.channel, row.sender_id, row.created_at)
