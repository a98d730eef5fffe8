"""Answers in the responses to a platform's own deliveries, where nothing can be sent unasked.

A WeChat account without customer-service messages may only answer within the response to a delivery. WeChat
delivers a message three times, five seconds apart, as long as nobody responds: an answer that is not ready is
waited for in the second and third delivery. What is later still, or longer than one message, waits in the outbox and
goes into the response to the person's next message.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from aiohttp import web

from channels.app import ENDING_ROOM, AppChannel
from channels.base import Acknowledgement, Inbound, Outgoing
from channels.identities import Identities
from channels.intake import Intake
from channels.queue.base import short_id
from channels.store import ConversationStore
from city.outbox import Mark, Outbox, Parcel

DELIVERIES = 3
# WeChat hangs up after five seconds; nobody listens any more when a held delivery is let go.
HOLD_S = 6.0
_FORGET_S = 60.0
_LEASE_S = 10.0
_PARCELS = 5
_WORDS = re.compile(r"\s*(?:查看|继续|more)\s*[。.!！]?\s*", re.IGNORECASE)

_TEXTS = {
    "later": {
        "zh": "还在为您查询，请过几秒回复“查看”。",
        "en": "Still looking that up; please reply “more” in a few seconds.",
    },
    "more": {"zh": "（未完，回复“查看”继续）", "en": "(Reply “more” to go on.)"},
}


def _language(text: str) -> str:
    return "zh" if re.search("[\u4e00-\u9fff]", text) or not text.strip() else "en"


@dataclass(eq=False)
class _Seat:
    """One message while its deliveries come: how many came, and what was responded."""

    deliveries: int = 0
    used: float = field(default_factory=time.monotonic)
    said: Acknowledgement | None = None


class Pulls:
    """Serves the deliveries of a channel that holds its answers.

    Args:
        intake: keeps and answers the messages.
        outbox: where the answers lie.
        store: its threads do the database work.
        identities: finds the conversation of a sender.
    """

    def __init__(
        self, intake: Intake, outbox: Outbox, store: ConversationStore, identities: Identities
    ) -> None:
        self._intake = intake
        self._outbox = outbox
        self._store = store
        self._identities = identities
        self._seats: dict[tuple[str, str], _Seat] = {}
        # One response at a time per conversation, until what it took is marked.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def respond(
        self, request: web.Request, channel: AppChannel, message: Inbound, empty: Acknowledgement
    ) -> web.StreamResponse:
        """Keep a message and respond with its answer, with what was held, or with the promise of it.

        Args:
            empty: what to respond when there is nothing to say.
        """
        seat = self._seat(channel, message)
        seat.deliveries += 1
        delivery = seat.deliveries
        if seat.said is not None:
            # The platform did not get the response, or it would not deliver again.
            return _response(seat.said)
        conversation_id = await self._identities.conversation(channel.name, message.sender_id)
        if _WORDS.fullmatch(message.text):
            response = await self._pull(request, channel, message, conversation_id, seat)
            if response is not None:
                return response
        await self._intake.accept(channel, [message])
        answered = await self._intake.answered(channel, message, channel.reply_window_s)
        ending = "" if answered else _TEXTS["later"][_language(message.text)]
        response = await self._pull(request, channel, message, conversation_id, seat, ending)
        if response is not None:
            return response
        if answered:
            return _response(seat.said or empty)
        if delivery < DELIVERIES:
            await asyncio.sleep(HOLD_S - channel.reply_window_s)
            return _response(empty)
        return _response(channel.inline(message, ending))

    def _seat(self, channel: AppChannel, message: Inbound) -> _Seat:
        now = time.monotonic()
        for key in [key for key, seat in self._seats.items() if now - seat.used > _FORGET_S]:
            del self._seats[key]
        seat = self._seats.setdefault((channel.name, short_id(message.message_id)), _Seat())
        seat.used = now
        return seat

    async def _pull(
        self,
        request: web.Request,
        channel: AppChannel,
        message: Inbound,
        conversation_id: str,
        seat: _Seat,
        ending: str = "",
    ) -> web.StreamResponse | None:
        """Respond with as much of what waits as fits; `None` when nothing does or nobody listens any more.

        Args:
            ending: said last, where it fits.
        """
        lock = self._locks.setdefault(conversation_id, asyncio.Lock())
        async with lock:
            if seat.said is not None:
                return _response(seat.said)
            pull = self._outbox.pull
            parcels = await self._store.in_thread(
                pull, conversation_id, self._store.owner, _PARCELS, _LEASE_S
            )
            if not parcels:
                return None
            text, marks, left = _packed(channel, message, parcels, ending)
            arrived = False
            try:
                response = _response(channel.inline(message, text))
                arrived = await _written(request, response)
            finally:
                if arrived:
                    seat.said = channel.inline(message, text)
                    await self._store.urgently(self._outbox.mark, marks, 0.0)
                    for parcel in left:
                        await self._give_back(parcel, unsure=False)
                else:
                    for parcel in parcels:
                        await self._give_back(parcel, unsure=parcel.unsure)
            return response if arrived else None

    async def _give_back(self, parcel: Parcel, *, unsure: bool) -> None:
        def again() -> None:
            self._outbox.again(parcel.seq, "held for the next message", 0.0, counted=False, unsure=unsure)

        await self._store.in_thread(again)


def _packed(
    channel: AppChannel, message: Inbound, parcels: Sequence[Parcel], ending: str
) -> tuple[str, list[Mark], list[Parcel]]:
    """Return one text of what fits, the marks for it, and the parcels of which something is left."""
    count, limit = channel.shape.unit.count, channel.shape.limit + ENDING_ROOM
    texts: list[str] = []
    marks: list[Mark] = []
    left: list[Parcel] = []
    ending = f"\n{ending}" if ending else ""
    for parcel in parcels:
        language = str(parcel.context.get("language") or _language(message.text))
        more = "\n" + _TEXTS["more"]["zh" if language == "zh" else "en"]
        outgoing = Outgoing(
            message, parcel.replies, parcel.key, language, str(parcel.context.get("message_id", ""))
        )
        parts = channel.parts(outgoing)
        sent = parcel.parts_sent
        if parcel.unsure and sent < len(parts):
            parts[sent] = channel.said_again(parts[sent], language)
        while not left and sent < len(parts):
            joined = "\n\n".join([*texts, parts[sent].text])
            last = sent + 1 == len(parts) and parcel is parcels[-1]
            if texts and count(joined if last else joined + more) > limit:
                break
            texts.append(parts[sent].text)
            sent += 1
        if sent < len(parts):
            left.append(parcel)
            ending = more
            if sent > parcel.parts_sent:
                marks.append(Mark("part", parcel.seq, sent))
        else:
            marks.append(Mark("sent", parcel.seq))
    text = "\n\n".join(texts)
    return text + ending, marks, left


async def _written(request: web.Request, response: web.Response) -> bool:
    """Write a response; return whether the platform still listened."""
    if request.transport is None or request.transport.is_closing():
        return False
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        await response.write_eof()
        return True
    return False


def _response(acknowledgement: Acknowledgement) -> web.Response:
    return web.Response(
        text=acknowledgement.body,
        content_type=acknowledgement.content_type,
        charset="utf-8",
        status=acknowledgement.status,
    )
