"""The form's reason without Rasa: photos, positions, lapses, floods."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timezone
from typing import Any

import pytest

from actions.requests import ongoing, wording
from actions.requests.draft import CONFIRMATION, CONTACT, DETAILS, PLACE, Draft
from actions.requests.form import Form, Turn
from actions.requests.places import with_house_number
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


def just_filed(service: RequestService, **changes: Any) -> str:
    data: dict[str, Any] = {
        "place": Place("Renmin Road", 28.9985, 124.4966),
        "conversation_id": "c1",
        **changes,
    }
    return service.file(NewRequest("k", "streetlight", "the lamp is out", **data)).request.number


@pytest.mark.parametrize("answer", ["add to {n}", "yes", "加到 {n}", "add it", "{n}"])
def test_a_photo_right_after_filing_is_offered_to_that_request(
    service: RequestService, clock: Any, answer: str
) -> None:
    number = just_filed(service)
    service.photos.put("c1", photo_bytes(position=(29.0001, 124.5)), clock())
    draft, outcome = Form(service).begin(turn("📷", 1, "report_problem", has_photos=True))
    assert draft.offer == {"what": "add_photo", "number": number} and outcome.notes == ["Got 1 photo."]
    asked = wording.ask(draft, DETAILS, service, "en")
    assert number in asked.text and "Renmin Road" in asked.text
    assert [b.payload for b in asked.buttons] == [f"add to {number}", "report something new"]
    assert "要把照片加到" in wording.ask(draft, DETAILS, service, "zh").text
    # Another one may follow before the question is answered.
    service.photos.put("c1", photo_bytes((90, 40), position=(29.0001, 124.5)), clock())
    Form(service).take(draft, turn("📷", 2, "report_problem", has_photos=True, requested=DETAILS))
    assert (draft.offer or {})["what"] == "add_photo" and len(draft.photos) == 2
    said = turn(answer.format(n=number), 3, "request_status", requested=DETAILS)
    assert Form(service).take(draft, said).handled
    assert draft.decision == f"add:{number}"
    added = ongoing.add_photos(service, ongoing.Asker("c1", "en"), number, draft.photos)
    assert added.text.startswith(f"2 photos added to {number}")
    request = service.store.by_number(number)
    assert len(service.store.photos(request_id=request.id)) == 2
    assert "photos: 2" in [event.text for event in service.store.history(request.id)]


def test_a_photo_after_filing_may_be_about_something_new(service: RequestService, clock: Any) -> None:
    just_filed(service)
    service.photos.put("c1", photo_bytes(position=(29.0001, 124.5)), clock())
    for said, intent in (
        ("上报新问题", "report_problem"),
        ("report something new", "report_problem"),
        ("no", "deny"),
    ):
        draft, _ = Form(service).begin(turn("现场照片", 1, "report_problem", has_photos=True))
        assert Form(service).take(draft, turn(said, 2, intent, requested=DETAILS)).handled
        # The photo stays, its position is offered, and the words are no description.
        assert draft.decision is None and len(draft.photos) == 1 and draft.description is None
        assert (draft.offer or {})["what"] == "exif"
    draft, _ = Form(service).begin(turn("📷 照片", 1, "report_problem", has_photos=True))
    Form(service).take(
        draft, turn("there is a deep pothole on Heping Road", 2, "report_problem", requested=DETAILS)
    )
    assert draft.category == "pothole" and draft.decision is None
    draft, _ = Form(service).begin(turn("📷", 1, "report_problem", has_photos=True))
    Form(service).take(draft, turn("补充一下，灯杆也歪了", 2, "report_problem", requested=DETAILS))
    assert draft.decision and draft.decision.startswith("add:") and draft.description == "灯杆也歪了"
    draft, _ = Form(service).begin(turn("📷", 1, "report_problem", has_photos=True))
    Form(service).take(draft, turn("取消", 2, "deny", requested=DETAILS))
    assert draft.decision == "cancel"


def test_later_or_full_or_closed_or_others_requests_are_not_offered(
    make_service: Callable[..., RequestService], clock: Any
) -> None:
    service = make_service(photos={"per_request": 1})

    def offered() -> bool:
        draft, _ = Form(service).begin(turn("📷", 1, "report_problem", has_photos=True))
        return draft.offer is not None

    service.photos.put("c1", photo_bytes(), clock())
    assert not offered()
    other = just_filed(service, conversation_id="c2")
    service.follow(other, "c1", "en")
    assert not offered()
    number = service.file(NewRequest("m", "noise", "loud", Place("x"), conversation_id="c1")).request.number
    assert offered()
    clock.go(hours=3)
    assert not offered()
    clock.go(hours=-3)
    service.change_state(number, "closed", "li", outcome="resolved")
    assert not offered()


def test_a_complaint_may_say_only_that_nothing_was_done(service: RequestService) -> None:
    draft, _ = Form(service).begin(turn("I want to complain", 0, "complain"))
    said = turn("it is still not fixed", 1, "request_status", requested=DETAILS, confidence=1.0)
    assert Form(service).take(draft, said).handled
    assert draft.description == "it is still not fixed"


def test_a_corrected_place_is_told_beside_the_words_that_name_the_old_one(service: RequestService) -> None:
    draft = begin(service, "pothole on Renmin Road")
    Form(service).take(draft, turn("no, it's Heping Road", 1, "deny", requested=CONTACT))
    assert draft.place is not None and draft.place["text"] == "Heping Road"
    assert draft.description == "pothole on Renmin Road\n(correction: the place is Heping Road)"
    Form(service).take(draft, turn("no, it's Heping Road", 2, "deny", requested=CONTACT))
    assert draft.description.count("correction") == 1


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("每天晚上11点到2点", "transit_departures"),
        ("near the Zoo", "transit_stops"),
        ("near the hospital", "transit_stops"),
        ("超市门口", "parking"),
        ("每天晚上7点以后", "transit_departures"),
        ("yesterday at 5 pm", "transit_departures"),
        ("人民广场站", "transit_stops"),
    ],
)
def test_a_bare_time_or_place_belongs_to_the_report_whatever_the_classifier_says(
    service: RequestService, text: str, intent: str
) -> None:
    draft = begin(service)
    said = turn(text, 1, intent, requested=CONTACT, confidence=0.97)
    assert Form(service).take(draft, said).handled
    assert text in (draft.description or "") and draft.contact is None


@pytest.mark.parametrize("text", ["next bus at 5 pm", "12路下一班", "人民广场怎么走", "library hours"])
def test_what_asks_for_more_than_it_names_is_left_to_others(service: RequestService, text: str) -> None:
    draft = begin(service)
    asked = turn(text, 1, "transit_departures", requested=CONTACT, confidence=0.97)
    assert not Form(service).take(draft, asked).handled


def test_a_place_named_after_anothers_question_answers_that_question(
    service: RequestService, clock: Any
) -> None:
    draft = begin(service)
    waits = int(clock().replace(tzinfo=timezone.utc).timestamp()) + 1
    aside = turn("人民广场", 1, "transit_stops", requested=CONTACT, confidence=0.97, asked_aside=waits)
    assert not Form(service).take(draft, aside).handled
    # What was asked before the report began is over.
    old = turn("人民广场", 2, "transit_stops", requested=CONTACT, confidence=0.97, asked_aside=waits - 900)
    assert Form(service).take(draft, old).handled


@pytest.mark.parametrize(
    "text",
    [
        "no wait, cancel",
        "please cancel it",
        "can you cancel the report?",
        "等等，取消吧",
        "不用了，算了",
        "我想取消",
    ],
)
def test_giving_up_is_understood_in_mid_sentence(service: RequestService, text: str) -> None:
    draft = begin(service)
    assert Form(service).take(draft, turn(text, 1, requested=CONTACT)).handled
    assert draft.decision == "cancel"


@pytest.mark.parametrize("text", ["the 12 bus was cancelled", "12路公交线路取消了", "晚上的班次也取消了"])
def test_something_else_that_was_cancelled_does_not_end_the_report(
    service: RequestService, text: str
) -> None:
    draft = begin(service)
    Form(service).take(draft, turn(text, 1, "report_problem", requested=CONTACT))
    assert draft.decision is None and text in (draft.description or "")


@pytest.mark.parametrize("text", ["。", "?!", "…"])
def test_a_text_without_words_is_not_written_down(service: RequestService, text: str) -> None:
    draft = begin(service)
    assert not Form(service).take(draft, turn(text, 1, requested=CONTACT)).handled
    assert draft.description == "pothole on Renmin Road"


@pytest.mark.parametrize("text", ["就这样", "that's all", "nothing else"])
def test_enough_said_means_no_contact(service: RequestService, text: str) -> None:
    draft = begin(service)
    Form(service).take(draft, turn(text, 1, requested=CONTACT))
    assert draft.contact == ""


def test_what_sounds_like_danger_gets_the_numbers_and_is_kept(service: RequestService) -> None:
    draft = begin(service)
    said = turn("it damaged my tyre", 1, "emergency", requested=CONTACT, confidence=0.7)
    outcome = Form(service).take(draft, said)
    assert outcome.handled and outcome.danger == "general" and "tyre" in (draft.description or "")


def test_a_yes_to_the_contact_asks_for_it(service: RequestService) -> None:
    draft = begin(service)
    outcome = Form(service).take(draft, turn("yes", 1, "affirm", requested=CONTACT))
    assert draft.contact is None and "send me" in outcome.notes[0]


def test_a_word_for_a_place_is_an_answer_to_where(service: RequestService) -> None:
    draft = begin(service, "the street light is broken")
    park = turn("park", 1, "parking", requested=PLACE, confidence=0.95)
    assert Form(service).take(draft, park).handled
    assert draft.offer is not None and draft.offer["what"] == "unknown_place"


@pytest.mark.parametrize("text", ["谁是美国总统", "1+1等于几", "write me a poem", "给我讲个笑话"])
def test_a_demand_that_has_nothing_to_do_with_it_is_not_written_down(
    service: RequestService, text: str
) -> None:
    draft = begin(service)
    asked = turn(text, 1, "out_of_scope", requested=CONTACT, confidence=0.9)
    assert not Form(service).take(draft, asked).handled


@pytest.mark.parametrize("slot", [CONTACT, CONFIRMATION])
@pytest.mark.parametrize(
    "text", ["no, the house number is 17", "不对，门牌号是17号", "wait, it is at number 17"]
)
def test_a_house_number_set_right_is_neither_a_no_nor_lost(
    service: RequestService, slot: str, text: str
) -> None:
    draft = begin(service, "pothole on Renmin Road 15")
    outcome = Form(service).take(draft, turn(text, 1, "deny", requested=slot, confidence=0.9))
    assert outcome.handled and draft.contact is None and draft.decision is None
    assert draft.place is not None and draft.place["text"] == "Renmin Road 17"
    assert "(correction: the place is Renmin Road 17)" in (draft.description or "")


@pytest.mark.parametrize("text", ["skip", "跳过"])
def test_nothing_is_thrown_away_by_a_skip_when_all_is_told(service: RequestService, text: str) -> None:
    draft = begin(service, "pothole on Renmin Road, call 13800138000")
    said = turn(text, 1, "restart_conversation", requested=CONFIRMATION, confidence=0.5)
    assert Form(service).take(draft, said).handled
    assert draft.decision is None and draft.contact == "13800138000"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("和平路15号", "和平路17号"),
        ("和平路", "和平路17号"),
        ("12路和平路站", "12路和平路站17号"),
        ("Heping Road", "Heping Road 17"),
        ("15b Heping Road", "17 Heping Road"),
    ],
)
def test_a_place_takes_another_house_number(before: str, after: str) -> None:
    assert with_house_number(Place(before), "17").text == after


def test_what_was_told_so_far_is_told_again(service: RequestService) -> None:
    draft = begin(service)
    said = wording.so_far(draft, service, "en").text
    assert "not filed yet" in said and "pothole on Renmin Road" in said and "Place: Renmin Road" in said
    assert "没有登记" in wording.so_far(Draft(), service, "zh").text


@pytest.mark.parametrize(
    ("text", "topic", "intent"),
    [
        ("withdraw it", "requests", "request_status"),
        ("can you cancel it?", "requests", "request_status"),
        ("把刚才的投诉取消吧", "requests", "request_status"),
        ("can you cancel it?", "transit", "restart_conversation"),
        ("取消公交卡怎么办", "requests", "restart_conversation"),
        ("我刚才报了什么？", None, "request_status"),
        ("what did I just report?", "knowledge", "request_status"),
        ("what did I say", None, "restart_conversation"),
        ("。", None, "nlu_fallback"),
        (" ?! ", "requests", "nlu_fallback"),
        ("👍", None, "restart_conversation"),
    ],
)
def test_talk_about_what_was_filed_is_known_by_the_conversation(
    text: str, topic: str | None, intent: str
) -> None:
    from bot.steering import steer

    parse = {"intent": {"name": "restart_conversation", "confidence": 0.9}, "intent_ranking": []}
    assert steer(parse, text, "citizen", topic)["intent"]["name"] == intent
    urgent = {"intent": {"name": "emergency", "confidence": 1.0}, "intent_ranking": []}
    assert steer(urgent, text, "citizen", topic)["intent"]["name"] == "emergency"


@pytest.mark.parametrize("text", ["can you cancel it", "取消刚才的上报", "withdraw"])
def test_a_filed_request_is_taken_back_in_everyday_words(service: RequestService, text: str) -> None:
    number = service.file(
        NewRequest(
            key="k",
            category="pothole",
            description="hole",
            place=Place("Renmin Road"),
            contact="",
            language="en",
            channel="web",
            conversation_id="c1",
            photos=[],
            confidence=1.0,
        )
    ).request.number
    said = ongoing.answer(service, ongoing.Asker("c1", "en"), text).text
    assert "withdrawn" in said and not service.store.by_number(number).is_open
