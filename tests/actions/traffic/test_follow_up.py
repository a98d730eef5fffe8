"""Elliptical questions on traffic over several turns, in both languages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.traffic.follow_up import ASKED, ask, follow_up, is_short
from actions.traffic.service import TrafficService
from tests.actions.traffic.conftest import NOW


async def talk(
    service: TrafficService, kind: str, first: str, *later: str, language: str, role: str = "citizen"
) -> list[str]:
    """Ask, then follow up; return the texts of the answers, "" where the text leans on nothing."""
    reply, state = await ask(service, kind, first, None, language)
    texts = [reply.text]
    for text in later:
        found = await follow_up(service, text, state, language, role=role)
        texts.append(found[0].text if found else "")
        state = found[1] if found else state
    return texts


async def test_road_and_time_are_carried_on_in_chinese(service: TrafficService) -> None:
    _, other, tomorrow, evening = await talk(
        service, "status", "人民路现在堵吗？", "那解放路呢？", "明天早上呢？", "晚上七点呢", language="zh"
    )
    assert "解放路" in other and "人民路" not in other
    assert "解放路：11-25 07:30 预计" in tomorrow
    assert "解放路：11-25 19:00 预计" in evening


async def test_road_and_time_are_carried_on_in_english(service: TrafficService) -> None:
    _, other, tomorrow = await talk(
        service, "status", "is Renmin Road jammed", "and Xuefu road at 7pm?", "tomorrow?", language="en"
    )
    assert "Xuefu Road: expected" in other and "11-24 19:00" in other
    assert "Xuefu Road: expected" in tomorrow and "11-25 19:00" in tomorrow


async def test_a_place_answers_where_to_park(service: TrafficService) -> None:
    first, place = await talk(service, "parking", "附近哪里可以停车", "火车站", language="zh")
    assert "请告诉我您要去哪里" in first
    assert place.startswith("火车站附近的停车场")


async def test_the_kind_may_change_while_the_place_stays(service: TrafficService) -> None:
    texts = await talk(service, "status", "人民路堵吗", "那边好停车吗", "施工的呢", language="zh")
    assert "人民路附近的停车场" in texts[1]
    assert "人民路" in texts[2] and "施工登记" in texts[2]


async def test_roadworks_by_week(service: TrafficService) -> None:
    texts = await talk(service, "roadworks", "哪些路在施工", "下周呢", language="zh")
    assert "11-30 至 12-06" in texts[1]


async def test_an_unknown_road_is_not_answered_with_the_last_one(service: TrafficService) -> None:
    texts = await talk(service, "status", "人民路堵吗", "那环城北路呢", language="zh")
    assert "没有“环城北路”的路况数据" in texts[1]


@pytest.mark.parametrize("text", ["要带什么材料", "how much is it", "😀", "", "谢谢"])
async def test_what_leans_on_nothing_is_left_to_others(service: TrafficService, text: str) -> None:
    assert (await talk(service, "status", "人民路堵吗", text, language="zh"))[1] == ""


@pytest.mark.parametrize(
    "state", [None, {}, {ASKED: "x"}, {ASKED: {"other": 1}}, {ASKED: {"kind": "nonsense"}}]
)
async def test_a_strange_state_is_no_conversation(service: TrafficService, state: Any) -> None:
    assert await follow_up(service, "那解放路呢", state, "zh") is None


async def test_an_old_question_is_forgotten(service: TrafficService) -> None:
    _, state = await ask(service, "status", "人民路堵吗", None, "zh")
    before, service.now = service.now, lambda: NOW + timedelta(minutes=31)
    try:
        assert await follow_up(service, "那解放路呢", state, "zh") is None
    finally:
        service.now = before


async def test_staff_go_on_with_the_intersection(service: TrafficService) -> None:
    key = {"intersection": "renmin-jiefang", "period": "morning", "weekend": False, "job": None}
    state = {**key, ASKED: {"kind": "signal", "at": NOW.timestamp()}}
    found = await follow_up(service, "why?", state, "en", role="operator")
    assert found is not None and "Critical flow ratios" in found[0].text
    found = await follow_up(service, "周末呢", found[1], "zh", role="operator")
    assert found is not None and "人民路与解放路路口 · 周末早高峰" in found[0].text
    assert found[1]["weekend"] is True
    assert await follow_up(service, "为什么", state, "zh", role="citizen") is None


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_short_or_not(text: str) -> None:
    assert isinstance(is_short(text), bool)
