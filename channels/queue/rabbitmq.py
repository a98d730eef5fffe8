"""The inbound queue in RabbitMQ (3.8 or newer): a quorum queue with a single active consumer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue, AbstractRobustConnection
from aio_pika.exceptions import AMQPError

from channels.base import Inbound
from channels.queue.base import Entry, InboundQueue, QueueError, from_json, short_id, to_json


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
        self._connection: AbstractRobustConnection | None = None
        self._channel: AbstractChannel | None = None
        self._arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()

    async def open(self) -> None:
        """Connect, declare both queues and begin to consume."""
        await self.open_only()
        queue = await self._declare(self._name, single=True)
        await queue.consume(self._arrived.put)

    async def open_only(self) -> None:
        """Connect and declare both queues."""
        try:
            self._connection = await aio_pika.connect_robust(self._url, timeout=10)
            self._channel = await self._connection.channel(publisher_confirms=True)
            await self._channel.set_qos(prefetch_count=self._prefetch)
            await self._declare(f"{self._name}.dead", single=False)
            await self._declare(self._name, single=True)
        except (AMQPError, OSError, asyncio.TimeoutError) as error:
            raise QueueError(f"RabbitMQ cannot be reached ({error}); check channels.queue.url") from error

    async def _declare(self, name: str, *, single: bool) -> AbstractQueue:
        assert self._channel is not None
        arguments: dict[str, object] = {"x-queue-type": "quorum"}
        if single:
            arguments["x-single-active-consumer"] = True
        return await self._channel.declare_queue(name, durable=True, arguments=arguments)  # type: ignore[arg-type]

    async def close(self) -> None:
        """Disconnect; RabbitMQ hands what is not done to the next consumer."""
        if self._connection is not None:
            await self._connection.close()

    async def put(self, channel: str, messages: Sequence[Inbound]) -> None:
        """Publish messages and wait until the broker has confirmed them."""
        for message in messages:
            await self._publish(self._name, channel, message)

    async def _publish(self, queue: str, channel: str, inbound: Inbound, error: str = "") -> None:
        assert self._channel is not None
        body = {"channel": channel, "inbound": to_json(inbound), "error": error[:2000]}
        await self._channel.default_exchange.publish(
            aio_pika.Message(
                json.dumps(body, ensure_ascii=False).encode(),
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                message_id=short_id(inbound.message_id),
            ),
            routing_key=queue,
        )

    async def take(self, limit: int, wait_s: float) -> Sequence[Entry]:
        """Return what the broker has handed out."""
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
        await entry.handle.ack()

    async def dead(self, entry: Entry, error: str) -> None:
        """Move a message to the queue of dead letters."""
        await self._publish(f"{self._name}.dead", entry.channel, entry.inbound, error)
        await entry.handle.ack()

    async def dead_letters(self, limit: int = 200) -> Sequence[Entry]:
        """Return dead letters without taking them."""
        messages = await self._get_dead(limit)
        for message in messages:
            await message.nack(requeue=True)
        return [_entry(message) for message in messages]

    async def retry(self) -> int:
        """Move every dead letter back."""
        messages = await self._get_dead(10_000)
        for message in messages:
            entry = _entry(message)
            await self._publish(self._name, entry.channel, entry.inbound)
            await message.ack()
        return len(messages)

    async def _get_dead(self, limit: int) -> list[AbstractIncomingMessage]:
        queue = await self._declare(f"{self._name}.dead", single=False)
        messages: list[AbstractIncomingMessage] = []
        while len(messages) < limit:
            message = await queue.get(fail=False)
            if message is None:
                break
            messages.append(message)
        return messages


def _entry(message: AbstractIncomingMessage) -> Entry:
    body = json.loads(message.body)
    return Entry(message, body["channel"], from_json(body["inbound"]), body["error"])
