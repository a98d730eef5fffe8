"""Turns whose meaning the conversation decides: "mute this topic" means public opinion once staff asked about it."""

from __future__ import annotations

from typing import Any

from actions.opinion.answers import STAFF_ROLES, is_follow_up

_OPINION, _TOPIC, _URGENT = "opinion_overview", "opinion", "emergency"


def steer(parse: dict[str, Any], text: str, role: str, last_topic: str | None) -> dict[str, Any]:
    """Return what was understood, with the intent that the conversation so far makes certain.

    Args:
        parse: Rasa's result.
        text: the message.
        role: of its sender.
        last_topic: what the last answer was about.
    """
    name = parse["intent"].get("name")
    if role not in STAFF_ROLES or last_topic != _TOPIC or name in (_OPINION, _URGENT):
        return parse
    if not is_follow_up(text):
        return parse
    chosen = {"name": _OPINION, "confidence": 1.0}
    ranking = [item for item in parse.get("intent_ranking", []) if item["name"] != _OPINION]
    return {**parse, "intent": chosen, "intent_ranking": [dict(chosen), *ranking]}
