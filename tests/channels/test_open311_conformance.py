"""GeoReport v2 method by method (wiki.open311.org/GeoReport_v2): names, types, errors, formats; photos both ways."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from actions.requests.open311.client import Open311Client
from actions.requests.open311.sync import Open311Sync
from actions.requests.photos import PhotoBox
from actions.requests.records import NewRequest, Place
from actions.requests.routing import Router
from actions.requests.service import RequestService
from actions.requests.settings import Open311ClientSection, RequestsSection
from actions.requests.store import RequestStore
from channels.open311 import Open311Server
from tests.actions.requests.conftest import CATEGORIES, photo_bytes, shipped

KEY, CITY = "secret-key", "lanchuan.example"
# The specification's tables of responses.
SERVICE = "service_code service_name description metadata type keywords group".split()
REQUEST = (
    "service_request_id status status_notes service_name service_code description agency_responsible service_notice "
    "requested_datetime updated_datetime expected_datetime address address_id zipcode lat long media_url"
).split()
W3C = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$")
# The specification's own example of a POST, with a service and a place of ours.
EXAMPLE = {
    "api_key": KEY,
    "jurisdiction_id": CITY,
    "service_code": "pothole",
    "lat": "29.0001",
    "long": "124.5001",
    "address_string": "1234 5th street",
    "email": "smit333@sfgov.example",
    "device_id": "tt222111",
    "account_id": "123456",
    "first_name": "john",
    "last_name": "smith",
    "phone": "111111111",
    "description": "A large sinkhole is destroying the street",
    "media_url": "http://farm3.static.flickr.example/2002/2212426634_5ed477a060.jpg",
    "attribute[WHISPAWN]": "123456",
    "attribute[WHISDORN]": "COISL001",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RequestService]:
    folder = tmp_path_factory.mktemp("open311")
    section = RequestsSection.parse_obj(
        {
            "categories": CATEGORIES,
            "open311": {"public": True, "jurisdiction_id": CITY},
            "photos": {"max_bytes": 50_000},
        }
    )
    catalogue, places = shipped()
    store = RequestStore.open(f"sqlite:///{folder / 'requests.db'}")
    photos = PhotoBox(store, folder / "photos", section.photos)
    router = Router(catalogue, None, None)
    yield RequestService(section, catalogue, store, places, router, photos, ZoneInfo("Asia/Shanghai"))
    store.close()


@pytest.fixture
async def city(service: RequestService) -> AsyncIterator[City]:
    app = web.Application()
    app.add_routes(Open311Server(service, [KEY]).routes())
    async with TestClient(TestServer(app)) as client:
        yield City(client)


class City:
    """The server as a client of the specification sees it."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    async def json(self, path: str, expect: int = 200, **query: str) -> Any:
        found = await self.client.get(f"/open311/v2/{path}.json", params={"jurisdiction_id": CITY, **query})
        assert found.status == expect and found.headers["Content-Type"] == "application/json; charset=utf-8"
        return await found.json()

    async def xml(self, path: str, expect: int = 200, **query: str) -> ElementTree.Element:
        found = await self.client.get(f"/open311/v2/{path}.xml", params={"jurisdiction_id": CITY, **query})
        text = await found.text()
        assert found.status == expect and found.headers["Content-Type"] == "text/xml; charset=utf-8"
        assert re.match(r'<\?xml version="1.0" encoding="utf-8"\?>', text, re.IGNORECASE)
        return ElementTree.fromstring(text)

    async def post(self, status: int = 200, kind: str = "json", **how: Any) -> Any:
        found = await self.client.post(f"/open311/v2/requests.{kind}", **how)
        assert found.status == status, await found.text()
        return await found.json() if kind == "json" else ElementTree.fromstring(await found.text())

    async def number(self, **changes: str) -> str:
        return str((await self.post(data={**EXAMPLE, **changes}))[0]["service_request_id"])


async def test_get_service_list(city: City, service: RequestService) -> None:
    items = await city.json("services")
    assert [sorted(item) for item in items] == [sorted(SERVICE)] * len(items)
    assert {item["service_code"] for item in items} == {c.id for c in service.catalogue.of_kind("report")}
    for item in items:
        assert item["metadata"] is False and item["type"] in ("realtime", "batch", "blackbox")
        assert item["service_name"] and item["group"] and isinstance(item["keywords"], str)
    root = await city.xml("services")
    assert root.tag == "services" and len(root) == len(items)
    for element in root:
        assert element.tag == "service" and [child.tag for child in element] == SERVICE
        assert element.findtext("metadata") in ("true", "false")


async def test_get_service_definition(city: City) -> None:
    assert await city.json("services/pothole") == {"service_code": "pothole", "attributes": []}
    root = await city.xml("services/pothole")
    assert root.tag == "service_definition" and [child.tag for child in root] == [
        "service_code",
        "attributes",
    ]


