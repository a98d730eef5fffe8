"""What is said unasked: into the history, onto open pages, to chat apps, and never twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from channels.gateway import create_app
from city.messages import Button, Message, Reply
from city.outbox import get_outbox

NEWS = Reply("您的报修已办结。", "requests", buttons=(Button("满意", "good"),))


async def test_an_open_page_shows_it_at_once_and_the_history_keeps_it(citizen: Any) -> None:
    await citizen.say("你好", "m1")
    socket = await citizen.socket()
    assert await asyncio.to_thread(get_outbox().put, citizen.id, [NEWS], key="request:1")
    frame = await socket.receive_json(timeout=3)
    assert (frame["type"], frame["replies"], frame["language"]) == ("push", [NEWS.to_dict()], "zh")
    history = await citizen.history()
    assert [m["text"] for m in history] == ["你好", ""]
    assert history[1]["message_id"] == frame["message_id"]
    assert history[1]["state"] == "answered"
    await socket.close()


async def test_a_page_opened_later_finds_it_by_resume(citizen: Any, eventually: Any) -> None:
    await citizen.say("你好", "m1")
    get_outbox().put(citizen.id, [NEWS], key="request:1")
    await eventually(lambda: get_outbox().counts().get("sent"))
    socket = await citizen.socket()
    await socket.send_json({"type": "resume", "after": "m1"})
    frames = [await socket.receive_json(timeout=3) for _ in range(2)]
    assert sorted(frame["type"] for frame in frames) == ["push", "resumed"]
    await socket.close()


async def test_order_is_kept_and_a_key_arrives_once(citizen: Any, eventually: Any) -> None:
    box = get_outbox()
    for number in range(20):
        for _ in range(2):
            box.put(citizen.id, [Reply(str(number), "requests")], key=f"n{number}")
    await eventually(lambda: box.counts() == {"sent": 20})
    assert [m["replies"][0]["text"] for m in await citizen.history()] == [str(n) for n in range(20)]


async def test_an_erased_conversation_gets_nothing_and_keeps_nothing(
    citizen: Any, client: Any, eventually: Any
) -> None:
    assert (await client.delete(citizen.path, headers=citizen.headers)).status == 204
    get_outbox().put(citizen.id, [NEWS], key="late")
    await eventually(lambda: not get_outbox().counts())


async def test_a_restart_delivers_what_waited(
    aiohttp_client: Any, brain: Any, make_config: Any, arrive: Any, eventually: Any
) -> None:
    first = await aiohttp_client(create_app(brain, make_config()))
    citizen = await arrive(first)
    box = get_outbox()
    await first.close()
    with pytest.raises(Exception, match="outbox is not open"):
        get_outbox()
    # Put by another process while the gateway was down, and leased by one that was killed.
    box.put(citizen.id, [NEWS], key="k")
    box.take("killed", 1, 600)
    second = await aiohttp_client(create_app(brain, make_config()))
    citizen.client = second
    await eventually(lambda: box.counts() == {"sent": 1})
    assert len(await citizen.history()) == 1


async def test_a_push_keeps_the_language_of_the_conversation(citizen: Any, eventually: Any) -> None:
    await citizen.say("hello", "m1", language="en")
    get_outbox().put(citizen.id, [NEWS], key="k")
    await eventually(lambda: get_outbox().counts() == {"sent": 1})
    assert (await citizen.history())[-1]["language"] == "en"
    assert Message(citizen.id, "x", "x").language is None
