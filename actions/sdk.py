"""What every thin Rasa action needs: the turn's language, the citizen's role, and a way to say a `Reply`."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from city.messages import Reply


def language_of(tracker: Tracker) -> str:
    """Return the language to answer in, "zh" or "en"."""
    return "en" if tracker.get_slot("language") == "en" else "zh"


def role_of(tracker: Tracker) -> str:
    """Return the role of the channel identity that wrote the latest message; `citizen` for everyone unknown."""
    metadata: dict[str, Any] = tracker.latest_message.get("metadata") or {}
    return str(metadata.get("role") or "citizen")


def say(dispatcher: CollectingDispatcher, reply: Reply) -> None:
    """Send a reply; its text also goes out plainly for stock Rasa channels such as `rasa shell`."""
    dispatcher.utter_message(text=reply.text, json_message={"reply": reply.to_dict()})
