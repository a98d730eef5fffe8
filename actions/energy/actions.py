"""Rasa actions of the energy module; the analyses run in a thread."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.energy import get_service
from actions.energy.answers import Outcome, Query, answer, handle_follow_up
from actions.energy.service import EnergyService
from actions.sdk import language_of, role_of, say

STATE_SLOT = "energy_state"


async def respond(
    dispatcher: CollectingDispatcher,
    tracker: Tracker,
    topic: str,
    how: Callable[[EnergyService, Query], Outcome] = answer,
) -> list[dict[str, Any]]:
    """Answer the latest message on a topic, and remember building, period and topic."""
    latest = tracker.latest_message
    query = Query(
        text=str(latest.get("text") or ""),
        language=language_of(tracker),
        role=role_of(tracker),
        topic=topic,
        entities=tuple(latest.get("entities") or ()),
        state=tracker.get_slot(STATE_SLOT),
    )
    outcome = await asyncio.to_thread(how, get_service(), query)
    for reply in outcome.replies:
        say(dispatcher, reply)
    return [SlotSet(STATE_SLOT, outcome.state), SlotSet("last_topic", "energy")]


class _EnergyAction(Action, ABC):
    topic = ""

    @abstractmethod
    def name(self) -> str:
        """Return the action's name in the domain."""

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        return await respond(dispatcher, tracker, self.topic)


class ActionEnergyUsage(_EnergyAction):
    """What a building used, or how buildings rank; staff only."""

    topic = "usage"

    def name(self) -> str:
        return "action_energy_usage"


class ActionEnergyWhy(_EnergyAction):
    """Why a building's use was high or low; staff only."""

    topic = "why"

    def name(self) -> str:
        return "action_energy_why"


class ActionEnergyForecast(_EnergyAction):
    """What a building will need; staff only."""

    topic = "forecast"

    def name(self) -> str:
        return "action_energy_forecast"


class ActionEnergyBattery(_EnergyAction):
    """The cheapest battery schedule; staff only."""

    topic = "battery"

    def name(self) -> str:
        return "action_energy_battery"


class ActionEnergySaving(_EnergyAction):
    """A citizen's bill and saving at home; for staff, ranked savings of a building."""

    topic = "saving"

    def name(self) -> str:
        return "action_energy_saving"


class ActionOutage(_EnergyAction):
    """Planned outages by district."""

    topic = "outage"

    def name(self) -> str:
        return "action_outage"


class ActionEnergyFollowUp(Action):
    """An elliptical question after an answer of this module."""

    def name(self) -> str:
        return "action_energy_follow_up"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        return await respond(dispatcher, tracker, "", handle_follow_up)
