"""Rasa actions on traffic: for citizens how the roads are, for staff signal plans."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.sdk import language_of, role_of, say
from actions.traffic import follow_up, get_service, staff
from actions.traffic.errors import TrafficError
from actions.traffic.service import TrafficService
from actions.traffic.when import Parts
from city.messages import Reply

STATE_SLOT = "traffic_state"
Events = list[dict[str, Any]]


async def _citizen(kind: str, dispatcher: CollectingDispatcher, tracker: Tracker) -> Events:
    language, text = language_of(tracker), str(tracker.latest_message.get("text") or "")
    state = tracker.get_slot(STATE_SLOT)
    try:
        reply, state = await follow_up.ask(get_service(), kind, text, state, language)
    except TrafficError as error:
        reply = staff.error_reply(error, language)
    say(dispatcher, reply)
    return [SlotSet(STATE_SLOT, state), SlotSet("last_topic", "traffic")]


async def _staff(
    work: Callable[[TrafficService, dict[str, Any] | None, str], tuple[Reply, dict[str, Any] | None]],
    dispatcher: CollectingDispatcher,
    tracker: Tracker,
) -> Events:
    language = language_of(tracker)
    if not staff.allowed(role_of(tracker)):
        say(dispatcher, staff.refusal(language))
        return []
    state = tracker.get_slot(STATE_SLOT)
    try:
        service = get_service()
        reply, state = await asyncio.to_thread(lambda: work(service, state, language))
        state = follow_up.remember(service, state, follow_up.SIGNAL, "", Parts())
    except TrafficError as error:
        reply = staff.error_reply(error, language)
    say(dispatcher, reply)
    return [SlotSet(STATE_SLOT, state), SlotSet("last_topic", "traffic")]


class ActionTrafficStatus(Action):
    """Says how roads are or will be."""

    def name(self) -> str:
        return "action_traffic_status"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        return await _citizen("status", dispatcher, tracker)


class ActionTrafficBestTime(Action):
    """Says when to drive."""

    def name(self) -> str:
        return "action_traffic_best_time"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        return await _citizen("best_time", dispatcher, tracker)


class ActionParking(Action):
    """Lists car parks with free spaces."""

    def name(self) -> str:
        return "action_parking"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        return await _citizen("parking", dispatcher, tracker)


class ActionRoadworks(Action):
    """Lists roadworks and closures."""

    def name(self) -> str:
        return "action_roadworks"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        return await _citizen("roadworks", dispatcher, tracker)


class ActionOptimiseSignal(Action):
    """Finds a better signal plan and has it proven; for staff."""

    def name(self) -> str:
        return "action_optimise_signal"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        text = str(tracker.latest_message.get("text") or "")

        def work(
            service: TrafficService, state: dict[str, Any] | None, language: str
        ) -> tuple[Reply, dict[str, Any] | None]:
            reply, found = staff.optimise(service, text, language, tracker.sender_id)
            return reply, found or state

        return await _staff(work, dispatcher, tracker)


class ActionSignalWhy(Action):
    """Explains the last plan; for staff."""

    def name(self) -> str:
        return "action_signal_why"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        return await _staff(
            lambda service, state, language: (staff.why(service, state, language), state), dispatcher, tracker
        )


class ActionSignalCompare(Action):
    """Compares the last plan with today's; for staff."""

    def name(self) -> str:
        return "action_signal_compare"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        return await _staff(
            lambda service, state, language: (staff.compare(service, state, language), state),
            dispatcher,
            tracker,
        )


class ActionSignalExport(Action):
    """Writes the last plan as files; for staff."""

    def name(self) -> str:
        return "action_signal_export"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        return await _staff(
            lambda service, state, language: (staff.export(service, state, language), state),
            dispatcher,
            tracker,
        )


async def continued(
    dispatcher: CollectingDispatcher, tracker: Tracker, *, only_short: bool = False
) -> Events | None:
    """Answer an elliptical question after an answer of this module; `None` when it does not lean on one."""
    language, text = language_of(tracker), str(tracker.latest_message.get("text") or "")
    if only_short and not follow_up.is_short(text):
        return None
    try:
        found = await follow_up.follow_up(
            get_service(),
            text,
            tracker.get_slot(STATE_SLOT),
            language,
            role=role_of(tracker),
            owner=tracker.sender_id,
        )
    except TrafficError as error:
        found = staff.error_reply(error, language), dict(tracker.get_slot(STATE_SLOT) or {})
    if found is None:
        return None
    reply, state = found
    say(dispatcher, reply)
    return [SlotSet(STATE_SLOT, state), SlotSet("last_topic", "traffic")]
