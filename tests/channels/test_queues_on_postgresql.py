"""Both queues on PostgreSQL, shared by two gateways (CHENGDA_TEST_POSTGRES names an empty database)."""

from __future__ import annotations

import os
import uuid

import pytest

from channels.base import Inbound
from channels.queue.base import Entry
from channels.queue.sql import SqlQueue
from channels.store import ConversationStore, make_engine
from city.messages import Reply
from city.outbox import Mark, Outbox

URL = os.environ.get("CHENGDA_TEST_POSTGRES", "")
pytestmark = pytest.mark.skipif(
    not URL, reason="no server: set CHENGDA_TEST_POSTGRES to postgresql://user@host/db"
)

HELLO = [Reply("您好", "smalltalk")]


async def test_the_outbox_of_two_gateways() -> None:
    store, outbox, run = ConversationStore(URL), Outbox(make_engine(URL)), uuid.uuid4().hex
    await store.open()
    conversation = await store.for_sender("dove", run)
    assert outbox.put(conversation, HELLO, key=f"{run}1")
    assert not outbox.put(conversation, HELLO, key=f"{run}1")
    outbox.put(conversation, HELLO, key=f"{run}2")
    (first,) = outbox.take("a", 10, 60)
    assert outbox.take("b", 10, 60) == []
    outbox.part_sent(first.seq, 1, 60)
    outbox.sent(first.seq)
    (second,) = outbox.take("b", 10, 60)
    assert (first.key, second.key) == (f"{run}1", f"{run}2")
    outbox.dead(second.seq, "refused")
    assert [parcel.key for parcel in outbox.dead_letters()] == [second.key]
    await store.push(conversation, "push-1", HELLO)
    assert [message.text for message in await store.history(conversation)] == [""]
    await store.erase(conversation)
    assert outbox.dead_letters() == []
    await store.close()


async def test_what_another_gateway_had_begun_to_send_is_unsure() -> None:
    store, outbox, run = ConversationStore(URL), Outbox(make_engine(URL)), uuid.uuid4().hex
    await store.open()
    conversation = await store.for_sender("dove", run)
    outbox.put(conversation, HELLO, key=f"{run}1")
    (parcel,) = outbox.take("a", 1, -1)
    assert not parcel.unsure
    outbox.mark([Mark("begun", parcel.seq)], -1)
    (parcel,) = outbox.take("b", 1, -1)
    assert (parcel.unsure, parcel.attempts) == (True, 2)
    outbox.taken([(parcel.key, 1)])
    (parcel,) = outbox.pull(conversation, "c", 1, 60)
    assert (parcel.unsure, parcel.parts_sent) == (False, 1)
    assert outbox.waiting(conversation) == 1
    outbox.mark([Mark("sent", parcel.seq)], 0)
    assert outbox.waiting(conversation) == 0
    await store.erase(conversation)
    await store.close()


async def test_one_sender_s_messages_stay_with_one_gateway() -> None:
    first, second, run = SqlQueue(make_engine(URL), "a"), SqlQueue(make_engine(URL), "b"), uuid.uuid4().hex
    await first.open()
    await second.open()
    letters = [Inbound(f"{run}{n % 2}", f"{run}{n}", str(n)) for n in range(6)]
    await first.put("dove", letters)
    await second.put("dove", letters[:3])
    taken = await first.take(2, 0.1)
    assert [entry.inbound.text for entry in taken] == ["0", "1"]
    assert await second.take(10, 0.1) == []
    for entry in taken:
        await first.done(entry)
    rest: list[Entry] = []
    while len(rest) < 4:
        # What is done is written a moment later.
        rest += await second.take(10, 0.1)
    assert [entry.inbound.text for entry in rest] == ["2", "3", "4", "5"]
    for entry in rest:
        await second.done(entry)
    await first.close()
    await second.close()
