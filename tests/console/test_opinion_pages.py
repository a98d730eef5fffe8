"""The opinion pages: what staff see of hostile posts, and what they decide, by role and with a record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from actions import opinion
from actions.opinion.service import OpinionService
from console.overview.opinion import points
from tests.console.conftest import Console
from tests.console.opinion_city import BUSES, WATER, fill_opinion, open_opinion

ALARM, TOPIC = "/overview/opinion/alarms/1", f"/overview/opinion/topics/{WATER}"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[OpinionService]:
    """A service with posts, topics and alarms."""
    service = open_opinion(tmp_path)
    fill_opinion(service)
    opinion.configure(service)
    yield service
    opinion.configure(None)
    service.close()


async def seen(console: Console) -> str:
    """Return the alarm page's mark of how many deeds it was shown with."""
    found = re.search(r'name="seen" value="(\d+)"', await console.page(ALARM))
    assert found
    return found[1]


@pytest.mark.usefixtures("service")
async def test_the_overview_shows_counts_alarms_topics_and_a_trend(console: Console) -> None:
    await console.sign_in("viewer")
    page = await console.page("/overview/opinion")
    for text in (
        "brown tap water",
        "Water bureau",
        "5 serious posts by 4 people",
        'role="img"',
        "Binhe District",
    ):
        assert text in page
    assert 'aria-current="page">Public opinion' in page
    assert "late buses" not in page
    assert "late buses" in await console.page("/overview/opinion?closed=1&days=30")
    one = await console.page("/overview/opinion?days=1&district=district:gaoxin")
    assert "Gaoxin District" in one
    assert "High-tech" not in one
    for odd in ("?days=x&district=<script>alert(1)</script>", "?days=99999999999999999999"):
        assert "<script>alert" not in await console.page("/overview/opinion" + odd)


@pytest.mark.usefixtures("service")
async def test_it_speaks_chinese(console: Console) -> None:
    await console.sign_in("viewer")
    await console.submit("/language", {"to": "zh", "next": "/overview/opinion"})
    page = await console.page("/overview/opinion")
    for text in ("自来水发黄", "水务局", "滨河区", "待处理", "帖子走势：全市"):
        assert text in page
    assert "近 2 小时 5 条严重诉求" in await console.page(ALARM)


@pytest.mark.usefixtures("service")
async def test_hostile_posts_are_text_and_their_addresses_no_scripts(console: Console) -> None:
    await console.sign_in("viewer")
    for path in (ALARM, TOPIC, f"/overview/opinion/topics/{BUSES}", "/overview/opinion"):
        page = await console.page(path)
        for mark in ("<script>alert", "<img src", "javascript:", "<i>", "<b>"):
            assert mark not in page, path
    page = await console.page(ALARM)
    assert "&lt;script&gt;alert" in page
    assert 'href="https://news.example/2" target="_blank" rel="noopener noreferrer nofollow"' in page
    assert "safety +1.5" in page


@pytest.mark.usefixtures("service")
async def test_viewers_look_and_editors_decide(console: Console) -> None:
    await console.sign_in("viewer")
    assert "Acknowledge" not in await console.page(ALARM)
    assert "Mute</button>" not in await console.page(TOPIC)
    for path in (*(f"{ALARM}/{deed}" for deed in ("acknowledge", "hand_over", "close")), f"{TOPIC}/mute"):
        assert (await console.post(path, {"seen": "0", "to": "x", "hours": "24"})).status == 403


