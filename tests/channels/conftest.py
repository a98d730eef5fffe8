"""A brain that echoes, and gateways around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from channels.app import AppChannel
from channels.gateway import Bilingual, GatewayConfig, Limits, PhoneNumber, create_app
from channels.http import PlatformClient
from city.messages import Answer, Message, Reply, Trace
from tests.channels.platforms import FakePlatform, make


class EchoBrain:
    """Answers with the text itself; `gate` holds answers back, `fail` raises, `sleep_s` dawdles."""

    def __init__(self) -> None:
        self.seen: list[Message] = []
        self.forgotten: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fail: Exception | None = None
        self.sleep_s = 0.0
        self.parts = {"models": True, "index": True}
        self.running = 0
        self.most_running = 0
        self.replies: list[Reply] | None = None

    async def respond(self, message: Message) -> Answer:
        self.seen.append(message)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.gate.wait()
            if self.sleep_s:
                await asyncio.sleep(self.sleep_s)
            if self.fail is not None:
                raise self.fail
        finally:
            self.running -= 1
        replies = self.replies if self.replies is not None else [Reply(message.text, "smalltalk")]
        return Answer(
            message.message_id, message.language or "zh", replies, Trace(message.conversation_id, "")
        )

    async def forget(self, conversation_id: str) -> None:
        if self.fail is not None:
            raise self.fail
        self.forgotten.append(conversation_id)

    def ready(self) -> Mapping[str, bool]:
        return self.parts


@pytest.fixture
async def brain() -> EchoBrain:
    return EchoBrain()


@pytest.fixture
def database(tmp_path: Any) -> str:
    return f"sqlite:///{tmp_path / 'channels.db'}"


@pytest.fixture
def make_config(database: str) -> Callable[..., GatewayConfig]:
    def make(**changes: Any) -> GatewayConfig:
        limits = changes.pop("limits", Limits())
        return GatewayConfig(
            city_name=Bilingual("澜川市", "Lanchuan City"),
            database=changes.pop("database", database),
            emergency_numbers=(PhoneNumber("110", "报警", "Police"),),
            limits=limits,
            **changes,
        )

    return make


class Citizen:
    """One citizen's side of the HTTP API."""

    def __init__(self, client: TestClient, conversation_id: str, token: str) -> None:
        self.client = client
        self.id = conversation_id
        self.token = token
        self.headers = {"Authorization": f"Bearer {token}"}
        self.path = f"/api/v1/conversations/{conversation_id}"

    async def say(self, text: Any, message_id: str | None = None, **more: Any) -> Any:
        data = {"text": text, **({"message_id": message_id} if message_id else {}), **more}
        return await self.client.post(self.path + "/messages", json=data, headers=self.headers)

    async def history(self, **query: str) -> list[dict[str, Any]]:
        response = await self.client.get(self.path + "/messages", headers=self.headers, params=query)
        assert response.status == 200
        return (await response.json())["messages"]

    async def socket(self) -> Any:
        ws = await self.client.ws_connect("/api/v1/ws")
        await ws.send_json({"type": "auth", "conversation_id": self.id, "token": self.token})
        assert await ws.receive_json(timeout=3) == {"type": "ready"}
        return ws


@pytest.fixture
def arrive() -> Callable[[TestClient], Awaitable[Citizen]]:
    async def make(client: TestClient) -> Citizen:
        response = await client.post("/api/v1/conversations")
        assert response.status == 201
        data = await response.json()
        return Citizen(client, data["conversation_id"], data["token"])

    return make


@pytest.fixture
async def client(
    aiohttp_client: Any, brain: EchoBrain, make_config: Callable[..., GatewayConfig]
) -> TestClient:
    return await aiohttp_client(create_app(brain, make_config()))


@pytest.fixture
async def citizen(client: TestClient, arrive: Callable[[TestClient], Awaitable[Citizen]]) -> Citizen:
    return await arrive(client)


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Awaitable[None]]:
    async def wait(condition: Callable[[], Any]) -> None:
        async def poll() -> None:
            while not condition():
                await asyncio.sleep(0.005)

        await asyncio.wait_for(poll(), 15)

    return wait


@pytest.fixture
async def platform() -> AsyncIterator[FakePlatform]:
    """A server that behaves like the platforms."""
    fake = FakePlatform()
    server = TestServer(fake.app())
    await server.start_server()
    fake.url = str(server.make_url("")).rstrip("/")
    yield fake
    await server.close()


@pytest.fixture
async def build(platform: FakePlatform) -> AsyncIterator[Callable[..., AppChannel]]:
    """Make channels that talk to the platform with the real client; `hasty=True` waits 0.4 s for it."""
    clients = {hasty: PlatformClient(timeout_s=0.4 if hasty else 20.0) for hasty in (False, True)}
    yield lambda name, hasty=False: make(name, platform.url, clients[hasty])
    for client in clients.values():
        await client.close()
