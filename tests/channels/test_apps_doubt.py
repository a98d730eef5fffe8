"""A send whose end nobody saw: asked, told, keyed, or shown as sent again; never lost."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from channels.app import AppChannel
from channels.base import Repeats, SendError, UnsettledError
from channels.courier import Retries
from channels.gateway import create_app
from channels.store import make_engine
from city.messages import Reply
from city.outbox import Mark, Outbox, get_outbox, outbox_table, utc_now
from tests.channels.platforms import NAMES, FakePlatform, addressed, make

HELLO = Reply("您好", "knowledge")
LATER = {"unsure": True, "unsure_s": 100.0, "attempt": 2}


def shown(call: Any) -> str:
    return json.dumps(call.body, ensure_ascii=False)


@pytest.mark.parametrize("name", NAMES)
async def test_an_unseen_end_gives_one_message_or_one_that_says_so(
    name: str, build: Any, platform: FakePlatform
) -> None:
    channel: AppChannel = build(name)
    first = await addressed(channel, HELLO, put_at=utc_now())
    await channel.send(first)
    # The platform took it, but the process ended before it wrote that down.
    await channel.send(replace(first, **LATER))
    calls = platform.sent(channel.name)
    if channel.repeats in {Repeats.KEYED, Repeats.ASKED}:
        assert len(calls) == 1
    else:
        assert len(calls) == 2
        assert "重发" not in shown(calls[0])
        assert "重发" in shown(calls[1])


@pytest.mark.parametrize("name", NAMES)
async def test_an_unseen_end_loses_nothing_that_was_not_taken(
    name: str, build: Any, platform: FakePlatform
) -> None:
    channel: AppChannel = build(name)
    await channel.send(replace(await addressed(channel, HELLO, put_at=utc_now()), **LATER))
    (call,) = platform.sent(channel.name)
    assert "您好" in shown(call)


@pytest.mark.parametrize("name", ["wecom", "slack", "sms", "line", "feishu"])
async def test_the_same_words_in_another_answer_are_sent(
    name: str, build: Any, platform: FakePlatform
) -> None:
    channel: AppChannel = build(name)
    await channel.send(await addressed(channel, HELLO, key="a", put_at=utc_now()))
    await channel.send(await addressed(channel, HELLO, key="b", put_at=utc_now()))
    assert len(platform.sent(channel.name)) == 2


@pytest.mark.parametrize("name", ["whatsapp", "messenger", "slack", "sms"])
async def test_a_platform_that_knows_is_waited_for(name: str, build: Any, platform: FakePlatform) -> None:
    channel: AppChannel = build(name)
    message = await addressed(channel, HELLO, put_at=utc_now())
    with pytest.raises(UnsettledError):
        await channel.send(replace(message, unsure=True, unsure_s=0.0, attempt=2))
    assert platform.sent(channel.name) == []


async def test_slack_without_the_right_to_read_sends_again(build: Any, platform: FakePlatform) -> None:
    channel: AppChannel = build("slack")
    platform.script["slack"] = deque([{"ok": False, "error": "missing_scope"}])
    await channel.send(replace(await addressed(channel, HELLO, put_at=utc_now()), **LATER))
    assert len(platform.sent("slack")) == 1
    platform.script["slack"] = deque([{"ok": False, "error": "ratelimited"}])
    with pytest.raises(SendError):
        await channel.send(replace(await addressed(channel, HELLO, key="b", put_at=utc_now()), **LATER))


@pytest.mark.parametrize("name", ["whatsapp", "messenger"])
async def test_a_report_to_the_webhook_settles_it(
    name: str,
    aiohttp_client: Any,
    brain: Any,
    make_config: Any,
    build: Any,
    platform: FakePlatform,
    eventually: Any,
) -> None:
    channel: Any = build(name, hasty=True)
    reports: list[Any] = []
    platform.report = lambda _name, body: reports.append(body)
    client = await aiohttp_client(
        create_app(brain, make_config(channels=(channel,), retries=Retries(first_s=0.01)))
    )

    async def slow() -> None:
        # Taken, but the answer to the call comes too late.
        await asyncio.sleep(0.8)

    async def no_typing(_inbound: Any) -> None:
        return

    channel.typing = no_typing
    platform.pause = slow
    delivery = channel.sample("问")
    path = f"/channels/{name}/webhook"
    assert (await client.post(path, data=delivery.body, headers=delivery.headers)).status == 200
    await eventually(lambda: [p for p in _waiting() if p.error.startswith("waiting")])
    (report,) = reports
    signed = channel.signed(report)
    assert (await client.post(path, data=signed.body, headers=signed.headers)).status == 200
    await eventually(lambda: get_outbox().counts() == {"sent": 1})
    assert len(platform.sent(name)) == 1


def _waiting() -> list[Any]:
    with get_outbox()._engine.connect() as connection:
        return list(connection.execute(select(outbox_table).where(outbox_table.c.state == "waiting")))


async def test_only_what_may_have_arrived_is_unsure(build: Any, platform: FakePlatform) -> None:
    channel, hasty = build("telegram"), build("telegram", hasty=True)
    for step, unsure in ((0.8, True), (502, True), (504, True), (500, False), (503, False), (429, False)):
        platform.script["telegram"] = deque([step])
        sender = hasty if isinstance(step, float) else channel
        with pytest.raises(SendError) as caught:
            await sender.send(await addressed(sender, HELLO))
        assert caught.value.unsure is unsure, step
    nowhere = make("telegram", "http://127.0.0.1:1")
    with pytest.raises(SendError) as caught:
        await nowhere.send(await addressed(nowhere, HELLO))
    assert not caught.value.unsure
    await nowhere.stop()


async def test_a_token_that_does_not_come_sent_nothing(build: Any, platform: FakePlatform) -> None:
    channel: Any = build("wecom")
    real = channel.client.call

    async def call(method: str, url: str, **more: Any) -> Any:
        if "gettoken" in url:
            raise SendError("slow", unsure=True)
        return await real(method, url, **more)

    channel.client.call = call
    with pytest.raises(SendError) as caught:
        await channel.send(await addressed(channel, HELLO))
    assert not caught.value.unsure
    channel.client.call = real


def test_a_kill_before_the_call_is_no_doubt_and_one_within_is(tmp_path: Any) -> None:
    box = Outbox(make_engine(f"sqlite:///{tmp_path / 'b.db'}"))
    box.create_tables()
    for key in ("a", "b", "c"):
        box.put(key, [HELLO], key=key)
    a, b, c = box.take("me", 9, 60)
    box.mark([Mark("begun", b.seq), Mark("begun", c.seq), Mark("part", c.seq, 1)], 60)
    box.release()
    again = {p.key: p for p in box.take("next", 9, 60)}
    assert {key: (p.unsure, p.parts_sent) for key, p in again.items()} == {
        "a": (False, 0),
        "b": (True, 0),
        "c": (True, 1),
    }
    # Killed again before anything was learned: still unsure.
    box.release()
    assert {p.key: p.unsure for p in box.take("third", 9, 60)} == {"a": False, "b": True, "c": True}
    box.release("third")
    box.taken([("b", 1), ("c", 2), ("nobody", 1)])
    settled = {p.key: p for p in box.take("fourth", 9, 60)}
    assert {key: (p.unsure, p.parts_sent) for key, p in settled.items()} == {
        "a": (False, 0),
        "b": (False, 1),
        "c": (False, 2),
    }
    # A report of what is being sent right now leaves the lease alone.
    box.taken([("a", 1)])
    assert box.take("fifth", 9, 60) == []
    assert (a.attempts, settled["a"].attempts) == (1, 4)
