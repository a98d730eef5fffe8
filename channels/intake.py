"""Works the inbound queue: whose message, which role, which choice; the answer goes into the outbox."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from channels.attachments import Attached, Attachments
from channels.base import Channel, Inbound, Outgoing
from channels.choices import LOOK_BACK, chosen, may_choose
from channels.config import Limits
from channels.dispatcher import Dispatcher, DuplicateInFlight, Turn
from channels.identities import Identities
from channels.optout import OptOuts, Verdict
from channels.problem import Problem
from channels.queue.base import Entry, InboundQueue, short_id
from channels.records import Address, StoredMessage
from channels.store import ConversationStore
from channels.text import clean_text
from city.messages import Message, Reply
from city.outbox import Outbox

logger = logging.getLogger(__name__)

_HELD = 256
# The queue is asked again when this many places are free, not for each one.
_REFILL = 32
_WAIT_S = 0.5
_TRIES = 6
_TYPING_S = 3.0
_REMEMBERED = 2_000

_TOO_LONG = (
    "您的消息太长（上限 {limit} 字），请缩短或分次发送。\n"
    "Your message is too long (limit {limit} characters); please shorten it or send it in parts."
)
_UNREADABLE = (
    "抱歉，这类消息我读不了，请把您的问题打成文字发送。\n"
    "Sorry, I cannot read messages of this kind; please type your question."
)


class _Stopping(Exception):
    """The gateway is going down; the message stays in the queue."""


def _message_id(channel: Channel, inbound: Inbound) -> str:
    # Linked channels share a conversation, and their platforms may use the same ids.
    return f"{channel.name}:{short_id(inbound.message_id)}"


def _future() -> asyncio.Future[Outgoing]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False)
class Waiter:
    """A delivery whose HTTP response waits for the answer: `answer` first, then whether it arrived."""

    answer: asyncio.Future[Outgoing] = field(default_factory=_future)
    arrived: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Intake:
    """Puts deliveries into the queue and answers what lies in it, in order per sender.

    Args:
        queue: where accepted messages wait.
        dispatcher: answers them.
        store: conversations and history.
        outbox: takes the answers, for the courier to send.
        channels: the chat apps by name.
        identities: finds conversations and roles.
        limits: `text_chars` bounds one message.
        attachments: takes positions and photos.
    """

    def __init__(
        self,
        queue: InboundQueue,
        dispatcher: Dispatcher,
        store: ConversationStore,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        identities: Identities,
        limits: Limits,
        attachments: Attachments,
    ) -> None:
        self._queue = queue
        self._dispatcher = dispatcher
        self._store = store
        self._outbox = outbox
        self._channels = channels
        self._identities = identities
        self._opt_outs = OptOuts(store)
        self._limits = limits
        self._attachments = attachments
        self._lanes: dict[tuple[str, str], deque[Entry]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._typing: set[asyncio.Task[None]] = set()
        self._waiters: dict[tuple[str, str], Waiter] = {}
        self._answered: dict[tuple[str, str], asyncio.Event] = {}
        self._held = 0
        self._room = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._backoff: Callable[[int], float] = lambda tries: min(30.0, 0.25 * 2.0**tries)

    async def start(self) -> None:
        """Open the queue and begin with what an earlier process left."""
        await self._queue.open()
        self._task = asyncio.create_task(self._run())

    async def stop(self, deadline_s: float) -> None:
        """Take no more, let what is being answered reach the outbox within `deadline_s`."""
        self._stopping = True
        self._room.set()
        while self._task is not None and not self._task.done():
            # Again until it holds: in Python 3.10 `wait_for` may swallow one cancellation.
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.1)
        if self._workers:
            await asyncio.wait(self._workers, timeout=deadline_s)
        for task in [*self._workers, *self._typing]:
            task.cancel()
        if self._workers:
            await asyncio.wait(self._workers)
        await self._queue.close()

    async def accept(self, channel: Channel, messages: Sequence[Inbound]) -> None:
        """Keep messages durably; they are answered behind."""
        await self._queue.put(channel.name, messages)

    def expect(self, channel: Channel, inbound: Inbound) -> Waiter:
        """Ask for the answer to a message before it is sent; to be called before `accept`."""
        return self._waiters.setdefault((channel.name, short_id(inbound.message_id)), Waiter())

    def give_up(self, channel: Channel, inbound: Inbound, waiter: Waiter, *, arrived: bool = False) -> None:
        """Say whether an expected answer was delivered with the response; if not, the outbox takes it."""
        key = (channel.name, short_id(inbound.message_id))
        if self._waiters.get(key) is waiter:
            del self._waiters[key]
        if not waiter.arrived.done():
            waiter.arrived.set_result(arrived)

    async def answered(self, channel: Channel, inbound: Inbound, wait_s: float) -> bool:
        """Return whether the answer to a message lies in the outbox within `wait_s`, or there is none to give."""
        key = (channel.name, short_id(inbound.message_id))
        event = self._answered.setdefault(key, asyncio.Event())
        try:
            await asyncio.wait_for(event.wait(), wait_s)
        except asyncio.TimeoutError:
            return False
        return True

    def _tell_answered(self, channel: Channel, inbound: Inbound) -> None:
        if not channel.holds:
            return
        self._answered.setdefault((channel.name, short_id(inbound.message_id)), asyncio.Event()).set()
        while len(self._answered) > _REMEMBERED:
            del self._answered[next(iter(self._answered))]

    async def _run(self) -> None:
        while not self._stopping:
            try:
                if self._held > _HELD - _REFILL:
                    self._room.clear()
                    await self._room.wait()
                    continue
                for entry in await self._queue.take(_HELD - self._held, _WAIT_S):
                    self._enqueue(entry)
            except Exception:
                logger.exception("the inbound queue cannot be read; trying again")
                await asyncio.sleep(1.0)

    def _enqueue(self, entry: Entry) -> None:
        self._held += 1
        key = (entry.channel, entry.inbound.sender_id)
        lane = self._lanes.get(key)
        if lane is not None:
            lane.append(entry)
            return
        self._lanes[key] = deque([entry])
        task = asyncio.create_task(self._work(key))
        self._workers.add(task)
        task.add_done_callback(self._workers.discard)

    async def _work(self, key: tuple[str, str]) -> None:
        lane = self._lanes[key]
        try:
            while lane and not self._stopping:
                await self._persist(lane[0])
                lane.popleft()
                self._held -= 1
                self._room.set()
        except _Stopping:
            return
        finally:
            self._held -= len(lane)
            del self._lanes[key]

    async def _persist(self, entry: Entry) -> None:
        """Answer one message, again after a failure; put it aside when it fails again and again."""
        for tries in range(_TRIES):
            try:
                await self._answer(entry)
                await self._queue.done(entry)
                channel = self._channels.get(entry.channel)
                if channel is not None:
                    self._tell_answered(channel, entry.inbound)
                return
            except _Stopping:
                raise
            except Exception as error:
                logger.exception("channel %s: a message could not be worked on", entry.channel)
                reason = f"{type(error).__name__}: {error}"
            await asyncio.sleep(self._backoff(tries))
        await self._queue.dead(entry, reason)

    async def _answer(self, entry: Entry) -> None:
        inbound, channel = entry.inbound, self._channels.get(entry.channel)
        if channel is None:
            raise LookupError(f"channel {entry.channel!r} is not enabled any more; name it in city.yml")
        conversation_id = await self._identities.arrived(
            Address(channel.name, inbound.sender_id, inbound.context, inbound.language)
        )
        text = clean_text(inbound.text)
        own = await self._own_reply(channel, inbound, conversation_id, text)
        if own is not None:
            if own:
                message_id = _message_id(channel, inbound)
                stored = StoredMessage(message_id, text, inbound.language, own, datetime.now(timezone.utc))
                await self._hand_over(channel, inbound, conversation_id, stored)
            return
        text = await self._choice(channel, conversation_id, text)
        attached = await self._attachments.take(channel, inbound, conversation_id)
        if attached.refused:
            await self._refuse(channel, inbound, conversation_id, attached)
        text = attached.text(text)
        if not text:
            return
        message = Message(
            conversation_id,
            _message_id(channel, inbound),
            text,
            channel=channel.name,
            role=self._identities.role(channel.name, inbound.sender_id),
            language=inbound.language,
            metadata={**inbound.context, **attached.metadata},
        )
        turn = await self._submit(message)
        if not turn.result.done():
            self._show_typing(channel, inbound)
        try:
            stored = await asyncio.shield(turn.result)
        except Problem as problem:
            if self._stopping or problem.kind.name == "shutting-down":
                raise _Stopping from problem
            if problem.kind.name == "not-found":
                # Erased while it was being answered; there is nothing left to say.
                return
            raise
        await self._hand_over(channel, inbound, conversation_id, stored)

    async def _own_reply(
        self, channel: Channel, inbound: Inbound, conversation_id: str, text: str
    ) -> tuple[Reply, ...] | None:
        """Return what the gateway itself says to a message, nothing at all perhaps; `None` asks the brain."""
        if channel.opt_out:
            verdict = await self._opt_outs.consider(channel.name, inbound.sender_id, text)
            if isinstance(verdict, Reply):
                return (verdict,)
            if verdict is Verdict.SILENT:
                return ()
        if not self._attachments.readable(inbound):
            return (Reply(_UNREADABLE, "error"),)
        if not text:
            return None if inbound.location is not None or inbound.media else ()
        if len(text) > self._limits.text_chars:
            return (Reply(_TOO_LONG.format(limit=self._limits.text_chars), "error"),)
        linked = await self._identities.command(channel.name, inbound.sender_id, conversation_id, text)
        return None if linked is None else (linked,)

    async def _refuse(
        self, channel: Channel, inbound: Inbound, conversation_id: str, attached: Attached
    ) -> None:
        """Say why pictures were not taken, the same reason once a minute: of a hundred photos ninety are refused."""
        address = {"channel": channel.name, "sender_id": inbound.sender_id, "context": dict(inbound.context)}
        context = {"language": inbound.language or "zh", "address": address}
        for zh, en in attached.refused:
            said = en if inbound.language == "en" else zh if inbound.language == "zh" else f"{zh}\n{en}"
            minute = int(time.time() // 60)
            key = f"photo:{conversation_id}:{short_id(zh)}:{minute}"
            await self._store.in_thread(
                self._outbox.put, conversation_id, (Reply(said, "error"),), key=key, context=context
            )

    async def _choice(self, channel: Channel, conversation_id: str, text: str) -> str:
        if not may_choose(text, channel.shape):
            return text
        button = chosen(text, await self._store.history(conversation_id, None, LOOK_BACK), channel.shape)
        return text if button is None else button.payload

    async def _submit(self, message: Message) -> Turn:
        while True:
            try:
                return await self._dispatcher.submit(message)
            except DuplicateInFlight as duplicate:
                if duplicate.turn is not None:
                    return duplicate.turn
                wait_s = 1.0
            except Problem as problem:
                if problem.kind.name == "shutting-down" or self._stopping:
                    raise _Stopping from problem
                if problem.kind.name not in {"rate-limited", "overloaded"}:
                    raise
                wait_s = min(problem.retry_after_s or 1.0, 5.0)
            if self._stopping:
                raise _Stopping
            # It is durable already, so it waits its turn instead of being refused.
            await asyncio.sleep(wait_s)

    def _show_typing(self, channel: Channel, inbound: Inbound) -> None:
        async def show() -> None:
            try:
                await asyncio.wait_for(channel.typing(inbound), _TYPING_S)
            except Exception as error:
                logger.debug("channel %s: no typing shown: %s", channel.name, error)

        task = asyncio.create_task(show())
        self._typing.add(task)
        task.add_done_callback(self._typing.discard)

    async def _hand_over(
        self, channel: Channel, inbound: Inbound, conversation_id: str, stored: StoredMessage
    ) -> None:
        """Give the answer to the waiting response if there is one, else to the outbox."""
        if not stored.replies:
            return
        language = stored.language or inbound.language or "zh"
        key = f"answer:{conversation_id}:{stored.message_id}"
        waiter = self._waiters.get((channel.name, short_id(inbound.message_id)))
        if waiter is not None and not waiter.answer.done():
            outgoing = Outgoing(inbound, stored.replies, key, language, stored.message_id)
            waiter.answer.set_result(outgoing)
            if await waiter.arrived:
                return
        address = {"channel": channel.name, "sender_id": inbound.sender_id, "context": dict(inbound.context)}
        context = {
            "message_id": stored.message_id,
            "platform_id": inbound.message_id,
            "language": language,
            "address": address,
        }
        await self._store.in_thread(
            self._outbox.put, conversation_id, stored.replies, key=key, context=context
        )
