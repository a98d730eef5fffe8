"""Attachments of articles are files to save, and nothing else of the data directory is served."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from channels.gateway import Bilingual, GatewayConfig, create_app
from tests.channels.test_charts import Silent

NAME = "0" * 32


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/files/{NAME}.pdf", 200),
        (f"/files/{NAME}.png", 404),
        ("/files/..%2Fsecret.pdf", 404),
        (f"/files/{NAME}.svg", 404),
    ],
)
async def test_attachments_are_saved_not_shown(tmp_path: Path, path: str, status: int) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / f"{NAME}.pdf").write_bytes(b"%PDF-1.4")
    (tmp_path / "secret.pdf").write_bytes(b"secret")
    config = GatewayConfig(Bilingual("市", "City"), f"sqlite:///{tmp_path / 'chat.db'}", files=folder)
    async with TestClient(TestServer(create_app(Silent(), config))) as client:
        response = await client.get(path)
        assert response.status == status
        if status == 200:
            assert response.headers["Content-Disposition"].startswith("attachment")
            assert response.headers["X-Content-Type-Options"] == "nosniff"
