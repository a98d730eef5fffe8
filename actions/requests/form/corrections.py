"""Corrections at any time: another place, kind, description or contact than was said before."""

from __future__ import annotations

from typing import Any

from actions.requests import cues, wording
from actions.requests.contacts import find_contact
from actions.requests.draft import CATEGORY, DETAILS, PLACE, Draft
from actions.requests.form.categories import CategoryFilling
from actions.requests.form.exchange import Outcome, Turn
from actions.requests.form.places import LONGEST_PLACE, PlaceFilling
from actions.requests.places import with_house_number
from actions.requests.records import Place


class Corrections:
    """Sets a draft right.

    Args:
        places: takes places.
        categories: takes categories.
    """

    def __init__(self, places: PlaceFilling, categories: CategoryFilling) -> None:
        self.places, self.categories = places, categories

    def _contradicted(self, draft: Draft, before: dict[str, Any] | None, language: str) -> None:
        """Leave the citizen's words as they are, and say in them that the place they name was corrected."""
        if before is None or draft.place is None or draft.description is None:
            return
        old, new = str(before["text"]), str(draft.place["text"])
        if old != new and old.lower() in draft.description.lower():
            said = f"（更正：地点是{new}）" if language == "zh" else f"(correction: the place is {new})"
            draft.description = f"{draft.description}\n{said}"

    def correct(self, draft: Draft, turn: Turn, outcome: Outcome) -> bool:
        """Take a correction; return whether the message was one that can be understood."""
        text = turn.text.strip()
        contact = find_contact(text)
        if contact:
            draft.contact = contact
            outcome.notes.append(wording.changed("contact", contact, turn.language))
            return True
        number, place = cues.house_number(text), draft.where()
        if number and place is not None and not self.places.named(turn):
            before, renumbered = draft.place, with_house_number(place, number)
            draft.set_place(renumbered)
            outcome.notes.append(wording.changed("place", renumbered.text, turn.language))
            self._contradicted(draft, before, turn.language)
            return True
        named = cues.field_named(text)
        if named != DETAILS and self.places.named(turn) and (draft.place or draft.description):
            before = draft.place
            done = self.places.see(draft, turn, outcome, renew=True, say=True)
            self._contradicted(draft, before, turn.language)
            return done
        if draft.description is None:
            return False
        rest = cues.without_lead(text)
        for word in (
            "改成",
            "改为",
            "换成",
            "应该是",
            "应为",
            "其实是",
            " to ",
            "should be",
            "is ",
            "是",
            "：",
            ":",
        ):
            if named and word in rest:
                rest = rest.split(word, 1)[1].strip(" ，,。.")
                break
        if named == CATEGORY:
            return self.categories.correct(draft, rest, turn, outcome)
        if named == DETAILS and len(rest) >= 4:
            draft.description, draft.category = rest, None
            self.categories.route(draft, rest, turn.language)
            outcome.notes.append(wording.changed("details", rest, turn.language))
            return True
        if named == PLACE and len(rest) >= 2 and not cues.FIELDS[PLACE].search(rest):
            draft.set_place(Place(rest[:LONGEST_PLACE]))
            outcome.notes.append(wording.changed("place", rest, turn.language))
            return True
        if named:
            draft.ask_again(named)
            return True
        if len(rest) < 3 or cues.is_no(rest) or cues.is_yes(rest):
            return False
        return self.categories.correct(draft, rest, turn, outcome, keep_words=True)
