"""What the desk hands out: plain records, no database rows. Times are UTC without an offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol

WAITING, OPEN, MESSAGE, CLOSED = "waiting", "open", "message", "closed"


@dataclass(frozen=True)
class Case:
    """One conversation at the desk.

    `state`: "waiting" in the queue, "open" with an operator, "message" while the citizen writes one for later,
    "closed". `outcome` says how it ended: closed, returned, citizen, cancelled, unanswered, message or silent.
    """

    id: int
    conversation_id: str
    channel: str
    language: str
    state: str
    team: str
    reason: str
    detail: str
    topic: str
    summary: Mapping[str, Any]
    urgent: bool
    created_at: datetime
    queued_at: datetime
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    operator: str | None = None
    outcome: str = ""
    close_reason: str = ""
    rating: int | None = None
    request_number: str = ""
    told_at: datetime | None = None
    told_position: int = 0
    last_citizen_at: datetime | None = None
    last_operator_at: datetime | None = None

    @property
    def unread(self) -> bool:
        """Whether the citizen wrote after the operator did."""
        if self.last_citizen_at is None:
            return False
        return self.last_operator_at is None or self.last_citizen_at > self.last_operator_at


@dataclass(frozen=True)
class Entry:
    """One line of a conversation at the desk.

    `kind`: "citizen", "operator", "system" (said to the citizen by the desk), "note" (for operators only) or
    "event" (what happened, for operators only). `photos` are ids of what the citizen sent with it.
    """

    id: int
    case_id: int
    kind: str
    author: str
    text: str
    at: datetime
    sent: bool = True
    photos: Sequence[str] = ()


@dataclass(frozen=True)
class Operator:
    """A person at the desk. `teams` is empty for one who answers all."""

    name: str
    here: bool
    away: bool
    last_seen: datetime
    holds: int = 0
    teams: Sequence[str] = ()


@dataclass(frozen=True)
class Ticket:
    """What became of a citizen's wish to speak to a person."""

    QUEUED: ClassVar[str] = "queued"
    ALREADY: ClassVar[str] = "already"
    SHUT: ClassVar[str] = "shut"
    FULL: ClassVar[str] = "full"
    TOO_OFTEN: ClassVar[str] = "too-often"

    kind: str
    case: Case | None = None
    position: int = 0
    wait_s: float | None = None
    opens_at: datetime | None = None


@dataclass(frozen=True)
class PastTurn:
    """One earlier turn of a conversation with the bot; texts are masked."""

    text: str
    intent: str = ""
    entities: Sequence[Mapping[str, Any]] = ()
    replies: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


class Past(Protocol):
    """Tells what was said before a person was asked for."""

    def turns(self, conversation_id: str, limit: int) -> Sequence[PastTurn]:
        """Return the last turns, oldest first, masked; called in a thread."""
        ...


class RequestFiler(Protocol):
    """Files what nobody at the desk could take in."""

    def file(self, case: Case, text: str) -> str:
        """Return the number of the request; the same case again gives the same number."""
        ...


@dataclass(frozen=True)
class Figures:
    """How the desk did in some days: numbers of conversations, medians in seconds, mean rating of 1 to 5."""

    waiting: int
    open: int
    operators: int
    asked: int
    answered: int
    unanswered: int
    cancelled: int
    pickup_s: float | None
    handling_s: float | None
    rating: float | None
    ratings: int
