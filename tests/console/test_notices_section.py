"""The notices' pages: write, cancel, take an alert in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from console.config import ConsoleConfig
from console.services import Services
from tests.actions.notices.conftest import Board, cap
from tests.console.conftest import Console

FORM = {
    "title_zh": "停水通知",
    "title_en": "Water cut",
    "text_zh": "今晚停水。",
    "text_en": "No water tonight.",
    "hours": "6",
    "districts": "lingang",
    "key": "k1",
}


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


@pytest.fixture
def services(board: Board) -> Services:
    return Services(notices=board.service)


@pytest.fixture
async def publisher(console_config: ConsoleConfig, browser_of: Callable[[ConsoleConfig], Any]) -> Console:
    return await (await browser_of(console_config)).sign_in("publisher")


async def test_editors_send_no_notices(console: Console) -> None:
    await console.sign_in("editor")
    await console.page("/notices", status=403)


async def test_a_notice_from_the_form_to_the_subscriber_and_back(publisher: Console, board: Board) -> None:
    board.subscribe("a", "lingang", language="en")
    board.subscribe("b", "zhongxin")
    await publisher.page("/notices")
    page = await publisher.submit("/notices", FORM)
    assert "Water cut" in page
    assert "Lingang District" in page
    await publisher.submit("/notices", FORM)
    assert len(board.store.latest()) == 1
    board.service.deliver()
    ((who, text),) = board.sent()
    assert who == "a"
    assert "No water tonight." in text
    page = await publisher.submit("/notices/1/cancel")
    assert "Cancelled" in page
    assert "no longer in force" in await publisher.submit("/notices/1/cancel")
    board.service.deliver()
    assert board.sent() == [("a", "No longer in force: Water cut")]
    assert {"notices.publish", "notices.cancel"} <= {entry.action for entry in publisher.audit.entries()}


@pytest.mark.parametrize(
    "change",
    [{"title_en": ""}, {"text_zh": "长" * 2001}, {"hours": "0"}, {"hours": "soon"}, {"districts": "nowhere"}],
)
async def test_what_is_wrong_is_told_and_kept(
    publisher: Console, board: Board, change: dict[str, str]
) -> None:
    await publisher.page("/notices")
    response = await publisher.post("/notices", {**FORM, **change})
    assert response.status == 422
    assert "今晚停水" in await response.text() or "text_zh" in change
    assert board.store.latest() == []


async def test_a_cap_file_is_taken_in(publisher: Console, board: Board) -> None:
    def upload(data: bytes) -> FormData:
        form = FormData()
        form.add_field("file", data, filename="alert.xml", content_type="application/xml")
        return form

    await publisher.page("/notices")
    page = await publisher.submit("/notices/cap", upload(cap()))
    assert "Orange typhoon warning" in page
    assert "Taken in; it is In force." in page
    assert "taken in before" in await publisher.submit("/notices/cap", upload(cap()))
    response = await publisher.post("/notices/cap", upload(b"<alert/>"))
    assert response.status == 422
    assert "its root is" in await response.text()
    assert len(board.store.latest()) == 1


async def test_texts_of_others_are_shown_as_texts(publisher: Console, board: Board) -> None:
    await publisher.page("/notices")
    page = await publisher.submit("/notices", {**FORM, "title_en": "<script>alert(1)</script>"})
    assert "<script>alert" not in page


@pytest.mark.parametrize("path", ["/notices/9/cancel"])
async def test_an_unknown_notice_is_not_found(publisher: Console, path: str) -> None:
    await publisher.page("/notices")
    assert (await publisher.post(path)).status == 404
