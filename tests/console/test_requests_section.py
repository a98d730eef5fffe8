"""The requests' pages: filters, detail, contact, state, assignment, notes, statistics, export."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from actions.requests.catalogue import read_catalogue
from actions.requests.photos import PhotoBox
from actions.requests.places import PlaceFinder
from actions.requests.records import NewRequest, Place
from actions.requests.routing import Router
from actions.requests.service import RequestService
from actions.requests.settings import RequestsSection
from actions.requests.store import RequestStore, utc_now
from console.services import Services
from tests.actions.requests.conftest import CATEGORIES, ROOT, photo_bytes


@pytest.fixture
def work(tmp_path: Path) -> Iterator[RequestService]:
    section = RequestsSection.parse_obj({"categories": CATEGORIES})
    catalogue = read_catalogue(CATEGORIES)
    store = RequestStore.open(f"sqlite:///{tmp_path / 'requests.db'}")
    photos = PhotoBox(store, tmp_path / "photos", section.photos)
    places = PlaceFinder.read(ROOT / "bot/data/gazetteer/city.csv")
    zone = ZoneInfo("Asia/Shanghai")
    made = RequestService(section, catalogue, store, places, Router(catalogue, None, None), photos, zone)
    yield made
    made.close()


@pytest.fixture
def services(work: RequestService) -> Services:
    return Services(requests=work)


def file(work: RequestService, key: str = "a", **changes: Any) -> str:
    data: dict[str, Any] = {
        "category": "pothole",
        "description": "deep <b>hole</b>",
        "place": Place("Renmin Road", 29.0, 124.5, "zhongxin"),
        "contact": "13800138000",
        "conversation_id": "c1",
        **changes,
    }
    return work.file(NewRequest(key, **data)).request.number


async def test_operators_only(console: Any, work: RequestService) -> None:
    number = file(work)
    await console.sign_in("publisher")
    assert (await console.get("/requests")).status == 403
    assert (await console.get(f"/requests/{number}")).status == 403


async def test_the_list_has_filters(console: Any, work: RequestService) -> None:
    number = file(work)
    other = file(work, "b", category="noise", description="loud bar", confidence=0.2)
    await console.sign_in("operator")
    page = await console.page("/requests")
    assert number in page and other in page and "2 in all" in page
    assert other not in await console.page("/requests?category=pothole")
    assert number not in await console.page("/requests?text=loud")
    assert number not in await console.page("/requests?review=1")
    assert "0 in all" in await console.page("/requests?state=closed&since=2020-01-01&until=nonsense")


async def test_the_contact_is_masked_until_somebody_asks(console: Any, work: RequestService) -> None:
    number = file(work)
    await console.sign_in("operator")
    page = await console.page(f"/requests/{number}")
    assert "138****8000" in page and "13800138000" not in page
    assert "deep &lt;b&gt;hole&lt;/b&gt;" in page
    response = await console.post(f"/requests/{number}/contact")
    assert "13800138000" in await response.text()
    assert any(entry.action == "requests.contact" for entry in console.audit.entries(limit=5))


async def test_a_request_goes_its_way(console: Any, work: RequestService) -> None:
    number = file(work)
    await console.sign_in("operator")
    await console.page(f"/requests/{number}")
    await console.submit(
        f"/requests/{number}/assign", {"category": "streetlight", "department": "", "assignee": "Wang"}
    )
    request = work.store.by_number(number)
    assert (request.category, request.department, request.assignee, request.state) == (
        "streetlight",
        "urban",
        "Wang",
        "assigned",
    )
    refused = await console.post(f"/requests/{number}/state", {"state": "closed", "outcome": ""})
    assert refused.status == 422 and "outcome" in await refused.text()
    form = {"state": "closed", "outcome": "resolved", "note": "done", "tell": "1"}
    page = await console.submit(f"/requests/{number}/state", form)
    assert "closed (resolved)" in page
    again = await console.post(f"/requests/{number}/state", {"state": "working"})
    assert again.status == 422
    await console.submit(f"/requests/{number}/note", {"note_text": "checked on site"})
    empty = await console.post(f"/requests/{number}/note", {"note_text": " "})
    assert empty.status == 422
    events = work.detail(number).history
    assert [event.kind for event in events] == ["state", "state", "state", "note"]


async def test_photos_belong_to_their_request(console: Any, work: RequestService) -> None:
    photo = work.photos.put("c1", photo_bytes(), utc_now())
    number = file(work, photos=[photo.id])
    other = file(work, "b")
    await console.sign_in("operator")
    response = await console.get(f"/requests/{number}/photos/{photo.id}")
    assert response.status == 200 and response.content_type == "image/jpeg"
    page = await console.page(f"/requests/{number}")
    assert f'<img src="/requests/{number}/photos/{photo.id}" alt="Photo 1: Pothole' in page
    assert (await console.get(f"/requests/{other}/photos/{photo.id}")).status == 404


async def test_statistics_and_export(console: Any, work: RequestService) -> None:
    number = file(work, description="=SUM(A1)")
    work.change_state(number, "closed", "li", outcome="resolved")
    work.rate(work.store.by_number(number), 5, True, "")
    await console.sign_in("operator")
    page = await console.page("/requests/statistics")
    assert page.count("100.0 %") == 4
    text = await (await console.get("/requests/export.csv")).text()
    assert number in text and "'=SUM(A1)" in text and "13800138000" not in text


async def test_an_unknown_number_is_not_found(console: Any) -> None:
    await console.sign_in("operator")
    assert (await console.get("/requests/LC-2026-00000000")).status == 404
