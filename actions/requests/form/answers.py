"""Answers to what the form asked: details, place, duplicate, contact, confirmation."""

from __future__ import annotations

from actions.requests import cues, wording
from actions.requests.contacts import find_contact
from actions.requests.draft import CATEGORY, CONTACT, DETAILS, DUPLICATE, PLACE, SETTLED, Draft
from actions.requests.errors import FloodError
from actions.requests.form.additions import ADD
from actions.requests.form.categories import CategoryFilling
from actions.requests.form.corrections import Corrections
from actions.requests.form.exchange import KINDS, Outcome, Turn
from actions.requests.form.places import LONGEST_PLACE, PlaceFilling
from actions.requests.records import Place
from actions.requests.service import RequestService
from actions.requests.urgency import danger_of


class Answers:
    """Takes answers into a draft.

    Args:
        service: the catalogue and the limits.
        places, categories, corrections: what an answer may also be.
    """

    def __init__(
        self,
        service: RequestService,
        places: PlaceFilling,
        categories: CategoryFilling,
        corrections: Corrections,
    ) -> None:
        self.service = service
        self.places, self.categories, self.corrections = places, categories, corrections

    def fill(self, draft: Draft, turn: Turn, slot: str, outcome: Outcome) -> bool:
        """Take the answer to what was asked; return whether it was one."""
        text = turn.text.strip()
        if slot == DETAILS:
            if len(text) < 2 or (cues.is_bare(text) and draft.again(DETAILS) <= 2):
                outcome.notes.append(wording.need_details(turn.language))
                return True
            if (draft.offer or {}).get("what") == ADD:
                # What is told is something new, and the photo shows it.
                draft.offer = None
            self.describe(draft, turn, outcome)
            return True
        if slot == CATEGORY:
            return self.categories.answer(draft, turn, outcome)
        if slot == PLACE:
            return self._place(draft, turn, outcome)
        if slot == DUPLICATE:
            return self._duplicate(draft, turn)
        if slot == CONTACT:
            return self._contact(draft, turn, outcome)
        return self._confirm(draft, turn, outcome)

    def describe(self, draft: Draft, turn: Turn, outcome: Outcome) -> None:
        """Take words as the description, with the category, place and contact that they tell."""
        text = turn.text.strip()
        if draft.description is None and draft.kind == "complaint" and turn.intent == "report_problem":
            # "I want to complain", then "the street is flooded": what is told decides what it is.
            draft.kind = "report"
        draft.description = f"{draft.description}\n{text}" if draft.description else text
        draft.danger = outcome.danger = danger_of(draft.description)
        if draft.category is None:
            self.categories.route(draft, text, turn.language)
        if draft.place is None:
            self.places.see(draft, turn, outcome)
        if draft.contact is None and (contact := find_contact(text)):
            draft.contact = contact

    def _place(self, draft: Draft, turn: Turn, outcome: Outcome) -> bool:
        text = turn.text.strip()
        if self.places.see(draft, turn, outcome) or draft.offer is not None:
            return True
        if self._optional_place(draft) and (
            cues.is_unknown(text) or cues.is_skip(text) or cues.is_no(text, turn.intent)
        ):
            draft.no_place = True
            return True
        if draft.contact is None and (contact := find_contact(text)):
            draft.contact = contact
            return True
        if (
            cues.is_unknown(text)
            or cues.is_yes(text, turn.intent)
            or cues.is_no(text, turn.intent)
            or len(text) < 2
        ):
            outcome.notes.append(wording.need_place(turn.language))
            return True
        if draft.again(PLACE) == 1 and not self.places.tagged(turn):
            # Known once more, a landmark may still be found; the second answer is taken as it is.
            draft.offer = {"what": "unknown_place", "text": text[:LONGEST_PLACE]}
            return True
        draft.set_place(Place(text[:LONGEST_PLACE]))
        return True

    def _optional_place(self, draft: Draft) -> bool:
        return bool(draft.category) and self.service.catalogue.get(str(draft.category)).place != "required"

    def _duplicate(self, draft: Draft, turn: Turn) -> bool:
        wish = cues.wants_follow(turn.text)
        if wish is None and (cues.is_yes(turn.text, turn.intent) or cues.is_no(turn.text, turn.intent)):
            wish = cues.is_yes(turn.text, turn.intent)
        if wish is None:
            return False
        if wish and draft.offer:
            draft.decision = f"follow:{draft.offer['number']}"
        draft.duplicate, draft.offer = SETTLED, None
        return True

    def _contact(self, draft: Draft, turn: Turn, outcome: Outcome) -> bool:
        contact = find_contact(turn.text)
        if contact:
            draft.contact = contact
            return True
        if cues.is_skip(turn.text) or cues.is_no(turn.text, turn.intent) or cues.is_submit(turn.text):
            draft.contact = ""
            return True
        if sum(c.isdigit() for c in turn.text) >= 5 or "@" in turn.text:
            outcome.notes.append(wording.bad_contact(turn.language))
            return True
        if cues.is_yes(turn.text, turn.intent):
            outcome.notes.append(wording.send_contact(turn.language))
            return True
        if turn.intent in KINDS or turn.intent in ("nlu_fallback", "out_of_scope"):
            return self.more(draft, turn, outcome)
        return False

    def _confirm(self, draft: Draft, turn: Turn, outcome: Outcome) -> bool:
        text = turn.text.strip()
        if cues.is_yes(text, turn.intent):
            try:
                self.service.check_flood(turn.conversation_id)
            except FloodError as error:
                outcome.notes.append(error.text(turn.language))
                return True
            draft.decision = "file"
            return True
        named = cues.field_named(text)
        if named and self.corrections.correct(draft, turn, outcome):
            return True
        if cues.house_number(text) and self.corrections.correct(draft, turn, outcome):
            return True
        if cues.is_no(text, turn.intent) or cues.is_correction(text):
            draft.offer = {"what": "change"}
            outcome.notes.append(wording.what_to_change(turn.language))
            return True
        if cues.is_skip(text):
            # Nothing is left to skip; the confirmation is asked for again.
            return True
        if len(text) <= LONGEST_PLACE and self.places.named(turn) and turn.intent not in KINDS:
            return self.places.see(draft, turn, outcome, renew=True)
        if turn.intent in KINDS or find_contact(text):
            return self.more(draft, turn, outcome)
        return False

    def more(self, draft: Draft, turn: Turn, outcome: Outcome) -> bool:
        """Take words that belong to the report, whatever was asked for."""
        if not any(char.isalnum() for char in turn.text):
            return False
        if draft.description is None:
            self.describe(draft, turn, outcome)
            return True
        draft.description = f"{draft.description}\n{turn.text.strip()}"
        if draft.place is None:
            self.places.see(draft, turn, outcome)
        if contact := find_contact(turn.text):
            draft.contact = contact
        outcome.notes.append(wording.noted(turn.language))
        return True