async def test_an_alarm_is_acknowledged_handed_over_and_closed_with_a_record(
    console: Console, service: OpinionService
) -> None:
    await console.sign_in("editor")
    page = await console.submit(
        f"{ALARM}/acknowledge", {"seen": await seen(console), "note": "<b>calling</b>"}
    )
    assert "Alarm #1 is acknowledged" in page
    assert "&lt;b&gt;calling&lt;/b&gt;" in page
    assert service.queries.alarm(1).by == "editor"
    response = await console.post(f"{ALARM}/hand_over", {"seen": "1", "to": " ", "note": "kept words"})
    refused = await response.text()
    assert response.status == 422
    assert "This is needed" in refused
    assert "kept words" in refused
    await console.submit(f"{ALARM}/hand_over", {"seen": "1", "to": "Night shift", "note": "please look"})
    assert service.queries.alarm(1).owner["en"] == "Night shift"
    assert "Alarm #1 is closed" in await console.submit(f"{ALARM}/close", {"seen": "2"})
    assert "Decide</h2>" not in await console.page(ALARM)
    assert [deed["deed"] for deed in service.queries.deeds(alarm_id=1)] == [
        "acknowledged",
        "handed_over",
        "closed",
    ]
    entries = [entry for entry in console.audit.entries() if entry.action.startswith("overview.")]
    assert [entry.action for entry in entries] == [
        "overview.close",
        "overview.hand_over",
        "overview.acknowledge",
    ]
    assert entries[1].before == {"state": "acknowledged", "owner": "水务局"}
    assert entries[1].after == {"state": "handed_over", "owner": "Night shift", "note": "please look"}


async def test_two_people_do_not_overrule_each_other_unseen(
    console: Console, service: OpinionService
) -> None:
    await console.sign_in("editor")
    mark = await seen(console)
    service.hand_over(1, "colleague", "Fire brigade")
    response = await console.post(f"{ALARM}/close", {"seen": mark, "note": "my long note"})
    page = await response.text()
    assert response.status == 409
    assert "Somebody acted on this alarm" in page
    assert "my long note" in page
    assert "Fire brigade" in page
    assert service.queries.alarm(1).state == "handed_over"


async def test_a_topic_is_muted_and_unmuted(console: Console, service: OpinionService) -> None:
    await console.sign_in("editor")
    for wrong in ("", "5", "1e9"):
        assert (await console.post(f"{TOPIC}/mute", {"hours": wrong})).status == 422
    page = await console.submit(f"{TOPIC}/mute", {"hours": "8"})
    assert "is muted until 2026-03-18 20:30" in page
    assert "Muted until" in await console.page("/overview/opinion")
    assert service.queries.topic(WATER).muted_until is not None
    await console.submit(f"{TOPIC}/unmute")
    assert service.queries.topic(WATER).muted_until is None
    assert {entry.action for entry in console.audit.entries()} >= {"overview.mute", "overview.unmute"}


@pytest.mark.usefixtures("service")
async def test_a_request_from_elsewhere_or_about_nothing_changes_nothing(console: Console) -> None:
    await console.sign_in("editor")
    token, console.token = console.token, "0" * 64
    assert (await console.post(f"{ALARM}/close", {"seen": "0"})).status == 403
    console.token = token
    for path in (
        "alarms/99",
        "alarms/9999999999",
        "topics/99",
        "topics/12345678901",
        "alarms/x",
        "alarms/1/erase",
    ):
        assert (await console.get(f"/overview/opinion/{path}")).status in (404, 405)
        assert (await console.post(f"/overview/opinion/{path}/close", {"seen": "0"})).status in (404, 405)
    assert opinion.get_service().queries.alarm(1).state == "open"


async def test_a_city_without_opinion_or_without_posts_is_told(console: Console, tmp_path: Path) -> None:
    opinion.configure(None)
    await console.sign_in("viewer")
    assert "has not configured" in await console.page("/overview/opinion")
    service = open_opinion(tmp_path)
    opinion.configure(service)
    try:
        assert "No post has been read in yet" in await console.page("/overview/opinion")
    finally:
        opinion.configure(None)
        service.close()


def test_a_long_trend_is_shown_by_days(service: OpinionService) -> None:
    start, end = service.period(7)
    week = points(service.queries.trend("city", start, end), service.zone)
    assert len(week) == 7
    assert week[-1][0] == "03-18"
    today = service.queries.trend("city", *service.period(1))
    assert len(points(today, service.zone)) == 13
