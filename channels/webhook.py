"""Deliveries from chat apps: `/channels/{name}/webhook`, acknowledged at once and worked behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from aiohttp import web

from channels.base import Acknowledgement, Channel, Delivery, Inbound, ParseError, VerificationError
from channels.config import Limits
from channels.dispatcher import Dispatcher, DuplicateInFlight, Turn
from channels.problem import Problem
from channels.records import Address, StoredMessage
from channels.store import ConversationStore
from channels.text import clean_text
from city.messages import Message, Reply
from city.outbox import Outbox

logger = logging.getLogger(__name__)

_TOO_LONG = (
    "您的消息太长（上限 {limit} 字），请缩短或分次发送。\n"
    "Your message is too long (limit {limit} characters); please shorten it or send it in parts."
)


class WebhookGate:
    """Leads deliveries through verify → parse → dispatcher → send.

    Args:
        channels: the registered channels; each name may occur once.
        dispatcher: answers the messages.
        store: finds the sender's conversation.
        outbox: takes the answers, for the courier to send.
        limits: `text_chars` bounds one message.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        dispatcher: Dispatcher,
        store: ConversationStore,
        outbox: Outbox,
        limits: Limits,
    ) -> None:
        self._channels = channels
        self._dispatcher = dispatcher
        self._store = store
        self._outbox = outbox
        self._limits = limits
        # The last send of each conversation; the next one waits for it, so that answers arrive in order.
        self._tails: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Start every channel."""
        for channel in self._channels.values():
            await channel.start()

    async def drain(self) -> None:
        """Let the answers that are ready reach the outbox."""
        if self._tails:
            await asyncio.wait(list(self._tails.values()), timeout=self._limits.drain_s)

    async def stop(self) -> None:
        """Stop every channel."""
        for channel in self._channels.values():
            await channel.stop()

    async def webhook(self, request: web.Request) -> web.Response:
        """Serve one delivery; a bad signature gives 403, a malformed body 400."""
        channel = self._channels.get(request.match_info["name"])
        if channel is None:
            raise Problem("not-found", "未启用此渠道。", "This channel is not enabled; name it in city.yml.")
        delivery = Delivery(
            method=request.method,
            headers={name.lower(): value for name, value in request.headers.items()},
            query=dict(request.query),
            body=await request.read(),
        )
        try:
            await channel.verify(delivery)
            challenge = channel.challenge(delivery)
            if challenge is not None:
                return _response(challenge)
            inbound = await channel.parse(delivery)
        except VerificationError as error:
            logger.warning("channel %s: delivery refused: %s", channel.name, error)
            raise Problem("forbidden", "签名校验失败。", "The signature is not valid.") from error
        except ParseError as error:
            raise Problem("bad-request", f"无法解析：{error}", f"Cannot be read: {error}.") from error
        return _response(await self._accept(channel, delivery, inbound))

    async def _accept(
        self, channel: Channel, delivery: Delivery, inbound: Sequence[Inbound]
    ) -> Acknowledgement:
        waiting: list[tuple[Inbound, Turn]] = []
        for message in inbound:
            turn = await self._submit(channel, message)
            if turn is not None:
                waiting.append((message, turn))
        if channel.reply_window_s and len(waiting) == 1:
            message, turn = waiting[0]
            await asyncio.wait([turn.result], timeout=channel.reply_window_s)
            if turn.result.done() and turn.result.exception() is None:
                inline = channel.reply_inline(message, turn.result.result().replies or ())
                if inline is not None:
                    return inline
        for message, turn in waiting:
            self._spawn(turn.message.conversation_id, self._deliver(channel, message, turn))
        return channel.acknowledge(delivery)

    async def _submit(self, channel: Channel, inbound: Inbound) -> Turn | None:
        text = clean_text(inbound.text)
        if not text:
            return None
        conversation_id = await self._store.for_sender(channel.name, inbound.sender_id)
        address = Address(channel.name, inbound.sender_id, inbound.context, inbound.language)
        await self._store.set_address(conversation_id, address)
        if len(text) > self._limits.text_chars:
            refusal = Reply(_TOO_LONG.format(limit=self._limits.text_chars), "error")
            refused = StoredMessage(inbound.message_id, text, None, (refusal,), datetime.now(timezone.utc))
            self._spawn(conversation_id, self._send(conversation_id, channel, inbound, refused))
            return None
        message = Message(
            conversation_id,
            inbound.message_id,
            text,
            channel=channel.name,
            role=inbound.role,
            language=inbound.language,
            metadata=inbound.context,
        )
        try:
            turn = await self._dispatcher.submit(message)
        except DuplicateInFlight:
            return None
        # Done already means that an earlier delivery was answered, and sent by whoever answered it.
        return None if turn.result.done() else turn

    def _spawn(self, conversation_id: str, work: Coroutine[Any, Any, None]) -> None:
        before = self._tails.get(conversation_id)

        async def after() -> None:
            if before is not None:
                await asyncio.wait([before])
            await work

        task = asyncio.create_task(after())
        self._tails[conversation_id] = task
        task.add_done_callback(lambda done: self._forget(conversation_id, done))

    def _forget(self, conversation_id: str, task: asyncio.Task[None]) -> None:
        if self._tails.get(conversation_id) is task:
            del self._tails[conversation_id]

    async def _deliver(self, channel: Channel, inbound: Inbound, turn: Turn) -> None:
        try:
            stored = await asyncio.shield(turn.result)
        except Problem as problem:
            logger.warning("channel %s: message not answered: %s", channel.name, problem.kind.name)
            return
        await self._send(turn.message.conversation_id, channel, inbound, stored)

    async def _send(
        self, conversation_id: str, channel: Channel, inbound: Inbound, stored: StoredMessage
    ) -> None:
        if not stored.replies:
            return
        context = {
            "message_id": stored.message_id,
            "platform_id": inbound.message_id,
            "language": stored.language or inbound.language,
            "address": {
                "channel": channel.name,
                "sender_id": inbound.sender_id,
                "context": dict(inbound.context),
            },
        }
        key = f"answer:{conversation_id}:{stored.message_id}"
        await self._store.in_thread(
            self._outbox.put, conversation_id, stored.replies, key=key, context=context
        )


def _response(acknowledgement: Acknowledgement) -> web.Response:
    return web.Response(
        text=acknowledgement.body,
        content_type=acknowledgement.content_type,
        charset="utf-8",
        status=acknowledgement.status,
    )
