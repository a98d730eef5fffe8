"""The inbound queue in the gateway's own database: SQLite by default, PostgreSQL for replicas."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import delete, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Connection, Engine, Row, make_url
from sqlalchemy.exc import SQLAlchemyError

from channels.base import Inbound
from channels.group_commit import GroupCommit
from channels.queue.base import KEPT_DAYS, Entry, InboundQueue, QueueError, from_json, short_id, to_json
from channels.store import make_engine
from channels.tables import inbox
from channels.threads import UrgentThreads
from city.outbox import utc_now

T = TypeVar("T")

logger = logging.getLogger(__name__)

_LEASE_S = 60.0
_RENEW_S = 20.0
_PRUNE_EVERY_S = 3600.0
_AGAIN_S = 1.0
_CLOSE_S = 10.0
# Serialises the takers of several processes on PostgreSQL, so that two never split one sender's messages.
_TAKER_LOCK = 7_305_811


def inbox_engine(database: str | Engine) -> Engine:
    """Return the engine for the inbox of a gateway on `database`.

    SQLite lets one writer in at a time, so the inbox lies in a file of its own beside the gateway's; other
    databases hold it with the rest.
    """
    if not isinstance(database, str):
        return database
    url = make_url(database)
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        file = Path(str(url.database))
        url = url.set(database=str(file.with_name(f"{file.stem}-inbox{file.suffix}")))
    return make_engine(str(url.render_as_string(hide_password=False)))


class SqlQueue(InboundQueue):
    """A table of messages.

    What arrives while a transaction runs is written together in the next one, so a flood costs few commits.

    Args:
        engine: the database.
        owner: name of this process.
    """

    def __init__(self, engine: Engine, owner: str) -> None:
        self._engine = engine
        self._owner = owner
        # A thread of its own: an acknowledgement never stands behind the writes of the answers.
        self._pool = UrgentThreads(1, "channels-inbox")
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._insert: Any = sqlite_insert if self._is_sqlite else postgresql_insert
        self._arrived = asyncio.Event()
        self._group = GroupCommit(self._write)
        self._done: list[int] = []
        self._closer: asyncio.Task[None] | None = None
        self._renewed = self._pruned = time.monotonic()

    async def open(self) -> None:
        """Take over what a process that ended left in the middle (SQLite serves one gateway)."""
        try:
            await self.open_only()
            if self._is_sqlite:
                await self._run(_release, None)
        except SQLAlchemyError as error:
            raise QueueError(f"the inbound queue's table cannot be used: {error}") from error

    async def open_only(self) -> None:
        """Create the table when it is missing."""
        await asyncio.get_running_loop().run_in_executor(
            self._pool, partial(inbox.create, self._engine, checkfirst=True)
        )

    async def close(self) -> None:
        """Write what is waiting to be written and give back the leases."""
        await self._group.close(_CLOSE_S)
        if self._closer is not None:
            await asyncio.wait([self._closer], timeout=_CLOSE_S)
        await self._run(_release, self._owner)
        self._pool.shutdown(wait=False)

    async def put(self, channel: str, messages: Sequence[Inbound]) -> None:
        """Keep messages, together with what others put at the same moment."""
        if not messages:
            return
        now = utc_now()
        rows = [
            {
                "channel": channel,
                "message_id": short_id(message.message_id),
                "sender_id": message.sender_id,
                "body": to_json(message),
                "state": "waiting",
                "error": "",
                "created_at": now,
            }
            for message in messages
        ]
        await self._group.add(rows)

    async def _write(self, rows: list[dict[str, Any]]) -> None:
        await self._urgently(self._insert_all, rows)
        self._arrived.set()

    def _insert_all(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        connection.execute(self._insert(inbox).on_conflict_do_nothing(), rows)

    async def take(self, limit: int, wait_s: float) -> Sequence[Entry]:
        """Return what waits and no other process works on."""
        self._arrived.clear()
        await self._keep_house()
        rows = await self._run(self._lease, limit)
        if not rows:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), wait_s)
        return [_entry(row) for row in rows]

    def _lease(self, connection: Connection, limit: int) -> list[Row]:
        if not self._is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _TAKER_LOCK})
        now = utc_now()
        other = inbox.alias("other")
        # A sender whose earlier message is with another process waits for that one.
        elsewhere = (
            select(other.c.seq)
            .where(other.c.channel == inbox.c.channel)
            .where(other.c.sender_id == inbox.c.sender_id)
            .where(other.c.state == "waiting")
            .where(other.c.seq < inbox.c.seq)
            .where(other.c.lease_owner != self._owner)
            .where(other.c.lease_until >= now)
            .exists()
        )
        free = or_(inbox.c.lease_until.is_(None), inbox.c.lease_until < now)
        query = select(inbox).where(inbox.c.state == "waiting", free)
        if not self._is_sqlite:
            query = query.where(~elsewhere)
        rows = connection.execute(query.order_by(inbox.c.seq).limit(limit)).all()
        if rows:
            lease = {"lease_owner": self._owner, "lease_until": now + timedelta(seconds=_LEASE_S)}
            chosen = inbox.c.seq.in_([row.seq for row in rows])
            connection.execute(update(inbox).where(chosen).values(lease))
        return rows

    async def _keep_house(self) -> None:
        now = time.monotonic()
        if now - self._renewed > _RENEW_S:
            self._renewed = now
            await self._run(_renew, self._owner)
        if now - self._pruned > _PRUNE_EVERY_S:
            self._pruned = now
            await self._run(_prune)

    async def done(self, entry: Entry) -> None:
        """Forget what was said; the id stays for a week, so that a repeated delivery is known.

        Written soon, together with others: a message that comes up again after a kill is known by its answer.
        """
        self._done.append(entry.handle)
        if self._closer is None:
            self._closer = asyncio.create_task(self._close_all())

    async def _close_all(self) -> None:
        try:
            while self._done:
                handles, self._done = self._done, []
                try:
                    await self._run(_forget, handles)
                except Exception:
                    logger.exception("the inbound queue cannot be written; trying again")
                    self._done += handles
                    await asyncio.sleep(_AGAIN_S)
        finally:
            self._closer = None

    async def dead(self, entry: Entry, error: str) -> None:
        """Put a message aside."""
        await self._run(_close, entry.handle, "dead", to_json(entry.inbound), error[:2000])

    async def dead_letters(self, limit: int = 200) -> Sequence[Entry]:
        """Return what was put aside, newest first."""
        query = select(inbox).where(inbox.c.state == "dead").order_by(inbox.c.seq.desc()).limit(limit)
        rows = await self._run(lambda connection: connection.execute(query).all())
        return [_entry(row) for row in rows]

    async def retry(self) -> int:
        """Let everything that was put aside wait again."""
        query = update(inbox).where(inbox.c.state == "dead").values(state="waiting", lease_until=None)
        count = await self._run(lambda connection: int(connection.execute(query).rowcount))
        self._arrived.set()
        return count

    async def _run(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.wrap_future(self._pool.submit(self._transaction, work, *args))

    async def _urgently(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.wrap_future(self._pool.urgent(self._transaction, work, *args))

    def _transaction(self, work: Callable[..., T], *args: Any) -> T:
        with self._engine.execution_options(writes=True).begin() as connection:
            return work(connection, *args)


def _entry(row: Row) -> Entry:
    return Entry(row.seq, row.channel, from_json(row.body), row.error)


def _close(connection: Connection, seq: int, state: str, body: dict[str, Any], error: str) -> None:
    values = {"state": state, "body": body, "error": error, "lease_owner": None, "lease_until": None}
    connection.execute(update(inbox).where(inbox.c.seq == seq).values(values))


def _forget(connection: Connection, handles: list[int]) -> None:
    values: dict[str, Any] = {
        "state": "done",
        "body": {},
        "error": "",
        "lease_owner": None,
        "lease_until": None,
    }
    connection.execute(update(inbox).where(inbox.c.seq.in_(handles)).values(values))


def _release(connection: Connection, owner: str | None) -> None:
    query = update(inbox).where(inbox.c.lease_until.is_not(None))
    if owner is not None:
        query = query.where(inbox.c.lease_owner == owner)
    connection.execute(query.values(lease_owner=None, lease_until=None))


def _renew(connection: Connection, owner: str) -> None:
    mine = (inbox.c.lease_owner == owner) & (inbox.c.state == "waiting")
    until = utc_now() + timedelta(seconds=_LEASE_S)
    connection.execute(update(inbox).where(mine).values(lease_until=until))


def _prune(connection: Connection) -> None:
    old = utc_now() - timedelta(days=KEPT_DAYS)
    connection.execute(delete(inbox).where(inbox.c.state == "done", inbox.c.created_at < old))