@pytest.mark.parametrize("how", ["form", "json", "multipart", "no type"])
async def test_post_service_request(how: str, city: City, service: RequestService) -> None:
    if how == "json":
        sent: dict[str, Any] = {"json": {**EXAMPLE, "lat": 29.0001, "long": 124.5001}}
    elif how == "multipart":
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in EXAMPLE.items():
            form.add_field(name, value)
        sent = {"data": form}
    else:
        sent = {"data": EXAMPLE}
    (filed,) = await city.post(**sent)
    assert set(filed) == {"service_request_id", "service_notice", "account_id"}
    kept = service.store.by_number(filed["service_request_id"])
    assert (kept.category, kept.address) == ("pothole", EXAMPLE["address_string"])
    assert (kept.lat, kept.lon) == (pytest.approx(29.0001), pytest.approx(124.5001))
    assert kept.contact == "john smith 111111111 smit333@sfgov.example"
    assert kept.attributes == {
        "device_id": "tt222111",
        "account_id": "123456",
        "media_url": EXAMPLE["media_url"],
        "answers": {"WHISPAWN": "123456", "WHISDORN": "COISL001"},
    }
    root = await city.post(kind="xml", **sent) if how != "multipart" else None
    if root is not None:
        assert root.tag == "service_requests" and root[0].tag == "request"
        assert root[0].findtext("service_request_id") and root[0].find("token") is None


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"jurisdiction_id": "mars.example"}, 404, "jurisdiction_id provided was not found"),
        ({"jurisdiction_id": None}, 400, "jurisdiction_id was not provided"),
        ({"service_code": "ufo"}, 404, "service_code was not found"),
        ({"service_code": None}, 400, "service_code was not provided"),
        ({"api_key": None}, 403, "api_key"),
        ({"api_key": "guess"}, 403, "api_key"),
        ({"lat": None, "long": None, "address_string": None}, 400, "location"),
        ({"email": "john at home"}, 400, "email"),
        ({"media_url": "javascript:alert(1)"}, 400, "media_url"),
        ({"media_url": "http://x.example/" + "a" * 600}, 400, "media_url"),
        ({"description": "x" * 4001}, 400, "4000"),
    ],
)
async def test_errors(changes: dict[str, Any], status: int, words: str, city: City) -> None:
    data = {name: value for name, value in {**EXAMPLE, **changes}.items() if value is not None}
    (error,) = await city.post(status, data=data)
    assert error["code"] == status and words in error["description"]
    root = await city.post(status, "xml", json=data)
    assert root.tag == "errors" and root[0].tag == "error"
    assert [child.tag for child in root[0]] == ["code", "description"]
    assert root[0].findtext("code") == str(status)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"--b\r\nnonsense", "multipart/form-data; boundary=b", 400),
        (b"--b\r\nnonsense", "multipart/form-data", 400),
        (b"\xff\xfe=%%%", "application/x-www-form-urlencoded; charset=nope", 400),
        (b"", "application/xml", 400),
    ],
)
async def test_bodies_that_are_nothing(body: bytes, kind: str, status: int, city: City) -> None:
    (error,) = await city.post(status, data=body, headers={"Content-Type": kind})
    assert error["code"] == status and error["description"]


async def test_get_service_requests_and_one(city: City, service: RequestService) -> None:
    number = await city.number(service_code="graffiti")
    for (item,) in (
        await city.json("requests", service_code="graffiti"),
        await city.json(f"requests/{number}"),
    ):
        assert list(item) == REQUEST
        assert item["service_request_id"] == number and item["status"] == "open"
        assert isinstance(item["lat"], float) and isinstance(item["long"], float)
        for name in ("requested_datetime", "updated_datetime", "expected_datetime"):
            assert W3C.match(item[name])
        told = datetime.fromisoformat(item["requested_datetime"])
        assert abs(told - datetime.now(told.tzinfo)) < timedelta(minutes=5)
    for root in (await city.xml("requests", service_code="graffiti"), await city.xml(f"requests/{number}")):
        assert root.tag == "service_requests" and [child.tag for child in root] == ["request"]
        assert [child.tag for child in root[0]] == REQUEST
    for path in ("requests/LC-2026-00000000", "services/ufo", "tokens/guess"):
        assert (await city.json(path, 404))[0]["code"] == 404
        assert (await city.xml(path, 404)).tag == "errors"


