"""Nobody comes: the real desk files at the real requests service, and the citizen hears of it to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from actions import requests
from actions.requests.photos import PhotoBox
from actions.requests.records import Filter, Request
from actions.requests.routing import Router
from actions.requests.service import RequestService
from actions.requests.settings import RequestsSection
from actions.requests.store import RequestStore
from chengda.people import DeskFiler
from tests.actions.handover.conftest import Scene
from tests.actions.requests.conftest import CATEGORIES, shipped


class Office(Scene):
    """A desk that files at a requests service; both have one clock and one outbox."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, give_up_after_s=900, **settings)
        self.filer = DeskFiler("other_report")  # type: ignore[assignment]
        section = RequestsSection.parse_obj({"categories": CATEGORIES})
        catalogue, places = shipped()
        store = RequestStore.open(f"sqlite:///{folder / 'requests.db'}")
        photos = PhotoBox(store, folder / "photos", section.photos)
        router = Router(catalogue, None, None)
        zone = ZoneInfo("Asia/Shanghai")
        self.requests = RequestService(section, catalogue, store, places, router, photos, zone, self.clock)
        self.requests.put = lambda conversation, replies, key: self.outbox.put(conversation, replies, key=key)
        self.open()

    def filed(self) -> list[Request]:
        return self.requests.list(Filter())[0]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    requests.configure(made.requests)
    yield made
    requests.configure(None)
    made.requests.close()


@pytest.mark.parametrize(
    ("language", "words", "told"),
    [
        ("zh", "小区电梯困过人，电话13800138000", "没能及时接待您"),
        ("en", "the lift got stuck again, call 13800138000", "Nobody was free"),
    ],
)
async def test_nobody_comes_and_the_request_is_followed_to_its_end(
    office: Office, language: str, words: str, told: str
) -> None:
    office.ask(language=language)
    assert await office.write(words) is not None
    office.clock.move(minutes=14)
    assert office.keeper.sweep() == 0 and office.filed() == []
    office.clock.move(minutes=2)
    office.keeper.sweep()
    (request,) = office.filed()
    (said,) = [text for text in office.sent() if told in text]
    assert request.number in said and "12345" in said
    assert (request.source, request.conversation_id, request.language) == ("handover", "c1", language)
    assert request.contact == "13800138000" and "13800138000" not in request.description
    assert request.needs_review and request.department == office.requests.catalogue.triage
    # The bot has the conversation again, and staff's news reaches it.
    assert await office.write("谢谢") is None
    office.requests.change_state(request.number, "working", "li", note="已派人")
    assert any(request.number in text and "已派人" in text for text in office.sent())
    assert office.requests.open_for(request.number, "c1", None).number == request.number
    for _ in range(3):
        office.keeper.sweep()
    assert len(office.filed()) == 1


def test_a_citizen_who_said_nothing_is_filed_too(office: Office) -> None:
    office.ask()
    office.clock.move(minutes=16)
    office.keeper.sweep()
    (request,) = office.filed()
    assert "转人工" in request.description


async def test_an_operator_disappears_and_nobody_follows(office: Office) -> None:
    case = office.ask().case
    office.desk.seen("li")
    office.desk.claim(case.id, "li")
    assert await office.write("我的退款三个月没到") == []
    office.desk.reply(case.id, "li", "请稍等，我查一下")
    office.clock.move(seconds=61)
    office.keeper.sweep()
    assert any("断线" in text for text in office.sent())
    assert await office.write("还在吗？") is not None
    # The wait begins anew when the operator is lost; what was said before is not.
    office.clock.move(minutes=14)
    office.keeper.sweep()
    assert office.filed() == []
    office.clock.move(minutes=2)
    office.keeper.sweep()
    (request,) = office.filed()
    assert "退款三个月没到" in request.description and "还在吗" in request.description
    assert any(request.number in text for text in office.sent())


async def test_an_operator_comes_back_from_a_short_break(office: Office) -> None:
    case = office.ask().case
    office.desk.claim(case.id, "li")
    office.clock.move(seconds=50)
    office.desk.seen("li")
    office.clock.move(seconds=50)
    office.keeper.sweep()
    assert office.office.store.get(case.id).operator == "li"
    assert await office.write("你好") == []


def test_a_requests_database_that_is_away_loses_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.ask()
    office.clock.move(minutes=16)

    def away(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(office.requests.store, "add", away)
    office.keeper.sweep()
    assert any("已记录" in text for text in office.sent()) and office.filed() == []
    monkeypatch.undo()
    # A new process finds what has still to be filed.
    office.open()
    office.keeper.sweep()
    office.keeper.sweep()
    (request,) = office.filed()
    assert sum(request.number in text for text in office.sent()) == 1


def test_a_crash_between_filing_and_noting_files_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.ask()
    office.clock.move(minutes=16)
    real: Callable[..., None] = office.office.store.set

    def crash(case_id: int, **values: Any) -> None:
        if "request_number" in values:
            raise KeyboardInterrupt
        real(case_id, **values)

    monkeypatch.setattr(office.office.store, "set", crash)
    with pytest.raises(KeyboardInterrupt):
        office.keeper.sweep()
    monkeypatch.undo()
    office.keeper.sweep()
    (request,) = office.filed()
    assert any(request.number in text for text in office.sent())


async def test_an_erased_conversation_is_not_filed(office: Office) -> None:
    office.ask()
    await office.write("一件私事")
    await office.owner.erased("c1")
    office.clock.move(minutes=16)
    office.keeper.sweep()
    assert office.filed() == []


def test_many_unanswered_get_a_number_each(office: Office) -> None:
    for number in range(20):
        office.ask(f"c{number}")
    office.clock.move(minutes=16)
    office.keeper.sweep()
    told: dict[str, str] = {}
    while parcels := office.outbox.take("test", 50, 60):
        for parcel in parcels:
            office.outbox.sent(parcel.seq)
            told[parcel.conversation_id] = told.get(parcel.conversation_id, "") + parcel.replies[0].text
    filed = {str(request.conversation_id): request.number for request in office.filed()}
    assert len(set(filed.values())) == 20
    assert all(number in told[conversation] for conversation, number in filed.items())
