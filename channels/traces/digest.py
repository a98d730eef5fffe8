"""From a message and its answer to the record that is kept: masked texts, the decision, and every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timezone, tzinfo
from typing import Any

from city.masking import mask
from city.messages import Answer, Message

ANSWER, CLARIFY, ABSTAIN, HANDOFF, ERROR = "answer", "clarify", "abstain", "handoff", "error"
DECISIONS = (ANSWER, CLARIFY, ABSTAIN, HANDOFF, ERROR)
MAX_CHARS = 2_000
_MAX_ITEMS = 40
# Whole of a turn: other steps run inside these, so only these are added up when nobody timed the turn.
_OUTER = frozenset({"conversation", "nlu", "dialogue", "store"})
# What these hold are names and versions of ours, in which long digits are no citizen's number.
_OURS = frozenset({"model", "index", "article", "actions"})
HIDDEN = "[…]"
_BY_SOURCE = {"clarify": CLARIFY, "fallback": ABSTAIN, "handoff": HANDOFF, "error": ERROR}


@dataclass(frozen=True)
class TurnRecord:
    """One answered turn. Texts are masked; `at` is UTC without a zone, `day` the city's day."""

    conversation_id: str
    message_id: str
    at: datetime
    day: date
    channel: str
    language: str
    text: str
    intent: str = ""
    confidence: float | None = None
    runner_up: str = ""
    runner_up_confidence: float | None = None
    decision: str = ANSWER
    source: str = ""
    article_id: str = ""
    total_ms: float = 0.0
    model: str = ""
    index_version: str = ""
    steps: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    replies: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


def digest(message: Message, answer: Answer, zone: tzinfo, now: datetime | None = None) -> TurnRecord:
    """Return the record of one turn.

    Args:
        message: what the citizen wrote.
        answer: what was replied, with the trace of its making.
        zone: the city's time zone, which says what day it is.
        now: the time with its zone; the clock's when left out.
    """
    at = now or datetime.now(timezone.utc)
    steps = [step for step in answer.trace.steps if isinstance(step, Mapping)]
    by_name = {str(step.get("step")): step for step in steps}
    nlu = by_name.get("nlu", {})
    intent = nlu.get("intent") or {}
    ranking = [item for item in nlu.get("ranking") or () if item.get("name") != intent.get("name")]
    runner_up = ranking[0] if ranking else {}
    veil = _Veil(message.text)
    sources = [reply.source for reply in answer.replies]
    return TurnRecord(
        conversation_id=message.conversation_id,
        message_id=message.message_id,
        at=at.astimezone(timezone.utc).replace(tzinfo=None),
        day=at.astimezone(zone).date(),
        channel=message.channel[:32],
        language=answer.language[:16],
        text=veil.masked[:MAX_CHARS],
        intent=str(intent.get("name") or "")[:120],
        confidence=_number(intent.get("confidence")),
        runner_up=str(runner_up.get("name") or "")[:120],
        runner_up_confidence=_number(runner_up.get("confidence")),
        decision=_decision(by_name, sources),
        source=sources[0] if sources else "",
        article_id=next((c.article_id for reply in answer.replies for c in reply.citations), "")[:120],
        total_ms=_total_ms(by_name, steps),
        model=str(nlu.get("model") or "")[:120],
        index_version=str(by_name.get("knowledge.search", {}).get("index") or "")[:40],
        steps=[veil.over(step) for step in steps[:_MAX_ITEMS]],
        replies=[
            {
                "text": mask(reply.text[:MAX_CHARS]),
                "source": reply.source,
                "citations": [{"article_id": c.article_id, "title": c.title} for c in reply.citations],
                "buttons": [mask(button.title[:200]) for button in reply.buttons],
            }
            for reply in answer.replies
        ],
    )


def _decision(steps: Mapping[str, Mapping[str, Any]], sources: Sequence[str]) -> str:
    if not sources:
        # Nothing was said because a person owns the conversation.
        return HANDOFF
    for source in sources:
        if source in _BY_SOURCE:
            return _BY_SOURCE[source]
    decided = str(steps.get("knowledge.decide", {}).get("decision") or "")
    return decided if sources[0] == "knowledge" and decided in (CLARIFY, ABSTAIN) else ANSWER


def _total_ms(by_name: Mapping[str, Mapping[str, Any]], steps: Sequence[Mapping[str, Any]]) -> float:
    whole = _number(by_name.get("answered", {}).get("ms"))
    if whole is not None:
        return whole
    return round(sum(_number(step.get("ms")) or 0.0 for step in steps if step.get("step") in _OUTER), 3)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


class _Veil:
    """Masks a turn's data: what masking hides in the message stays hidden wherever a step repeats a part of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.masked = mask(text)

    def over(self, value: Any, key: str = "") -> Any:
        """Return plain JSON data with personal data masked; what is neither text nor number becomes text."""
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, Mapping):
            return {str(k)[:80]: self.over(v, str(k)) for k, v in list(value.items())[:_MAX_ITEMS]}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.over(item, key) for item in list(value)[:_MAX_ITEMS]]
        text = str(value)[:MAX_CHARS]
        if key in _OURS:
            return text
        if text and text in self.text and text not in self.masked:
            return HIDDEN
        return mask(text)
