"""The channels' sends: the real HTTP client against a server that behaves like the platforms."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock

import pytest

from channels.base import SendError, UndeliverableError
from channels.courier import Retries
from channels.gateway import create_app
from channels.http import TokenCache
from city.messages import Button, Citation, Reply
from city.outbox import get_outbox
from tests.channels.platforms import NAMES, FakePlatform, addressed, make

HELLO = Reply("**您好**，请看 [网站](https://a.example/x)。", "knowledge")
CHOICE = Reply("哪一个？", "clarify", buttons=(Button("甲", "/a"), Button("乙", "x" * 3000)))


@pytest.mark.parametrize("name", NAMES)
async def test_a_reply_is_sent_once_and_in_the_platform_s_dialect(
    name: str, build: Any, platform: FakePlatform
) -> None:
    channel = build(name)
    await channel.send(await addressed(channel, HELLO))
    (call,) = platform.sent(channel.name)
    shown = json.dumps(call.body, ensure_ascii=False)
    assert "您好" in shown
    assert "https://a.example/x" in shown
    literal = "**您好**" in shown
    assert literal == (channel.shape.dialect in {"markdown", "dingtalk", "lark"})


@pytest.mark.parametrize("name", NAMES)
async def test_the_platform_s_limits_hold(name: str, build: Any, platform: FakePlatform) -> None:
    channel = build(name)
    long = Reply("".join(f"第{n}句话说的是图书馆。" for n in range(2000)), "knowledge")
    sent: list[int] = []

    async def part_sent(parts: int) -> None:
        sent.append(parts)

    await channel.send(await addressed(channel, long, part_sent=part_sent))
    parts = channel.parts(await addressed(channel, long))
    assert len(platform.sent(channel.name)) == len(parts) <= channel.shape.max_parts
    # The last one is closed with the parcel.
    assert sent == list(range(1, len(parts)))
    assert all(channel.shape.unit.count(part.text) <= channel.shape.limit for part in parts)
    assert all(part.text.endswith(("。", "）")) for part in parts)


@pytest.mark.parametrize("name", NAMES)
async def test_buttons_are_native_or_numbered(name: str, build: Any, platform: FakePlatform) -> None:
    channel = build(name)
    await channel.send(await addressed(channel, CHOICE))
    shown = json.dumps([call.body for call in platform.sent(channel.name)], ensure_ascii=False)
    assert "甲" in shown
    assert "xxxxx" not in shown
    if channel.shape.says_titles:
        assert "sendMessage?content=" in shown
    elif channel.shape.buttons:
        assert "~2@" in shown
    else:
        assert "1. 甲" in shown


async def test_a_text_too_long_for_whatsapp_s_buttons_comes_before_them(
    build: Any, platform: FakePlatform
) -> None:
    channel = build("whatsapp")
    long = replace(CHOICE, text="很长的回答。" * 200)
    await channel.send(await addressed(channel, long))
    text, choices = platform.sent("whatsapp")
    assert (text.body["type"], choices.body["type"]) == ("text", "interactive")
    assert text.body["biz_opaque_callback_data"] != choices.body["biz_opaque_callback_data"]


@pytest.mark.parametrize("name", NAMES)
async def test_what_passes_is_tried_again_and_what_does_not_is_not(
    name: str, build: Any, platform: FakePlatform
) -> None:
    channel = build(name)
    message = await addressed(channel, HELLO)
    hasty = build(name, hasty=True)
    for step in (429, 500, 503, 0.8):
        platform.script[channel.name] = deque([step])
        with pytest.raises(SendError) as caught:
            await (hasty if isinstance(step, float) else channel).send(message)
        assert not isinstance(caught.value, UndeliverableError)
        assert (caught.value.retry_after_s is not None) == (step == 429)
    await channel.send(message)
    assert len(platform.sent(channel.name)) == 1


REFUSALS: dict[str, tuple[dict[str, Any], type[SendError]]] = {
    "telegram": ({"ok": False, "error_code": 403, "description": "bot was blocked"}, UndeliverableError),
    "whatsapp": ({"error": {"code": 131047, "message": "24 hours"}}, UndeliverableError),
    "messenger": ({"error": {"code": 613, "message": "too many calls"}}, SendError),
    "slack": ({"ok": False, "error": "channel_not_found"}, UndeliverableError),
    "wechat": ({"errcode": 45015, "errmsg": "out of response time"}, UndeliverableError),
    "wecom": ({"errcode": 45009, "errmsg": "api freq out of limit"}, SendError),
    "feishu": ({"code": 230013, "msg": "bot has no availability"}, UndeliverableError),
}


@pytest.mark.parametrize("name", sorted(REFUSALS))
async def test_the_platform_s_own_error_codes(name: str, build: Any, platform: FakePlatform) -> None:
    channel = build(name)
    body, expected = REFUSALS[name]
    platform.script[channel.name] = deque([body])
    with pytest.raises(expected) as caught:
        await channel.send(await addressed(channel, HELLO))
    assert type(caught.value) is expected


@pytest.mark.parametrize("name", ["wechat", "wecom", "dingtalk", "feishu", "teams"])
async def test_tokens_are_kept_and_renewed_when_they_end(
    name: str, build: Any, platform: FakePlatform
) -> None:
    channel = build(name)
    await channel.send(await addressed(channel, HELLO, key="a"))
    await channel.send(await addressed(channel, HELLO, key="b"))
    assert platform.tokens == 1
    platform.valid.clear()
    await channel.send(await addressed(channel, HELLO, key="c"))
    assert platform.tokens == 2
    assert len(platform.sent(name)) == 3


@pytest.mark.parametrize("name", ["line", "feishu", "wecom"])
async def test_a_send_that_is_repeated_is_taken_once(name: str, build: Any, platform: FakePlatform) -> None:
    channel = build(name)
    for attempt in (1, 2, 3):
        await channel.send(await addressed(channel, HELLO, attempt=attempt))
    assert len(platform.sent(name)) == 1


async def test_only_what_is_missing_is_sent_again(build: Any, platform: FakePlatform) -> None:
    channel = build("telegram")
    replies = [Reply(f"第{n}条", "knowledge") for n in range(3)]
    await channel.send(await addressed(channel, *replies, sent=2))
    assert [call.body["text"] for call in platform.sent("telegram")] == ["第2条"]


async def test_a_platform_that_is_not_there(build: Any) -> None:
    channel = make("telegram", "http://127.0.0.1:1")
    with pytest.raises(SendError, match="cannot be reached") as caught:
        await channel.send(await addressed(channel, HELLO))
    assert "tg-token" not in str(caught.value)
    await channel.stop()


async def test_pictures_and_citations(build: Any, platform: FakePlatform) -> None:
    reply = Reply(
        "图", "traffic", image="/charts/a.png", citations=(Citation("id", "文章", "/knowledge/id"),)
    )
    for name in ("telegram", "sms"):
        await build(name).send(await addressed(build(name), reply))
    picture, text = platform.sent("telegram")
    assert picture.body["photo"] == "https://chat.city.example/charts/a.png"
    assert '<a href="https://chat.city.example/knowledge/id">文章</a>' in text.body["text"]
    (sms,) = platform.sent("sms")
    assert "https://chat.city.example/charts/a.png" in sms.body["Body"]


@pytest.mark.parametrize("name", ["telegram", "whatsapp", "messenger", "line", "wechat", "teams"])
async def test_typing_is_shown(name: str, build: Any, platform: FakePlatform) -> None:
    channel = build(name)
    await channel.typing((await addressed(channel, HELLO)).to)
    assert platform.calls[name]
    assert platform.sent(name) == []


async def test_wechat_answers_in_five_seconds_inline_and_later_by_customer_service(
    aiohttp_client: Any, brain: Any, make_config: Any, build: Any, platform: FakePlatform, eventually: Any
) -> None:
    channel = build("wechat_aes")
    channel.reply_window_s = 1.0
    client = await aiohttp_client(create_app(brain, make_config(channels=(channel,))))

    async def post(text: str, delivery: Any = None) -> str:
        delivery = delivery or channel.sample(text)
        response = await client.post(
            "/channels/wechat/webhook", params=delivery.query, data=delivery.body, headers=delivery.headers
        )
        assert response.status == 200
        return await response.text()

    quick = channel.sample("快")
    body = await post("快", quick)
    # Delivered again, because the response got lost on the way.
    assert channel._fields((await post("快", quick)).encode())["Content"] == "快"
    assert len(brain.seen) == 1
    fields = channel._fields(body.encode())
    assert (fields["ToUserName"], fields["FromUserName"]) == ("oSample1001", "gh_sample")
    assert fields["Content"] == "快"
    brain.gate.clear()
    assert await post("慢") == "success"
    brain.gate.set()
    await eventually(lambda: platform.sent("wechat"))
    assert platform.sent("wechat")[0].body["text"]["content"] == "慢"
    assert get_outbox().counts().get("waiting", 0) <= 1


async def test_the_outbox_brings_everything_through_a_bad_day(
    aiohttp_client: Any, brain: Any, make_config: Any, build: Any, platform: FakePlatform, eventually: Any
) -> None:
    channels = [build(name) for name in ("telegram", "line", "feishu", "wecom", "whatsapp")]
    for channel in channels:
        platform.script[channel.name] = deque([500, 429, 0.01, 503])
    config = make_config(channels=channels, retries=Retries(first_s=0.01, longest_s=0.05))
    client = await aiohttp_client(create_app(brain, config))
    for number in range(6):
        for channel in channels:
            delivery = channel.sample(f"问题{number}")
            path = f"/channels/{channel.name}/webhook"
            response = await client.post(
                path, params=delivery.query, data=delivery.body, headers=delivery.headers
            )
            assert response.status == 200
    await eventually(lambda: all(len(platform.sent(channel.name)) == 6 for channel in channels))
    for channel in channels:
        shown = [json.dumps(call.body, ensure_ascii=False) for call in platform.sent(channel.name)]
        assert [f"问题{n}" in text for n, text in enumerate(shown)] == [True] * 6
    await eventually(lambda: get_outbox().counts() == {"sent": 30})


async def test_what_is_refused_for_good_is_a_dead_letter(
    aiohttp_client: Any, brain: Any, make_config: Any, build: Any, platform: FakePlatform, eventually: Any
) -> None:
    channel = build("telegram")
    platform.script["telegram"] = deque([{"ok": False, "description": "bot was blocked"}])
    client = await aiohttp_client(create_app(brain, make_config(channels=[channel])))
    channel.typing = AsyncMock()  # type: ignore[method-assign]
    delivery = channel.sample("hi")
    await client.post("/channels/telegram/webhook", data=delivery.body, headers=delivery.headers)
    await eventually(lambda: get_outbox().counts() == {"dead": 1})
    assert "bot was blocked" in get_outbox().dead_letters()[0].error
    platform.script.clear()
    assert get_outbox().retry() == 1
    await eventually(lambda: get_outbox().counts() == {"sent": 1})
    assert len(platform.sent("telegram")) == 1


async def test_a_token_is_fetched_once_for_many_and_renewed_early() -> None:
    import asyncio

    now, fetched = [0.0], []

    async def fetch() -> tuple[str, float]:
        await asyncio.sleep(0)
        fetched.append(1)
        return f"t{len(fetched)}", 7200.0

    cache = TokenCache(fetch, clock=lambda: now[0])
    assert set(await asyncio.gather(*(cache.get() for _ in range(20)))) == {"t1"}
    now[0] = 7000.0
    assert await cache.get() == "t2"
    cache.drop("t1")
    assert await cache.get() == "t2"
    cache.drop("t2")
    assert await cache.get() == "t3"
