"""Rasa actions of the requests module: the form, its validation and questions, filing, status."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import ActionExecuted, ActiveLoop, FollowupAction, SessionStarted, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.answers.actions import answer as answer_from_knowledge
from actions.general.replies import emergency_reply
from actions.opinion.actions import note_complaint
from actions.opinion.empathy import sympathy
from actions.requests import configured, cues, get_service, ongoing, wording
from actions.requests.draft import (
    CATEGORY,
    CONFIRMATION,
    CONTACT,
    DETAILS,
    DUPLICATE,
    PLACE,
    SETTLED,
    SLOTS,
    Draft,
)
from actions.requests.errors import RequestsError
from actions.requests.form import Form, Outcome
from actions.requests.records import NewRequest
from actions.requests.turns import add_detail, offer_filing, turn_of
from actions.sdk import language_of, say
from city.messages import Reply
from city.settings import current_settings

FORM = "request_form"
DRAFT_SLOT = "request_form_state"
Events = list[dict[str, Any]]


def _draft(tracker: Tracker) -> Draft | None:
    return Draft.from_dict(tracker.get_slot(DRAFT_SLOT))


def _slots(draft: Draft) -> Events:
    values = [SlotSet(DRAFT_SLOT, draft.to_dict())]
    return values + [SlotSet(name, value) for name, value in draft.slots().items()]


def _cleared() -> Events:
    return [SlotSet(name, None) for name in (DRAFT_SLOT, *SLOTS)]


def _say_outcome(dispatcher: CollectingDispatcher, outcome: Outcome, language: str) -> None:
    if outcome.danger:
        say(dispatcher, emergency_reply(current_settings().emergency, outcome.danger, language))
    if outcome.notes:
        say(dispatcher, Reply("\n\n".join(dict.fromkeys(outcome.notes)), "requests"))


class ActionBeginRequest(Action):
    """Opens the form for a report, complaint, suggestion or praise; a question how to is answered instead."""

    def name(self) -> str:
        return "action_begin_request"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        turn = turn_of(tracker)
        if not configured():
            return await answer_from_knowledge(dispatcher, tracker, follow_up=False)
        if cues.asks_how(turn.text):
            events = await answer_from_knowledge(dispatcher, tracker, follow_up=False)
            offer_filing(dispatcher, turn.language)
            return events
        await note_complaint(tracker)
        service = get_service()
        if await add_detail(dispatcher, turn):
            return [SlotSet("last_topic", "requests")]
        draft, outcome = await asyncio.to_thread(Form(service).begin, turn)
        kind_word = sympathy(turn.text, turn.intent, turn.language)
        if kind_word is not None and not outcome.danger:
            say(dispatcher, kind_word)
        _say_outcome(dispatcher, outcome, turn.language)
        return [*_cleared(), *_slots(draft), SlotSet("last_topic", "requests"), FollowupAction(FORM)]


class ValidateRequestForm(Action):
    """Lets the latest message fill, correct or cancel the form; without events the form leaves it to others."""

    def name(self) -> str:
        return f"validate_{FORM}"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        draft, turn = _draft(tracker), turn_of(tracker)
        if draft is None:
            return [SlotSet("requested_slot", None)]
        if draft.seen == turn.message_id:
            return []
        outcome = await asyncio.to_thread(Form(get_service()).take, draft, turn)
        if not outcome.handled:
            return []
        _say_outcome(dispatcher, outcome, turn.language)
        return _slots(draft)


class _Ask(Action):
    """Asks for one slot."""

    slot = ""

    def name(self) -> str:
        return f"action_ask_{self.slot}"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        draft = _draft(tracker)
        if draft is not None:
            say(dispatcher, wording.ask(draft, self.slot, get_service(), language_of(tracker)))
        return []


class ActionAskDetails(_Ask):
    """Asks what happened."""

    slot = DETAILS


class ActionAskCategory(_Ask):
    """Asks what kind of thing it is."""

    slot = CATEGORY


class ActionAskPlace(_Ask):
    """Asks where it is."""

    slot = PLACE


class ActionAskDuplicate(_Ask):
    """Offers to follow what others reported."""

    slot = DUPLICATE


class ActionAskContact(_Ask):
    """Asks how the citizen can be reached."""

    slot = CONTACT


class ActionAskConfirmation(_Ask):
    """Reads everything back."""

    slot = CONFIRMATION


class ActionSubmitRequest(Action):
    """Files what the form gathered, follows another request, or drops it."""

    def name(self) -> str:
        return "action_submit_request"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        draft, language = _draft(tracker), language_of(tracker)
        if draft is None or draft.decision in (None, "cancel"):
            await asyncio.to_thread(get_service().photos.forget, tracker.sender_id)
            say(dispatcher, wording.cancelled(language))
            return _cleared()
        try:
            reply = await asyncio.to_thread(_submit, draft, tracker, language)
        except RequestsError as error:
            say(dispatcher, Reply(error.text(language), "requests"))
            if str(draft.decision).startswith("add:"):
                # What cannot be added any more may still be reported.
                draft = Draft(photos=draft.photos)
            draft.decision = None
            return [*_slots(draft), FollowupAction(FORM)]
        say(dispatcher, reply)
        return [*_cleared(), SlotSet("last_topic", "requests")]


def _submit(draft: Draft, tracker: Tracker, language: str) -> Reply:
    service, decision = get_service(), str(draft.decision)
    if decision.startswith("follow:"):
        number = decision.removeprefix("follow:")
        service.follow(number, tracker.sender_id, language)
        return wording.following(number, language)
    if decision.startswith("add:"):
        asker = ongoing.Asker(tracker.sender_id, language)
        number = decision.removeprefix("add:")
        detail = "" if draft.description in (None, SETTLED) else str(draft.description)
        return ongoing.add_photos(service, asker, number, draft.photos, detail)
    metadata: dict[str, Any] = tracker.latest_message.get("metadata") or {}
    new = NewRequest(
        key=f"{tracker.sender_id}:{draft.id}",
        category=str(draft.category),
        description=str(draft.description),
        place=draft.where(),
        contact=draft.contact or "",
        language=language,
        channel=str(metadata.get("channel") or "web"),
        conversation_id=tracker.sender_id,
        photos=draft.photos,
        confidence=draft.confidence,
    )
    return wording.filed(service.file(new), service, language)


class ActionRequestStatus(Action):
    """Says how a request stands; takes details, ratings, withdrawals, and reopens."""

    def name(self) -> str:
        return "action_request_status"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        if not configured():
            return await answer_from_knowledge(dispatcher, tracker, follow_up=False)
        turn = turn_of(tracker)
        draft = _draft(tracker)
        if draft is not None and draft.decision is None and cues.asks_what_was_told(turn.text):
            say(dispatcher, await asyncio.to_thread(wording.so_far, draft, get_service(), turn.language))
            return [SlotSet("last_topic", "requests")]
        asker = ongoing.Asker(turn.conversation_id, turn.language)
        say(dispatcher, await asyncio.to_thread(ongoing.answer, get_service(), asker, turn.text))
        return [SlotSet("last_topic", "requests")]


class ActionSessionStart(Action):
    """Starts a session with the slots of the one before, and with its form where one was left open."""

    def name(self) -> str:
        return "action_session_start"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        # What has its initial value need not be said again; the rest is carried over.
        initial = {name: slot.get("initial_value") for name, slot in (domain.get("slots") or {}).items()}
        events: Events = [SessionStarted()]
        events += [SlotSet(n, v) for n, v in tracker.slots.items() if v is not None and v != initial.get(n)]
        draft = _draft(tracker)
        if draft is not None and draft.decision is None:
            if _lapsed(draft):
                events += _cleared()
            else:
                events.append(ActiveLoop(FORM))
        return [*events, ActionExecuted("action_listen")]


def _lapsed(draft: Draft) -> bool:
    if not draft.touched:
        return False
    service = get_service()
    return service.now() - datetime.fromisoformat(draft.touched) > timedelta(hours=service.section.draft_h)
