"""What the notices' store hands out. Times are UTC without an offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

ACTIVE, CANCELLED, REPLACED, HIDDEN = "active", "cancelled", "replaced", "hidden"
STAFF, CAP = "staff", "cap"


@dataclass(frozen=True)
class Notice:
    """One notice. `texts` maps a language to its `title`, `text`, `instruction`, `source`, `area`, `web`.

    `districts` and `channels` left empty mean all of them. `state`: "active", "cancelled", "replaced" by an update,
    or "hidden" (a test, a drill, or about another place). `severity` is CAP's word, "Unknown" for staff's own.
    """

    id: int
    kind: str
    key: str
    texts: Mapping[str, Mapping[str, str]]
    severity: str
    districts: Sequence[str]
    channels: Sequence[str]
    starts_at: datetime
    expires_at: datetime
    state: str
    author: str
    banner: bool
    created_at: datetime
    why: str = ""

    def current(self, now: datetime) -> bool:
        """Return whether it holds now."""
        return self.state == ACTIVE and self.starts_at <= now < self.expires_at


@dataclass(frozen=True)
class Subscription:
    """Somebody who asked for notices; no districts means the whole city."""

    conversation_id: str
    language: str
    channel: str
    districts: Sequence[str]
    since: datetime
