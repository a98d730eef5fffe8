from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from channels.gateway import Bilingual, GatewayConfig, create_app
from city.messages import Answer, Message, Trace


class Silent:
    async def respond(self, message: Message) -> Answer:
        return Answer(message.message_id, "zh", (), Trace(message.conversation_id, message.message_id))

    async def forget(self, conversation_id: str) -> None:
        return None

    def ready(self) -> dict[str, bool]:
        return {}


@pytest.fixture
def charts(tmp_path: Path) -> Path:
    folder = tmp_path / "charts"
    folder.mkdir()
    (folder / "0a1b2c.png").write_bytes(b"\x89PNG")
    (tmp_path / "secret.png").write_bytes(b"secret")
    return folder


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/charts/0a1b2c.png", 200),
        ("/charts/none.png", 404),
        ("/charts/..%2Fsecret.png", 404),
        ("/charts/0a1b2c.html", 404),
        ("/charts/", 404),
    ],
)
async def test_only_charts_are_served(tmp_path: Path, charts: Path, path: str, status: int) -> None:
    config = GatewayConfig(Bilingual("市", "City"), f"sqlite:///{tmp_path / 'chat.db'}", charts=charts)
    async with TestClient(TestServer(create_app(Silent(), config))) as client:
        assert (await client.get(path)).status == status


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/exports/plan-0a1b.csv", 200),
        ("/exports/none.csv", 404),
        ("/exports/..%2Fsecret.csv", 404),
        ("/exports/plan-0a1b.png", 404),
    ],
)
async def test_exports_are_saved_not_shown(tmp_path: Path, path: str, status: int) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "plan-0a1b.csv").write_text("stage,green_s\n", "utf-8")
    (tmp_path / "secret.csv").write_text("secret", "utf-8")
    config = GatewayConfig(Bilingual("市", "City"), f"sqlite:///{tmp_path / 'chat.db'}", exports=folder)
    async with TestClient(TestServer(create_app(Silent(), config))) as client:
        answer = await client.get(path)
        assert answer.status == status
        if status == 200:
            assert answer.headers["Content-Disposition"].startswith("attachment")
            assert answer.headers["Cache-Control"] == "no-store"


async def test_with_a_console_staff_fetch_exports_there(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "plan-0a1b.csv").write_text("stage,green_s\n", "utf-8")
    config = GatewayConfig(
        Bilingual("市", "City"),
        f"sqlite:///{tmp_path / 'chat.db'}",
        exports=folder,
        exports_at="https://staff.city.example/",
    )
    async with TestClient(TestServer(create_app(Silent(), config))) as client:
        response = await client.get("/exports/plan-0a1b.csv", allow_redirects=False)
        assert response.status == 303
        assert response.headers["Location"] == "https://staff.city.example/exports/plan-0a1b.csv"
