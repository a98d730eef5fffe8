"""Rasa actions for public transport: slots and entities in, replies and remembered state out."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.sdk import language_of, say
from actions.transit import get_service

STATE_SLOT, TOPIC_SLOT, TOPIC = "transit_state", "last_topic", "transit"
ENTITIES = ("line", "stop", "place", "street", "intersection", "time")


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(timezone.utc)


def entities_of(tracker: Tracker) -> dict[str, list[str]]:
    """Return the latest message's entity values by name."""
    found: dict[str, list[str]] = {}
    for entity in tracker.latest_message.get("entities") or ():
        value = entity.get("value")
        if entity.get("entity") in ENTITIES and isinstance(value, str) and value.strip():
            found.setdefault(entity["entity"], []).append(value)
    return found


def answer(kind: str, dispatcher: CollectingDispatcher, tracker: Tracker) -> list[dict[str, Any]]:
    """Answer the latest message: `kind` is "stops", "departures", "line" or "follow_up"."""
    service = get_service()
    state = tracker.get_slot(STATE_SLOT)
    arguments: dict[str, Any] = {
        "now": now(),
        "language": language_of(tracker),
        "entities": entities_of(tracker),
        "state": state if isinstance(state, dict) else None,
    }
    text = str(tracker.latest_message.get("text") or "")
    if kind == "follow_up":
        outcome = service.follow_up(text, **arguments)
    else:
        outcome = service.answer(kind, text, **arguments)
    for reply in outcome.replies:
        say(dispatcher, reply)
    return [SlotSet(STATE_SLOT, outcome.state), SlotSet(TOPIC_SLOT, TOPIC)]


def is_awaited(tracker: Tracker) -> bool:
    """Return whether the latest message answers what this module asked for, such as "人民广场" after "which stop?"."""
    state = tracker.get_slot(STATE_SLOT)
    return isinstance(state, dict) and get_service().is_answer(
        str(tracker.latest_message.get("text") or ""), now=now(), entities=entities_of(tracker), state=state
    )


class ActionTransitStops(Action):
    """Names the stops near a place."""

    def name(self) -> str:
        return "action_transit_stops"

    def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        return answer("stops", dispatcher, tracker)


class ActionTransitDepartures(Action):
    """Tells when vehicles leave; also takes follow-ups, whatever they lean on."""

    def name(self) -> str:
        return "action_transit_departures"

    def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        intent = (tracker.latest_message.get("intent") or {}).get("name")
        return answer("departures" if intent == "transit_departures" else "follow_up", dispatcher, tracker)


class ActionTransitLine(Action):
    """Tells about a line, or which line goes somewhere."""

    def name(self) -> str:
        return "action_transit_line"

    def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        return answer("line", dispatcher, tracker)
