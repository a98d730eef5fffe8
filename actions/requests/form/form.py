"""The form's reason: what a message fills, corrects, cancels or leaves alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from actions.requests import cues, wording
from actions.requests.contacts import find_contact
from actions.requests.draft import CATEGORY, CONFIRMATION, CONTACT, DETAILS, DUPLICATE, PLACE, SETTLED, Draft
from actions.requests.form.additions import Additions
from actions.requests.form.answers import Answers
from actions.requests.form.categories import CategoryFilling
from actions.requests.form.corrections import Corrections
from actions.requests.form.exchange import KINDS, Outcome, Turn
from actions.requests.form.places import PlaceFilling
from actions.requests.numbers import find_number
from actions.requests.service import RequestService
from actions.requests.urgency import danger_of
from nlp.entities.times import find_times
from nlp.joint_text import prepare

# Intents that never fill a slot, whatever was asked.
_CHATTER = frozenset(
    "greet goodbye thank bot_identity help change_language repeat praise_bot insult_bot human_handoff".split()
)
_FILLERS = frozenset(
    (*KINDS, "restart_conversation", "affirm", "deny", "nlu_fallback", "out_of_scope", "emergency", "")
)
LAPSE = timedelta(minutes=45)


class Form:
    """Fills drafts; holds nothing between messages.

    Args:
        service: places, router, photos, duplicates.
    """

    def __init__(self, service: RequestService) -> None:
        self.service = service
        self.places = PlaceFilling(service)
        self.categories = CategoryFilling(service)
        self.corrections = Corrections(self.places, self.categories)
        self.additions = Additions(service)
        self.answers = Answers(service, self.places, self.categories, self.corrections)

    def begin(self, turn: Turn) -> tuple[Draft, Outcome]:
        """Start a draft from the message that reports something."""
        draft = Draft(kind=KINDS.get(turn.intent, "report"))
        outcome = Outcome(True)
        self._stamp(draft, turn)
        self.places.attachments(draft, turn, outcome)
        self.additions.offer(draft, turn)
        if turn.text and not cues.is_bare(turn.text) and not cues.is_attachment(turn.text):
            self.answers.describe(draft, turn, outcome)
        self._settle(draft)
        return draft, outcome

    def take(self, draft: Draft, turn: Turn) -> Outcome:
        """Let a message fill, correct or cancel the draft; `handled` is false when it is about something else."""
        if draft.seen == turn.message_id:
            return Outcome(True)
        outcome = Outcome(True)
        if draft.touched and self.service.now() - datetime.fromisoformat(draft.touched) > LAPSE:
            outcome.notes.append(wording.welcome_back(draft, self.service, turn.language))
        handled = self._step(draft, turn, outcome)
        if not handled:
            return Outcome(False)
        self._stamp(draft, turn)
        self._settle(draft)
        return outcome

    def _stamp(self, draft: Draft, turn: Turn) -> None:
        draft.seen, draft.touched = turn.message_id, self.service.now().isoformat()

    def _step(self, draft: Draft, turn: Turn, outcome: Outcome) -> bool:
        text, slot = turn.text.strip(), turn.requested or CONFIRMATION
        shared = self.places.attachments(draft, turn, outcome)
        if (shared or turn.has_photos) and (turn.location is not None or cues.is_attachment(text)):
            return True
        if cues.is_cancel(text):
            draft.decision = "cancel"
            return True
        if danger := danger_of(text):
            # Advice at once; the words belong to the report all the same.
            draft.danger = outcome.danger = danger
            self.answers.more(draft, turn, outcome)
            return True
        if turn.intent == "emergency" and draft.description and not cues.is_question(text):
            # Less than certain danger: the numbers are told, and the words are kept.
            outcome.danger = "general"
            return self.answers.more(draft, turn, outcome)
        if self.additions.answered(draft, turn):
            if draft.offer is None:
                self.places.offer_position(draft, turn)
            return True
        if draft.offer is not None and self.places.offered(draft, turn, outcome):
            return True
        if (detail := cues.detail_in(text)) and draft.description:
            return self.answers.more(draft, replace(turn, text=detail), outcome)
        if self._answers_directly(draft, turn, slot):
            return self.answers.fill(draft, turn, slot, outcome)
        if self._is_circumstance(draft, turn, slot):
            if slot in (PLACE, CONFIRMATION) and self.places.named(turn):
                return self.answers.fill(draft, turn, slot, outcome)
            return self.answers.more(draft, turn, outcome)
        if self._interrupts(draft, turn, slot):
            return shared
        if cues.is_correction(text) and self.corrections.correct(draft, turn, outcome):
            return True
        return self.answers.fill(draft, turn, slot, outcome)

    def _answers_directly(self, draft: Draft, turn: Turn, slot: str) -> bool:
        """Return whether a short text is an answer to what was asked, whatever the classifier thought of it."""
        text = turn.text.strip()
        if len(text) > 40 or cues.is_aside(text):
            return False
        if slot == CONTACT:
            if cues.gives_contact(text) and find_number(text) is None:
                return True
            return (cues.is_skip(text) or cues.is_submit(text)) and not cues.is_correction(text.rstrip("."))
        if slot == DUPLICATE:
            return cues.wants_follow(text) is not None
        if slot == CATEGORY:
            return self.categories.chosen(draft, text) is not None
        if slot == PLACE:
            return cues.is_unknown(text) or self.places.sounds_like_one(text)
        return slot == CONFIRMATION and (cues.is_yes(text, turn.intent) or cues.is_skip(text))

    def _is_circumstance(self, draft: Draft, turn: Turn, slot: str) -> bool:
        """Return whether a message tells only where or when, and answers nobody else's question."""
        if draft.description is None or slot == DETAILS:
            return False
        if turn.asked_aside and draft.touched:
            asked = datetime.fromtimestamp(turn.asked_aside, timezone.utc).replace(tzinfo=None)
            if asked >= datetime.fromisoformat(draft.touched).replace(microsecond=0):
                return False
        spans = [(f.start, f.end) for f in self.places.named(turn)]
        spans += [(t.start, t.end) for t in find_times(prepare(turn.text))]
        return cues.is_circumstance(turn.text, spans)

    def _interrupts(self, draft: Draft, turn: Turn, slot: str) -> bool:
        text, intent = turn.text.strip(), turn.intent
        if intent == "request_status":
            # "It is still not fixed" may be all that a complaint says.
            return not (slot == DETAILS and cues.speaks_of_result(text))
        if intent in KINDS and not cues.asks_how(text) and not cues.is_aside(text):
            return False
        if intent in _CHATTER and turn.confidence >= 0.6 and not (slot == PLACE and self.places.named(turn)):
            return find_contact(text) is None
        if cues.is_aside(text) and (cues.is_question(text) or intent not in _FILLERS):
            return True
        if cues.is_question(text) or cues.asks_how(text):
            # "解放路行吗？" still names the place that was asked for; so does a yes with a question mark.
            return not (
                intent in ("affirm", "deny") or (slot == CATEGORY and self.categories.chosen(draft, text))
            )
        known = intent not in _FILLERS and turn.confidence >= 0.8
        if not known or slot == DETAILS or cues.is_correction(text):
            return False
        return not (slot == PLACE and (self.places.named(turn) or self.places.tagged(turn)))

    def _settle(self, draft: Draft) -> None:
        """Fill in what need not be asked: a place for a suggestion, duplicates where there are none."""
        if draft.decision is not None:
            draft.description = draft.description or SETTLED
            draft.category = draft.category or "other_report"
            draft.no_place = draft.no_place or draft.place is None
            draft.duplicate = draft.duplicate or SETTLED
            draft.contact = draft.contact or ""
            return
        category = self.service.catalogue.categories.get(draft.category or "")
        if category is None:
            return
        waits = (draft.offer or {}).get("what") in ("choose", "conflict", "exif", "unknown_place")
        if draft.place is None and category.place != "required" and not waits:
            # A complaint may name a place; nobody is asked for one.
            draft.no_place = True
        if draft.duplicate is None:
            self._look_for_duplicates(draft, category.id)

    def _look_for_duplicates(self, draft: Draft, category: str) -> None:
        place = draft.where()
        if place is None and not draft.no_place:
            return
        near = []
        if place is not None and place.located:
            near = self.service.nearby(category, float(place.lat or 0), float(place.lon or 0))
        if not near:
            draft.duplicate = SETTLED
        elif draft.offer is None or draft.offer.get("what") == "duplicate":
            best = near[0]
            draft.offer = {
                "what": "duplicate",
                "number": best.request.number,
                "people": best.people,
                "distance_m": round(best.distance_m),
                "state": best.request.state,
                "street": place.text if place is not None and place.precision == "street" else "",
            }
