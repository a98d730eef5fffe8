"""The hotline as every way of calling uses it: begin a call, hear a turn, end it."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from weakref import WeakValueDictionary

from channels.dispatcher import Dispatcher
from channels.hotline.call import Call, Heard, Step, Then
from channels.hotline.config import HotlineSection
from channels.hotline.desk import CHANNEL, PhoneDesk
from channels.hotline.dialogue import Spoken, Telephone
from channels.hotline.records import CallRecord, CallStore, new_record
from channels.notice import Notice
from channels.store import ConversationStore
from city.messages import Message

# What can be called back: no "anonymous", no extension of a switchboard.
_CALLABLE = re.compile(r"^\+?\d{7,15}$")
_KEPT_STAGES = 200


logger = logging.getLogger(__name__)


class UnknownCallError(Exception):
    """A turn of a call that never began here, or has ended."""


class Hotline:
    """Answers calls through the dispatcher, so that a question on the telephone goes the way of every other.

    Args:
        section: the settings.
        store: keeps calls.
        names: the city's and the assistant's names by language.
        secrets: the environment's secrets by name.
        desk: notes transfers and takes messages; `None` where the city has no desk.
    """

    def __init__(
        self,
        section: HotlineSection,
        store: CallStore,
        names: dict[str, dict[str, str]],
        secrets: Mapping[str, str] | None = None,
        desk: PhoneDesk | None = None,
    ) -> None:
        self.section = section
        self.store = store
        self.secrets = dict(secrets or {})
        self._telephone = Telephone(section, self._ask, names, desk, self._notice)
        self._desk = desk
        self._dispatcher: Dispatcher | None = None
        self._conversations: ConversationStore | None = None
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def attach(self, dispatcher: Dispatcher, conversations: ConversationStore) -> None:
        """Connect the hotline to the gateway that serves it."""
        self._dispatcher, self._conversations = dispatcher, conversations

    async def begin(self, provider: str, call_id: str, caller: str) -> Step:
        """Take a call; the same call again gives its last step again."""
        async with self._lock(provider, call_id):
            found = await asyncio.to_thread(self.store.find, provider, call_id)
            if found is not None and found.step is not None:
                return found.step
            assert self._conversations is not None
            # A conversation of its own for each call: a caller's number can be forged.
            conversation = await self._conversations.for_sender(CHANNEL, f"{provider}:{call_id}")
            number = caller if self._desk is not None and _CALLABLE.match(caller) else ""
            record = new_record(provider, Call(call_id, conversation, caller=number), caller)
            on = self._dispatcher is None or await asyncio.to_thread(self._dispatcher.enabled, CHANNEL)
            step = self._telephone.begin(record.call) if on else self._telephone.closed(record.call)
            await asyncio.to_thread(self.store.save, replace(record, step=step))
            return step

    async def hear(
        self,
        provider: str,
        call_id: str,
        heard: Heard,
        turn: int | None = None,
        stages: Mapping[str, float] | None = None,
    ) -> Step:
        """Take a turn of a call.

        Args:
            turn: number of the turn that the provider tells about, from 1; one told twice is answered with the
                same step. `None` where turns cannot come twice.
            stages: durations so far in ms, such as of recognition.

        Raises:
            UnknownCallError: no such call, or it has ended.
        """
        async with self._lock(provider, call_id):
            record = await self._open(provider, call_id)
            if turn is not None and turn <= record.call.turn:
                assert record.step is not None
                return record.step
            started = time.perf_counter()
            step = await self._telephone.hear(record.call, heard)
            await self._note_transfer(record.call, step)
            took = {**(stages or {}), "answer_ms": round((time.perf_counter() - started) * 1000, 1)}
            kept = [*record.stages, took][-_KEPT_STAGES:]
            await asyncio.to_thread(self.store.save, replace(record, step=step, stages=kept))
            return step

    async def not_transferred(self, provider: str, call_id: str) -> Step:
        """Go on after nobody took the call over."""
        async with self._lock(provider, call_id):
            record = await self._open(provider, call_id)
            step = self._telephone.unreached(record.call)
            await asyncio.to_thread(self.store.save, replace(record, step=step))
            return step

    async def _note_transfer(self, call: Call, step: Step) -> None:
        if step.then is not Then.TRANSFER or self._desk is None:
            return
        try:
            await self._desk.transferred(call, " ".join(say.text for say in step.summary))
        except Exception:
            # The caller is put through all the same.
            logger.exception("call: the desk took no note of a transfer")

    async def end(self, provider: str, call_id: str) -> None:
        """Close a call's record; a call that is unknown or closed stays as it is."""
        async with self._lock(provider, call_id):
            record = await asyncio.to_thread(self.store.find, provider, call_id)
            if record is not None and record.ended_at is None:
                outcome = record.call.outcome or ("answered" if record.call.topics else "abandoned")
                await asyncio.to_thread(self.store.end, record, outcome)

    async def step_of(self, provider: str, call_id: str) -> Step:
        """Return the last step of a running call; raises `UnknownCallError`."""
        record = await self._open(provider, call_id)
        return record.step or Step((), Then.HANG_UP)

    async def note(self, provider: str, call_id: str, stages: Mapping[str, float]) -> None:
        """Add durations, such as of speaking, to the last turn."""
        async with self._lock(provider, call_id):
            record = await asyncio.to_thread(self.store.find, provider, call_id)
            if record is not None and record.stages:
                kept = [*record.stages[:-1], {**record.stages[-1], **stages}]
                await asyncio.to_thread(self.store.save, replace(record, stages=kept))

    async def _open(self, provider: str, call_id: str) -> CallRecord:
        record = await asyncio.to_thread(self.store.find, provider, call_id)
        if record is None or record.ended_at is not None:
            raise UnknownCallError(f"no running call {call_id!r} of {provider}")
        return record

    def _lock(self, provider: str, call_id: str) -> asyncio.Lock:
        return self._locks.setdefault((provider, call_id), asyncio.Lock())

    def _notice(self) -> Notice | None:
        return self._dispatcher.notice() if self._dispatcher is not None else None

    async def _ask(self, call: Call, text: str) -> Spoken:
        assert self._dispatcher is not None
        language = call.language if call.chosen else None
        message = Message(call.conversation_id, f"turn-{call.turn}", text, channel=CHANNEL, language=language)
        stored = await self._dispatcher.handle(message)
        return Spoken(stored.language or call.language, stored.replies or ())
