"""What the form has gathered so far; it lives in a slot, so it survives interruptions, restarts and expired sessions."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from actions.requests.records import Place

DETAILS, CATEGORY, PLACE = "request_details", "request_category", "request_place"
DUPLICATE, CONTACT, CONFIRMATION = "request_duplicate", "request_contact", "request_confirmation"
SLOTS = (DETAILS, CATEGORY, PLACE, DUPLICATE, CONTACT, CONFIRMATION)
# A slot that needs no answer holds this.
SETTLED = "-"


@dataclass
class Draft:
    """An unfiled request. `None` means not known yet; an empty contact means anonymous.

    `offer` is a question of the form's own that waits for an answer: `what` is "exif", "choose", "conflict" or
    "change". `seen` is the message handled last, `touched` when (ISO, UTC).
    """

    id: str = field(default_factory=lambda: secrets.token_hex(8))
    kind: str = "report"
    description: str | None = None
    category: str | None = None
    confidence: float = 0.0
    choices: Sequence[str] = ()
    place: dict[str, Any] | None = None
    no_place: bool = False
    duplicate: str | None = None
    contact: str | None = None
    decision: str | None = None
    photos: list[str] = field(default_factory=list)
    declined: list[str] = field(default_factory=list)
    danger: str | None = None
    offer: dict[str, Any] | None = None
    tries: dict[str, int] = field(default_factory=dict)
    seen: str = ""
    touched: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form kept in the slot."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Draft | None:
        """Build a draft from its JSON form; keys of another version are passed over."""
        if not data:
            return None
        known = {f.name for f in fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})

    def where(self) -> Place | None:
        """Return the place."""
        return Place.from_dict(self.place) if self.place else None

    def again(self, slot: str) -> int:
        """Count an answer that could not be used; return how many there were."""
        self.tries[slot] = self.tries.get(slot, 0) + 1
        return self.tries[slot]

    def set_place(self, place: Place) -> None:
        """Take a place; what hung on the one before is open again."""
        self.place, self.no_place, self.offer, self.duplicate = place.to_dict(), False, None, None

    def ask_again(self, slot: str) -> None:
        """Forget what was said for a slot, so that it is asked for anew."""
        self.offer = None
        if slot == PLACE:
            self.place, self.no_place, self.duplicate = None, False, None
            self.tries.pop(PLACE, None)
        elif slot == CONTACT:
            self.contact = None
        elif slot == CATEGORY:
            self.category = self.duplicate = None
        else:
            self.description = self.category = None

    def slots(self) -> dict[str, str | None]:
        """Return the values of the form's slots; `None` is asked for."""
        place = self.place["text"] if self.place else (SETTLED if self.no_place else None)
        contact = None if self.contact is None else (self.contact or SETTLED)
        return {
            DETAILS: self.description,
            CATEGORY: self.category,
            PLACE: place,
            DUPLICATE: self.duplicate,
            CONTACT: contact,
            CONFIRMATION: self.decision,
        }
