"""The WebSocket: streaming, order, resuming after a broken line."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from aiohttp import WSMsgType

from channels.gateway import Limits, Rate, create_app
from city.messages import Reply


async def until_done(ws: Any, message_id: str) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = []
    while not frames or frames[-1].get("type") != "done" or frames[-1]["message_id"] != message_id:
        frames.append(await ws.receive_json(timeout=3))
    return frames


async def test_the_frames_of_one_message(citizen: Any, brain: Any) -> None:
    brain.replies = [Reply("一", "knowledge"), Reply("二", "transit")]
    ws = await citizen.socket()
    await ws.send_json({"type": "message", "message_id": "m", "text": "x", "language": "en"})
    frames = await until_done(ws, "m")
    assert [frame["type"] for frame in frames] == ["ack", "typing", "reply", "reply", "done"]
    assert [(f["index"], f["reply"]["text"]) for f in frames if f["type"] == "reply"] == [
        (0, "一"),
        (1, "二"),
    ]
    assert frames[-1] == {"type": "done", "message_id": "m", "language": "en"}
    await ws.close()


async def test_twenty_at_once_are_answered_in_order(citizen: Any, brain: Any) -> None:
    ws = await citizen.socket()
    for number in range(20):
        await ws.send_json({"type": "message", "message_id": f"m{number}", "text": str(number)})
    frames = await until_done(ws, "m19")
    assert [f["message_id"] for f in frames if f["type"] == "done"] == [f"m{n}" for n in range(20)]
    assert [message.text for message in brain.seen] == [str(n) for n in range(20)]
    await ws.close()


async def test_a_broken_line_loses_and_doubles_nothing(citizen: Any, brain: Any, eventually: Any) -> None:
    ws = await citizen.socket()
    await ws.send_json({"type": "message", "message_id": "m1", "text": "one"})
    await until_done(ws, "m1")
    brain.gate.clear()
    await ws.send_json({"type": "message", "message_id": "m2", "text": "two"})
    await eventually(lambda: len(brain.seen) == 2)
    await ws.close()
    ws = await citizen.socket()
    await ws.send_json({"type": "resume", "after": "m1"})
    await ws.send_json({"type": "message", "message_id": "m2", "text": "two"})
    await ws.send_json({"type": "message", "message_id": "m3", "text": "three"})
    ack = await ws.receive_json(timeout=3)
    assert (ack["type"], ack["message_id"], ack["text"]) == ("ack", "m2", "two")
    brain.gate.set()
    frames = await until_done(ws, "m3")
    assert {"type": "resumed"} in frames
    assert {f["reply"]["text"] for f in frames if f["type"] == "reply"} == {"two", "three"}
    assert [message.text for message in brain.seen] == ["one", "two", "three"]
    await ws.close()


async def test_resume_brings_what_was_answered_meanwhile(citizen: Any) -> None:
    for number in range(3):
        await citizen.say(str(number), f"m{number}")
    ws = await citizen.socket()
    await ws.send_json({"type": "resume", "after": "m0"})
    frames = await until_done(ws, "m2")
    assert [f["reply"]["text"] for f in frames if f["type"] == "reply"] == ["1", "2"]
    await ws.close()


async def test_resume_restarts_what_a_stopped_server_left(
    aiohttp_client: Any, brain: Any, make_config: Any, arrive: Any, eventually: Any
) -> None:
    limits = Limits(drain_s=0.01)
    client = await aiohttp_client(create_app(brain, make_config(limits=limits)))
    citizen = await arrive(client)
    ws = await citizen.socket()
    brain.gate.clear()
    await ws.send_json({"type": "message", "message_id": "m", "text": "x"})
    await eventually(lambda: brain.seen)
    await client.close()
    brain.gate.set()
    citizen.client = await aiohttp_client(create_app(brain, make_config(limits=limits)))
    ws = await citizen.socket()
    await ws.send_json({"type": "resume"})
    frames = await until_done(ws, "m")
    assert [f["reply"]["text"] for f in frames if f["type"] == "reply"] == ["x"]
    await ws.close()


@pytest.mark.parametrize(
    ("frame", "code", "name"),
    [
        ({"type": "message", "text": "x"}, 4401, "unauthorized"),
        ({"type": "auth", "conversation_id": 1, "token": "x"}, 4401, "unauthorized"),
        ({"type": "auth", "conversation_id": str(uuid.uuid4()), "token": "x"}, 4404, "not-found"),
        ({"type": "auth", "conversation_id": "own", "token": "wrong"}, 4403, "forbidden"),
    ],
)
async def test_opening_without_the_right_token(citizen: Any, frame: Any, code: int, name: str) -> None:
    if frame.get("conversation_id") == "own":
        frame = {**frame, "conversation_id": citizen.id}
    ws = await citizen.client.ws_connect("/api/v1/ws")
    await ws.send_json(frame)
    answer = await ws.receive_json(timeout=3)
    assert answer["type"] == "error"
    assert answer["problem"]["type"].endswith(name)
    assert (await ws.receive(timeout=3)).type is WSMsgType.CLOSE
    assert ws.close_code == code


async def test_a_silent_connection_is_closed(aiohttp_client: Any, brain: Any, make_config: Any) -> None:
    client = await aiohttp_client(create_app(brain, make_config(limits=Limits(socket_auth_s=0.02))))
    ws = await client.ws_connect("/api/v1/ws")
    assert (await ws.receive(timeout=3)).type is WSMsgType.CLOSE
    assert ws.close_code == 4408


async def test_bad_frames_are_refused_and_the_line_stays_open(citizen: Any) -> None:
    ws = await citizen.socket()
    for sent, name in [
        ("{", "bad-json"),
        ("[]", "bad-json"),
        ('{"type":"dance"}', "bad-request"),
        ('{"type":"message","message_id":"m","text":" "}', "bad-request"),
        ('{"type":"message","message_id":7,"text":"x"}', "bad-request"),
        ('{"type":"message","message_id":"m","text":"' + "x" * 2001 + '"}', "text-too-long"),
        ("x" * 70_000, "body-too-large"),
    ]:
        await ws.send_str(sent)
        frame = await ws.receive_json(timeout=3)
        assert frame["type"] == "error"
        assert frame["problem"]["type"].endswith(name)
    await ws.send_bytes(b"\x00\xff")
    assert (await ws.receive_json(timeout=3))["problem"]["type"].endswith("bad-json")
    await ws.send_json({"type": "ping"})
    assert await ws.receive_json(timeout=3) == {"type": "pong"}
    await ws.close()


async def test_a_refused_message_names_its_id(
    aiohttp_client: Any, brain: Any, make_config: Any, arrive: Any
) -> None:
    limits = Limits(per_conversation=Rate(0.5, 1))
    citizen = await arrive(await aiohttp_client(create_app(brain, make_config(limits=limits))))
    ws = await citizen.socket()
    for name in ("m1", "m2"):
        await ws.send_json({"type": "message", "message_id": name, "text": "x"})
    frames = [await ws.receive_json(timeout=3) for _ in range(5)]
    (error,) = [frame for frame in frames if frame["type"] == "error"]
    assert error["message_id"] == "m2"
    assert error["problem"]["retry_after"] == 2
    await ws.close()


async def test_resuming_over_and_over_is_refused(citizen: Any) -> None:
    ws = await citizen.socket()
    for _ in range(6):
        await ws.send_json({"type": "resume"})
    frames = [await ws.receive_json(timeout=3) for _ in range(6)]
    assert [frame["type"] for frame in frames] == ["resumed"] * 5 + ["error"]
    await ws.close()


async def test_the_server_pings(aiohttp_client: Any, brain: Any, make_config: Any, arrive: Any) -> None:
    limits = Limits(socket_ping_s=0.02)
    citizen = await arrive(await aiohttp_client(create_app(brain, make_config(limits=limits))))
    ws = await citizen.socket()
    assert await ws.receive_json(timeout=3) == {"type": "ping"}
    await ws.close()


async def test_too_many_connections(aiohttp_client: Any, brain: Any, make_config: Any, arrive: Any) -> None:
    client = await aiohttp_client(create_app(brain, make_config(limits=Limits(sockets_per_address=1))))
    citizen = await arrive(client)
    ws = await citizen.socket()
    assert (await client.get("/api/v1/ws")).status == 429
    await ws.close()


async def test_erasing_closes_the_line(citizen: Any) -> None:
    ws = await citizen.socket()
    deleting = asyncio.create_task(citizen.client.delete(citizen.path, headers=citizen.headers))
    assert (await ws.receive(timeout=3)).type is WSMsgType.CLOSE
    assert ws.close_code == 4404
    assert (await deleting).status == 204
