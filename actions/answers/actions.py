"""Rasa actions that answer from the knowledge base, and send follow-ups to the module that was last spoken to."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.answers import get_service
from actions.energy.actions import ActionEnergyFollowUp
from actions.opinion import actions as opinion
from actions.requests import turns as requests
from actions.sdk import language_of, say
from actions.traffic import actions as traffic
from actions.transit import actions as transit
from actions.transit.actions import ActionTransitDepartures
from city.messages import current_trace
from knowledge.conversation import State
from knowledge.service import Question

STATE_SLOT = "knowledge_state"
UNCLEAR = frozenset({"nlu_fallback", "out_of_scope", "ask_follow_up"})


# How a citizen asks for the last answer in another language.
_IN_LANGUAGE = {"zh": "用中文说", "en": "in English"}


async def answer(
    dispatcher: CollectingDispatcher, tracker: Tracker, follow_up: bool, *, wished: str | None = None
) -> list[dict[str, Any]]:
    """Answer the latest message from the knowledge base and remember what it was about.

    Args:
        dispatcher: takes the replies.
        tracker: the conversation.
        follow_up: whether the message leans on what was said before.
        wished: the language in which the last answer is wanted again, if that is all that was asked for.
    """
    latest = tracker.latest_message
    intent = latest.get("intent") or {}
    question = Question(
        text=_IN_LANGUAGE[wished] if wished else str(latest.get("text") or ""),
        language=wished or language_of(tracker),
        today=datetime.now(get_service().settings.zone).date(),
        intent=intent.get("name"),
        follow_up=follow_up,
        state=tracker.get_slot(STATE_SLOT),
        conversation_id=tracker.sender_id,
    )
    outcome = await asyncio.to_thread(get_service().answer, question)
    trace = current_trace.get()
    if trace is not None:
        trace.steps.extend(outcome.steps)
    for reply in outcome.replies:
        say(dispatcher, reply)
    return [SlotSet(STATE_SLOT, outcome.state), SlotSet("last_topic", "knowledge")]


def is_wanted_again(tracker: Tracker, language: str) -> bool:
    """Return whether the last answer came from the knowledge base, lately, and in another language than this one."""
    if tracker.get_slot("last_topic") != "knowledge":
        return False
    state = State.from_dict(tracker.get_slot(STATE_SLOT), time.time())
    return state is not None and state.language != language


class ActionAnswerQuestion(Action):
    """Answers from the knowledge base: a reply with its source, a choice, or an honest "I don't know"."""

    def name(self) -> str:
        return "action_answer_question"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        intent = (tracker.latest_message.get("intent") or {}).get("name")
        if intent in UNCLEAR:
            events = await _continued(dispatcher, tracker)
            if events is not None:
                return events
        events = await answer(dispatcher, tracker, follow_up=False)
        await requests.offer_filing_if_asked(dispatcher, tracker)
        return events


class ActionFollowUp(Action):
    """Sends an elliptical question to whoever answered last: "and on Sunday?", "反方向呢？"."""

    def name(self) -> str:
        return "action_follow_up"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        intent = (tracker.latest_message.get("intent") or {}).get("name")
        topic = tracker.get_slot("last_topic")
        if topic == "transit" or (intent == "transit_follow_up" and topic is None):
            return ActionTransitDepartures().run(dispatcher, tracker, domain)
        if topic == "energy":
            return await ActionEnergyFollowUp().run(dispatcher, tracker, domain)
        if topic == "traffic":
            events = await traffic.continued(dispatcher, tracker)
            if events is not None:
                return events
        if topic == "opinion":
            events = await opinion.continued(dispatcher, tracker)
            if events is not None:
                return events
        if topic == "requests":
            events = await requests.continued(dispatcher, tracker)
            if events is not None:
                return events
        return await answer(dispatcher, tracker, follow_up=True)


async def _continued(dispatcher: CollectingDispatcher, tracker: Tracker) -> list[dict[str, Any]] | None:
    """Take a text that says nothing by itself as the answer to what was asked: "火车站" after "which stop?"."""
    topic = tracker.get_slot("last_topic")
    if topic == "traffic":
        return await traffic.continued(dispatcher, tracker, only_short=True)
    if topic == "transit" and transit.is_awaited(tracker):
        return transit.answer("follow_up", dispatcher, tracker)
    if topic == "opinion":
        return await opinion.continued(dispatcher, tracker)
    if topic == "requests":
        return await requests.continued(dispatcher, tracker, only_clear=True)
    return None
