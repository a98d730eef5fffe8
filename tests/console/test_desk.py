"""The desk's pages: two operators, one queue, and everything an operator does."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actions.requests.records import NewRequest, Place
from actions.requests.service import RequestService
from city.messages import Message
from console.config import ConsoleConfig
from console.desk.texts import TEXTS
from console.services import Services
from tests.actions.handover.conftest import Scene
from tests.actions.requests.conftest import bare_service, photo_bytes
from tests.console.conftest import Console


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.fixture
def services(scene: Scene) -> Services:
    return Services(handover=scene.service)


@pytest.fixture
async def operator(console_config: ConsoleConfig, browser_of: Callable[[ConsoleConfig], Any]) -> Console:
    return await (await browser_of(console_config)).sign_in("operator", "li")


@pytest.fixture
async def colleague(console_config: ConsoleConfig, browser_of: Callable[[ConsoleConfig], Any]) -> Console:
    return await (await browser_of(console_config)).sign_in("operator", "wang")


async def test_editors_do_not_see_the_desk(console: Console) -> None:
    await console.sign_in("publisher")
    assert "/desk" not in await console.page("/")
    await console.page("/desk", status=403)


async def test_a_conversation_from_claim_to_close(operator: Console, scene: Scene) -> None:
    case = scene.ask().case
    page = await operator.page("/desk")
    assert f'href="/desk/{case.id}"' in page
    page = await operator.submit(f"/desk/{case.id}/claim")
    assert "With li" in page
    await operator.submit(f"/desk/{case.id}/reply", {"text": "<b>您好</b>", "key": "k1"})
    await operator.submit(f"/desk/{case.id}/reply", {"text": "<b>您好</b>", "key": "k1"})
    page = await operator.submit(f"/desk/{case.id}/note", {"text": "calls often"})
    assert "&lt;b&gt;您好" in page
    assert "<b>您好" not in page
    assert "Note by li" in page
    page = await operator.submit(f"/desk/{case.id}/close", {"reason": "solved"})
    assert "You hold no conversation" in page
    assert [text for text in scene.sent() if "您好" in text] == ["<b>您好</b>"]
    actions = {entry.action for entry in operator.audit.entries()}
    assert {"desk.claim", "desk.reply", "desk.note", "desk.close"} <= actions


async def test_two_operators_press_take_at_once(operator: Console, colleague: Console, scene: Scene) -> None:
    case = scene.ask().case
    await operator.page("/desk")
    await colleague.page("/desk")
    await asyncio.gather(*(who.post(f"/desk/{case.id}/claim") for who in (operator, colleague)))
    holder = scene.office.store.get(case.id).operator
    loser = colleague if holder == "li" else operator
    assert f"{holder} has taken this conversation." in await loser.page(f"/desk/{case.id}")
    response = await loser.post(f"/desk/{case.id}/reply", {"text": "mine!"}, headers={"X-Desk": "1"})
    assert response.status == 409
    assert holder in await response.text()


async def test_transfer_and_return(operator: Console, colleague: Console, scene: Scene) -> None:
    case = scene.ask().case
    await operator.page("/desk")
    await operator.submit("/desk/next")
    scene.desk.seen("wang")
    page = await operator.page(f"/desk/{case.id}")
    assert "operator:wang" in page
    await operator.submit(f"/desk/{case.id}/transfer", {"to": "operator:wang"})
    page = await colleague.page(f"/desk/{case.id}")
    assert 'id="reply"' in page
    assert "li transferred: wang" in page
    await colleague.submit(f"/desk/{case.id}/return")
    assert scene.office.store.live("c1") is None


async def test_next_with_an_empty_queue_says_so(operator: Console) -> None:
    await operator.page("/desk")
    assert "Nobody is waiting." in await operator.submit("/desk/next")


async def test_stepping_away(operator: Console, scene: Scene) -> None:
    await operator.page("/desk")
    assert "You are away" in await operator.submit("/desk/presence", {"away": "1"})
    assert [there.away for there in scene.office.operators()] == [True]
    await operator.submit("/desk/presence", {"away": "0"})
    assert [there.away for there in scene.office.operators()] == [False]


@pytest.mark.parametrize("path", ["/desk/99", "/desk/99/lines", "/desk/x", "/desk/99999999999999999"])
async def test_what_does_not_exist_is_not_found(operator: Console, path: str) -> None:
    await operator.page(path, status=404)


async def test_a_change_without_the_pages_token_is_refused(operator: Console, scene: Scene) -> None:
    case = scene.ask().case
    operator.token = "0" * 64
    assert (await operator.post(f"/desk/{case.id}/claim")).status == 403
    assert scene.office.store.get(case.id).operator is None


async def test_the_stream_tells_of_changes_and_is_presence(operator: Console, scene: Scene) -> None:
    async def next_change(stream: Any) -> dict[str, int]:
        while True:
            line = (await asyncio.wait_for(stream.content.readline(), 3)).decode()
            if line.startswith("data: "):
                return dict(json.loads(line[6:]))

    stream = await operator.client.get("/desk/events")
    assert stream.headers["Content-Type"] == "text/event-stream"
    assert (await next_change(stream))["waiting"] == 0
    assert [there.name for there in scene.office.operators()] == ["li"]
    case = scene.ask().case
    while (await next_change(stream))["waiting"] != 1:
        pass
    scene.desk.claim(case.id, "li")
    scene.reception.hear(scene.office.store.get(case.id), "m1", "hello", "en")
    while (await next_change(stream))["unread"] != 1:
        pass
    scene.office.close()
    await asyncio.wait_for(stream.content.read(), 3)


async def test_lines_after_the_last_one_seen(operator: Console, scene: Scene) -> None:
    case = scene.ask().case
    newest = scene.office.store.newest()
    scene.reception.hear(case, "m1", "first", "en")
    page = await operator.page(f"/desk/{case.id}/lines?after={newest}")
    assert re.findall(r'data-line="(\d+)"', page) == [str(newest + 1)]
    assert "data-line" not in await operator.page(f"/desk/{case.id}/lines?after={newest + 1}")


@pytest.fixture
def album(tmp_path: Path) -> Iterator[RequestService]:
    made = bare_service(tmp_path)
    yield made
    made.close()


async def test_the_operator_sees_the_citizens_photos_and_nobody_elses(
    console_config: ConsoleConfig,
    browser_of: Callable[[ConsoleConfig], Any],
    scene: Scene,
    album: RequestService,
) -> None:
    with_photos = replace(console_config, services=replace(console_config.services, requests=album))
    operator = await (await browser_of(with_photos)).sign_in("operator", "li")
    case = scene.ask().case
    before, now = (
        album.photos.put(case.conversation_id, photo_bytes(size), album.now()).id
        for size in ((64, 48), (80, 60))
    )
    foreign = album.photos.put("somebody-else", photo_bytes((90, 60)), album.now()).id
    message = Message(case.conversation_id, "m1", "📷 Photo", metadata={"attachments": [now]})
    await scene.owner.take(message)
    page = await operator.page(f"/desk/{case.id}")
    for photo, words in ((before, "Photos sent before"), (now, "Photo from the citizen, ")):
        assert words in page and page.count(f'src="/desk/{case.id}/photos/{photo}"') == 1
        response = await operator.get(f"/desk/{case.id}/photos/{photo}")
        assert (response.status, response.content_type) == (200, "image/jpeg")
        assert response.headers["Cache-Control"] == "private, no-store"
    assert "📷" not in page
    assert now in await operator.page(f"/desk/{case.id}/lines?after=0", headers={"HX-Request": "true"})
    await operator.submit("/language", {"to": "zh", "next": "/desk"})
    page = await operator.page(f"/desk/{case.id}")
    assert "市民发来的照片，" in page and "转人工前发来的照片" in page
    for wrong in (f"{case.id}/photos/{foreign}", f"{case.id}/photos/nothing", f"999/photos/{now}"):
        assert (await operator.get(f"/desk/{wrong}")).status == 404
    # Filed meanwhile, or erased: what was filed stays the request's, the desk forgets both.
    new = NewRequest(
        "k", "pothole", "hole", Place("x", 29.0, 124.5), conversation_id=case.conversation_id, photos=[now]
    )
    album.file(new)
    assert (await operator.get(f"/desk/{case.id}/photos/{now}")).status == 200
    await scene.owner.erased(case.conversation_id)
    album.forget(case.conversation_id)
    for photo in (before, now):
        assert (await operator.get(f"/desk/{case.id}/photos/{photo}")).status == 404
    for stranger in (
        await browser_of(with_photos),
        await (await browser_of(with_photos)).sign_in("publisher", "ed"),
    ):
        response = await stranger.get(f"/desk/{case.id}/photos/{now}")
        assert response.status in (303, 403)


async def test_the_page_speaks_chinese(operator: Console, scene: Scene) -> None:
    scene.ask()
    await operator.page("/desk")
    page = await operator.submit("/language", {"to": "zh", "next": "/desk"})
    assert "人工坐席" in page
    assert "市民要求" in page
    assert "Operator desk" not in page


def test_every_event_has_its_words() -> None:
    words = (
        "queued claimed transferred lost unanswered cancelled closed returned citizen silent message danger"
    )
    for word in words.split():
        assert all(TEXTS[f"event.{word}"])


async def test_calls_stand_on_the_desk_with_what_was_said(operator: Console, scene: Scene) -> None:
    scene.service.switchboard.transferred("call-1", "phone", "zh", "刚才问了：借书证")
    case = scene.office.store.since(scene.clock().replace(hour=0))[0]
    page = await operator.page("/desk")
    assert "Calls of the last 24 hours (1)" in page
    page = await operator.page(f"/desk/{case.id}")
    assert "刚才问了：借书证" in page and "The call is being put through" in page
