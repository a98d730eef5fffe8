"""What platforms send beside plain texts: pressed buttons, spoken words, menus, mentions, first contacts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from channels.base import Delivery, Inbound
from channels.wxcrypt import WxCrypt, signature
from tests.channels.platforms import AES_KEY, FakePlatform, make


def _body(channel: Any, body: Any) -> Delivery:
    raw = body if isinstance(body, str) else json.dumps(body)
    return replace(channel.sample("x"), body=raw.encode())


def _line(channel: Any, event: Mapping[str, Any]) -> Delivery:
    raw = json.dumps({"events": [{"source": {"type": "user", "userId": "U7"}, **event}]}).encode()
    return Delivery("POST", {"x-line-signature": channel._sign(raw)}, {}, raw)


def _wechat(channel: Any, inside: str) -> Delivery:
    text = f"<xml><ToUserName>gh</ToUserName><FromUserName>o7</FromUserName><CreateTime>9</CreateTime>{inside}</xml>"
    if channel._crypt is None:
        return _body(channel, text)
    sealed, stamp = WxCrypt(AES_KEY, "wx1").encrypt(text), str(int(time.time()))
    query = {"timestamp": stamp, "nonce": "1", "msg_signature": signature("wx-word", stamp, "1", sealed)}
    return Delivery("POST", {}, query, f"<xml><Encrypt>{sealed}</Encrypt></xml>".encode())


def _dingtalk(channel: Any, **fields: Any) -> Delivery:
    body = {key: value for key, value in json.loads(channel.sample("x").body).items() if key != "text"}
    return _body(channel, {**body, **fields})


def _teams(channel: Any, **fields: Any) -> Delivery:
    sample = channel.sample("x")
    return replace(sample, body=json.dumps(json.loads(sample.body) | fields).encode())


def _feishu(channel: Any, kind: str, event: Mapping[str, Any]) -> Delivery:
    header = {"event_id": "e1", "event_type": kind, "token": "fv"}
    return channel.signed({"schema": "2.0", "header": header, "event": event})


def _whatsapp(channel: Any, **message: Any) -> Delivery:
    value = {"messages": [{"from": "8613", "id": "wamid.7", **message}]}
    return channel.signed({"entry": [{"changes": [{"field": "messages", "value": value}]}]})


def _messenger(channel: Any, **event: Any) -> Delivery:
    return channel.signed({"entry": [{"messaging": [{"sender": {"id": "7"}, "timestamp": 5, **event}]}]})


_PERSON = {"id": 7, "is_bot": False, "language_code": "en"}
_CHAT = {"id": 70, "type": "private"}
# name of the channel, what is delivered, the text and the sender that are read
EVENTS: Mapping[str, tuple[str, Callable[[Any], Delivery], str, str]] = {
    "telegram: a pressed button": (
        "telegram",
        lambda c: _body(
            c,
            {
                "update_id": 1,
                "callback_query": {"id": "q", "from": _PERSON, "data": "/b", "message": {"chat": _CHAT}},
            },
        ),
        "/b",
        "7",
    ),
    "telegram: the first contact": (
        "telegram",
        lambda c: _body(c, {"update_id": 2, "message": {"from": _PERSON, "chat": _CHAT, "text": "/start x"}}),
        "hello",
        "7",
    ),
    "whatsapp: a pressed button": (
        "whatsapp",
        lambda c: _whatsapp(
            c,
            type="interactive",
            interactive={"type": "button_reply", "button_reply": {"id": "/b", "title": "乙"}},
        ),
        "/b",
        "8613",
    ),
    "whatsapp: a chosen row": (
        "whatsapp",
        lambda c: _whatsapp(
            c, type="interactive", interactive={"type": "list_reply", "list_reply": {"id": "/c"}}
        ),
        "/c",
        "8613",
    ),
    "messenger: a quick reply": (
        "messenger",
        lambda c: _messenger(c, message={"mid": "m1", "text": "乙", "quick_reply": {"payload": "/b"}}),
        "/b",
        "7",
    ),
    "messenger: a postback": (
        "messenger",
        lambda c: _messenger(c, postback={"mid": "m2", "title": "开始", "payload": "/start"}),
        "/start",
        "7",
    ),
    "line: a pressed button": (
        "line",
        lambda c: _line(c, {"type": "postback", "webhookEventId": "w1", "postback": {"data": "/b"}}),
        "/b",
        "U7",
    ),
    "line: a new friend": (
        "line",
        lambda c: _line(c, {"type": "follow", "webhookEventId": "w2"}),
        "你好",
        "U7",
    ),
    "slack: a pressed button": (
        "slack",
        lambda c: c.signed_form(
            {
                "type": "block_actions",
                "user": {"id": "U7"},
                "channel": {"id": "D7"},
                "actions": [{"value": "/b", "action_ts": "1.2"}],
            }
        ),
        "/b",
        "U7",
    ),
    "slack: a mention": (
        "slack",
        lambda c: c.signed(
            json.dumps(
                {
                    "type": "event_callback",
                    "event": {
                        "type": "app_mention",
                        "user": "U7",
                        "channel": "C7",
                        "ts": "1.1",
                        "text": "<@B1> a &lt; b",
                    },
                }
            ),
            "application/json",
        ),
        "a < b",
        "U7",
    ),
    "feishu: a pressed button": (
        "feishu",
        lambda c: _feishu(
            c,
            "card.action.trigger",
            {
                "operator": {"open_id": "ou7"},
                "action": {"value": {"payload": "/b"}},
                "context": {"open_chat_id": "oc"},
            },
        ),
        "/b",
        "ou7",
    ),
    "teams: a pressed button": ("teams", lambda c: _teams(c, text="乙", value={"payload": "/b"}), "/b", ""),
    "teams: a mention": (
        "teams",
        lambda c: _teams(c, text="<at>Chengda</at> 几点开门&nbsp;"),
        "几点开门",
        "",
    ),
    "dingtalk: spoken words": (
        "dingtalk",
        lambda c: _dingtalk(c, msgtype="audio", content={"recognition": "图书馆几点开门", "duration": 3000}),
        "图书馆几点开门",
        "manager1001",
    ),
    "wechat: spoken words": (
        "wechat",
        lambda c: _wechat(
            c,
            "<MsgType>voice</MsgType><MediaId>m</MediaId><Format>amr</Format>"
            "<Recognition>图书馆几点开门</Recognition><MsgId>5</MsgId>",
        ),
        "图书馆几点开门",
        "o7",
    ),
    "wechat, encrypted: spoken words": (
        "wechat_aes",
        lambda c: _wechat(c, "<MsgType>voice</MsgType><Recognition>几点开门</Recognition><MsgId>6</MsgId>"),
        "几点开门",
        "o7",
    ),
    "wechat: a menu entry": (
        "wechat",
        lambda c: _wechat(c, "<MsgType>event</MsgType><Event>CLICK</Event><EventKey>办事指南</EventKey>"),
        "办事指南",
        "o7",
    ),
    "wechat: a new follower": (
        "wechat",
        lambda c: _wechat(c, "<MsgType>event</MsgType><Event>subscribe</Event><EventKey></EventKey>"),
        "你好",
        "o7",
    ),
}


@pytest.mark.parametrize("case", sorted(EVENTS))
async def test_the_event_is_read(case: str) -> None:
    name, event, text, sender = EVENTS[case]
    channel = make(name)
    delivery = event(channel)
    await channel.verify(delivery)
    (inbound,) = await channel.parse(delivery)
    assert (inbound.text, inbound.unreadable) == (text, False)
    assert sender in {"", inbound.sender_id}
    again = await channel.parse(delivery)
    assert [message.message_id for message in again] == [inbound.message_id]


async def test_a_voice_message_without_a_result_is_answered_kindly() -> None:
    channel = make("wechat")
    delivery = _wechat(channel, "<MsgType>voice</MsgType><MediaId>m</MediaId><MsgId>7</MsgId>")
    (inbound,) = await channel.parse(delivery)
    assert isinstance(inbound, Inbound) and inbound.unreadable


async def test_wechat_s_menu_is_set_at_start(build: Any, platform: FakePlatform, eventually: Any) -> None:
    channel: Any = build("wechat")
    menu = [{"type": "click", "name": "办事指南", "key": "办事指南"}]
    channel.credentials = channel.credentials.copy(update={"menu": menu})
    await channel.start()
    await eventually(lambda: any(call.path.endswith("menu/create") for call in platform.calls["wechat"]))
    (call,) = [call for call in platform.calls["wechat"] if call.path.endswith("menu/create")]
    assert call.body == {"button": menu}
