"""Photos and positions over the citizen API, news back to the page, and Open311 beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from aiohttp.test_utils import TestClient

from actions.requests.photos import PhotoBox
from actions.requests.records import NewRequest, Place
from actions.requests.routing import Router
from actions.requests.service import RequestService
from actions.requests.settings import RequestsSection
from actions.requests.store import RequestStore
from channels.gateway import create_app
from channels.requests import RequestErasure, attach_requests
from tests.actions.requests.conftest import CATEGORIES, photo_bytes, shipped


@pytest.fixture
def service(tmp_path: Path) -> Any:
    section = RequestsSection.parse_obj({"categories": CATEGORIES, "photos": {"max_bytes": 200_000}})
    catalogue, places = shipped()
    store = RequestStore.open(f"sqlite:///{tmp_path / 'requests.db'}")
    photos = PhotoBox(store, tmp_path / "photos", section.photos)
    made = RequestService(
        section, catalogue, store, places, Router(catalogue, None, None), photos, ZoneInfo("Asia/Shanghai")
    )
    yield made
    made.close()


@pytest.fixture
async def client(
    aiohttp_client: Any, brain: Any, make_config: Callable[..., Any], service: RequestService
) -> TestClient:
    app = create_app(brain, make_config(conversation_observers=[RequestErasure(service)]))
    attach_requests(app, service, {"OPEN311_KEYS": "k1, k2"})
    return await aiohttp_client(app)


def form(data: bytes, name: str = "file") -> aiohttp.FormData:
    made = aiohttp.FormData()
    made.add_field("note", "x")
    made.add_field(name, data, filename="p.jpg", content_type="image/jpeg")
    return made


async def send(citizen: Any, data: bytes, **how: Any) -> Any:
    return await citizen.client.post(
        citizen.path + "/attachments", data=form(data, **how), headers=citizen.headers
    )


async def test_a_photo_is_stored_and_its_position_told(citizen: Any, service: RequestService) -> None:
    response = await send(citizen, photo_bytes(position=(29.0, 124.5)))
    assert response.status == 201
    data = await response.json()
    assert data["position"] == {"lat": 29.0, "lon": 124.5}
    stored = service.store.photos(conversation_id=citizen.id)
    assert [photo.id for photo in stored] == [data["attachment_id"]]
    path = service.photos.path(data["attachment_id"])
    assert path is not None and b"secret words" not in path.read_bytes()


@pytest.mark.parametrize(
    ("data", "how", "status", "kind"),
    [
        (b"<?php echo 1 ?>", {}, 422, "bad-photo"),
        (b"\xff\xd8\xff" + bytes(100), {}, 422, "bad-photo"),
        (b"\xff\xd8\xff" + bytes(250_000), {}, 413, "body-too-large"),
        (bytes(400_000), {}, 413, "body-too-large"),
        (photo_bytes(), {"name": "other"}, 400, "bad-request"),
    ],
    ids=["no photo", "damaged", "large", "huge", "no field"],
)
async def test_bad_uploads_get_problems(citizen: Any, data: bytes, how: Any, status: int, kind: str) -> None:
    response = await send(citizen, data, **how)
    assert response.status == status
    problem = await response.json()
    assert problem["type"].endswith(kind) and set(problem["messages"]) == {"zh", "en"}


@pytest.mark.parametrize("body", [b"--b\r\nnonsense", b"", b"--b--", b"\x00" * 100])
async def test_a_body_that_is_no_upload_gets_a_problem(citizen: Any, body: bytes) -> None:
    headers = {**citizen.headers, "Content-Type": "multipart/form-data; boundary=b"}
    response = await citizen.client.post(citizen.path + "/attachments", data=body, headers=headers)
    assert response.status == 400
    assert (await response.json())["type"].endswith("bad-request")


async def test_a_huge_upload_is_refused_before_it_is_read(citizen: Any) -> None:
    headers = {
        **citizen.headers,
        "Content-Type": "multipart/form-data; boundary=b",
        "Content-Length": str(2 * 1024**3),
    }
    reader, writer = await asyncio.open_connection(citizen.client.host, citizen.client.port)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"POST {citizen.path}/attachments HTTP/1.1\r\nHost: x\r\n{lines}\r\n--b\r\n".encode())
    await writer.drain()
    status = await asyncio.wait_for(reader.readline(), 3)
    assert b" 413 " in status
    writer.close()


async def test_uploads_need_the_conversations_token(citizen: Any) -> None:
    response = await citizen.client.post(citizen.path + "/attachments", data=form(photo_bytes()))
    assert response.status == 401
    response = await citizen.client.post(
        citizen.path + "/attachments", data=form(photo_bytes()), headers={"Authorization": "Bearer guess"}
    )
    assert response.status == 403


async def test_a_position_and_photos_go_along_with_a_message(citizen: Any, brain: Any) -> None:
    where = {"lat": 29.0001, "lon": 124.5}
    response = await citizen.client.post(
        citizen.path + "/messages", json={"location": where}, headers=citizen.headers
    )
    assert response.status == 200
    assert brain.seen[-1].metadata == {"location": where}
    assert brain.seen[-1].text == "📍 29.00010, 124.50000"
    await citizen.say("这里", location=where, attachments=["abc"])
    assert brain.seen[-1].metadata == {"location": where, "attachments": ["abc"]}
    socket = await citizen.socket()
    await socket.send_json({"type": "message", "message_id": "m9", "text": "这里", "location": where})
    frames = [await socket.receive_json(timeout=3) for _ in range(2)]
    assert frames[0]["type"] == "ack"
    await socket.close()
    assert brain.seen[-1].metadata == {"location": where}


@pytest.mark.parametrize(
    "bad",
    [
        {"location": {"lat": 91, "lon": 0}},
        {"location": {"lat": "29", "lon": 124}},
        {"location": {"lat": True, "lon": 1}},
        {"location": [29, 124]},
        {"attachments": ["../etc"]},
        {"attachments": ["a"] * 21},
        {"attachments": "a"},
    ],
)
async def test_nonsense_beside_a_message_is_refused(citizen: Any, bad: dict[str, Any]) -> None:
    assert (await citizen.say("hello", **bad)).status == 400


async def test_news_arrives_on_the_page(
    citizen: Any, service: RequestService, eventually: Callable[..., Awaitable[None]]
) -> None:
    await citizen.say("hello")
    place = Place("人民广场", 29.0, 124.5)
    number = service.file(NewRequest("k", "pothole", "坑", place, conversation_id=citizen.id)).request.number
    socket = await citizen.socket()
    await asyncio.to_thread(service.change_state, number, "working", "li", note="已出发")
    while True:
        frame = await socket.receive_json(timeout=5)
        if frame["type"] == "push":
            break
    assert number in frame["replies"][0]["text"] and "已出发" in frame["replies"][0]["text"]
    await socket.close()


async def test_erasing_a_conversation_unlinks_its_requests(citizen: Any, service: RequestService) -> None:
    await send(citizen, photo_bytes())
    place = Place("人民广场", 29.0, 124.5)
    number = service.file(NewRequest("k", "pothole", "坑", place, conversation_id=citizen.id)).request.number
    response = await citizen.client.delete(citizen.path, headers=citizen.headers)
    assert response.status == 204
    assert service.store.photos(conversation_id=citizen.id) == []
    assert service.store.by_number(number).conversation_id is None


async def test_open311_lives_beside_the_citizen_api(client: TestClient) -> None:
    data = {"service_code": "pothole", "lat": "29", "long": "124.5", "api_key": "k2"}
    response = await client.post("/open311/v2/requests.json", data=data)
    assert response.status == 200
    assert (await client.post("/open311/v2/requests.json", data={**data, "api_key": "k3"})).status == 403
