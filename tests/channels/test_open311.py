"""Our GeoReport v2 server against the specification: methods, formats, errors, and our own client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from actions.requests.open311.client import Open311Client
from actions.requests.photos import PhotoBox
from actions.requests.records import NewRequest
from actions.requests.routing import Router
from actions.requests.service import RequestService
from actions.requests.settings import Open311ClientSection, RequestsSection
from actions.requests.store import RequestStore
from channels.open311 import Open311Server
from tests.actions.requests.conftest import shipped

ROOT = Path(__file__).resolve().parents[2]
CATEGORIES = ROOT / "actions/requests/demo/categories.yml"
LOCATION = {"lat": "29.0001", "long": "124.5001"}
# What the specification lists for one service request.
FIELDS = (
    "service_request_id status status_notes service_name service_code description agency_responsible service_notice "
    "requested_datetime updated_datetime expected_datetime address address_id zipcode lat long media_url"
).split()


@pytest.fixture
def service(tmp_path: Path) -> Any:
    section = RequestsSection.parse_obj(
        {"categories": CATEGORIES, "open311": {"public": True, "jurisdiction_id": "lanchuan.example"}}
    )
    catalogue, places = shipped()
    store = RequestStore.open(f"sqlite:///{tmp_path / 'requests.db'}")
    photos = PhotoBox(store, tmp_path / "photos", section.photos)
    made = RequestService(
        section, catalogue, store, places, Router(catalogue, None, None), photos, ZoneInfo("Asia/Shanghai")
    )
    yield made
    made.close()


@pytest.fixture
async def client(service: RequestService) -> AsyncIterator[TestClient]:
    app = web.Application()
    app.add_routes(Open311Server(service, ["secret-key", "other"]).routes())
    async with TestClient(TestServer(app)) as made:
        yield made


def url(path: str) -> str:
    return f"/open311/v2/{path}" + ("&" if "?" in path else "?") + "jurisdiction_id=lanchuan.example"


async def post(client: TestClient, kind: str = "json", **changes: Any) -> Any:
    data = {
        "jurisdiction_id": "lanchuan.example",
        "api_key": "secret-key",
        "service_code": "pothole",
        "description": "A deep hole, call 13800138000",
        **LOCATION,
        **changes,
    }
    return await client.post(
        f"/open311/v2/requests.{kind}", data={k: v for k, v in data.items() if v is not None}
    )


async def test_services_in_both_formats(client: TestClient) -> None:
    response = await client.get(url("services.json?locale=en"))
    items = await response.json()
    assert response.content_type == "application/json" and len(items) >= 20
    pothole = next(i for i in items if i["service_code"] == "pothole")
    assert set(pothole) == {
        "service_code",
        "service_name",
        "description",
        "metadata",
        "type",
        "keywords",
        "group",
    }
    assert pothole["metadata"] is False and pothole["type"] == "realtime"
    response = await client.get(url("services.xml"))
    root = ElementTree.fromstring(await response.text())
    assert response.content_type == "text/xml" and root.tag == "services"
    assert {child.tag for child in root} == {"service"}
    assert root[0].findtext("metadata") == "false"


async def test_a_definition_and_an_unknown_one(client: TestClient) -> None:
    root = ElementTree.fromstring(await (await client.get(url("services/pothole.xml"))).text())
    assert root.tag == "service_definition" and root.find("attributes") is not None
    missing = await client.get(url("services/ufo.json"))
    assert missing.status == 404
    assert await missing.json() == [{"code": 404, "description": "service_code was not found"}]


async def test_a_request_is_filed_and_read_back(client: TestClient) -> None:
    response = await post(client)
    assert response.status == 200
    filed = (await response.json())[0]
    assert set(filed) == {"service_request_id", "service_notice", "account_id"}
    number = filed["service_request_id"]
    one = (await (await client.get(url(f"requests/{number}.json"))).json())[0]
    assert list(one) == FIELDS
    assert one["status"] == "open" and one["lat"] == pytest.approx(29.0001)
    assert "13800138000" not in one["description"]
    assert one["requested_datetime"].endswith("+08:00")
    root = ElementTree.fromstring(await (await client.get(url(f"requests/{number}.xml"))).text())
    assert root.tag == "service_requests" and [c.tag for c in root[0]] == FIELDS


async def test_filing_in_xml(client: TestClient) -> None:
    response = await post(client, "xml", lat=None, long=None, address_string="人民广场")
    root = ElementTree.fromstring(await response.text())
    assert root.tag == "service_requests"
    assert root[0].findtext("service_request_id")


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"api_key": None}, 403, "api_key was not provided"),
        ({"api_key": "guess"}, 403, "not valid"),
        ({"jurisdiction_id": None}, 400, "jurisdiction_id was not provided"),
        ({"jurisdiction_id": "mars"}, 404, "not found"),
        ({"service_code": None}, 400, "service_code"),
        ({"service_code": "staff_service"}, 404, "service_code"),
        ({"lat": None, "long": None}, 400, "location"),
        ({"long": None}, 400, "together"),
        ({"lat": "north"}, 400, "degrees"),
        ({"lat": "129"}, 400, "degrees"),
        ({"lat": "nan"}, 400, "degrees"),
        ({"description": "x" * 4001}, 400, "4000"),
    ],
)
async def test_what_is_wrong_is_refused_in_the_specifications_form(
    client: TestClient, changes: dict[str, Any], status: int, words: str
) -> None:
    response = await post(client, **changes)
    assert response.status == status
    error = (await response.json())[0]
    assert error["code"] == status and words in error["description"]
    root = ElementTree.fromstring(await (await post(client, "xml", **changes)).text())
    assert root.tag == "errors" and root[0].tag == "error" and root[0].findtext("code") == str(status)


async def test_lists_have_pages_filters_and_dates(client: TestClient, service: RequestService) -> None:
    numbers = [(await (await post(client)).json())[0]["service_request_id"] for _ in range(5)]
    await post(client, service_code="noise")
    service.change_state(numbers[0], "closed", "li", outcome="resolved")
    response = await client.get(url("requests.json?service_code=pothole&page=2&page_size=2"))
    assert [i["service_request_id"] for i in await response.json()] == [numbers[2], numbers[1]]
    assert response.headers["X-Total-Count"] == "5"
    closed = await (await client.get(url("requests.json?status=closed"))).json()
    assert [i["service_request_id"] for i in closed] == [numbers[0]]
    both = await (
        await client.get(url(f"requests.json?service_request_id={numbers[3]},{numbers[1]},LC-1"))
    ).json()
    assert [i["service_request_id"] for i in both] == [numbers[3], numbers[1]]
    several = await (await client.get(url("requests.json?service_code=noise,pothole&page_size=3"))).json()
    assert len(several) == 3
    assert await (await client.get(url("requests.json?start_date=2099-01-01T00:00:00Z"))).json() == []
    for query in ("status=lost", "page=x", "start_date=yesterday"):
        assert (await client.get(url(f"requests.json?{query}"))).status == 400


async def test_complaints_are_never_listed(client: TestClient, service: RequestService) -> None:
    number = service.file(NewRequest("c:1", "staff_service", "rude clerk")).request.number
    assert await (await client.get(url("requests.json"))).json() == []
    assert (await client.get(url(f"requests/{number}.json"))).status == 404


async def test_tokens_and_discovery(client: TestClient, service: RequestService) -> None:
    number = (await (await post(client)).json())[0]["service_request_id"]
    token = service.store.by_number(number).token
    found = await (await client.get(url(f"tokens/{token}.json"))).json()
    assert found == [{"service_request_id": number, "token": token}]
    assert (await client.get(url("tokens/guess.xml"))).status == 404
    discovery = await (await client.get("/open311/v2/discovery.json")).json()
    assert discovery["endpoints"][0]["url"].endswith("/open311/v2")


async def test_a_repeated_post_with_one_idempotency_key_files_once(client: TestClient) -> None:
    data = {
        "jurisdiction_id": "lanchuan.example",
        "api_key": "secret-key",
        "service_code": "pothole",
        **LOCATION,
    }
    numbers = set()
    for _ in range(3):
        response = await client.post(
            "/open311/v2/requests.json", data=data, headers={"Idempotency-Key": "device-1-report-9"}
        )
        numbers.add((await response.json())[0]["service_request_id"])
    assert len(numbers) == 1


async def test_reading_needs_a_key_unless_the_city_publishes(service: RequestService) -> None:
    service.section = service.section.copy(
        update={"open311": service.section.open311.copy(update={"public": False})}
    )
    app = web.Application()
    app.add_routes(Open311Server(service, ["secret-key"]).routes())
    async with TestClient(TestServer(app)) as client:
        assert (await client.get(url("requests.json"))).status == 403
        assert (await client.get(url("requests.json?api_key=secret-key"))).status == 200
        assert (await client.get(url("services.json"))).status == 200


async def test_our_client_files_at_our_server(client: TestClient) -> None:
    section = Open311ClientSection.parse_obj(
        {"url": str(client.make_url("/open311/v2")), "jurisdiction_id": "lanchuan.example"}
    )
    async with aiohttp.ClientSession() as session:
        ours = Open311Client(section, "secret-key", session)
        receipt = await ours.file({"service_code": "manhole", "description": "cover gone", **LOCATION})
        status = await ours.status(receipt.request_id)
        assert status is not None and status["status"] == "open"
        assert await ours.status("LC-2026-00000000") is None
