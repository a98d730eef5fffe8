"""The typed objects of the opinion module. Times are aware UTC datetimes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

LEVELS = {
    0: ("无需处理", "nothing to do"),
    1: ("留意", "take note"),
    2: ("需跟进", "follow up"),
    3: ("严重", "serious"),
    4: ("紧急", "urgent"),
}


@dataclass(frozen=True)
class RawPost:
    """A post as a source gives it; everything may be missing or wrong.

    `at` is a datetime, ISO 8601 text, RFC 2822 text, or seconds since 1970; `reach` the number of people it may
    have reached (followers, views, reposts) or unknown (`None`).
    """

    source: str
    external_id: str
    text: str
    at: Any = None
    author: str = ""
    url: str = ""
    reach: float | None = None
    district: str = ""


@dataclass(frozen=True)
class Post:
    """A post that came through the door: plain masked text, hashed author, sane time."""

    key: str
    source: str
    external_id: str
    at: datetime
    received_at: datetime
    text: str
    language: str
    author: str
    url: str
    reach: float
    district: str
    fingerprint: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Factor:
    """One visible reason of a severity: its value (0 to 1), what it adds to the score, and the words found."""

    name: str
    value: float
    points: float
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Severity:
    """Level 0 to 4, the score it comes from, and every factor that is not zero."""

    level: int
    score: float
    factors: tuple[Factor, ...]

    def to_list(self) -> list[dict[str, Any]]:
        """Return the factors as plain data."""
        return [
            {"name": f.name, "value": round(f.value, 3), "points": round(f.points, 3), "words": list(f.words)}
            for f in self.factors
        ]


@dataclass(frozen=True)
class TopicView:
    """A topic as staff see it."""

    id: int
    label: Mapping[str, str]
    first_at: datetime
    last_at: datetime
    posts: int
    negative: int
    severity: int
    category: str
    department: Mapping[str, str]
    place: str
    district: str
    muted_until: datetime | None
    is_new: bool
    before: int = 0


@dataclass(frozen=True)
class PostView:
    """A post as staff see it."""

    id: int
    at: datetime
    source: str
    text: str
    language: str
    url: str
    sentiment: str
    unsure: bool
    emotion: str
    needs_action: float
    severity: int
    factors: list[dict[str, Any]]
    copies: int
    topic_id: int | None
    category: str
    district: str
    place: str
    model: str


@dataclass(frozen=True)
class AlarmView:
    """An alarm as staff see it; `state` is open, acknowledged, handed_over, closed or muted."""

    id: int
    rule: str
    scope: str
    topic_id: int | None
    level: int
    state: str
    opened_at: datetime
    updated_at: datetime
    escalations: int
    reasons: Mapping[str, Any]
    evidence: tuple[int, ...]
    owner: Mapping[str, str]
    label: Mapping[str, str]
    model: str
    by: str
    note: str
    chart: str


@dataclass(frozen=True)
class Tally:
    """Posts of a period: in all, negative, positive, unsure, severe (level 3 and more)."""

    posts: int = 0
    negative: int = 0
    positive: int = 0
    unsure: int = 0
    severe: int = 0


@dataclass(frozen=True)
class Overview:
    """What staff ask for first: the period, the one before it, districts, categories, topics and open alarms."""

    start: datetime
    end: datetime
    now: Tally
    before: Tally
    districts: tuple[tuple[str, Tally], ...]
    categories: tuple[tuple[str, Tally], ...]
    topics: tuple[TopicView, ...]
    alarms: tuple[AlarmView, ...]
    emotions: Mapping[str, int] = field(default_factory=dict)


@dataclass
class IngestReport:
    """What became of posts read in; `rejected` counts by reason."""

    read: int = 0
    new: int = 0
    repeated: int = 0
    reposts: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    alarms: int = 0

    def add(self, other: IngestReport) -> None:
        """Add another report's numbers."""
        self.read += other.read
        self.new += other.new
        self.repeated += other.repeated
        self.reposts += other.reposts
        self.alarms += other.alarms
        for reason, count in other.rejected.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + count
