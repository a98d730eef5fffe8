"""Notices on the gateway: the banner's address, and signed alerts by POST."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from channels.gateway import GatewayConfig, create_app
from channels.notices import NoticesExtension
from tests.actions.notices.conftest import Board, cap

SECRET = "a long secret"


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"X-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


@pytest.fixture
async def gateway(
    aiohttp_client: Any, brain: Any, make_config: Callable[..., GatewayConfig], board: Board
) -> Any:
    extension = NoticesExtension(board.service, None, SECRET)
    return await aiohttp_client(create_app(brain, make_config(extensions=[extension], alerts=True)))


async def test_a_signed_alert_stands_in_the_banner(gateway: Any) -> None:
    assert (await (await gateway.get("/api/v1/notices")).json()) == {"notices": []}
    body = cap()
    response = await gateway.post("/api/v1/cap", data=body, headers=signed(body))
    assert response.status == 201
    assert (await response.json())["state"] == "active"
    again = await gateway.post("/api/v1/cap", data=body, headers=signed(body))
    assert again.status == 200
    (shown,) = (await (await gateway.get("/api/v1/notices")).json())["notices"]
    assert shown["texts"]["zh"]["instruction"] == "1. 关好门窗；\n2. *不要*外出 <海边>。"
    assert shown["severity"] == "Severe"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-Signature-256": "sha256=00"}, 403),
        (signed(cap(), "other"), 403),
        ({"X-Signature-256": "é"}, 403),
    ],
    ids=["none", "short", "other-secret", "odd"],
)
async def test_an_unsigned_alert_is_refused(
    gateway: Any, board: Board, headers: dict[str, str], status: int
) -> None:
    response = await gateway.post("/api/v1/cap", data=cap(), headers=headers)
    assert response.status == status
    assert board.service.banner() == []


@pytest.mark.parametrize(("body", "status"), [(b"<alert/>", 400), (b"x" * 1_100_000, 413)])
async def test_a_signed_document_that_is_no_alert(gateway: Any, body: bytes, status: int) -> None:
    response = await gateway.post("/api/v1/cap", data=body, headers=signed(body))
    assert response.status == status
    assert (await response.json())["messages"]["zh"]


async def test_a_flood_of_posts_is_slowed(gateway: Any) -> None:
    statuses = [(await gateway.post("/api/v1/cap", data=b"x")).status for _ in range(70)]
    assert statuses[0] == 401
    assert statuses[-1] == 429


async def test_the_page_asks_for_notices_only_where_there_are_some(gateway: Any) -> None:
    assert '"alerts": true' in await (await gateway.get("/")).text()
