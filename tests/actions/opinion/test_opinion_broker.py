"""A RabbitMQ broker that drops the connection in the middle of a batch: nothing lost, nothing counted twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from actions.opinion.errors import SourceError
from actions.opinion.sources import rabbitmq
from actions.opinion.sources.rabbitmq import RabbitSource
from tests.actions.opinion.conftest import NOW

BODIES = [json.dumps({"id": i, "text": f"第{i}条：路灯坏了没人修"}).encode() for i in range(20)]


class Broker:
    """One queue as RabbitMQ keeps it: what a lost connection had not acknowledged is delivered again.

    Args:
        drop_at: acknowledgements, counted over all connections, at which the connection breaks instead.
    """

    def __init__(self, bodies: list[bytes], drop_at: set[int]) -> None:
        self.ready, self.taken, self.acknowledged = list(range(len(bodies))), [], 0
        self.bodies, self.drop_at, self.connections = bodies, drop_at, 0
        self.tries = 0
        self.is_closed = True

    async def connect(self, url: str, timeout: float) -> Broker:
        self.connections += 1
        if self.connections == 2:
            raise ConnectionRefusedError("still starting")
        self.ready, self.taken, self.is_closed = sorted([*self.ready, *self.taken]), [], False
        return self

    async def close(self) -> None:
        if self.is_closed:  # closing a connection that broke waits for an answer that never comes
            await asyncio.Event().wait()
        self.is_closed = True

    async def channel(self) -> Broker:
        return self

    async def set_qos(self, prefetch_count: int) -> None:
        self.prefetch = prefetch_count

    async def declare_queue(self, name: str, durable: bool) -> Broker:
        assert durable
        return self

    async def consume(self, callback: Callable[[Any], Awaitable[None]]) -> None:
        self.callback = callback
        await self.fill()

    async def fill(self) -> None:
        while self.ready and len(self.taken) < self.prefetch:
            number = self.ready.pop(0)
            self.taken.append(number)
            await self.callback(Delivery(self, number))


class Delivery:
    message_id = None

    def __init__(self, broker: Broker, number: int) -> None:
        self.broker, self.number, self.body = broker, number, broker.bodies[number]

    async def ack(self) -> None:
        self.broker.tries += 1
        if self.broker.tries in self.broker.drop_at:
            self.broker.is_closed = True
        if self.broker.is_closed:
            await asyncio.Event().wait()  # as the client does when the broker dies
        self.broker.taken.remove(self.number)
        self.broker.acknowledged += 1
        await self.broker.fill()

    async def nack(self, requeue: bool) -> None:
        assert requeue
        self.broker.taken.remove(self.number)
        self.broker.ready.append(self.number)


async def test_a_broker_that_drops_in_mid_batch_costs_nothing(
    make_service, monkeypatch: pytest.MonkeyPatch
) -> None:
    import aio_pika

    broker = Broker(BODIES, drop_at={3, 9})
    monkeypatch.setattr(aio_pika, "connect", broker.connect)
    monkeypatch.setattr(rabbitmq, "_REST_S", 0.1)
    monkeypatch.setattr(rabbitmq, "_FULL_WAIT_S", 0.02)
    monkeypatch.setattr(rabbitmq, "_ANSWER_S", 0.1)
    monkeypatch.setenv("CHENGDA_AMQP", "amqp://guest@127.0.0.1/")
    service = make_service()
    source = RabbitSource("r", "posts", "CHENGDA_AMQP", batch=6)
    with service.reader() as pipeline:
        reports = []

        def keep(posts) -> None:
            reports.append(pipeline.ingest(posts, now=NOW))
            if len(reports) == 4:  # kept, and the answer lost before it could be acknowledged
                raise OSError("disk full a moment later")

        await asyncio.wait_for(source.run(keep, lambda: broker.acknowledged >= len(BODIES)), 30)
    start, end = service.period(1)
    assert service.queries.tally(start, end + (end - start)).posts == len(BODIES)
    assert sum(report.repeated for report in reports) > 0 and broker.connections >= 4
    assert not broker.ready and not broker.taken


async def test_an_address_that_is_none_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHENGDA_AMQP", "http://user:secret@host/")
    with pytest.raises(SourceError, match="CHENGDA_AMQP") as caught:
        await RabbitSource("r", "posts", "CHENGDA_AMQP").run(lambda posts: None, lambda: False)
    assert "secret" not in str(caught.value)
