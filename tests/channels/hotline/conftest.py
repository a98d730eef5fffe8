"""A gateway with a hotline, and a brain whose answers say what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from channels.gateway import Bilingual, GatewayConfig, Limits, Rate, create_app
from channels.hotline.config import HotlineSection
from channels.hotline.extension import HotlineExtension
from city.messages import Answer, Button, Message, Reply, Trace

NAMES = {"zh": {"city": "澜川市", "assistant": "城答"}, "en": {"city": "Lanchuan", "assistant": "Chengda"}}
SECRETS = {
    "TWILIO_AUTH_TOKEN": "twilio-secret",
    "JAMBONZ_WEBHOOK_SECRET": "jambonz-secret",
    "HOTLINE_MEDIA_TOKEN": "media-secret",
}
PUBLIC_URL = "https://bot.city.example"


class Oracle:
    """Answers by what the question holds; keeps the messages."""

    def __init__(self) -> None:
        self.asked: list[Message] = []

    async def respond(self, message: Message) -> Answer:
        self.asked.append(message)
        english = message.text.isascii()
        text = message.text
        if "boom" in text:
            raise RuntimeError("boom")
        if "long" in text or "长" in text:
            line = (
                "Bring the original of document {n} to the counter. "
                if english
                else "第{n}项材料请带到窗口办理。"
            )
            reply = Reply("".join(line.format(n=n) for n in range(1, 13)), "knowledge")
        elif "which" in text or "哪" in text:
            buttons = (Button("去火车站", "12路往火车站"), Button("去科技园", "12路往科技园"))
            reply = Reply("请选择方向。", "clarify", buttons=buttons)
        elif "person" in text or "专员" in text:
            reply = Reply("Someone will take over.", "handoff")
        else:
            reply = Reply(f"You asked: {text}." if english else f"您问的是{text}。", "knowledge")
        return Answer(
            message.message_id, "en" if english else "zh", (reply,), Trace(message.conversation_id, text)
        )

    async def forget(self, conversation_id: str) -> None:
        return None

    def ready(self) -> dict[str, bool]:
        return {"oracle": True}


@pytest.fixture
def oracle() -> Oracle:
    return Oracle()


Made = Callable[..., HotlineSection]


@pytest.fixture
def section() -> Made:
    def make(**changes: object) -> HotlineSection:
        values: dict[str, object] = {
            "providers": ["twilio", "jambonz"],
            "public_url": PUBLIC_URL,
            "transfer_to": "+861012345",
            "audiosocket": {"port": 0},
        }
        return HotlineSection(**{**values, **changes})

    return make


@pytest.fixture
def hotline(section: Made, tmp_path: Path) -> Callable[..., HotlineExtension]:
    def make(**changes: object) -> HotlineExtension:
        return HotlineExtension(section(**changes), f"sqlite:///{tmp_path / 'calls.db'}", NAMES, SECRETS)

    return make


@pytest.fixture
async def serve(tmp_path: Path, oracle: Oracle) -> AsyncIterator[Callable[..., TestClient]]:
    clients: list[TestClient] = []

    async def start(extension: HotlineExtension) -> TestClient:
        config = GatewayConfig(
            Bilingual("澜川市", "Lanchuan"),
            f"sqlite:///{tmp_path / 'chat.db'}",
            limits=Limits(per_conversation=Rate(per_s=100, burst=200)),
            extensions=[extension],
        )
        client = TestClient(TestServer(create_app(oracle, config)))
        await client.start_server()
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.close()
