"""The form's reason: what a message fills, corrects, cancels or leaves alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from actions.requests import cues, wording
from actions.requests.contacts import find_contact
from actions.requests.draft import CATEGORY, CONFIRMATION, CONTACT, DETAILS, DUPLICATE, PLACE, SETTLED, Draft
from actions.requests.errors import FloodError
from actions.requests.places import FoundPlace
from actions.requests.records import Place
from actions.requests.service import RequestService
from actions.requests.urgency import danger_of

KINDS = {
    "report_problem": "report",
    "complain": "complaint",
    "suggest": "suggestion",
    "praise_staff": "praise",
}
# Intents that never fill a slot, whatever was asked.
_CHATTER = frozenset(
    "greet goodbye thank bot_identity help change_language repeat praise_bot insult_bot human_handoff".split()
)
_FILLERS = frozenset(
    (*KINDS, "restart_conversation", "affirm", "deny", "nlu_fallback", "out_of_scope", "emergency", "")
)
# What the language model takes for a place must also be called like one.
_PLACE_WORD = re.compile(
    r"[路街巷道区园村里站楼桥厦场院店校口山湖河]$|广场|小区|\b(?:road|street|lane|avenue|park|estate|bridge|square|school|hospital|station)\b",
    re.IGNORECASE,
)
PICK = 0.45
LAPSE = timedelta(minutes=45)
_LONGEST_PLACE = 60


@dataclass(frozen=True)
class Turn:
    """One message as the form sees it; `location` is a shared position in degrees."""

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


@dataclass
class Outcome:
    """What a message did: `handled` is false for an interruption; `notes` are said before the next question."""

    handled: bool
    notes: list[str] = field(default_factory=list)
    danger: str | None = None


class Form:
    """Fills drafts; holds nothing between messages.

    Args:
        service: places, router, photos, duplicates.
    """

    def __init__(self, service: RequestService) -> None:
        self.service = service

    def begin(self, turn: Turn) -> tuple[Draft, Outcome]:
        """Start a draft from the message that reports something."""
        draft = Draft(kind=KINDS.get(turn.intent, "report"))
        outcome = Outcome(True)
        self._stamp(draft, turn)
        self._attachments(draft, turn, outcome)
        if turn.text and not cues.is_bare(turn.text) and not turn.text.startswith("📷"):
            self._describe(draft, turn, outcome)
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
        shared = self._attachments(draft, turn, outcome)
        if shared and (turn.location is not None or text.startswith("📷")):
            return True
        if cues.is_cancel(text):
            draft.decision = "cancel"
            return True
        if danger := danger_of(text):
            # Advice at once; the words belong to the report all the same.
            draft.danger = outcome.danger = danger
            self._more(draft, turn, outcome)
            return True
        if draft.offer is not None and self._offered(draft, turn, outcome):
            return True
        if (detail := cues.detail_in(text)) and draft.description:
            return self._more(draft, replace(turn, text=detail), outcome)
        if self._answers_directly(draft, turn, slot):
            return self._fill(draft, turn, slot, outcome)
        if self._interrupts(draft, turn, slot):
            return shared
        if cues.is_correction(text) and self._correct(draft, turn, outcome):
            return True
        return self._fill(draft, turn, slot, outcome)

    def _answers_directly(self, draft: Draft, turn: Turn, slot: str) -> bool:
        """Return whether a short text is an answer to what was asked, whatever the classifier thought of it."""
        text = turn.text.strip()
        if len(text) > 40 or cues.is_aside(text):
            return False
        if slot == CONTACT:
            return (cues.is_skip(text) or cues.is_submit(text)) and not cues.is_correction(text.rstrip("."))
        if slot == DUPLICATE:
            return cues.wants_follow(text) is not None
        if slot == CATEGORY:
            return self._chosen(draft, text) is not None
        if slot == PLACE:
            return cues.is_unknown(text)
        return slot == CONFIRMATION and cues.is_yes(text, turn.intent)

    # -- interruptions ----------------------------------------------------------------------------------------

    def _interrupts(self, draft: Draft, turn: Turn, slot: str) -> bool:
        text, intent = turn.text.strip(), turn.intent
        if intent == "request_status":
            return True
        if intent in KINDS and not cues.asks_how(text) and not cues.is_aside(text):
            return False
        if intent in _CHATTER and turn.confidence >= 0.6 and not (slot == PLACE and self._places(turn)):
            return find_contact(text) is None
        if cues.is_aside(text) and (cues.is_question(text) or intent not in _FILLERS):
            return True
        if cues.is_question(text) or cues.asks_how(text):
            # "解放路行吗？" still names the place that was asked for; so does a yes with a question mark.
            return not (intent in ("affirm", "deny") or (slot == CATEGORY and self._chosen(draft, text)))
        known = intent not in _FILLERS and turn.confidence >= 0.8
        if not known or slot == DETAILS or cues.is_correction(text):
            return False
        return not (slot == PLACE and (self._places(turn) or self._tagged(turn)))

    # -- answers ----------------------------------------------------------------------------------------------

    def _fill(self, draft: Draft, turn: Turn, slot: str, outcome: Outcome) -> bool:
        text = turn.text.strip()
        if slot == DETAILS:
            if len(text) < 2 or (cues.is_bare(text) and draft.again(DETAILS) <= 2):
                outcome.notes.append(wording.need_details(turn.language))
                return True
            self._describe(draft, turn, outcome)
            return True
        if slot == CATEGORY:
            return self._category(draft, turn, outcome)
        if slot == PLACE:
            return self._place(draft, turn, outcome)
        if slot == DUPLICATE:
            return self._duplicate(draft, turn)
        if slot == CONTACT:
            return self._contact(draft, turn, outcome)
        return self._confirm(draft, turn, outcome)

    def _describe(self, draft: Draft, turn: Turn, outcome: Outcome) -> None:
        text = turn.text.strip()
        if draft.description is None and draft.kind == "complaint" and turn.intent == "report_problem":
            # "I want to complain", then "the street is flooded": what is told decides what it is.
            draft.kind = "report"
        draft.description = f"{draft.description}\n{text}" if draft.description else text
        draft.danger = outcome.danger = danger_of(draft.description)
        if draft.category is None:
            self._route(draft, text, turn.language)
        if draft.place is None:
            self._see_places(draft, turn, outcome)
        if draft.contact is None and (contact := find_contact(text)):
            draft.contact = contact

    def _route(self, draft: Draft, text: str, language: str) -> None:
        route = self.service.route(text, draft.kind, language)
        draft.choices = [c for c, _ in route.ranking[:4] if not c.startswith("other_")][:3]
        if route.category.startswith("other_") and draft.kind == "report" and len(route.ranking) > 1:
            return
        if route.confidence >= PICK or draft.kind != "report":
            draft.category, draft.confidence = route.category, route.confidence

    def _category(self, draft: Draft, turn: Turn, outcome: Outcome) -> bool:
        chosen = self._chosen(draft, turn.text)
        if chosen is None:
            route = self.service.route(turn.text, draft.kind, turn.language)
            if route.confidence >= PICK and not route.category.startswith("other_"):
                draft.category, draft.confidence = route.category, route.confidence
                if len(turn.text) > 6:
                    draft.description = f"{draft.description}\n{turn.text.strip()}"
                return True
            if draft.again(CATEGORY) < 2 and not (
                cues.is_unknown(turn.text) or cues.is_no(turn.text, turn.intent)
            ):
                outcome.notes.append(wording.which_category(turn.language))
                return True
            chosen = "other_complaint" if draft.kind == "complaint" else "other_report"
            draft.category, draft.confidence = chosen, 0.0
            return True
        draft.category, draft.confidence = chosen, 1.0
        return True

    def _chosen(self, draft: Draft, text: str) -> str | None:
        """Return the category that a text picks by its name or its place in the list."""
        low = text.strip().lower().rstrip("。.!！")
        ordinals = {
            "1": 0,
            "2": 1,
            "3": 2,
            "第一个": 0,
            "第二个": 1,
            "第三个": 2,
            "first": 0,
            "second": 1,
            "third": 2,
        }
        index = ordinals.get(low.removeprefix("the ").removesuffix(" one"))
        if index is not None and index < len(draft.choices):
            return draft.choices[index]
        for category in self.service.catalogue.of_kind(draft.kind):
            if low in (category.name.zh.lower(), category.name.en.lower(), category.id):
                return category.id
        if low in ("其他", "都不是", "其他问题", "other", "none of these", "something else"):
            return "other_complaint" if draft.kind == "complaint" else "other_report"
        return None

    def _place(self, draft: Draft, turn: Turn, outcome: Outcome) -> bool:
        text = turn.text.strip()
        if self._see_places(draft, turn, outcome) or draft.offer is not None:
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
        if draft.again(PLACE) == 1 and not self._tagged(turn):
            # Known once more, a landmark may still be found; the second answer is taken as it is.
            draft.offer = {"what": "unknown_place", "text": text[:_LONGEST_PLACE]}
            return True
        self._set_place(draft, Place(text[:_LONGEST_PLACE]))
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
        if (
            sum(c.isdigit() for c in turn.text) >= 5
            or "@" in turn.text
            or cues.is_yes(turn.text, turn.intent)
        ):
            outcome.notes.append(wording.bad_contact(turn.language))
            return True
        if turn.intent in KINDS or turn.intent in ("nlu_fallback", "out_of_scope"):
            return self._more(draft, turn, outcome)
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
        if named and self._correct(draft, turn, outcome):
            return True
        if cues.is_no(text, turn.intent) or cues.is_correction(text):
            draft.offer = {"what": "change"}
            outcome.notes.append(wording.what_to_change(turn.language))
            return True
        if len(text) <= _LONGEST_PLACE and self._places(turn) and turn.intent not in KINDS:
            return self._see_places(draft, turn, outcome, renew=True)
        if turn.intent in KINDS or find_contact(text):
            return self._more(draft, turn, outcome)
        return False

    def _more(self, draft: Draft, turn: Turn, outcome: Outcome) -> bool:
        """Take words that belong to the report, whatever was asked for."""
        if draft.description is None:
            self._describe(draft, turn, outcome)
            return True
        draft.description = f"{draft.description}\n{turn.text.strip()}"
        if draft.place is None:
            self._see_places(draft, turn, outcome)
        if contact := find_contact(turn.text):
            draft.contact = contact
        outcome.notes.append(wording.noted(turn.language))
        return True

    # -- corrections ------------------------------------------------------------------------------------------

    def _correct(self, draft: Draft, turn: Turn, outcome: Outcome) -> bool:
        text = turn.text.strip()
        contact = find_contact(text)
        if contact:
            draft.contact = contact
            outcome.notes.append(wording.changed("contact", contact, turn.language))
            return True
        named = cues.field_named(text)
        if named != DETAILS and self._places(turn) and (draft.place or draft.description):
            return self._see_places(draft, turn, outcome, renew=True, say=True)
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
            return self._recategorise(draft, rest, turn, outcome)
        if named == DETAILS and len(rest) >= 4:
            draft.description, draft.category = rest, None
            self._route(draft, rest, turn.language)
            outcome.notes.append(wording.changed("details", rest, turn.language))
            return True
        if named == PLACE and len(rest) >= 2 and not cues.FIELDS[PLACE].search(rest):
            self._set_place(draft, Place(rest[:_LONGEST_PLACE]))
            outcome.notes.append(wording.changed("place", rest, turn.language))
            return True
        if named:
            self._ask_again(draft, named)
            return True
        if len(rest) < 3 or cues.is_no(rest) or cues.is_yes(rest):
            return False
        return self._recategorise(draft, rest, turn, outcome, keep_words=True)

    def _recategorise(
        self, draft: Draft, words: str, turn: Turn, outcome: Outcome, keep_words: bool = False
    ) -> bool:
        """Set the category right ("不对，是路灯坏了"); words that name none ask for it anew."""
        chosen = self._chosen(draft, words)
        route = self.service.route(words, draft.kind, turn.language) if words else None
        sure = route is not None and route.confidence >= PICK and not route.category.startswith("other_")
        if chosen is None and not (sure and len(words) >= 2):
            if keep_words:
                return False
            self._ask_again(draft, CATEGORY)
            return True
        draft.category = chosen or (route.category if route else None)
        draft.confidence = 1.0 if chosen else (route.confidence if route else 0.0)
        draft.duplicate = None
        if keep_words:
            draft.description = f"{draft.description}\n{words}"
        name = self.service.catalogue.get(str(draft.category)).name.get(turn.language)
        outcome.notes.append(wording.changed("category", name, turn.language))
        return True

    @staticmethod
    def _ask_again(draft: Draft, slot: str) -> None:
        draft.offer = None
        if slot == PLACE:
            draft.place, draft.no_place, draft.duplicate = None, False, None
            draft.tries.pop(PLACE, None)
        elif slot == CONTACT:
            draft.contact = None
        elif slot == CATEGORY:
            draft.category = draft.duplicate = None
        else:
            draft.description = draft.category = None

    # -- places, photos and offers ----------------------------------------------------------------------------

    def _places(self, turn: Turn) -> list[FoundPlace]:
        found = self.service.places.find(turn.text, turn.language)
        return [f for f in found if not cues.is_negated(turn.text, f.start)]

    @staticmethod
    def _tagged(turn: Turn) -> str | None:
        """Return a place that the language model saw but the gazetteer does not know."""
        for entity in turn.entities:
            if entity.get("entity") not in ("street", "place", "intersection", "stop", "building"):
                continue
            value = str(entity.get("value"))
            if float(entity.get("confidence_entity") or 0) >= 0.7 and _PLACE_WORD.search(value):
                return value
        return None

    def _see_places(
        self, draft: Draft, turn: Turn, outcome: Outcome, renew: bool = False, say: bool = False
    ) -> bool:
        """Take the place a message names; several, or one in another district than said, are asked about."""
        if draft.place is not None and not renew:
            return False
        found = self._places(turn)
        exact = [f for f in found if f.kind != "district"] or found
        names = list(dict.fromkeys(f.place.text for f in exact))
        conflict = next((f for f in exact if f.conflict), None)
        if conflict is not None:
            draft.place = None
            draft.offer = {
                "what": "conflict",
                "place": conflict.place.to_dict(),
                "district": conflict.conflict,
            }
            return True
        if len(names) > 1 and not (renew and cues.is_correction(turn.text)):
            draft.place = None
            draft.offer = {"what": "choose", "places": [f.place.to_dict() for f in exact][:4]}
            return True
        if names:
            place = exact[-1].place if renew else exact[0].place
            self._set_place(draft, place)
            if say or renew:
                outcome.notes.append(wording.changed("place", place.text, turn.language))
            return True
        tagged = self._tagged(turn)
        if tagged and turn.text and not renew:
            self._set_place(draft, Place(tagged[:_LONGEST_PLACE]))
            return True
        return False

    @staticmethod
    def _set_place(draft: Draft, place: Place) -> None:
        draft.place, draft.no_place, draft.offer, draft.duplicate = place.to_dict(), False, None, None

    def _attachments(self, draft: Draft, turn: Turn, outcome: Outcome) -> bool:
        """Take a shared position and new photos; return whether there were any."""
        shared = False
        if turn.location is not None:
            shared = True
            self._share(draft, turn, outcome)
        waiting = self.service.store.photos(conversation_id=turn.conversation_id)
        fresh = [p for p in waiting if p.id not in draft.photos and p.id not in draft.declined]
        room = self.service.section.photos.per_request - len(draft.photos)
        draft.photos += [p.id for p in fresh[: max(0, room)]]
        draft.declined += [p.id for p in fresh[max(0, room) :]]
        if (fresh and room <= 0) or len(fresh) > room:
            outcome.notes.append(
                wording.too_many_photos(self.service.section.photos.per_request, turn.language)
            )
        if fresh:
            shared = True
            taken = min(len(fresh), max(0, room))
            if taken:
                outcome.notes.append(wording.got_photos(taken, turn.language))
            placed = next((p for p in fresh if p.lat is not None and p.lon is not None), None)
            precise = draft.place is not None and draft.place["precision"] == "point"
            if placed is not None and not precise:
                place = self.service.places.at(float(placed.lat or 0), float(placed.lon or 0), turn.language)
                if place is not None and self._inside(place):
                    draft.offer = {"what": "exif", "place": place.to_dict()}
        return shared

    def _share(self, draft: Draft, turn: Turn, outcome: Outcome) -> None:
        assert turn.location is not None
        place = self.service.places.at(*turn.location, turn.language)
        if place is None or not self._inside(place):
            outcome.notes.append(wording.outside(turn.language))
            return
        self._set_place(draft, place)
        outcome.notes.append(wording.got_position(place.text, turn.language))

    def _inside(self, place: Place) -> bool:
        bounds = self.service.section.bounds
        if bounds is None or place.lat is None or place.lon is None:
            return True
        south, west, north, east = bounds
        return south <= place.lat <= north and west <= place.lon <= east

    def _offered(self, draft: Draft, turn: Turn, outcome: Outcome) -> bool:
        """Answer the form's own question; anything else leaves it open for the usual ways."""
        offer, text = dict(draft.offer or {}), turn.text.strip()
        what = offer.get("what")
        yes, no = cues.is_yes(text, turn.intent), cues.is_no(text, turn.intent)
        if what == "exif" and (yes or no):
            draft.offer = None
            if yes:
                self._set_place(draft, Place.from_dict(offer["place"]))
            return True
        if what == "conflict" and yes:
            self._set_place(draft, Place.from_dict(offer["place"]))
            return True
        if what == "conflict" and no:
            self._ask_again(draft, PLACE)
            return True
        if what == "unknown_place" and (yes or cues.is_unknown(text) or cues.is_skip(text)):
            self._set_place(draft, Place(offer["text"]))
            return True
        if what == "choose":
            names = [p["text"] for p in offer["places"]]
            low = text.lower()
            picks = [p for p, name in zip(offer["places"], names, strict=True) if name.lower() in low]
            if low in ("1", "2", "3", "4") and int(low) <= len(names):
                picks = [offer["places"][int(low) - 1]]
            if not picks:
                seen = {f.place.text for f in self._places(turn)}
                picks = [p for p in offer["places"] if p["text"] in seen]
            if len(picks) == 1:
                self._set_place(draft, Place.from_dict(picks[0]))
                return True
            return False
        bare = len(text) <= (12 if text[:1] > "\u2e80" else 24) and not self._places(turn)
        if what == "change" and bare and (slot := cues.field_named(text)) and find_contact(text) is None:
            self._ask_again(draft, slot)
            return True
        return False

    # -- what needs no answer ---------------------------------------------------------------------------------

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
