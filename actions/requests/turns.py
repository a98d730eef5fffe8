"""The latest message as the requests module sees it, and messages that go on about a filed request."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.requests import configured, cues, get_service, ongoing
from actions.requests.form import Turn
from actions.requests.form.categories import PICK
from actions.sdk import language_of, say
from actions.transit.actions import STATE_SLOT as TRANSIT_SLOT
from city.messages import Button, Reply

_PIN = re.compile(r"📍\s*(-?\d{1,2}\.\d+)[,，\s]+(-?\d{1,3}\.\d+)")


def turn_of(tracker: Tracker) -> Turn:
    """Return the latest message as the form sees it."""
    latest = tracker.latest_message
    metadata: dict[str, Any] = latest.get("metadata") or {}
    intent: dict[str, Any] = latest.get("intent") or {}
    text = str(latest.get("text") or "")
    where = metadata.get("location") or {}
    # A channel, or a message taken up again after a restart, may carry the position only in its text.
    if not where and (pin := _PIN.match(text)):
        where = {"lat": pin[1], "lon": pin[2]}
    return Turn(
        text=text,
        intent=str(intent.get("name") or ""),
        language=language_of(tracker),
        message_id=str(metadata.get("message_id") or latest.get("message_id") or ""),
        conversation_id=tracker.sender_id,
        requested=tracker.get_slot("requested_slot"),
        confidence=float(intent.get("confidence") or 0.0),
        location=(float(where["lat"]), float(where["lon"])) if where else None,
        has_photos=bool(metadata.get("attachments")),
        entities=latest.get("entities") or (),
        asked_aside=_asked_aside(tracker),
    )


def _asked_aside(tracker: Tracker) -> int:
    """Return when transit asked for a stop or a line that was not named yet, in POSIX seconds; 0 for never."""
    state = tracker.get_slot(TRANSIT_SLOT)
    return int(state.get("at") or 0) if isinstance(state, dict) and state.get("pending") else 0


def offer_filing(dispatcher: CollectingDispatcher, language: str) -> None:
    """Say that what was asked about can be reported in this conversation."""
    if language == "zh":
        reply = Reply("也可以直接在这里上报。", "requests", buttons=[Button("现在上报", "我要上报一个问题")])
    else:
        reply = Reply(
            "You can also report it right here.",
            "requests",
            buttons=[Button("Report now", "I want to report a problem")],
        )
    say(dispatcher, reply)


async def offer_filing_if_asked(dispatcher: CollectingDispatcher, tracker: Tracker) -> None:
    """Offer the form after an answer to "how do I report a pothole?", not after "how do I file my taxes?"."""
    turn = turn_of(tracker)
    if not configured() or not cues.asks_how(turn.text):
        return
    route = await asyncio.to_thread(get_service().route, turn.text, "report", turn.language)
    if route.confidence >= PICK and not route.category.startswith("other_"):
        offer_filing(dispatcher, turn.language)


async def add_detail(dispatcher: CollectingDispatcher, turn: Turn) -> bool:
    """Add "补充一下，…" to the latest open request; return whether it was that."""
    if not configured() or cues.detail_in(turn.text) is None:
        return False
    asker = ongoing.Asker(turn.conversation_id, turn.language)
    reply = await asyncio.to_thread(ongoing.add_to_latest, get_service(), asker, turn.text)
    if reply is not None:
        say(dispatcher, reply)
    return reply is not None


async def continued(
    dispatcher: CollectingDispatcher, tracker: Tracker, only_clear: bool = False
) -> list[dict[str, Any]] | None:
    """Take a short text after talk about a request as being about that request.

    Args:
        only_clear: only when the words say so: a rating, "still broken", "add: …".

    Returns:
        Events, or `None` when it is about something else.
    """
    turn = turn_of(tracker)
    if not configured():
        return None
    if await add_detail(dispatcher, turn):
        return []
    service = get_service()
    if not await asyncio.to_thread(service.mine, turn.conversation_id):
        return None
    if only_clear and not ongoing.concerns(turn.text):
        return None
    asker = ongoing.Asker(turn.conversation_id, turn.language)
    say(dispatcher, await asyncio.to_thread(ongoing.answer, service, asker, turn.text))
    return []
