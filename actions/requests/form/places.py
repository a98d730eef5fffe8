"""Where it is: places in words, shared positions, photos and the positions they carry, and questions about them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from actions.requests import cues, wording
from actions.requests.contacts import find_contact
from actions.requests.draft import PLACE, Draft
from actions.requests.form.additions import ADD
from actions.requests.form.exchange import Outcome, Turn
from actions.requests.places import FoundPlace
from actions.requests.records import Place
from actions.requests.service import RequestService
from nlp.entities.folding import has_han

# What the language model takes for a place must also be called like one.
_PLACE_WORD = re.compile(
    r"[路街巷道区园村里站楼桥厦场院店校口山湖河]$|广场|小区|\b(?:road|street|lane|avenue|park|estate|bridge|square|school|hospital|station)\b",
    re.IGNORECASE,
)
LONGEST_PLACE = 60


class PlaceFilling:
    """Takes places, positions and photos into a draft.

    Args:
        service: places, photos, bounds.
    """

    def __init__(self, service: RequestService) -> None:
        self.service = service

    def named(self, turn: Turn) -> list[FoundPlace]:
        """Return the places that a message names, without those it says "not" to."""
        found = self.service.places.find(turn.text, turn.language)
        return [f for f in found if not cues.is_negated(turn.text, f.start)]

    @staticmethod
    def sounds_like_one(text: str) -> bool:
        """Return whether a few words are called like a place: "park", "超市门口"."""
        few = len(text) <= 10 if has_han(text) else len(text.split()) <= 4
        return few and not cues.is_question(text) and bool(_PLACE_WORD.search(text))

    @staticmethod
    def tagged(turn: Turn) -> str | None:
        """Return a place that the language model saw but the gazetteer does not know."""
        for entity in turn.entities:
            if entity.get("entity") not in ("street", "place", "intersection", "stop", "building"):
                continue
            value = str(entity.get("value"))
            if float(entity.get("confidence_entity") or 0) >= 0.7 and _PLACE_WORD.search(value):
                return value
        return None

    def see(self, draft: Draft, turn: Turn, outcome: Outcome, renew: bool = False, say: bool = False) -> bool:
        """Take the place a message names; several, or one in another district than said, are asked about."""
        if draft.place is not None and not renew:
            return False
        found = self.named(turn)
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
            draft.set_place(place)
            if say or renew:
                outcome.notes.append(wording.changed("place", place.text, turn.language))
            return True
        tagged = self.tagged(turn)
        if tagged and turn.text and not renew:
            draft.set_place(Place(tagged[:LONGEST_PLACE]))
            return True
        return False

    def attachments(self, draft: Draft, turn: Turn, outcome: Outcome) -> bool:
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
            if (draft.offer or {}).get("what") != ADD:
                self.offer_position(draft, turn, [p.id for p in fresh])
        return shared

    def offer_position(self, draft: Draft, turn: Turn, photos: Sequence[str] | None = None) -> None:
        """Offer where a photo was taken as the place, unless a precise one is known; by default of all photos."""
        if draft.place is not None and draft.place["precision"] == "point":
            return
        for photo_id in draft.photos if photos is None else photos:
            photo = self.service.store.photo(photo_id)
            if photo is None or photo.lat is None or photo.lon is None:
                continue
            place = self.service.places.at(photo.lat, photo.lon, turn.language)
            if place is not None and self._inside(place):
                draft.offer = {"what": "exif", "place": place.to_dict()}
            return

    def _share(self, draft: Draft, turn: Turn, outcome: Outcome) -> None:
        assert turn.location is not None
        place = self.service.places.at(*turn.location, turn.language)
        if place is None or not self._inside(place):
            outcome.notes.append(wording.outside(turn.language))
            return
        draft.set_place(place)
        outcome.notes.append(wording.got_position(place.text, turn.language))

    def _inside(self, place: Place) -> bool:
        bounds = self.service.section.bounds
        if bounds is None or place.lat is None or place.lon is None:
            return True
        south, west, north, east = bounds
        return south <= place.lat <= north and west <= place.lon <= east

    def offered(self, draft: Draft, turn: Turn, outcome: Outcome) -> bool:
        """Answer the form's own question; anything else leaves it open for the usual ways."""
        offer, text = dict(draft.offer or {}), turn.text.strip()
        what = offer.get("what")
        yes, no = cues.is_yes(text, turn.intent), cues.is_no(text, turn.intent)
        if what == "exif" and (yes or no):
            draft.offer = None
            if yes:
                draft.set_place(Place.from_dict(offer["place"]))
            return True
        if what == "conflict" and yes:
            draft.set_place(Place.from_dict(offer["place"]))
            return True
        if what == "conflict" and no:
            draft.ask_again(PLACE)
            return True
        if what == "unknown_place" and (yes or cues.is_unknown(text) or cues.is_skip(text)):
            draft.set_place(Place(offer["text"]))
            return True
        if what == "choose":
            names = [p["text"] for p in offer["places"]]
            low = text.lower()
            picks = [p for p, name in zip(offer["places"], names, strict=True) if name.lower() in low]
            if low in ("1", "2", "3", "4") and int(low) <= len(names):
                picks = [offer["places"][int(low) - 1]]
            if not picks:
                seen = {f.place.text for f in self.named(turn)}
                picks = [p for p in offer["places"] if p["text"] in seen]
            if len(picks) == 1:
                draft.set_place(Place.from_dict(picks[0]))
                return True
            return False
        bare = len(text) <= (12 if text[:1] > "\u2e80" else 24) and not self.named(turn)
        if what == "change" and bare and (slot := cues.field_named(text)) and find_contact(text) is None:
            draft.ask_again(slot)
            return True
        return False
