"""Rasa actions on traffic: for citizens how the roads are, for staff signal plans."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.sdk import language_of, role_of, say
from actions.traffic import citizens, get_service, roadside, staff
from actions.traffic.errors import TrafficError
from actions.traffic.service import TrafficService
from city.messages import Reply

STATE_SLOT = "traffic_state"
Events = list[dict[str, Any]]


async def _citizen(
    answer: Callable[[TrafficService, str, str], Awaitable[Reply]],
    dispatcher: CollectingDispatcher,
    tracker: Tracker,
) -> Events:
    language, text = language_of(tracker), str(tracker.latest_message.get("text") or "")
    try:
        say(dispatcher, await answer(get_service(), text, language))
    except TrafficError as error:
        say(dispatcher, staff.error_reply(error, language))
    return [SlotSet("last_topic", "traffic")]


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
        reply, state = await asyncio.to_thread(lambda: work(get_service(), state, language))
    except TrafficError as error:
        reply = staff.error_reply(error, language)
    say(dispatcher, reply)
    return [SlotSet(STATE_SLOT, state), SlotSet("last_topic", "traffic")]


class ActionTrafficStatus(Action):
    """Says how roads are or will be."""

    def name(self) -> str:
        return "action_traffic_status"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        return await _citizen(citizens.traffic_status, dispatcher, tracker)


class ActionTrafficBestTime(Action):
    """Says when to drive."""

    def name(self) -> str:
        return "action_traffic_best_time"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        return await _citizen(citizens.best_time, dispatcher, tracker)


class ActionParking(Action):
    """Lists car parks with free spaces."""

    def name(self) -> str:
        return "action_parking"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        return await _citizen(roadside.parking, dispatcher, tracker)


class ActionRoadworks(Action):
    """Lists roadworks and closures."""

    def name(self) -> str:
        return "action_roadworks"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        return await _citizen(roadside.roadworks, dispatcher, tracker)


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
