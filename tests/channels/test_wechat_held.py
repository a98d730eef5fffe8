"""WeChat without customer-service messages: answers go into the responses to WeChat's three deliveries."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from channels import pull
from channels.app import AppChannel
from channels.apps.wechat import WeChat
from channels.gateway import create_app
from city.messages import Reply
from city.outbox import get_outbox
from tests.channels.platforms import FakePlatform, make


class Account:
    """WeChat's side: delivers a message until there is a response in time."""

    def __init__(self, client: Any, channel: WeChat) -> None:
        self.client = client
        self.channel = channel
        self.deliveries = 0

    async def deliver(self, body: bytes) -> str:
        fresh = self.channel.sample("x")
        self.deliveries += 1
        response = await self.client.post(
            "/channels/wechat/webhook", params=fresh.query, data=body, headers=fresh.headers
        )
        assert response.status == 200
        text = await response.text()
        return text if text in ("", "success") else self.channel._fields(text.encode())["Content"]

    async def say(self, text: str, patience_s: float = 0.9) -> str:
        """Deliver up to three times; each time hang up when nothing comes."""
        body = self.channel.sample(text).body
        for _ in range(3):
            try:
                return await asyncio.wait_for(self.deliver(body), patience_s)
            except asyncio.TimeoutError:
                continue
        return ""


@pytest.fixture
def channel(build: Any, platform: FakePlatform) -> AppChannel:
    made = make("wechat", platform.url)
    values = made.credentials.copy(update={"customer_service": False})
    wechat = WeChat("wechat", values, made.surroundings)
    wechat.reply_window_s = 0.6  # type: ignore[misc]
    return wechat


@pytest.fixture
async def account(
    aiohttp_client: Any, brain: Any, make_config: Any, channel: WeChat, monkeypatch: pytest.MonkeyPatch
) -> Account:
    monkeypatch.setattr(pull, "HOLD_S", 1.2)
    return Account(await aiohttp_client(create_app(brain, make_config(channels=(channel,)))), channel)


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the first delivery be the last one."""
    monkeypatch.setattr(pull, "DELIVERIES", 1)


async def test_a_quick_answer_goes_into_the_first_response(
    account: Account, platform: FakePlatform, eventually: Any
) -> None:
    assert await account.say("快") == "快"
    assert account.deliveries == 1
    await eventually(lambda: get_outbox().counts() == {"sent": 1})
    assert platform.calls["wechat"] == []


async def test_a_slow_answer_goes_into_the_second_or_third_delivery(
    account: Account, brain: Any, eventually: Any
) -> None:
    brain.sleep_s = 1.1
    assert await account.say("慢") == "慢"
    assert account.deliveries in (2, 3)
    assert len(brain.seen) == 1
    await eventually(lambda: get_outbox().counts() == {"sent": 1})


async def test_a_later_one_is_promised_and_held_for_the_next_word(
    account: Account, brain: Any, eventually: Any
) -> None:
    brain.gate.clear()
    assert "回复“查看”" in await account.say("很慢")
    assert account.deliveries == 3
    brain.gate.set()
    await eventually(lambda: get_outbox().counts() == {"waiting": 1})
    assert await account.say("查看") == "很慢"
    assert len(brain.seen) == 1
    await eventually(lambda: get_outbox().counts() == {"sent": 1})


@pytest.mark.usefixtures("once")
async def test_any_other_message_brings_it_too_in_order(
    account: Account, brain: Any, eventually: Any
) -> None:
    brain.gate.clear()
    await account.say("第一问")
    brain.gate.set()
    await eventually(lambda: get_outbox().counts() == {"waiting": 1})
    assert await account.say("第二问") == "第一问\n\n第二问"
    await eventually(lambda: get_outbox().counts() == {"sent": 2})


async def test_a_long_answer_comes_piece_by_piece(account: Account, brain: Any, eventually: Any) -> None:
    said = "".join(f"第{n}句话说的是图书馆。" for n in range(150))
    brain.replies = [Reply(said, "knowledge")]
    pieces = [await account.say("长")]
    while "回复“查看”" in pieces[-1]:
        assert len(pieces[-1].encode()) <= 2000
        pieces.append(await account.say("查看"))
    joined = "".join(piece.replace("\n（未完，回复“查看”继续）", "") for piece in pieces)
    assert joined == said
    assert len(pieces) > 2
    await eventually(lambda: get_outbox().counts() == {"sent": 1})


async def test_a_response_that_got_lost_is_given_again(account: Account, channel: WeChat, brain: Any) -> None:
    body = channel.sample("问").body
    assert [await account.deliver(body) for _ in range(3)] == ["问"] * 3
    assert len(brain.seen) == 1


@pytest.mark.usefixtures("once")
async def test_after_a_restart_the_held_answer_is_there(
    aiohttp_client: Any, account: Account, brain: Any, make_config: Any, channel: WeChat, eventually: Any
) -> None:
    brain.gate.clear()
    await account.say("很慢")
    brain.gate.set()
    await eventually(lambda: get_outbox().counts() == {"waiting": 1})
    await account.client.close()
    account.client = await aiohttp_client(create_app(brain, make_config(channels=(channel,))))
    assert await account.say("more") == "很慢"


async def test_a_notice_waits_for_the_next_message(account: Account, brain: Any) -> None:
    await account.say("你好")
    conversation = brain.seen[0].conversation_id
    get_outbox().put(conversation, [Reply("明天停水。", "requests")], key="notice")
    assert await account.say("还有什么") == "明天停水。\n\n还有什么"
    # Without anything held, the word is a message like any other.
    assert await account.say("查看") == "查看"
