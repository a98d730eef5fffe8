"""Trouble at every webhook and every platform's API: slow, broken, early, late, unknown, expired, limited."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from channels.app import AppChannel
from channels.base import Delivery, SendError, UndeliverableError
from channels.gateway import create_app
from channels.http import Response
from channels.wxcrypt import WxCrypt, signature
from city.messages import Reply
from city.outbox import get_outbox
from tests.channels.platforms import AES_KEY, NAMES, FakePlatform, addressed

HELLO = Reply("您好", "knowledge")
# One of each platform; the encrypted mode of WeChat has its own row in the tests without a gateway.
KINDS = [name for name in NAMES if name != "wechat_aes"]


async def _no_typing(_inbound: Any) -> None:
    return


@pytest.fixture
async def town(aiohttp_client: Any, brain: Any, make_config: Any, build: Any) -> Any:
    """A gateway with every channel, and deliveries to it."""

    class Town:
        channels: Mapping[str, AppChannel]

        async def post(self, name: str, delivery: Delivery) -> Any:
            path = f"/channels/{name}/webhook"
            return await self.client.post(
                path, params=delivery.query, data=delivery.body, headers=delivery.headers
            )

        def raw(self, name: str, delivery: Delivery) -> tuple[bytes, bytes]:
            """Return the head and the body of a delivery as they go over the wire."""
            query = f"?{urlencode(delivery.query)}" if delivery.query else ""
            headers = "".join(f"{key}: {value}\r\n" for key, value in delivery.headers.items())
            head = (
                f"POST /channels/{name}/webhook{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}"
            )
            return f"{head}Content-Length: {len(delivery.body)}\r\n\r\n".encode(), delivery.body

    found = Town()
    found.channels = {name: build(name) for name in KINDS}
    for channel in found.channels.values():
        channel.typing = _no_typing  # type: ignore[method-assign]
        channel.reply_window_s = 0.0  # type: ignore[misc]
        if channel.name == "teams":
            # Real activities name a service whose host the fake platform cannot be.
            channel._activity = _taken  # type: ignore[attr-defined]
    found.client = await aiohttp_client(  # type: ignore[attr-defined]
        create_app(brain, make_config(channels=tuple(found.channels.values())))
    )
    return found


async def _taken(*_args: Any) -> Any:
    return Response(200)


async def test_an_oversized_delivery_is_refused_everywhere(town: Any, brain: Any) -> None:
    for name, channel in town.channels.items():
        response = await town.post(name, channel.sample("x" * 70_000))
        assert response.status == 413, name
    assert brain.seen == []


async def test_a_truncated_delivery_is_nothing_anywhere(town: Any, brain: Any) -> None:
    async def cut(name: str, channel: AppChannel) -> bytes:
        delivery = channel.sample("cut")
        assert delivery is not None
        head, body = town.raw(name, delivery)
        reader, writer = await asyncio.open_connection("127.0.0.1", town.client.port)
        writer.write(head + body[:-5])
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return answer

    for name, channel in town.channels.items():
        assert b" 200 " not in await cut(name, channel), name
    assert brain.seen == []


async def test_slow_clients_hold_up_nobody_and_are_served(town: Any, brain: Any, eventually: Any) -> None:
    slow = {}
    for name, channel in town.channels.items():
        head, body = town.raw(name, channel.sample(f"slow {name}"))
        reader, writer = await asyncio.open_connection("127.0.0.1", town.client.port)
        writer.write(head + body[: len(body) // 2])
        slow[name] = (reader, writer, body[len(body) // 2 :])
    quick = [name for name in KINDS if name != "teams"]
    for name in quick:
        response = await asyncio.wait_for(town.post(name, town.channels[name].sample(f"quick {name}")), 5)
        assert response.status == 200, name
    await eventually(lambda: len(brain.seen) == len(quick))
    for reader, writer, rest in slow.values():
        writer.write(rest)
        assert b" 200 " in await asyncio.wait_for(reader.read(), 5)
        writer.close()
    await eventually(lambda: len(brain.seen) == len(quick) + len(KINDS))
    assert {message.text for message in brain.seen} >= {f"slow {name}" for name in KINDS}


async def test_what_comes_out_of_order_and_again_is_answered_once(
    town: Any, brain: Any, eventually: Any
) -> None:
    for name, channel in town.channels.items():
        first = channel.sample("先写的")
        assert first is not None
        if name == "teams":
            # Its next sample is signed with another key.
            second = replace(first, body=first.body.replace(b'"id": "1', b'"id": "9', 1))
        else:
            second = channel.sample("后写的")
        # The platform delivers the second one first, then both again.
        for delivery in (second, first, second, first):
            assert (await town.post(name, delivery)).status == 200, name
    await eventually(lambda: len(brain.seen) == 2 * len(KINDS))
    await asyncio.sleep(0.02)
    assert len(brain.seen) == 2 * len(KINDS)
    for name in set(KINDS) - {"teams"}:
        assert [m.text for m in brain.seen if m.channel == name] == ["后写的", "先写的"], name
    await eventually(lambda: get_outbox().counts() == {"sent": 2 * len(KINDS)})


def _xml_event(event: str) -> str:
    return (
        "<xml><ToUserName>gh</ToUserName><FromUserName>li</FromUserName><CreateTime>1</CreateTime>"
        f"<MsgType>event</MsgType><Event>{event}</Event></xml>"
    )


def _sealed(token: str, receiver: str, text: str) -> Delivery:
    sealed, stamp = WxCrypt(AES_KEY, receiver).encrypt(text), str(int(time.time()))
    query = {"timestamp": stamp, "nonce": "1", "msg_signature": signature(token, stamp, "1", sealed)}
    return Delivery("POST", {}, query, f"<xml><Encrypt>{sealed}</Encrypt></xml>".encode())


def _same_head(channel: Any, body: Any) -> Delivery:
    """Return a delivery whose signature does not cover the body."""
    raw = body if isinstance(body, str) else json.dumps(body)
    return replace(channel.sample("x"), body=raw.encode())


def _signed_line(channel: Any) -> Delivery:
    raw = json.dumps({"events": [{"type": "beacon", "source": {"userId": "U"}}, {"type": "new"}]}).encode()
    return Delivery("POST", {"x-line-signature": channel._sign(raw)}, {}, raw)


def _teams(channel: Any) -> Delivery:
    sample = channel.sample("x")
    body = json.loads(sample.body) | {"type": "conversationUpdate", "membersAdded": []}
    return replace(sample, body=json.dumps(body).encode())


def _status(channel: Any) -> Delivery:
    form = dict(parse_qsl(channel.sample("x").body.decode()))
    return channel.signed({**form, "MessageStatus": "delivered"})


UNKNOWN: Mapping[str, Callable[[Any], Delivery]] = {
    "telegram": lambda c: _same_head(c, {"update_id": 1, "my_chat_member": {"chat": {"id": 1}}}),
    "whatsapp": lambda c: c.signed({"entry": [{"changes": [{"field": "flows", "value": {"event": "X"}}]}]}),
    "messenger": lambda c: c.signed({"entry": [{"messaging": [{"sender": {"id": "1"}, "read": {}}]}]}),
    "line": _signed_line,
    "slack": lambda c: c.signed(
        json.dumps({"type": "event_callback", "event": {"type": "reaction_added", "user": "U"}}),
        "application/json",
    ),
    "wechat": lambda c: _same_head(c, _xml_event("TEMPLATESENDJOBFINISH")),
    "wecom": lambda c: _sealed("ww-word", "ww1", _xml_event("enter_agent")),
    "feishu": lambda c: c.signed(
        {"schema": "2.0", "header": {"event_type": "im.chat.updated_v1", "token": "fv"}, "event": {}}
    ),
    "teams": _teams,
    "sms": _status,
}


async def test_unknown_events_are_acknowledged_and_nothing_else(town: Any, brain: Any) -> None:
    # DingTalk's robots are sent messages only.
    assert set(UNKNOWN) == set(KINDS) - {"dingtalk"}
    for name, event in UNKNOWN.items():
        response = await town.post(name, event(town.channels[name]))
        assert response.status == 200, name
    await asyncio.sleep(0.02)
    assert brain.seen == []
    assert get_outbox().counts() == {}


# What each platform answers when the token has ended for good: an operator can mend that, so nothing is given up.
EXPIRED: Mapping[str, Any] = {
    "telegram": (401, {"ok": False, "error_code": 401, "description": "Unauthorized"}),
    "whatsapp": (401, {"error": {"code": 190, "message": "Error validating access token"}}),
    "messenger": (401, {"error": {"code": 190, "message": "Error validating access token"}}),
    "line": (401, {"message": "Authentication failed"}),
    "slack": (200, {"ok": False, "error": "token_expired"}),
    "wechat": (200, {"errcode": 42001, "errmsg": "access_token expired"}),
    "wecom": (200, {"errcode": 42001, "errmsg": "access_token expired"}),
    "dingtalk": (401, {"code": "InvalidAuthentication", "message": "expired"}),
    "feishu": (400, {"code": 99991663, "msg": "token invalid"}),
    "teams": (401, {"error": {"code": "AuthorizationFailed"}}),
    "sms": (401, {"code": 20003, "message": "Authenticate"}),
}
LIMITED: Mapping[str, Any] = {
    "telegram": (429, {"ok": False, "error_code": 429, "parameters": {"retry_after": 7}}),
    "whatsapp": (400, {"error": {"code": 130429, "message": "Rate limit hit"}}),
    "messenger": (400, {"error": {"code": 613, "message": "Calls exceeded the rate limit"}}),
    "line": (429, {"message": "The API rate limit has been exceeded"}),
    "slack": (200, {"ok": False, "error": "ratelimited"}),
    "wechat": (200, {"errcode": 45009, "errmsg": "reach max api daily quota limit"}),
    "wecom": (200, {"errcode": 45009, "errmsg": "api freq out of limit"}),
    "dingtalk": (403, {"code": "Forbidden.AccessDenied.QpsLimitForApi", "message": "QPS"}),
    "feishu": (400, {"code": 99991400, "msg": "request trigger frequency limit"}),
    "teams": (429, {"error": {"code": "ConversationThrottled"}}),
    "sms": (429, {"code": 20429, "message": "Too Many Requests"}),
}


@pytest.mark.parametrize("name", KINDS)
async def test_an_ended_token_gives_nothing_up(name: str, build: Any, platform: FakePlatform) -> None:
    channel = build(name)
    # Refused again with a fresh one, where there is a fresh one.
    platform.script[name] = deque([EXPIRED[name]] * 2)
    with pytest.raises(SendError) as caught:
        await channel.send(await addressed(channel, HELLO))
    assert not isinstance(caught.value, UndeliverableError)
    platform.script[name].clear()
    await channel.send(await addressed(channel, HELLO))
    assert len(platform.sent(name)) == 1


@pytest.mark.parametrize("name", KINDS)
async def test_the_rate_limit_pauses_the_channel(name: str, build: Any, platform: FakePlatform) -> None:
    channel = build(name)
    platform.script[name] = deque([LIMITED[name]])
    with pytest.raises(SendError) as caught:
        await channel.send(await addressed(channel, HELLO))
    assert not isinstance(caught.value, UndeliverableError)
    assert not caught.value.unsure
    assert (caught.value.retry_after_s or 0) >= (7 if name == "telegram" else 1)
