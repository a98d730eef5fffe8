"""Rasa actions on public opinion; the work runs in a thread."""

from __future__ import annotations

import asyncio
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.opinion import OpinionNotConfigured, get_service
from actions.opinion.answers import Query, answer, is_follow_up, refusal
from actions.sdk import language_of, role_of, say
from city.messages import Reply

STATE_SLOT = "opinion_state"
Events = list[dict[str, Any]]


async def respond(dispatcher: CollectingDispatcher, tracker: Tracker) -> Events:
    """Answer the latest message, and remember period, district, topic and alarm."""
    language = language_of(tracker)
    try:
        service = get_service()
    except OpinionNotConfigured as error:
        role = role_of(tracker)
        say(dispatcher, refusal(language) if role == "citizen" else Reply(error.text(language), "opinion"))
        return [SlotSet("last_topic", "opinion")]
    query = Query(
        text=str(tracker.latest_message.get("text") or ""),
        language=language,
        role=role_of(tracker),
        by=str((tracker.latest_message.get("metadata") or {}).get("user") or tracker.sender_id),
        state=tracker.get_slot(STATE_SLOT),
    )
    outcome = await asyncio.to_thread(answer, service, query)
    for reply in outcome.replies:
        say(dispatcher, reply)
    return [SlotSet(STATE_SLOT, outcome.state), SlotSet("last_topic", "opinion")]


async def continued(dispatcher: CollectingDispatcher, tracker: Tracker) -> Events | None:
    """Go on with opinion when a text without a subject belongs to it ("mute this topic"); `None` when it does not."""
    if role_of(tracker) == "citizen" or not is_follow_up(str(tracker.latest_message.get("text") or "")):
        return None
    return await respond(dispatcher, tracker)


async def note_complaint(tracker: Tracker) -> None:
    """Let what a citizen complains of count as public opinion too; harmless where the module is off."""
    try:
        service = get_service()
    except OpinionNotConfigured:
        return
    latest = tracker.latest_message
    message_id = str((latest.get("metadata") or {}).get("message_id") or "")
    await asyncio.to_thread(
        service.note_complaint, str(latest.get("text") or ""), tracker.sender_id, message_id
    )


class ActionOpinionOverview(Action):
    """Says how public opinion stands; staff only."""

    def name(self) -> str:
        return "action_opinion_overview"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        return await respond(dispatcher, tracker)
