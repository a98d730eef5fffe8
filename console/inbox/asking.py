"""What the assistant would say now: the language model's reading and the knowledge base's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.components.models import source
from city.messages import Reply
from knowledge.service import KnowledgeService, Question
from nlp.joint_manifest import ModelError
from nlp.language import identify

FALLBACK = "nlu_fallback"


@dataclass(frozen=True)
class Rehearsal:
    """The outcome; `intent` is empty when no language model is there to ask."""

    text: str
    language: str
    intent: str
    confidence: float
    accepted: bool
    decision: str
    replies: Sequence[Reply]
    found: Sequence[Mapping[str, Any]]


def rehearse(knowledge: KnowledgeService, text: str, language: str = "") -> Rehearsal:
    """Answer a question as a citizen's first message would be answered; nothing of it is kept.

    Args:
        knowledge: the knowledge base.
        text: the question.
        language: "zh" or "en"; found out when empty.
    """
    language = language or identify(text, None, knowledge.settings.city.default_language).language
    intent, confidence, accepted = "", 0.0, True
    try:
        prediction = source().model().predict([text])[0]
        intent, confidence, accepted = prediction.intent, prediction.confidence, prediction.accepted
    except ModelError:
        accepted = True
    question = Question(
        text=text,
        language=language,
        today=datetime.now(knowledge.settings.zone).date(),
        intent=(intent if accepted else FALLBACK) or None,
    )
    outcome = knowledge.rehearse(question)
    search = next((step for step in outcome.steps if step["step"] == "knowledge.search"), {})
    return Rehearsal(
        text,
        language,
        intent,
        confidence,
        accepted,
        outcome.decision,
        outcome.replies,
        search.get("found") or (),
    )
