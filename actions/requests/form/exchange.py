"""One message as the form sees it, and what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

KINDS = {
    "report_problem": "report",
    "complain": "complaint",
    "suggest": "suggestion",
    "praise_staff": "praise",
}


@dataclass(frozen=True)
class Turn:
    """One message as the form sees it.

    `location` is a shared position in degrees. `asked_aside` is when another module asked something that still waits
    for an answer, in POSIX seconds; 0 for never.
    """

    text: str
    intent: str
    language: str
    message_id: str
    conversation_id: str
    requested: str | None = None
    confidence: float = 0.0
    location: tuple[float, float] | None = None
    has_photos: bool = False
    entities: Sequence[Mapping[str, Any]] = ()
    asked_aside: int = 0


@dataclass
class Outcome:
    """What a message did: `handled` is false for an interruption; `notes` are said before the next question."""

    handled: bool
    notes: list[str] = field(default_factory=list)
    danger: str | None = None
