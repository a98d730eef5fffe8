"""What the store hands out: plain records, no database rows."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from city.messages import Reply


class Access(enum.Enum):
    """The outcome of a token check."""

    GRANTED = "granted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Conversation:
    """One conversation; `sender_id` is the chat app's name for the person, `None` on the web."""

    id: str
    channel: str
    sender_id: str | None
    created_at: datetime


@dataclass(frozen=True)
class Address:
    """Where a conversation can be reached: the channel last used, and what its `send` needs to know."""

    channel: str
    sender_id: str
    context: Mapping[str, Any]
    language: str | None = None


@dataclass(frozen=True)
class StoredMessage:
    """One citizen's message with its answer; `replies` is `None` until it is answered.

    Something said unasked has an empty `text`.
    """

    message_id: str
    text: str
    language: str | None
    replies: Sequence[Reply] | None
    created_at: datetime
    rating: str | None = None

    @property
    def pushed(self) -> bool:
        """Whether it came without a question: a notice, or what a person at the desk wrote."""
        return not self.text

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of the history."""
        return {
            "message_id": self.message_id,
            "text": self.text,
            "language": self.language,
            "created_at": self.created_at.isoformat(timespec="milliseconds") + "Z",
            "state": "pending" if self.replies is None else "answered",
            "replies": [reply.to_dict() for reply in self.replies or ()],
            "rating": self.rating,
        }


@dataclass(frozen=True)
class Claim:
    """The outcome of storing a message.

    `NEW` is ours to answer; `ANSWERED` was answered before; `BUSY` is being answered by another process;
    `REFUSED` was not stored, as asked; `UNKNOWN` has no conversation.
    """

    NEW: ClassVar[str] = "new"
    ANSWERED: ClassVar[str] = "answered"
    BUSY: ClassVar[str] = "busy"
    REFUSED: ClassVar[str] = "refused"
    UNKNOWN: ClassVar[str] = "unknown"

    kind: str
    message: StoredMessage | None = None
