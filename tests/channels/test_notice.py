"""The notice to all citizens, and the chat page's off switch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from channels.gateway import Bilingual, GatewayConfig, create_app
from channels.notice import NoticeBoard
from channels.web.keys import SWITCHES
from city.live import LiveSettings
from tests.channels.test_charts import Silent

STORM = {"zh": "台风红色预警", "en": "Typhoon red alert", "urgent": True, "until": ""}


@dataclass
class Gateway:
    """A gateway and the settings behind it."""

    client: TestClient
    live: LiveSettings


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with run-time settings."""
    live = LiveSettings(f"sqlite:///{tmp_path / 'live.db'}")
    config = GatewayConfig(Bilingual("市", "City"), f"sqlite:///{tmp_path / 'chat.db'}", live=live)
    async with TestClient(TestServer(create_app(Silent(), config))) as client:
        yield Gateway(client, live)
    live.close()


async def opened(client: TestClient) -> Any:
    data = await (await client.post("/api/v1/conversations")).json()
    socket = await client.ws_connect("/api/v1/ws")
    await socket.send_json(
        {"type": "auth", "conversation_id": data["conversation_id"], "token": data["token"]}
    )
    assert (await socket.receive_json())["type"] == "ready"
    return socket, data


async def test_a_notice_reaches_open_pages_and_new_ones_at_once(gateway: Gateway) -> None:
    sockets = [(await opened(gateway.client))[0] for _ in range(2)]
    gateway.live.set("notice", STORM, "wang")
    for socket in sockets:
        frame = await socket.receive_json(timeout=1)
        assert frame == {
            "type": "notice",
            "notice": {"zh": "台风红色预警", "en": "Typhoon red alert", "urgent": True},
        }
    assert "台风红色预警" in await (await gateway.client.get("/")).text()
    gateway.live.set("notice", {}, "wang")
    assert (await sockets[0].receive_json(timeout=1))["notice"] is None
    assert (await (await gateway.client.get("/api/v1/notice")).json()) == {"notice": None}


async def test_markup_in_a_notice_cannot_leave_the_data_block(gateway: Gateway) -> None:
    gateway.live.set("notice", {**STORM, "en": "</script><script>alert(1)</script>"}, "wang")
    assert "</script><script>alert" not in await (await gateway.client.get("/")).text()


async def test_the_chat_page_can_be_switched_off(gateway: Gateway) -> None:
    socket, data = await opened(gateway.client)
    gateway.client.server.app[SWITCHES].set("web", False, "wang")  # type: ignore[union-attr]
    headers = {"Authorization": f"Bearer {data['token']}"}
    path = f"/api/v1/conversations/{data['conversation_id']}/messages"
    response = await gateway.client.post(path, json={"text": "hello"}, headers=headers)
    assert response.status == 503
    assert (await response.json())["type"].endswith("channel-off")
    await socket.send_json({"type": "message", "message_id": "m1", "text": "hello"})
    frame = await socket.receive_json()
    assert frame["problem"]["type"].endswith("channel-off")
    gateway.client.server.app[SWITCHES].set("web", True, "wang")  # type: ignore[union-attr]
    response = await gateway.client.post(path, json={"text": "hello"}, headers=headers)
    assert response.status == 200


def test_a_notice_runs_out_and_the_fixed_one_holds_otherwise(tmp_path: Path) -> None:
    live = LiveSettings(f"sqlite:///{tmp_path / 'live.db'}")
    now = datetime(2026, 7, 1, 8, tzinfo=timezone.utc)
    board = NoticeBoard(live, Bilingual("常规", "Usual"), lambda: now)
    live.set("notice", {**STORM, "until": (now + timedelta(hours=1)).isoformat()}, "wang")
    current = board.current()
    assert current is not None
    assert current.urgent
    live.set("notice", {**STORM, "until": (now - timedelta(hours=1)).isoformat()}, "wang")
    current = board.current()
    assert current is not None
    assert current.en == "Usual"
    assert NoticeBoard(None, None).current() is None
