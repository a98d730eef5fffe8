"""Hands questions that went badly on to the knowledge base's feedback, where staff find them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.traces.store import Rated
from knowledge.service import KnowledgeService


class KnowledgeInbox:
    """The recorder's `Inbox` in front of the knowledge base.

    Args:
        service: the open knowledge base.
    """

    def __init__(self, service: KnowledgeService) -> None:
        self._service = service

    def rated(self, rated: Rated) -> None:
        """Keep a rating with its question; one that replaces another takes its place."""
        turn = rated.turn
        if rated.before == rated.rating:
            return
        if rated.before:
            self._service.withdraw_feedback(turn["conversation_id"], turn["text"], rated.before)
        self._record(turn, rated.rating, rated.comment)

    def abandoned(self, turn: Mapping[str, Any]) -> None:
        """Keep the question that the citizen left."""
        self._record(turn, "abandoned", "")

    def erased(self, conversation_id: str) -> None:
        """Erase what was kept of a conversation."""
        self._service.erase_feedback(conversation_id)

    def _record(self, turn: Mapping[str, Any], kind: str, comment: str) -> None:
        self._service.record_feedback(
            turn["text"],
            "en" if turn["language"] == "en" else "zh",
            kind,
            article_id=turn["article_id"] or None,
            comment=comment,
            conversation_id=turn["conversation_id"],
        )
