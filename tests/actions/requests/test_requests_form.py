"""The form's reason without Rasa: photos, positions, lapses, floods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actions.requests.draft import CONFIRMATION, CONTACT, PLACE, Draft
from actions.requests.form import Form, Turn
from actions.requests.records import NewRequest, Place
from actions.requests.service import RequestService
from tests.actions.requests.conftest import photo_bytes


def turn(text: str, number: int = 1, intent: str = "nlu_fallback", **more: Any) -> Turn:
    return Turn(text, intent, "en", f"m{number}", "c1", **more)


def begin(service: RequestService, text: str = "pothole on Renmin Road") -> Draft:
    return Form(service).begin(turn(text, 0, "report_problem", confidence=0.9))[0]


def test_what_was_said_is_taken(service: RequestService) -> None:
    draft = begin(service, "pothole on Renmin Road, call 13800138000")
    assert draft.category == "pothole"
    assert draft.contact == "13800138000"
    assert draft.where() is not None and draft.place is not None and draft.place["text"] == "Renmin Road"
    assert [name for name, value in draft.slots().items() if value is None] == [CONFIRMATION]


def test_a_draft_survives_its_json_form(service: RequestService) -> None:
    draft = begin(service)
    kept = draft.to_dict()
    assert Draft.from_dict({**kept, "of_another_version": 1}) == draft
    assert Draft.from_dict(None) is None


def test_a_shared_position_fills_the_place_and_one_outside_does_not(service: RequestService) -> None:
    draft = begin(service, "the street light is broken")
    outside = turn("📍", 1, requested=PLACE, location=(48.85, 2.35))
    outcome = Form(service).take(draft, outside)
    assert outcome.handled and draft.place is None and "outside" in outcome.notes[0]
    Form(service).take(draft, turn("📍", 2, requested=PLACE, location=(29.0001, 124.5)))
    assert draft.place is not None and draft.place["precision"] == "point"


def test_a_photos_position_is_offered_not_taken(service: RequestService, clock: Any) -> None:
    draft = begin(service, "the street light is broken")
    service.photos.put("c1", photo_bytes(position=(29.0001, 124.5)), clock())
    Form(service).take(draft, turn("📷", 1, requested=PLACE, has_photos=True))
    assert len(draft.photos) == 1 and draft.place is None
    assert draft.offer is not None and draft.offer["what"] == "exif"
    Form(service).take(draft, turn("yes", 2, "affirm", requested=PLACE))
    assert draft.place is not None and draft.offer is None


def test_more_photos_than_fit_are_left_out(make_service: Callable[..., RequestService], clock: Any) -> None:
    service = make_service(photos={"per_request": 2})
    draft = begin(service)
    for side in range(40, 44):
        service.photos.put("c1", photo_bytes((64, side)), clock())
    outcome = Form(service).take(draft, turn("📷", 1, requested=CONTACT, has_photos=True))
    assert len(draft.photos) == 2 and any("2 photos" in note for note in outcome.notes)


def test_a_question_is_left_to_others_and_changes_nothing(service: RequestService) -> None:
    draft = begin(service)
    before = draft.to_dict()
    asked = turn("when does the library open?", 1, "ask_knowledge", requested=CONTACT, confidence=0.95)
    assert not Form(service).take(draft, asked).handled
    assert draft.to_dict() == before


def test_the_same_message_twice_counts_once(service: RequestService) -> None:
    draft = begin(service)
    again = turn("add: it is deep", 1, requested=CONTACT)
    Form(service).take(draft, again)
    Form(service).take(draft, again)
    assert (draft.description or "").count("deep") == 1


def test_coming_back_after_hours_is_noticed(service: RequestService, clock: Any) -> None:
    draft = begin(service)
    clock.go(hours=5)
    outcome = Form(service).take(draft, turn("anonymous", 1, requested=CONTACT))
    assert draft.contact == "" and "still here" in outcome.notes[0]


def test_a_flood_keeps_the_form_open(make_service: Callable[..., RequestService]) -> None:
    service = make_service(flood={"reports_per_hour": 1})
    service.file(NewRequest("k", "pothole", "x", Place("x"), conversation_id="c1"))
    draft = begin(service, "street light is broken on Heping Road")
    draft.contact = ""
    outcome = Form(service).take(draft, turn("yes", 1, "affirm", requested=CONFIRMATION))
    assert draft.decision is None and "wait" in outcome.notes[0]


@pytest.mark.parametrize("text", ["", "?", "x" * 3000, "\x00\ud800", "📷" * 50, "不对" * 200])
def test_nothing_that_is_said_breaks_the_form(service: RequestService, text: str) -> None:
    for slot in (PLACE, CONTACT, CONFIRMATION, "request_details", "request_category", "request_duplicate"):
        draft = begin(service)
        Form(service).take(draft, turn(text, 1, requested=slot))


def test_a_bare_photo_or_position_begins_a_report_and_is_no_description(
    service: RequestService, clock: Any
) -> None:
    service.photos.put("c1", photo_bytes(), clock())
    draft, outcome = Form(service).begin(turn("📷", intent="report_problem", has_photos=True))
    assert len(draft.photos) == 1 and draft.description is None
    assert any("photo" in note for note in outcome.notes)
    Form(service).take(draft, turn("📷 Photo", 2, has_photos=True))
    assert draft.description is None
    where = turn("📍 29.00010, 124.50000", 3, intent="report_problem", location=(29.0001, 124.5))
    draft, _ = Form(service).begin(where)
    assert draft.place is not None and draft.description is None
