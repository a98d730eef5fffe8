"""Carries the outbox out: web replies into the history and onto open pages, the others to their platforms."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from channels.base import Channel, Inbound, Outgoing, SendError, UndeliverableError, UnsettledError
from channels.marks import Marks
from channels.optout import OptOuts
from channels.records import Address, StoredMessage
from channels.store import ConversationStore
from city.outbox import Outbox, Parcel, utc_now

logger = logging.getLogger(__name__)

LEASE_S = 120.0
_POLL_S = 1.0
# Several parcels that come at the same moment are taken up together.
_GATHER_S = 0.02
_PRUNE_EVERY_S = 3600.0
# For how long an answer is kept for a person who must write first, and how often that is looked at.
_HELD_DAYS = 7.0
_HELD_LOOK_S = 3600.0
# The key of one message: the parcel's, and the number of the message in it.
_PART_KEY = re.compile(r"(.+)#(\d{1,4})", re.DOTALL)


@dataclass(frozen=True)
class Retries:
    """How often and how soon a send is tried again.

    The n-th wait is `first_s` · 2^(n-1), at most `longest_s`, shortened at random by up to a half so that a
    platform that comes back is not met by everything at once.
    """

    attempts: int = 16
    first_s: float = 1.0
    longest_s: float = 600.0

    def delay_s(self, attempt: int) -> float:
        """Return the wait after the `attempt`-th failure, counted from 1."""
        full = min(self.longest_s, self.first_s * 2.0 ** min(attempt - 1, 30))
        return full * random.uniform(0.5, 1.0)


def push_id(key: str) -> str:
    """Return the message id under which an unasked parcel stands in the history."""
    return "push-" + hashlib.sha256(key.encode()).hexdigest()[:32]


class Courier:
    """Delivers parcels, in order per conversation and side by side otherwise.

    Args:
        outbox: where parcels wait.
        store: finds the address of a conversation and keeps the history.
        channels: the chat apps by name.
        push: shows something on the open pages of a conversation.
        enabled: whether a channel is switched on now; parcels for one that is off wait.
        retries: back-off.
        parallel: parcels carried at the same time.
        keep_days: how long the keys of delivered parcels are remembered.
    """

    def __init__(
        self,
        outbox: Outbox,
        store: ConversationStore,
        channels: Mapping[str, Channel],
        push: Callable[[str, StoredMessage], None],
        *,
        enabled: Callable[[str], bool] = lambda name: True,
        retries: Retries | None = None,
        parallel: int = 32,
        keep_days: float = 30.0,
    ) -> None:
        self._outbox = outbox
        self._store = store
        self._channels = channels
        self._opt_outs = OptOuts(store)
        self._push = push
        self._enabled = enabled
        self._retries = retries or Retries()
        self._parallel = parallel
        self._keep_days = keep_days
        self._carrying: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._marks = Marks(outbox, store.urgently, LEASE_S)
        # Until when (monotonic) a platform asked to be left alone.
        self._paused: dict[str, float] = {}
        # Since when (monotonic) the end of an attempt has been unknown, by parcel.
        self._doubts: dict[int, float] = {}
        self._pruned = time.monotonic()

    async def start(self) -> None:
        """Begin carrying, with what an earlier process left."""
        self._loop = asyncio.get_running_loop()
        if self._store.engine.dialect.name == "sqlite":
            # SQLite serves one gateway: every lease left in it belongs to one that has ended.
            await self._store.in_thread(self._outbox.release)
        self._outbox.listen(self._called)
        self._task = asyncio.create_task(self._run())

    async def stop(self, deadline_s: float) -> None:
        """Let what is under way arrive within `deadline_s`; the rest stays in the outbox."""
        self._outbox.unlisten(self._called)
        if self._task is None:
            return
        # Not cancelled: in Python 3.10 `wait_for` may swallow a cancellation that meets the wake-up.
        self._stopping = True
        self._wake.set()
        await self._task
        if self._carrying:
            await asyncio.wait(self._carrying, timeout=deadline_s)
        for task in self._carrying:
            task.cancel()
        if self._carrying:
            await asyncio.wait(self._carrying)
        await self._store.in_thread(self._outbox.release, self._store.owner)

    async def idle(self) -> None:
        """Return when nothing is due and nothing is under way."""
        while self._carrying or await self._store.in_thread(self._outbox.next_due_s) == 0.0:
            await asyncio.sleep(0.01)

    async def taken(self, keys: Sequence[str]) -> None:
        """Remember which messages a platform reports to have taken, by the keys that they were sent with."""
        found = (_PART_KEY.fullmatch(key) for key in keys)
        parts = [(match[1], int(match[2]) + 1) for match in found if match]
        if parts:
            await self._marks.taken(parts)
            self._wake.set()

    def _called(self) -> None:
        # Called in whatever thread put the parcel; the loop may be closing meanwhile.
        with contextlib.suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._wake.set)

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            wait_s = _POLL_S
            try:
                wait_s = await self._pass()
            except Exception:
                logger.exception("the outbox cannot be read; trying again")
            if not self._stopping:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), wait_s)
                    await asyncio.sleep(_GATHER_S)

    async def _pass(self) -> float:
        """Take up what is due; return how long to wait for more."""
        free = self._parallel - len(self._carrying)
        if free <= 0:
            return _POLL_S
        take = self._outbox.take_and_look
        parcels, due_s = await self._store.in_thread(take, self._store.owner, free, LEASE_S)
        for parcel in parcels:
            task = asyncio.create_task(self._carry(parcel))
            self._carrying.add(task)
            task.add_done_callback(self._carried)
        if time.monotonic() - self._pruned > _PRUNE_EVERY_S:
            self._pruned = time.monotonic()
            await self._store.in_thread(self._outbox.prune, self._keep_days)
        if len(parcels) == free:
            return _POLL_S
        # Parcels of other processes are found by polling; ours wake us.
        return _POLL_S if due_s is None else min(_POLL_S, max(due_s, 0.005))

    def _carried(self, task: asyncio.Task[None]) -> None:
        self._carrying.discard(task)
        self._wake.set()

    async def _carry(self, parcel: Parcel) -> None:
        try:
            if await self._deliver(parcel):
                self._doubts.pop(parcel.seq, None)
        except UndeliverableError as error:
            logger.warning("outbox %d: given up: %s", parcel.seq, error)
            self._doubts.pop(parcel.seq, None)
            await self._store.in_thread(self._outbox.dead, parcel.seq, str(error)[:2000])
        except UnsettledError as error:
            again = partial(self._outbox.again, counted=False, unsure=True)
            await self._store.in_thread(again, parcel.seq, str(error), error.wait_s)
        except Exception as error:
            await self._failed(parcel, error)

    async def _failed(self, parcel: Parcel, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"[:2000]
        if not isinstance(error, SendError):
            logger.exception("outbox %d: an answer could not be sent", parcel.seq)
        if parcel.attempts >= self._retries.attempts:
            logger.error("outbox %d: given up after %d attempts: %s", parcel.seq, parcel.attempts, reason)
            self._doubts.pop(parcel.seq, None)
            await self._store.in_thread(self._outbox.dead, parcel.seq, reason)
            return
        delay_s = self._retries.delay_s(parcel.attempts)
        asked_s = error.retry_after_s if isinstance(error, SendError) else None
        # A refusal that is certain does not clear up what became of an earlier attempt at the same part.
        unsure = parcel.seq in self._doubts or (isinstance(error, SendError) and error.unsure)
        again = partial(self._outbox.again, unsure=unsure)
        await self._store.in_thread(again, parcel.seq, reason, max(delay_s, asked_s or 0.0))

    async def _deliver(self, parcel: Parcel) -> bool:
        """Return whether the parcel is done with; `False` leaves it for later."""
        message_id, language = parcel.context.get("message_id", ""), parcel.context.get("language")
        pushed: StoredMessage | None = None
        if not message_id:
            message_id = push_id(parcel.key)
            pushed = await self._store.push(parcel.conversation_id, message_id, parcel.replies, language)
            if pushed is None:
                # Erased meanwhile: nothing of the conversation may be kept.
                await self._store.in_thread(self._outbox.erase, parcel.conversation_id)
                return True
            language = pushed.language
            self._push(parcel.conversation_id, pushed)
        address = await self._address(parcel)
        if pushed is not None and address is not None and await self._opted_out(address):
            logger.info("outbox %d: not sent, the person opted out", parcel.seq)
            address = None
        if address is not None and not await self._send(parcel, address, message_id, language or "zh"):
            return False
        await self._marks.sent(parcel.seq)
        return True

    async def _address(self, parcel: Parcel) -> Address | None:
        own = parcel.context.get("address")
        if own is not None:
            return Address(own["channel"], own["sender_id"], own["context"])
        return await self._store.address(parcel.conversation_id)

    async def _opted_out(self, address: Address) -> bool:
        channel = self._channels.get(address.channel)
        if channel is None or not channel.opt_out:
            return False
        return await self._opt_outs.silent(address.channel, address.sender_id)

    async def _send(self, parcel: Parcel, address: Address, message_id: str, language: str) -> bool:
        """Send by the address's channel; return `False` when the parcel was put off."""
        channel = self._channels.get(address.channel)
        pause_s = self._paused.get(address.channel, 0.0) - time.monotonic()
        if channel is None or not self._enabled(address.channel) or pause_s > 0:
            reason = "the platform asked for a pause" if pause_s > 0 else "the channel is switched off"
            delay_s = pause_s if pause_s > 0 else 5.0
            again = partial(self._outbox.again, counted=False, unsure=parcel.unsure)
            await self._store.in_thread(again, parcel.seq, f"{address.channel}: {reason}", delay_s)
            return False
        if channel.holds:
            if utc_now() - parcel.created_at > timedelta(days=_HELD_DAYS):
                raise UndeliverableError(f"the person did not write again within {_HELD_DAYS:g} days")
            reason = "held until the person writes again"
            hold = self._outbox.hold
            await self._store.in_thread(hold, parcel, self._store.owner, reason, _HELD_LOOK_S)
            return False
        if parcel.unsure:
            self._doubts.setdefault(parcel.seq, time.monotonic())

        async def part_sent(parts: int) -> None:
            self._doubts.pop(parcel.seq, None)
            await self._marks.part(parcel.seq, parts)

        outgoing = Outgoing(
            to=Inbound(
                address.sender_id,
                str(parcel.context.get("platform_id", "")),
                "",
                language,
                context=address.context,
            ),
            replies=parcel.replies,
            key=parcel.key,
            language=language,
            message_id=message_id,
            attempt=parcel.attempts,
            sent=parcel.parts_sent,
            part_sent=part_sent,
            unsure=parcel.unsure,
            unsure_s=time.monotonic() - self._doubts.get(parcel.seq, time.monotonic()),
            put_at=parcel.created_at,
        )
        await self._marks.begun(parcel.seq)
        try:
            await channel.send(outgoing)
        except SendError as error:
            if error.retry_after_s:
                self._paused[address.channel] = time.monotonic() + error.retry_after_s
            raise
        return True
