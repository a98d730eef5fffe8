"""The Rasa action that hands a conversation to a person."""

from __future__ import annotations

import asyncio
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions import handover
from actions.general.replies import handoff_reply
from actions.sdk import language_of, say
from city.settings import current_settings


class ActionHandoff(Action):
    """Queues the conversation for a person; on the telephone, and where there is no desk, says whom to call."""

    def name(self) -> str:
        return "action_handoff"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        language = language_of(tracker)
        channel = str((tracker.latest_message.get("metadata") or {}).get("channel") or "web")
        if not handover.configured() or channel in handover.get_service().office.section.telephone_channels:
            say(dispatcher, handoff_reply(current_settings().contact, language))
            return []
        reception = handover.get_service().reception
        ticket = await asyncio.to_thread(reception.ask, tracker.sender_id, channel, language, "asked")
        say(dispatcher, reception.say_ticket(ticket, language))
        return []