async def test_every_filter_of_the_list(city: City, service: RequestService) -> None:
    numbers = [await city.number(service_code="manhole") for _ in range(3)]
    service.change_state(numbers[0], "closed", "li", outcome="resolved")
    moment = datetime.now(tz=ZoneInfo("Asia/Shanghai"))

    async def found(**query: str) -> list[str]:
        query = {"service_code": "manhole", **query}
        return [item["service_request_id"] for item in await city.json("requests", **query)]

    assert await found() == numbers[::-1]
    assert await found(status="closed") == numbers[:1]
    assert await found(status="open") == numbers[:0:-1]
    assert await found(status="open,closed") == numbers[::-1]
    # Ids go before every other argument.
    assert await found(service_request_id=f"{numbers[2]},{numbers[0]}", status="open") == [
        numbers[2],
        numbers[0],
    ]
    for ago, ahead, expected in ((1, 1, 3), (2, -1, 0), (-1, 2, 0)):
        since, until = (moment + timedelta(hours=hours) for hours in (-ago, ahead))
        span = {"start_date": since.isoformat("T", "seconds"), "end_date": until.isoformat("T", "seconds")}
        assert len(await found(**span)) == expected
    utc = moment.astimezone(ZoneInfo("UTC")) - timedelta(hours=1)
    assert len(await found(start_date=f"{utc:%Y-%m-%dT%H:%M:%S}Z")) == 3
    assert await found(page="2", page_size="2") == numbers[:1]
    assert await found(page="9", page_size="2") == []
    for wrong in ({"status": "lost"}, {"start_date": "yesterday"}, {"page": "x"}, {"page_size": "many"}):
        assert (await city.json("requests", 400, **wrong))[0]["code"] == 400


async def test_tokens_and_discovery(city: City, service: RequestService) -> None:
    number = await city.number()
    token = service.store.by_number(number).token
    assert await city.json(f"tokens/{token}") == [{"service_request_id": number, "token": token}]
    root = await city.xml(f"tokens/{token}")
    assert [child.tag for child in root[0]] == ["service_request_id", "token"]
    root = await city.xml("discovery")
    endpoint = root.find("endpoints/endpoint")
    assert root.tag == "discovery" and endpoint is not None and W3C.match(root.findtext("changeset") or "")
    assert {format.text for format in endpoint.findall("formats/format")} == {"text/xml", "application/json"}
    assert (endpoint.findtext("url") or "").endswith("/open311/v2")


def _with_photo(data: bytes, name: str = "media") -> aiohttp.FormData:
    form = aiohttp.FormData()
    for field, value in EXAMPLE.items():
        form.add_field(field, value)
    form.add_field(name, data, filename="photo.jpg", content_type="image/jpeg")
    return form


async def test_photos_come_in_and_go_out(city: City, service: RequestService) -> None:
    number = await city.number()
    (item,) = await city.json(f"requests/{number}", api_key=KEY)
    assert item["media_url"] == EXAMPLE["media_url"]
    (filed,) = await city.post(data=_with_photo(photo_bytes((90, 60), (29.0, 124.5))))
    number = filed["service_request_id"]
    # Only who has a key is told where the photos lie, unless the city publishes them.
    assert (await city.json(f"requests/{number}"))[0]["media_url"] is None
    (item,) = await city.json(f"requests/{number}", api_key=KEY)
    shown = await city.client.get(item["media_url"].split("/", 3)[3].join(["/", ""]))
    body = await shown.read()
    assert shown.status == 200 and shown.content_type == "image/jpeg" and b"secret words" not in body
    (detail,) = service.store.photos(request_id=service.store.by_number(number).id)
    assert (detail.lat, detail.lon) == (29.0, 124.5)
    waiting = service.photos.put("c1", photo_bytes((33, 33)), service.now())
    for photo in (waiting.id, "guess", "a" * 24):
        assert (await city.client.get(f"/open311/v2/media/{photo}.jpg")).status == 404


@pytest.mark.parametrize(("data", "status"), [(b"\x00" * 60_000, 413), (b"%PDF-1.7 no photo", 400)])
async def test_what_is_no_photo_is_refused_and_nothing_is_filed(
    data: bytes, status: int, city: City, service: RequestService
) -> None:
    before = (await city.client.get("/open311/v2/requests.json", params={"jurisdiction_id": CITY})).headers
    await city.post(status, data=_with_photo(data))
    after = (await city.client.get("/open311/v2/requests.json", params={"jurisdiction_id": CITY})).headers
    assert before["X-Total-Count"] == after["X-Total-Count"]


async def test_our_client_tells_a_remote_server_where_the_photo_lies(
    city: City, service: RequestService, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = service.section.open311.copy(update={"public_url": "https://chat.city.example/"})
    monkeypatch.setattr(service, "section", service.section.copy(update={"open311": published}))
    photo = service.photos.put("c2", photo_bytes((50, 50)), service.now())
    new = NewRequest(
        "c2:1", "pothole", "坑", Place("人民广场", 29.0, 124.5), conversation_id="c2", photos=[photo.id]
    )
    request = service.file(new).request
    section = Open311ClientSection.parse_obj(
        {"url": str(city.client.make_url("/open311/v2")), "jurisdiction_id": CITY}
    )
    async with aiohttp.ClientSession() as session:
        sync = Open311Sync(service, section, Open311Client(section, KEY, session))
        sync.enqueue(request)
        await sync.run_once()
    theirs = [
        item
        for item in await city.json("requests", api_key=KEY)
        if item["media_url"] == f"https://chat.city.example/open311/v2/media/{photo.id}.jpg"
    ]
    (copy,) = theirs
    # The reference is not masked: asked again after a lost answer, it is found and filed only once.
    assert f"[{request.number}]" in copy["description"]
