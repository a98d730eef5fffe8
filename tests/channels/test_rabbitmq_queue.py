"""The RabbitMQ queue against a real broker, where one is running (CHENGDA_TEST_AMQP names it)."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Sequence

import pytest

from channels.base import Inbound
from channels.queue.base import Entry, QueueError
from channels.queue.rabbitmq import RabbitQueue

URL = os.environ.get("CHENGDA_TEST_AMQP", "")
broker = pytest.mark.skipif(not URL, reason="no broker: set CHENGDA_TEST_AMQP to amqp://user:password@host/")


def letters(*numbers: int) -> list[Inbound]:
    return [Inbound("ann", f"m{n}", f"第{n}条", context={"chat": n}) for n in numbers]


async def take(queue: RabbitQueue, count: int) -> Sequence[Entry]:
    taken: list[Entry] = []
    for _ in range(50):
        taken.extend(await queue.take(count - len(taken), 0.2))
        if len(taken) >= count:
            break
    return taken


@broker
async def test_handed_out_in_order_and_again_to_the_next_consumer() -> None:
    name = f"test.{uuid.uuid4().hex}"
    first, second = RabbitQueue(URL, name), RabbitQueue(URL, name)
    await first.open()
    await second.open()
    await first.put("dove", letters(1, 2, 3))
    taken = await take(first, 3)
    assert [e.inbound for e in taken] == letters(1, 2, 3)
    assert await second.take(10, 0.1) == []
    await first.done(taken[0])
    await first.close()
    again = await take(second, 2)
    assert [e.inbound.message_id for e in again] == ["m2", "m3"]
    await second.dead(again[0], "broken")
    await second.done(again[1])
    (dead,) = await second.dead_letters()
    assert (dead.inbound.message_id, dead.error) == ("m2", "broken")
    assert await second.retry() == 1
    (last,) = await take(second, 1)
    assert last.inbound == letters(2)[0]
    await second.done(last)
    assert await second.dead_letters() == []
    await second.close()


async def test_a_broker_that_is_not_there_is_named() -> None:
    with pytest.raises(QueueError, match=r"channels\.queue\.url"):
        await RabbitQueue("amqp://127.0.0.1:1/").open()


class Dead:
    """A delivery, or a connection, of a broker that died: nothing it is told is ever answered."""

    def __init__(self, *, breaks: bool) -> None:
        self.breaks, self.asked, self.is_closed = breaks, 0, False
        self.channel = self

    async def ack(self) -> None:
        self.asked += 1
        if self.breaks:
            raise ConnectionResetError
        await asyncio.Event().wait()

    close = ack


@pytest.mark.parametrize("breaks", [True, False])
async def test_a_broker_that_died_holds_nothing_up(
    breaks: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("channels.queue.rabbitmq._ANSWER_S", 0.02)
    dead, queue = Dead(breaks=breaks), RabbitQueue("amqp://127.0.0.1:1/")
    await asyncio.wait_for(queue.done(Entry(dead, "dove", letters(1)[0])), 5)
    queue._connection = dead  # type: ignore[assignment]
    await asyncio.wait_for(queue.close(), 5)
    assert dead.asked == 2 and caplog.text.count("delivers again") == 2
    dead.is_closed = True
    await queue.close()
    await queue.done(Entry(dead, "dove", letters(1)[0]))
    assert dead.asked == 2
