"""Filing at a remote Open311 server that is down, slow, flaps or answers nonsense: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from actions.requests.lifecycle import CLOSED, WORKING
from actions.requests.open311.client import Open311Client
from actions.requests.open311.georeport import GarbageError, parse_list, to_json, to_xml
from actions.requests.open311.sync import Open311Sync
from actions.requests.records import NewRequest, Place
from actions.requests.service import RequestService
from actions.requests.settings import Open311ClientSection


class Remote:
    """A GeoReport server; `moods` names how it misbehaves, drawn anew for each call."""

    def __init__(self) -> None:
        self.filed: dict[str, dict[str, str]] = {}
        self.status: dict[str, dict[str, str]] = {}
        self.moods: list[str] = ["well"]
        self.calls = 0
        self.tokens: dict[str, str] = {}
        self._random = random.Random(7)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/requests.json", self.post)
        app.router.add_get("/requests.json", self.list)
        app.router.add_get("/requests/{id}.json", self.one)
        app.router.add_get("/tokens/{token}.json", self.token)
        return app

    async def _mood(self, request: web.Request) -> str:
        self.calls += 1
        mood = self._random.choice(self.moods)
        if mood == "busy":
            raise web.HTTPServiceUnavailable(text="busy")
        return mood

    async def post(self, request: web.Request) -> web.StreamResponse:
        mood = await self._mood(request)
        form = {k: str(v) for k, v in (await request.post()).items()}
        if mood == "refuse":
            return web.json_response([{"code": 400, "description": "service_code was not found"}], status=400)
        number = uuid.uuid4().hex[:10]
        self.filed[number] = form
        if mood == "drop":
            assert request.transport is not None
            request.transport.abort()
        if mood == "slow":
            await asyncio.sleep(0.4)
        if mood == "broken":
            return web.Response(status=500, text="boom after filing")
        if mood == "garbage":
            return web.Response(text="<html>maintenance</html>", content_type="text/html")
        if mood == "token":
            self.tokens["t" + number] = number
            return web.json_response([{"token": "t" + number}])
        return web.json_response([{"service_request_id": number}])

    async def list(self, request: web.Request) -> web.StreamResponse:
        mood = await self._mood(request)
        if mood in ("drop", "broken", "garbage"):
            return web.Response(text="not what you asked for")
        items = [{"service_request_id": n, "description": f["description"]} for n, f in self.filed.items()]
        page, size = int(request.query["page"]), int(request.query["page_size"])
        return web.json_response(items[(page - 1) * size : page * size])

    async def one(self, request: web.Request) -> web.StreamResponse:
        number = request.match_info["id"]
        state = self.status.get(number, {"status": "open", "status_notes": ""})
        return web.json_response([{"service_request_id": number, **state}])

    async def token(self, request: web.Request) -> web.StreamResponse:
        token = request.match_info["token"]
        return web.json_response([{"service_request_id": self.tokens.get(token), "token": token}])


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
async def sync(remote: Remote, make_service: Callable[..., RequestService]) -> AsyncIterator[Open311Sync]:
    server = TestServer(remote.app())
    await server.start_server()
    limits = {"all_reports_per_minute": 100_000}
    service = make_service(flood=limits)
    section = Open311ClientSection.parse_obj(
        {"url": str(server.make_url("")), "first_retry_s": 0, "last_retry_s": 0, "poll_s": 60, "at_once": 8}
    )
    async with aiohttp.ClientSession() as session:
        made = Open311Sync(service, section, Open311Client(section, "key-1", session))
        service.on_filed.append(made.enqueue)
        yield made
    await server.close()


def report(service: RequestService, i: int = 0) -> str:
    place = Place("人民广场", 29.0, 124.5, "zhongxin", "place")
    new = NewRequest(f"k{i}", "pothole", f"坑 {i}", place, contact="13800138000", conversation_id=f"c{i}")
    return service.file(new).request.number


async def settle(sync: Open311Sync, rounds: int = 200) -> None:
    for _ in range(rounds):
        await sync.run_once()
        counts = sync.queue.counts()
        if set(counts) <= {"filed", "done", "refused"}:
            return
    raise AssertionError(f"still waiting: {sync.queue.counts()}")


async def test_a_thousand_reports_arrive_once_while_the_remote_flaps(
    sync: Open311Sync, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Access codes are hashed slowly on purpose; a thousand of them say nothing about the queue.
    monkeypatch.setattr("actions.requests.filing.hash_code", lambda number, code: number.ljust(64))
    numbers = await asyncio.to_thread(lambda: [report(sync._service, i) for i in range(1000)])
    remote.moods = ["well", "busy", "drop", "broken", "garbage", "token"]
    await settle(sync)
    descriptions = [form["description"] for form in remote.filed.values()]
    assert len(descriptions) == 1000
    assert {d.rsplit("[", 1)[1].rstrip("]") for d in descriptions} == set(numbers)
    assert sync.queue.counts() == {"filed": 1000}
    assert remote.calls > 1200


async def test_a_server_slower_than_we_wait_files_each_report_once(sync: Open311Sync, remote: Remote) -> None:
    impatient = sync._section.copy(update={"timeout_s": 0.15})
    sync._client = Open311Client(impatient, "key-1", sync._client._session)
    numbers = [report(sync._service, i) for i in range(6)]
    remote.moods = ["slow", "well"]
    await settle(sync)
    assert sorted(form["device_id"] for form in remote.filed.values()) == sorted(numbers)
    assert sync.queue.counts() == {"filed": 6}


async def test_a_kill_in_the_middle_files_nothing_twice(sync: Open311Sync, remote: Remote) -> None:
    number = report(sync._service)
    entry = sync.queue.due(("pending",), sync._service.now(), 1)[0]
    request = sync._service.store.by_number(number)
    # The process ended after the remote had it and before we noted its id.
    sync.queue.set(entry.request_id, state="unsure")
    remote.filed["77"] = sync._fields(entry, request)
    await settle(sync)
    assert len(remote.filed) == 1
    assert sync.queue.by_remote_id("77") == request.id


async def test_the_fields_are_those_of_the_specification(sync: Open311Sync, remote: Remote) -> None:
    number = report(sync._service)
    await settle(sync)
    form = next(iter(remote.filed.values()))
    assert form["service_code"] == "pothole" and form["api_key"] == "key-1"
    assert (form["lat"], form["long"]) == ("29.000000", "124.500000")
    assert form["phone"] == "13800138000" and form["device_id"] == number


async def test_news_comes_back_and_closes_the_request(sync: Open311Sync, remote: Remote, clock: Any) -> None:
    number = report(sync._service)
    await settle(sync)
    remote_id = next(iter(remote.filed))
    remote.status[remote_id] = {"status": "open", "status_notes": "crew sent"}
    clock.go(seconds=61)
    await sync.run_once()
    assert sync._service.store.by_number(number).state == WORKING
    remote.status[remote_id] = {"status": "closed", "status_notes": "filled"}
    assert await sync.ask_now(remote_id)
    await sync.run_once()
    closed = sync._service.store.by_number(number)
    assert (closed.state, closed.outcome) == (CLOSED, "resolved")
    assert sync.queue.counts() == {"done": 1}
    assert not await sync.ask_now("unknown")


async def test_a_refusal_is_noted_for_staff_and_not_repeated(sync: Open311Sync, remote: Remote) -> None:
    remote.moods = ["refuse"]
    number = report(sync._service)
    await settle(sync)
    calls = remote.calls
    await sync.run_once()
    assert remote.calls == calls
    assert any("service_code" in e.text for e in sync._service.detail(number).history)


async def test_a_server_that_is_not_there_keeps_everything_waiting(
    make_service: Callable[..., RequestService], unused_tcp_port: int
) -> None:
    service = make_service()
    section = Open311ClientSection.parse_obj(
        {"url": f"http://127.0.0.1:{unused_tcp_port}", "first_retry_s": 30, "timeout_s": 1}
    )
    async with aiohttp.ClientSession() as session:
        sync = Open311Sync(service, section, Open311Client(section, "", session))
        service.on_filed.append(sync.enqueue)
        report(service)
        await sync.run_once()
        assert sync.queue.counts() == {"pending": 1}
        assert sync.queue.due(("pending",), service.now(), 9) == []


async def test_what_open311_clients_file_here_is_not_sent_in_circles(sync: Open311Sync) -> None:
    place = Place("x", 29.0, 124.5)
    sync._service.file(NewRequest("o1", "pothole", "hole", place, source="open311"))
    assert sync.queue.counts() == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"[1, 2]",
        b"\xff\xfe",
        b"<!DOCTYPE x [<!ENTITY a 'b'>]><services>&a;</services>",
    ],
)
def test_garbage_is_called_garbage(body: bytes) -> None:
    with pytest.raises(GarbageError):
        parse_list(body, "text/html", "services")


@given(
    st.lists(st.dictionaries(st.sampled_from(["service_request_id", "description"]), st.text()), max_size=4)
)
def test_json_comes_back_as_it_went(items: list[dict[str, str]]) -> None:
    assert parse_list(to_json(items), "application/json", "service_requests") == items


@given(st.text())
def test_xml_can_be_read_whatever_people_write(text: str) -> None:
    body = to_xml("service_requests", [{"description": text}])
    assert len(parse_list(body, "text/xml", "service_requests")) == 1


@given(st.binary(max_size=200))
def test_no_answer_breaks_the_reader(body: bytes) -> None:
    try:
        assert isinstance(parse_list(body, "", "service_requests"), list)
    except GarbageError as error:
        assert str(error)
