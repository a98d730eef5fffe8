"""Filing, the life cycle, privacy, floods and figures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from actions.requests.errors import (
    FieldError,
    FloodError,
    TransitionError,
    UnknownCategoryError,
    UnknownRequestError,
)
from actions.requests.lifecycle import state_named
from actions.requests.numbers import find_code, find_number, new_code, new_number
from actions.requests.records import Filter, NewRequest, Place
from actions.requests.service import RequestService
from city.messages import Reply

SQUARE = Place("人民广场", 29.0, 124.5, "zhongxin", "place")


def new(key: str = "c1:1", **changes: Any) -> NewRequest:
    data: dict[str, Any] = {
        "key": key,
        "category": "pothole",
        "description": "路上有个大坑",
        "place": SQUARE,
        "conversation_id": "c1",
        **changes,
    }
    return NewRequest(**data)


def test_a_request_gets_a_number_a_department_and_deadlines(service: RequestService, clock: Any) -> None:
    filed = service.file(new())
    request = filed.request
    assert find_number(request.number) == request.number
    assert len(filed.code) == 9
    assert (request.state, request.department, request.urgency) == ("received", "housing", "normal")
    assert (request.respond_due - clock()).total_seconds() == 24 * 3600
    assert not request.needs_review


def test_the_same_key_files_once(service: RequestService) -> None:
    first, second = service.file(new()), service.file(new())
    assert second.again and second.code == ""
    assert second.request.number == first.request.number
    assert service.list(Filter())[1] == 1


def test_many_threads_with_one_key_file_once(service: RequestService) -> None:
    numbers: list[str] = []
    threads = [
        threading.Thread(target=lambda: numbers.append(service.file(new()).request.number)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(numbers) == 8 and len(set(numbers)) == 1


def test_a_request_without_description_or_place_is_refused(service: RequestService) -> None:
    with pytest.raises(FieldError, match="description"):
        service.file(new(description="  "))
    with pytest.raises(FieldError, match="place"):
        service.file(new(place=None))
    with pytest.raises(UnknownCategoryError):
        service.file(new(category="ufo"))


def test_an_unsure_category_goes_to_a_person(service: RequestService) -> None:
    request = service.file(new(confidence=0.3)).request
    assert request.needs_review
    assert request.department == service.catalogue.triage
    assigned = service.assign(request.number, "wang", category="streetlight")
    assert (assigned.category, assigned.department, assigned.state) == ("streetlight", "urban", "assigned")
    assert not assigned.needs_review


def test_danger_makes_a_report_critical(service: RequestService) -> None:
    request = service.file(new(description="井盖没了，有人掉下去晕倒了")).request
    assert request.danger == "medical"
    assert request.urgency == "critical"
    plain = service.file(new("c1:2", description="路牌快要掉了很危险")).request
    assert (plain.danger, plain.urgency) == (None, "urgent")


def test_the_life_cycle_ends_with_a_rating(service: RequestService, clock: Any) -> None:
    number = service.file(new()).request.number
    with pytest.raises(TransitionError):
        service.rate(service.store.by_number(number), 5, True, "")
    clock.go(hours=1)
    service.change_state(number, "assigned", "li")
    service.change_state(number, "working", "li")
    clock.go(hours=5)
    service.change_state(number, "verifying", "li")
    with pytest.raises(TransitionError, match="outcome"):
        service.change_state(number, "closed", "li")
    closed = service.change_state(number, "closed", "li", outcome="resolved", note="已修补")
    assert closed.closed_at == clock()
    rated = service.rate(closed, 5, True, "很快")
    assert (rated.rating, rated.solved) == (5, True)
    with pytest.raises(FieldError):
        service.rate(closed, 6, True, "")
    figures = service.statistics()
    assert (figures.response_rate, figures.resolution_rate, figures.satisfaction_rate) == (1.0, 1.0, 1.0)
    assert figures.mean_resolve_h == 6.0
    kinds = [e.kind for e in service.detail(number).history]
    assert kinds == ["state", "state", "state", "state", "state", "rating"]


def test_a_step_that_the_life_cycle_does_not_know_is_refused(service: RequestService) -> None:
    number = service.file(new()).request.number
    service.change_state(number, "closed", "li", outcome="explained")
    with pytest.raises(TransitionError):
        service.change_state(number, "working", "li")
    with pytest.raises(TransitionError):
        service.assign(number, "li", department="urban")
    with pytest.raises(TransitionError, match="no state"):
        state_named("flying")
    assert state_named("办理") == "working"


def test_reopening_gives_new_deadlines_and_has_an_end(service: RequestService, clock: Any) -> None:
    request = service.file(new()).request
    with pytest.raises(TransitionError):
        service.reopen(request, "")
    closed = service.change_state(request.number, "closed", "li", outcome="resolved")
    clock.go(days=2)
    again = service.reopen(closed, "还是有坑")
    assert (again.state, again.reopened, again.responded_at) == ("received", 1, None)
    assert again.respond_due > closed.respond_due
    closed = service.change_state(request.number, "closed", "li", outcome="resolved")
    clock.go(days=31)
    with pytest.raises(TransitionError, match="30"):
        service.reopen(closed, "")


def test_overdue_requests_count_against_the_rates(service: RequestService, clock: Any) -> None:
    service.file(new())
    clock.go(hours=25)
    figures = service.statistics()
    assert (figures.overdue, figures.response_rate) == (1, 0.0)
    late, total = service.list(Filter(overdue=True))
    assert total == 1 and late[0].overdue(clock())
    assert service.list(Filter(overdue=False))[1] == 0


def test_two_officers_at_once_one_is_told(service: RequestService) -> None:
    number = service.file(new()).request.number
    outcomes: list[str] = []

    def close(name: str) -> None:
        try:
            service.change_state(number, "working", name)
            outcomes.append("done")
        except TransitionError:
            outcomes.append("late")

    threads = [threading.Thread(target=close, args=(name,)) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("done") == 1


def test_others_requests_stay_private(service: RequestService) -> None:
    filed = service.file(new())
    number = filed.request.number
    assert service.open_for(number, "c1", None).number == number
    with pytest.raises(UnknownRequestError):
        service.open_for(number, "stranger", None)
    with pytest.raises(UnknownRequestError):
        service.open_for(number, "stranger", "AAAA-AAAA")
    assert service.open_for(number, "elsewhere", filed.code).number == number
    assert [r.number for r in service.mine("elsewhere")] == [number]


def test_guessing_numbers_is_stopped(service: RequestService, clock: Any) -> None:
    filed = service.file(new())
    for _ in range(5):
        with pytest.raises(UnknownRequestError):
            service.open_for(filed.request.number, "stranger", new_code())
    with pytest.raises(FloodError):
        service.open_for(filed.request.number, "stranger", filed.code)
    clock.go(minutes=61)
    assert service.open_for(filed.request.number, "stranger", filed.code)


def test_floods_of_reports_are_held_back(make_service: Callable[..., RequestService], clock: Any) -> None:
    service = make_service(flood={"reports_per_hour": 3, "all_reports_per_minute": 5})
    for i in range(3):
        service.file(new(f"c1:{i}"))
    with pytest.raises(FloodError):
        service.file(new("c1:9"))
    assert service.file(new("c1:0")).again
    for i in range(2):
        service.file(new(f"c2:{i}", conversation_id=f"c2-{i}"))
    with pytest.raises(FloodError):
        service.file(new("c3:0", conversation_id="c3"))
    clock.go(minutes=61)
    assert service.file(new("c1:9")).code


def test_nearby_duplicates_are_found_and_followed(service: RequestService, clock: Any) -> None:
    number = service.file(new()).request.number
    near = service.nearby("pothole", 29.0002, 124.5)
    assert [(n.request.number, n.people) for n in near] == [(number, 1)]
    assert 20 < near[0].distance_m < 25
    assert service.nearby("pothole", 29.001, 124.5) == []
    assert service.nearby("streetlight", 29.0, 124.5) == []
    service.follow(number, "c2", "en")
    service.follow(number, "c2", "en")
    assert service.nearby("pothole", 29.0, 124.5)[0].people == 2
    clock.go(days=31)
    assert service.nearby("pothole", 29.0, 124.5) == []


def test_news_goes_once_to_the_citizen_and_the_followers(service: RequestService) -> None:
    sent: dict[str, tuple[str, Reply]] = {}

    def put(conversation_id: str, replies: Any, key: str) -> bool:
        fresh = key not in sent
        sent[key] = (conversation_id, replies[0])
        return fresh

    number = service.file(new()).request.number
    service.follow(number, "c2", "en")
    service.change_state(number, "working", "li", note="施工队已出发")
    assert sent == {}
    service.put = put
    assert service.push() == 2
    assert service.push() == 0
    texts = {conversation: reply.text for conversation, reply in sent.values()}
    assert "办理" in texts["c1"] and "施工队已出发" in texts["c1"]
    assert "in progress" in texts["c2"]
    service.change_state(number, "closed", "li", outcome="resolved")
    closing = [reply for conversation, reply in sent.values() if conversation == "c1"][-1]
    assert any(number in button.payload for button in closing.buttons)


def test_news_waits_while_the_outbox_fails(service: RequestService) -> None:
    number = service.file(new()).request.number

    def broken(*_: Any) -> bool:
        raise OSError("disk full")

    service.put = broken
    service.change_state(number, "working", "li")
    got: list[str] = []
    service.put = lambda conversation, replies, key: got.append(key) is None
    assert service.push() == 1
    assert len(got) == 1


def test_forgetting_cuts_the_ties_and_keeps_the_record(service: RequestService) -> None:
    number = service.file(new()).request.number
    service.forget("c1")
    assert service.mine("c1") == []
    assert service.store.by_number(number).conversation_id is None


def test_lists_are_filtered_and_paged(service: RequestService) -> None:
    for i in range(5):
        service.file(new(f"k{i}", description=f"坑 {i} 100%", conversation_id=None))
    service.file(new("k9", category="noise", description="loud", conversation_id=None, source="open311"))
    page, total = service.list(Filter(category="pothole", limit=2, offset=2))
    assert (len(page), total) == (2, 5)
    assert service.list(Filter(text="100%"))[1] == 5
    assert service.list(Filter(text="0_"))[1] == 0
    assert service.list(Filter(states=["closed"]))[1] == 0
    assert service.statistics(kind="report").by["category"] == {"pothole": 5, "noise": 1}


def test_details_are_kept_and_bounded(make_service: Callable[..., RequestService]) -> None:
    service = make_service(flood={"details_per_hour": 2})
    request = service.file(new()).request
    service.add_detail(request, "坑更深了", "c1")
    service.add_detail(request, "还有一个", "c1")
    with pytest.raises(FloodError):
        service.add_detail(request, "三", "c1")
    details = [e.text for e in service.detail(request.number).history if e.kind == "detail"]
    assert details == ["坑更深了", "还有一个"]


def test_numbers_and_codes_are_random_and_found_in_texts() -> None:
    numbers = {new_number("LC", 2026) for _ in range(500)}
    assert len(numbers) == 500
    assert find_number("请查 lc 2026 48210375 谢谢") == "LC-2026-48210375"
    assert find_number("LC-2026-123") is None
    code = new_code()
    assert find_code(f"LC-2026-48210375 {code}") == code
    assert find_code("LC-2026-48210375，查询码：K7PM2QXR") == "K7PM2QXR"
    assert find_code("LC-2026-48210375 and nothing more") is None
