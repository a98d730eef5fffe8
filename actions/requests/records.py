"""What the requests store hands out: plain records, no database rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Place:
    """Where something is: the words for it, and a position in degrees (WGS 84) where one is known.

    `precision`: "point" (shared or a photo's), "place", "crossing", "street", "district" or "text".
    """

    text: str
    lat: float | None = None
    lon: float | None = None
    district: str | None = None
    precision: str = "text"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form kept in the dialogue."""
        return {
            "text": self.text,
            "lat": self.lat,
            "lon": self.lon,
            "district": self.district,
            "precision": self.precision,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Place:
        """Build a place from its JSON form."""
        return cls(
            str(data["text"]),
            data.get("lat"),
            data.get("lon"),
            data.get("district"),
            str(data.get("precision") or "text"),
        )

    @property
    def located(self) -> bool:
        """Whether a position is known."""
        return self.lat is not None and self.lon is not None


@dataclass(frozen=True)
class NewRequest:
    """What is to be filed; `key` is the same again when the same thing is filed twice."""

    key: str
    category: str
    description: str
    place: Place | None = None
    contact: str = ""
    language: str = "zh"
    channel: str = "web"
    source: str = "dialogue"
    conversation_id: str | None = None
    photos: Sequence[str] = ()
    # How sure the router is of the category, 0 to 1; a person's choice is 1.
    confidence: float = 1.0
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One request as it stands; times are UTC without an offset."""

    id: int
    number: str
    kind: str
    category: str
    department: str
    confidence: float
    needs_review: bool
    urgency: str
    danger: str | None
    state: str
    outcome: str | None
    description: str
    address: str
    lat: float | None
    lon: float | None
    district: str | None
    contact: str
    language: str
    channel: str
    source: str
    conversation_id: str | None
    assignee: str
    created_at: datetime
    updated_at: datetime
    respond_due: datetime
    resolve_due: datetime
    responded_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    reopened: int
    rating: int | None
    solved: bool | None
    rating_comment: str
    token: str
    attributes: Mapping[str, Any]

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something."""
        return self.state != "closed"

    def overdue(self, now: datetime) -> bool:
        """Whether a deadline has passed unmet at `now` (UTC)."""
        if not self.is_open:
            return False
        return (self.responded_at is None and now > self.respond_due) or (
            self.resolved_at is None and now > self.resolve_due
        )


@dataclass(frozen=True)
class Event:
    """One entry of a request's history; `public` ones are shown to the citizen."""

    id: int
    request_id: int
    at: datetime
    actor: str
    kind: str
    state: str | None
    public: bool
    text: str


@dataclass(frozen=True)
class Photo:
    """A stored photo: its random id, size in pixels and bytes, and the position it carried, stripped since."""

    id: str
    width: int
    height: int
    bytes: int
    lat: float | None
    lon: float | None
    created_at: datetime
    request_id: int | None = None


@dataclass(frozen=True)
class Filed:
    """A filed request; `code` opens it from elsewhere and is shown only here; `again` when it was filed before."""

    request: Request
    code: str
    again: bool = False


@dataclass(frozen=True)
class Nearby:
    """An open request of the same kind nearby, its distance in m and how many people reported or follow it."""

    request: Request
    distance_m: float
    people: int


@dataclass(frozen=True)
class Filter:
    """Which requests to list; empty fields do not restrict."""

    states: Sequence[str] = ()
    kind: str = ""
    category: str = ""
    department: str = ""
    urgency: str = ""
    district: str = ""
    text: str = ""
    assignee: str = ""
    overdue: bool | None = None
    needs_review: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    offset: int = 0
    limit: int = 50
    newest_first: bool = True


@dataclass(frozen=True)
class Statistics:
    """What staff report on; rates are 0 to 1, `None` without anything to count.

    `response_rate` (响应率): of the requests whose first answer was due or given, those answered in time.
    `resolution_rate` (解决率): of the closed ones (withdrawn and duplicate aside), those that the citizen, or where
    the citizen said nothing the department, called resolved. `satisfaction_rate` (满意率): of the rated ones, those
    with 4 or 5. `on_time_rate`: of those due or settled, those settled in time.
    """

    total: int
    open: int
    overdue: int
    closed: int
    rated: int
    response_rate: float | None
    resolution_rate: float | None
    satisfaction_rate: float | None
    on_time_rate: float | None
    mean_resolve_h: float | None
    by: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
