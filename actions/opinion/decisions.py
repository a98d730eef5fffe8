"""What staff decide in the dialogue: acknowledge an alarm, mute a topic; and the types of a turn."""

# Texts for people run longer than code.
# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actions.opinion.service import OpinionService
from city.messages import Button, Reply

DECIDING_ROLES = frozenset({"editor", "publisher", "operator", "admin"})


@dataclass(frozen=True)
class Query:
    """One question: its words, who asks, and what was talked about before."""

    text: str
    language: str
    role: str
    by: str = ""
    state: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Outcome:
    """The replies and what to remember (the slot `opinion_state`)."""

    replies: Sequence[Reply]
    state: dict[str, Any] = field(default_factory=dict)


def buttons_of(language: str, *pairs: tuple[str, str]) -> tuple[Button, ...]:
    """Return buttons whose payload is their title, in one language of (zh, en) pairs."""
    return tuple(
        Button(pair[0 if language == "zh" else 1], pair[0 if language == "zh" else 1]) for pair in pairs
    )


def _may_decide(query: Query) -> Reply | None:
    if query.role in DECIDING_ROLES:
        return None
    return Reply(
        "查看权限不能处理预警或静音话题，请联系编辑以上权限的同事。"
        if query.language == "zh"
        else "Viewers cannot act on alarms or mute topics; ask a colleague with the editor role or higher.",
        "opinion",
    )


def acknowledge(service: OpinionService, query: Query, state: dict[str, Any], number: int) -> Outcome:
    """Acknowledge an alarm, the one shown last when no number is said."""
    refused = _may_decide(query)
    if refused is not None:
        return Outcome([refused], state)
    number = number or int(state.get("alarm") or 0)
    alarm = service.acknowledge(number, query.by or query.role)
    text = (
        f"预警 #{alarm.id} 已确认，不再按时间升级。"
        if query.language == "zh"
        else f"Alarm #{alarm.id} is acknowledged and will not escalate by time."
    )
    return Outcome([Reply(text, "opinion")], state)


def mute(service: OpinionService, query: Query, state: dict[str, Any]) -> Outcome:
    """Mute the topic talked about for a day."""
    refused = _may_decide(query)
    if refused is not None:
        return Outcome([refused], state)
    zh = query.language == "zh"
    if not state.get("topic"):
        text = (
            "要静音哪个话题？请说编号，例如“静音话题 12”。"
            if zh
            else 'Which topic? Say its number, such as "mute topic 12".'
        )
        return Outcome([Reply(text, "opinion")], state)
    topic = service.queries.topic(int(state["topic"]))
    until = service.mute(topic.id, query.by or query.role).astimezone(service.zone)
    text = (
        f"话题 #{topic.id}“{topic.label['zh']}”已静音到 {until:%m-%d %H:%M}。帖子照常收录，只是不再预警。"
        if zh
        else f"Topic #{topic.id} “{topic.label['en']}” is muted until {until:%d %b %H:%M}. Its posts are still kept; it raises no alarm."
    )
    return Outcome(
        [Reply(text, "opinion", buttons=buttons_of(query.language, ("取消静音", "unmute")))], state
    )


def unmute(service: OpinionService, query: Query, state: dict[str, Any]) -> Outcome:
    """Let the topic talked about raise alarms again."""
    refused = _may_decide(query)
    if refused is not None:
        return Outcome([refused], state)
    zh = query.language == "zh"
    if not state.get("topic"):
        return Outcome(
            [Reply("哪个话题？请说编号。" if zh else "Which topic? Say its number.", "opinion")], state
        )
    topic = service.queries.topic(int(state["topic"]))
    service.unmute(topic.id, query.by or query.role)
    text = f"话题 #{topic.id} 已恢复预警。" if zh else f"Topic #{topic.id} raises alarms again."
    return Outcome([Reply(text, "opinion")], state)
