from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions import transit
from actions.errors import NotConfiguredError
from actions.transit import actions
from city.messages import Reply
from city.settings import load_settings


@pytest.fixture
def configured(demo, tuesday, monkeypatch):
    monkeypatch.setattr(actions, "now", lambda: tuesday)
    transit.configure(demo)
    yield
    transit.configure(None)


def run(
    action: Any, text: str, slots: dict[str, Any], intent: str = "transit_departures", entities: Any = ()
) -> tuple[list[Reply], dict[str, Any]]:
    latest = {"text": text, "intent": {"name": intent}, "entities": list(entities)}
    tracker = Tracker("c", slots, latest, [], False, None, {}, "action_listen")
    dispatcher = CollectingDispatcher()
    events = action.run(dispatcher, tracker, {})
    replies = [Reply.from_dict(m["custom"]["reply"]) for m in dispatcher.messages]
    return replies, {e["name"]: e["value"] for e in events}


@pytest.mark.usefixtures("configured")
def test_actions_answer_and_remember():
    replies, slots = run(actions.ActionTransitDepartures(), "12路人民广场", {"language": "zh"})
    assert replies[0].text.startswith("12路 在 人民广场")
    assert slots["last_topic"] == "transit"
    replies, _ = run(
        actions.ActionTransitDepartures(),
        "and the last one",
        {"language": "en", **slots},
        "transit_follow_up",
    )
    assert replies[0].text.startswith("Last departures of Bus 12 from People's Square")


@pytest.mark.usefixtures("configured")
def test_entities_are_used():
    found = [
        {"entity": "line", "value": "K12路"},
        {"entity": "stop", "value": "人民广场"},
        {"entity": "line", "value": 5},
        {"entity": "x"},
    ]
    replies, _ = run(actions.ActionTransitDepartures(), "夜班车", {}, entities=found)
    assert replies[0].text.startswith("K12路 在 人民广场")


@pytest.mark.usefixtures("configured")
def test_stops_and_line_actions_and_strange_slots():
    replies, _ = run(actions.ActionTransitStops(), "near the zoo", {"language": "en", "transit_state": "odd"})
    assert "Zoo" in replies[0].text
    replies, _ = run(actions.ActionTransitLine(), "5路", {"language": None, "transit_state": None})
    assert replies[0].text.startswith("5路")
    assert [
        a().name()
        for a in (actions.ActionTransitStops, actions.ActionTransitDepartures, actions.ActionTransitLine)
    ] == ["action_transit_stops", "action_transit_departures", "action_transit_line"]


def test_without_a_service_the_error_is_named():
    transit.configure(None)
    with pytest.raises(transit.TransitNotConfigured, match="configure"):
        transit.get_service()
    assert issubclass(transit.TransitNotConfigured, NotConfiguredError)


def test_settings_name_the_timetable(tmp_path, tuesday):
    settings = load_settings(Path(__file__).resolve().parents[3] / "city.yml").copy(
        update={"data_dir": tmp_path}
    )
    transit.configure_from(settings)
    try:
        reply = transit.get_service().answer("departures", "12路人民广场", now=tuesday).replies[0]
        assert reply.source == "transit"
        assert list(tmp_path.rglob("row_trip.npy"))
        transit.configure_from(settings.copy(update={"transit": None}))
        with pytest.raises(transit.TransitNotConfigured):
            transit.get_service()
    finally:
        transit.configure(None)
