"""Answers for citizens and staff on the demo city, through the actions too."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions import traffic
from actions.traffic import citizens, roadside, staff
from actions.traffic.actions import ActionOptimiseSignal, ActionSignalExport, ActionTrafficStatus
from actions.traffic.errors import LiveSourceError, NoPlanError
from actions.traffic.service import TrafficService
from actions.traffic.signals import arterial


async def test_live_traffic_says_source_and_time(service: TrafficService) -> None:
    reply = await citizens.traffic_status(service, "人民路现在堵吗？", "zh")
    assert reply.source == "traffic"
    assert (
        "人民路" in reply.text
        and "11-24 08:05" in reply.text
        and "演示数据" in reply.text
        and "实时" in reply.text
    )


async def test_future_traffic_is_a_forecast(service: TrafficService) -> None:
    reply = await citizens.traffic_status(service, "will Renmin Road be jammed at 7 pm", "en")
    assert "forecast" in reply.text and "11-24 19:00" in reply.text and "km/h" in reply.text


async def test_unknown_roads_are_not_made_up(service: TrafficService) -> None:
    reply = await citizens.traffic_status(service, "环城北路顺不顺", "zh")
    assert "没有“环城北路”" in reply.text
    reply = await roadside.roadworks(service, "环城北路大桥维修几时通车", "zh")
    assert "没有登记" in reply.text


async def test_live_source_down_falls_back_to_the_forecast(service: TrafficService) -> None:
    class Down:
        async def flows(self) -> dict[str, Any]:
            raise LiveSourceError("停", "down")

        parking = flows

    before, service.live = service.live, Down()
    try:
        reply = await citizens.traffic_status(service, "人民路现在堵吗", "zh")
        assert "实时数据暂不可用" in reply.text and "预测" in reply.text
        reply = await roadside.parking(service, "parking near Wanxiang Mall", "en")
        assert "free ones unknown" in reply.text and "not available" in reply.text
    finally:
        service.live = before


async def test_best_time_parking_and_roadworks(service: TrafficService) -> None:
    reply = await citizens.best_time(service, "best time to drive to the Railway Station?", "en")
    assert "Railway Station" in reply.text and "8:00" in reply.text and "forecast" in reply.text
    reply = await roadside.parking(service, "人民广场附近哪里停车", "zh")
    assert "人民广场地下停车场" in reply.text and "/ 420" in reply.text and "观测时间" in reply.text
    reply = await roadside.roadworks(service, "解放路在修路吗", "zh")
    assert "供水管网改造" in reply.text and "来源" in reply.text
    reply = await roadside.roadworks(service, "any closures on Gangkou Avenue", "en")
    assert "Planned" in reply.text and "Bridge inspection" in reply.text


@pytest.mark.parametrize(
    "text",
    [
        "优化人民路-解放路口早高峰信号",
        "优化[人民路与解放路路口]的信号灯",
        "retime renmin rd/jiefang rd",
        "解放路人民路路口左转相位要不要加",
    ],
)
def test_intersections_are_found(service: TrafficService, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.desk, "can_prove", lambda study: False)
    reply, state = staff.optimise(service, text, "zh")
    assert state is not None and state["intersection"] == "renmin-jiefang"
    assert "不作推荐" in reply.text
    assert reply.image is not None
    assert (service.charts / Path(reply.image).name).read_bytes().startswith(b"\x89PNG")


def test_staff_follow_ups(service: TrafficService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.desk, "can_prove", lambda study: False)
    _, state = staff.optimise(service, "optimise Renmin Road and Wenhua Road, evening peak", "en")
    assert state is not None and state["period"] == "evening"
    assert "Webster's optimum" in staff.why(service, state, "en").text
    compared = staff.compare(service, state, "en")
    assert "Today's plan" in compared.text and compared.image
    exported = staff.export(service, state, "en")
    assert "no recommendation" in exported.text
    files = list((service.data / "exports").glob("renmin-wenhua-evening-*.json"))
    document = json.loads(files[0].read_text("utf-8"))
    assert document["verified_by_simulation"] is False
    stages = document["stages"]
    fixed = sum(s["pedestrian_clearing_s"] + s["yellow_s"] + s["all_red_s"] for s in stages)
    assert sum(s["green_s"] for s in stages) + fixed == pytest.approx(document["cycle_s"])
    assert all(s["green_s"] >= s["min_green_s"] for s in stages)


def test_follow_up_without_a_study(service: TrafficService) -> None:
    assert "还没有" in staff.why(service, None, "zh").text


@pytest.mark.parametrize("text", ["车流量为5时绿灯多长", "green time for a traffic flow of 5"])
def test_the_simplest_case_in_the_dialogue(service: TrafficService, text: str) -> None:
    reply, _ = staff.optimise(service, text, "en")
    assert "10 s" in reply.text


def test_green_wave(service: TrafficService) -> None:
    signals, result = arterial(service.intersections, "renmin")
    assert len(signals) == 5
    assert result.out_band_s > 15 and result.in_band_s > 15


def test_intersection_without_a_plan(service: TrafficService) -> None:
    item = replace(service.intersections["renmin-heping"], junction=None)
    with pytest.raises(NoPlanError, match="no signal plan"):
        service.desk.study(item, "midday")


def tracker(text: str, role: str, slots: dict[str, Any] | None = None) -> Tracker:
    message = {"text": text, "metadata": {"role": role}, "intent": {"name": "x"}}
    return Tracker("c1", {"language": "zh", **(slots or {})}, message, [], False, None, {}, None)


async def test_citizens_are_refused_politely_and_staff_is_answered(
    service: TrafficService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.desk, "can_prove", lambda study: False)
    traffic.configure(service)
    try:
        for action in (ActionOptimiseSignal(), ActionSignalExport()):
            dispatcher = CollectingDispatcher()
            await action.run(dispatcher, tracker("优化人民路与解放路路口", "citizen"), {})
            assert "仅对交通管理人员开放" in dispatcher.messages[0]["text"]
        dispatcher = CollectingDispatcher()
        events = await ActionOptimiseSignal().run(dispatcher, tracker("优化人民路与解放路路口", "viewer"), {})
        assert "优化方案" in dispatcher.messages[0]["text"]
        assert events[0]["value"]["intersection"] == "renmin-jiefang"
    finally:
        traffic.configure(None)


async def test_without_configuration_the_answer_is_clear() -> None:
    dispatcher = CollectingDispatcher()
    await ActionTrafficStatus().run(dispatcher, tracker("人民路堵吗", "citizen"), {})
    assert "尚未配置" in dispatcher.messages[0]["text"]
