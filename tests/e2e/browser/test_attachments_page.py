"""The photo and position buttons of the chat page: from the press to the filed request."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

import pytest

from tests.actions.requests.conftest import photo_bytes
from tests.e2e.servers import Server

expect = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright").expect
pytestmark = [pytest.mark.e2e, pytest.mark.browser]

HERE = {"latitude": 28.9985, "longitude": 124.4966}
ELSEWHERE = (29.0083, 124.5475)


def photo(name: str, data: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "image/jpeg", "buffer": data}


def test_a_photo_and_a_position_go_into_the_filed_request(
    visit: Any, ask: Any, answered: Any, server: Server
) -> None:
    page = visit(geolocation=HERE, permissions=["geolocation"])
    with page.expect_file_chooser() as chooser:
        page.locator("#photo").press("Enter")
    chooser.value.set_files(photo("孔.jpg", photo_bytes((320, 240), ELSEWHERE)))
    # A photo alone begins a report; the place that it carries is offered, not taken.
    expect(page.locator(".message.assistant", has_text="收到 1 张照片")).to_be_visible()
    answered(page, 1)
    ask(page, "路灯不亮了")
    answered(page, 2)
    page.locator("#position").click()
    expect(page.locator(".message.citizen").last).to_contain_text("📍 28.99850, 124.49660")
    answered(page, 3)
    expect(page.locator("#position")).to_be_enabled()
    ask(page, "匿名")
    expect(page.locator(".message.assistant", has_text="请核对")).to_be_visible()
    answered(page, 4)
    ask(page, "确认")
    filed = page.locator(".message.assistant", has_text=re.compile(r"LC-\d{4}-\d{8}")).last
    expect(filed).to_be_visible()
    number = re.search(r"LC-\d{4}-\d{8}", filed.text_content() or "")
    assert number is not None
    with sqlite3.connect(server.data_dir / "requests.db") as database:
        request_id, lat, lon = database.execute(
            "SELECT id, lat, lon FROM requests_requests WHERE number = ?", (number[0],)
        ).fetchone()
        (photo_id,) = database.execute(
            "SELECT id FROM requests_photos WHERE request_id = ?", (request_id,)
        ).fetchone()
    assert (lat, lon) == (pytest.approx(28.9985), pytest.approx(124.4966))
    kept = (server.data_dir / "requests" / "photos" / f"{photo_id}.jpg").read_bytes()
    assert kept.startswith(b"\xff\xd8\xff") and b"secret words" not in kept


def test_a_refusal_of_either_is_explained(visit: Any) -> None:
    page = visit(locale="en-GB", permissions=[])
    page.locator("#position").click()
    problem = page.locator("#problem")
    expect(problem).to_contain_text("describe the place in words")
    page.locator("#file").set_input_files(photo("fake.jpg", b"%PDF-1.7 this is no photo"))
    expect(problem).to_contain_text("JPEG")
    expect(page.locator("#photo")).to_be_enabled()
    expect(page.locator(".message.citizen")).to_have_count(0)
