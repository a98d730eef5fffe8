"""The inbound queue in RabbitMQ (3.8 or newer): a quorum queue with a single active consumer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Sequence

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPError

from channels.base import Inbound
from channels.queue.base import Entry, InboundQueue, QueueError, from_json, short_id, to_json

logger = logging.getLogger(__name__)
# A broker that died leaves acknowledging, publishing and closing waiting for ever.
_ANSWER_S = 10.0
_LOST = (AMQPError, OSError, RuntimeError, asyncio.TimeoutError)


class RabbitQueue(InboundQueue):
    """Persistent messages with publisher confirms; RabbitMQ keeps the order and replaces a consumer that ends.

    A repeated delivery is a second message here; the dispatcher knows it by its id and answers it once.

    Args:
        url: such as `amqp://user:password@host/`.
        name: of the queue; its dead letters lie in `<name>.dead`.
        prefetch: messages handed out before the first is done.
    """

    def __init__(self, url: str, name: str = "chengda.inbox", prefetch: int = 256) -> None:
        self._url = url
        self._name = name
        self._prefetch = prefetch
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        self._consuming = False
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Connect, declare both queues and begin to consume."""
        self._consuming = True
        await self.open_only()

    async def _ready(self) -> AbstractChannel:
        """Return the channel, on a new connection where the old one is lost."""
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                await self.close()
                await self.open_only()
        assert self._channel is not None
        return self._channel

    async def open_only(self) -> None:
        """Connect and declare both queues."""
        try:
            self._connection = await aio_pika.connect(self._url, timeout=_ANSWER_S)
            channel = await self._connection.channel(publisher_confirms=True)
            await channel.set_qos(prefetch_count=self._prefetch, timeout=_ANSWER_S)
            await self._declare(channel, f"{self._name}.dead", single=False)
            queue = await self._declare(channel, self._name, single=True)
            if self._consuming:
                # What a lost connection had handed out comes again.
                self._arrived = asyncio.Queue()
                await queue.consume(self._arrived.put, timeout=_ANSWER_S)
            self._channel = channel
        except _LOST as error:
            raise QueueError(f"RabbitMQ cannot be reached ({error}); check channels.queue.url") from error

    @staticmethod
    async def _declare(channel: AbstractChannel, name: str, *, single: bool) -> AbstractQueue:
        arguments: dict[str, object] = {"x-queue-type": "quorum"}
        if single:
            arguments["x-single-active-consumer"] = True
        return await channel.declare_queue(name, durable=True, arguments=arguments, timeout=_ANSWER_S)  # type: ignore[arg-type]

    async def close(self) -> None:
        """Disconnect; RabbitMQ hands what is not done to the next consumer."""
        if self._connection is not None and not self._connection.is_closed:
            await _settled(self._connection.close(), "closed")

    async def put(self, channel: str, messages: Sequence[Inbound]) -> None:
        """Publish messages and wait until the broker has confirmed them."""
        for message in messages:
            await self._publish(self._name, channel, message)

    async def _publish(self, queue: str, channel: str, inbound: Inbound, error: str = "") -> None:
        channel_now = await self._ready()
        body = {"channel": channel, "inbound": to_json(inbound), "error": error[:2000]}
        await channel_now.default_exchange.publish(
            aio_pika.Message(
                json.dumps(body, ensure_ascii=False).encode(),
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                message_id=short_id(inbound.message_id),
            ),
            routing_key=queue,
            timeout=_ANSWER_S,
        )

    async def take(self, limit: int, wait_s: float) -> Sequence[Entry]:
        """Return what the broker has handed out; raises QueueError while it cannot be reached."""
        await self._ready()
        try:
            first = await asyncio.wait_for(self._arrived.get(), wait_s)
        except asyncio.TimeoutError:
            return []
        taken = [first]
        while len(taken) < limit and not self._arrived.empty():
            taken.append(self._arrived.get_nowait())
        return [_entry(message) for message in taken]

    async def done(self, entry: Entry) -> None:
        """Acknowledge a message; after a lost connection the broker hands it out again."""
        await _acknowledge(entry.handle)

    async def dead(self, entry: Entry, error: str) -> None:
        """Move a message to the queue of dead letters."""
        await self._publish(f"{self._name}.dead", entry.channel, entry.inbound, error)
        await _acknowledge(entry.handle)

    async def dead_letters(self, limit: int = 200) -> Sequence[Entry]:
        """Return dead letters without taking them."""
        messages = await self._get_dead(limit)
        for message in messages:
            await _settled(message.nack(requeue=True), "given back")
        return [_entry(message) for message in messages]

    async def retry(self) -> int:
        """Move every dead letter back."""
        messages = await self._get_dead(10_000)
        for message in messages:
            entry = _entry(message)
            await self._publish(self._name, entry.channel, entry.inbound)
            await _acknowledge(message)
        return len(messages)

    async def _get_dead(self, limit: int) -> list[AbstractIncomingMessage]:
        queue = await self._declare(await self._ready(), f"{self._name}.dead", single=False)
        messages: list[AbstractIncomingMessage] = []
        while len(messages) < limit:
            message = await queue.get(fail=False)
            if message is None:
                break
            messages.append(message)
        return messages


async def _acknowledge(message: AbstractIncomingMessage) -> None:
    """Acknowledge a message unless its connection is lost: the broker then hands it out again anyway."""
    if not message.channel.is_closed:
        await _settled(message.ack(), "acknowledged")


async def _settled(answer: Awaitable[object], what: str) -> None:
    """Wait for the broker's answer, not for ever; without one it delivers again, which the dispatcher sees by the id."""
    try:
        await asyncio.wait_for(answer, _ANSWER_S)
    except _LOST as error:
        logger.warning(
            "RabbitMQ: not %s (%s); what the broker has not noted it delivers again",
            what,
            type(error).__name__,
        )


def _entry(message: AbstractIncomingMessage) -> Entry:
    body = json.loads(message.body)
    return Entry(message, body["channel"], from_json(body["inbound"]), body["error"])
