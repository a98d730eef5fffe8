"""Turns whose meaning the conversation decides: "mute this topic" means public opinion once staff asked about it,
"cancel it" the request that was just filed."""

from __future__ import annotations

from typing import Any
from unicodedata import category

from rasa.shared.constants import DEFAULT_NLU_FALLBACK_INTENT_NAME

from actions.opinion.answers import STAFF_ROLES, is_follow_up
from actions.requests.cues import asks_what_was_told, withdraws

_OPINION, _TOPIC, _URGENT = "opinion_overview", "opinion", "emergency"
_REQUEST, _REQUESTS = "request_status", "requests"


def steer(parse: dict[str, Any], text: str, role: str, last_topic: str | None) -> dict[str, Any]:
    """Return what was understood, with the intent that the conversation so far makes certain.

    Args:
        parse: Rasa's result.
        text: the message.
        role: of its sender.
        last_topic: what the last answer was about.
    """
    name = parse["intent"].get("name")
    if name == _URGENT:
        return parse
    meant = None
    if not any(char.isalnum() or category(char) == "So" for char in text):
        # "。" and "?" say neither yes nor no.
        meant = DEFAULT_NLU_FALLBACK_INTENT_NAME
    elif name == "signal_why" and last_topic == "energy":
        meant = "energy_why"
    elif asks_what_was_told(text) or (last_topic == _REQUESTS and withdraws(text)):
        meant = _REQUEST
    elif role in STAFF_ROLES and last_topic == _TOPIC and is_follow_up(text):
        meant = _OPINION
    if meant in (None, name):
        return parse
    chosen = {"name": meant, "confidence": 1.0}
    ranking = [item for item in parse.get("intent_ranking", []) if item["name"] != meant]
    return {**parse, "intent": chosen, "intent_ranking": [dict(chosen), *ranking]}
