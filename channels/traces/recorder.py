"""Watches turns and writes their traces behind the conversation: bounded, off the event loop, never in its way."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from typing import Any, Protocol

from prometheus_client import Counter

from channels.traces.digest import TurnRecord, digest
from channels.traces.store import Rated, TraceStore
from city.messages import Answer, Message

logger = logging.getLogger(__name__)

WRITTEN = Counter("chengda_traces_written_total", "Turns whose trace was kept.")
DROPPED = Counter(
    "chengda_traces_dropped_total", "Turns whose trace was given up: queue full or store failing."
)

_BATCH = 200
_TRIES = 4
_HOUR_S = 3600.0


class Inbox(Protocol):
    """Where questions that went badly are handed on for staff; called from the recorder's thread."""

    def rated(self, rated: Rated) -> None:
        """A citizen rated an answer."""
        ...

    def abandoned(self, turn: Mapping[str, Any]) -> None:
        """A citizen left when asked what was meant."""
        ...

    def erased(self, conversation_id: str) -> None:
        """A conversation is erased; so must be what was handed on of it."""
        ...


@dataclass(frozen=True)
class Retention:
    """Days that conversations and anonymous counts are kept."""

    keep_days: int = 90
    totals_days: int = 730


@dataclass(frozen=True)
class _Turn:
    message: Message
    answer: Answer
    at: datetime

    @property
    def conversation_id(self) -> str:
        return self.message.conversation_id


@dataclass(frozen=True)
class _Rating:
    conversation_id: str
    message_id: str
    rating: str
    comment: str


class TraceRecorder:
    """A `TurnObserver` and `ConversationObserver` that keeps traces.

    Turns wait in a bounded queue for one writing thread. A turn that finds the queue full is dropped and counted:
    a trace is worth less than an answer.

    Args:
        store: where traces are kept.
        zone: the city's time zone.
        inbox: told of bad ratings and abandoned clarifications.
        capacity: turns that may wait.
        retention: asked before each clean-up, so that a changed period needs no restart.
        idle_s: seconds after which a conversation counts as left.
        sweep_s: seconds between two looks for conversations that were left.
    """

    def __init__(
        self,
        store: TraceStore,
        zone: tzinfo,
        *,
        inbox: Inbox | None = None,
        capacity: int = 5_000,
        retention: Callable[[], Retention] = Retention,
        idle_s: float = 1_800.0,
        sweep_s: float = 60.0,
    ) -> None:
        self.store = store
        self.zone = zone
        self.inbox = inbox
        self.capacity = capacity
        self.retention = retention
        self.idle_s, self.sweep_s = idle_s, sweep_s
        self.dropped = 0
        self._waiting: deque[_Turn | _Rating] = deque()
        self._changed = threading.Condition()
        # Held while a batch is written, so that an erasure never overtakes the turns it must erase.
        self._writing = threading.Lock()
        self._busy = False
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="trace-recorder", daemon=True)
        self._thread.start()

    def turn(self, message: Message, answer: Answer) -> None:
        """Take in a turn; returns at once."""
        self._put(_Turn(message, answer, datetime.now(timezone.utc)))

    async def rated(self, conversation_id: str, message_id: str, rating: str, comment: str) -> None:
        """Take in a rating."""
        self._put(_Rating(conversation_id, message_id, rating, comment))

    async def erased(self, conversation_id: str) -> None:
        """Erase a conversation's traces, those still waiting included; done when this returns."""
        await asyncio.to_thread(self._erase, conversation_id)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until everything taken in so far is written; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what is waiting and stop."""
        self.flush(timeout_s)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)

    def _put(self, item: _Turn | _Rating) -> None:
        with self._changed:
            if len(self._waiting) >= self.capacity or self._closing:
                self._drop(1)
                return
            self._waiting.append(item)
            self._changed.notify_all()

    def _drop(self, count: int) -> None:
        if not self.dropped:
            logger.error("traces are being dropped: the trace store is too slow or failing")
        self.dropped += count
        DROPPED.inc(count)

    def _erase(self, conversation_id: str) -> None:
        with self._writing:
            with self._changed:
                kept = [item for item in self._waiting if item.conversation_id != conversation_id]
                self._waiting.clear()
                self._waiting.extend(kept)
                self._changed.notify_all()
            self.store.erase(conversation_id)
            if self.inbox is not None:
                self.inbox.erased(conversation_id)

    def _work(self) -> None:
        next_sweep = time.monotonic() + self.sweep_s
        next_purge = time.monotonic() + min(self.sweep_s, _HOUR_S)
        while True:
            with self._changed:
                wait_s = max(0.0, next_sweep - time.monotonic())
                self._changed.wait_for(lambda: bool(self._waiting) or self._closing, wait_s)
                if self._closing and not self._waiting:
                    return
            with self._writing:
                with self._changed:
                    items = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                    self._busy = bool(items)
                self._write(items)
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
            if time.monotonic() >= next_sweep:
                self._quietly(self.sweep)
                next_sweep = time.monotonic() + self.sweep_s
            if time.monotonic() >= next_purge:
                self._quietly(self.purge)
                next_purge = time.monotonic() + _HOUR_S

    def sweep(self) -> int:
        """Hand conversations that were left with a question back on to the inbox; return how many."""
        if self.inbox is None:
            return 0
        left = self.store.take_abandoned(self.idle_s)
        for turn in left:
            self.inbox.abandoned(turn)
        return len(left)

    def purge(self) -> int:
        """Delete what is older than the retention period; return how many turns."""
        periods = self.retention()
        return self.store.purge(periods.keep_days, periods.totals_days)

    def _write(self, items: Sequence[_Turn | _Rating]) -> None:
        """Write items in their order: turns together, a rating after the turns before it."""
        records: list[TurnRecord] = []
        for item in items:
            if isinstance(item, _Turn):
                try:
                    records.append(digest(item.message, item.answer, self.zone, item.at))
                except Exception:
                    logger.exception("a turn's trace cannot be read")
                    self._drop(1)
                continue
            self._write_turns(records)
            records = []
            self._quietly(self._write_rating, item)
        self._write_turns(records)

    def _write_turns(self, records: Sequence[TurnRecord]) -> None:
        for attempt in range(_TRIES):
            try:
                WRITTEN.inc(self.store.write(records))
                return
            except Exception as error:
                logger.warning("traces are not written (try %d): %s", attempt + 1, error)
                time.sleep(0.05 * 4**attempt)
        # One bad record must not cost the others theirs.
        for record in records:
            try:
                WRITTEN.inc(self.store.write([record]))
            except Exception:
                self._drop(1)

    def _write_rating(self, item: _Rating) -> None:
        rated = self.store.rate(item.conversation_id, item.message_id, item.rating, item.comment)
        if rated is not None and self.inbox is not None:
            self.inbox.rated(rated)

    def _quietly(self, work: Callable[..., Any], *arguments: Any) -> None:
        try:
            work(*arguments)
        except Exception:
            logger.exception("the traces' %s failed", getattr(work, "__name__", "work"))
