"""Who is told what: subscriptions, districts, channels, languages, once each, also across restarts."""

from __future__ import annotations

from typing import Any

import pytest

from actions.notices.dialogue import START, STATE, STOP, wish_in
from actions.notices.errors import NoticeTextError, UnknownNoticeError
from actions.notices.owner import NoticesOwner
from city.messages import Answer, Message, Reply, Trace
from city.outbox import OutboxNotConfiguredError
from tests.actions.notices.conftest import CHINESE, Board, cap, draft, reference


def test_each_subscriber_is_told_once_in_their_language(board: Board) -> None:
    board.subscribe("a")
    board.subscribe("b", language="en")
    board.service.publish(draft(), "li")
    assert board.service.deliver() == 2
    for _ in range(3):
        assert board.service.deliver() == 0
    board.open()
    assert board.service.deliver() == 0
    texts = dict(board.sent())
    assert "今晚停水检修" in texts["a"]
    assert "Water is off tonight" in texts["b"]


def test_districts_and_channels_choose_who_is_told(board: Board) -> None:
    board.subscribe("city")
    board.subscribe("centre", "zhongxin")
    board.subscribe("port", "lingang")
    board.subscribe("sms", "zhongxin", channel="sms")
    board.service.publish(draft(districts=["zhongxin"], channels=["web"]), "li")
    board.service.deliver()
    assert {who for who, _ in board.sent()} == {"city", "centre"}


def test_a_changed_wish_counts_for_what_still_holds(board: Board) -> None:
    board.subscribe("a", "lingang")
    board.service.publish(draft(districts=["zhongxin"]), "li")
    assert board.service.deliver() == 0
    board.subscribe("a", "zhongxin")
    assert board.service.deliver() == 1


def test_those_who_stop_are_told_nothing(board: Board) -> None:
    board.subscribe("a")
    assert board.store.unsubscribe("a")
    assert not board.store.unsubscribe("a")
    board.service.publish(draft(), "li")
    assert board.service.deliver() == 0


def test_a_crash_between_the_stores_tells_nobody_twice_and_nobody_never(board: Board) -> None:
    for number in range(5):
        board.subscribe(f"c{number}")
    board.service.publish(draft(), "li")
    put, calls = board.outbox.put, []

    def failing(*args: Any, **more: Any) -> bool:
        calls.append(args)
        if len(calls) == 3:
            raise OSError("gone")
        return put(*args, **more)

    board.outbox.put = failing  # type: ignore[method-assign]
    with pytest.raises(OSError, match="gone"):
        board.service.deliver()
    board.outbox.put = put  # type: ignore[method-assign]
    board.open()
    board.service.deliver()
    assert sorted(who for who, _ in board.sent()) == [f"c{n}" for n in range(5)]


def test_thousands_are_told(board: Board) -> None:
    for number in range(1200):
        board.subscribe(f"c{number}")
    notice = board.service.publish(draft(), "li")
    assert board.service.deliver() == 1200
    assert board.store.reached(notice.id) == 1200


def test_a_cancelled_notice_is_taken_back_where_it_was_told(board: Board) -> None:
    board.subscribe("a")
    notice = board.service.publish(draft(), "li")
    board.service.deliver()
    board.sent()
    board.subscribe("late")
    assert board.service.cancel(notice.id, "li")
    assert not board.service.cancel(notice.id, "li")
    board.service.deliver()
    board.service.deliver()
    assert board.sent() == [("a", "已解除：停水通知")]


def test_what_is_over_is_not_told(board: Board) -> None:
    board.subscribe("a")
    board.service.publish(draft(hours=1), "li")
    board.clock.move(hours=2)
    assert board.service.deliver() == 0


def test_nothing_is_told_while_no_gateway_runs(board: Board) -> None:
    board.subscribe("a")
    board.service.publish(draft(), "li")

    def none() -> Any:
        raise OutboxNotConfiguredError

    board.service.outbox = none
    assert board.service.deliver() == 0
    board.service.outbox = lambda: board.outbox
    assert board.service.deliver() == 1


def test_the_same_key_publishes_once(board: Board) -> None:
    first = board.service.publish(draft(), "li", key="form-1")
    assert board.service.publish(draft(), "li", key="form-1").id == first.id


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": {"zh": "停水"}}, "title_en"),
        ({"text": {"zh": " ", "en": "x"}}, "text_zh"),
        ({"title": {"zh": "长" * 121, "en": "x"}}, "title_zh"),
        ({"districts": ["nowhere"]}, "districts"),
        ({"hours": 0}, "hours"),
        ({"hours": 1e9}, "hours"),
    ],
)
def test_a_wrong_notice_names_its_field(board: Board, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(NoticeTextError) as caught:
        board.service.publish(draft(**changes), "li")
    assert caught.value.field == field


def test_an_unknown_notice(board: Board) -> None:
    with pytest.raises(UnknownNoticeError):
        board.service.cancel(9, "li")


@pytest.mark.parametrize(
    ("text", "kind", "districts"),
    [
        ("我想订阅停水通知", START, None),
        ("帮我订阅临港区的预警", START, ["lingang"]),
        ("订阅全市的通知", START, []),
        ("以后停电请提醒我", START, None),
        ("subscribe me to weather alerts in Zhongxin District", START, ["zhongxin"]),
        ("Please let me know when there is a water cut", START, None),
        ("订阅中心区的通知", START, ["zhongxin"]),
        ("退订", STOP, None),
        ("UNSUBSCRIBE please", STOP, None),
        ("我订阅了哪些通知？", STATE, None),
        ("现在有什么预警", STATE, None),
        ("Are there any warnings right now?", STATE, None),
    ],
)
def test_wishes_in_plain_words(board: Board, text: str, kind: str, districts: list[str] | None) -> None:
    wish = wish_in(text, board.service.districts)
    assert wish is not None
    assert (wish.kind, wish.districts) == (kind, districts)


@pytest.mark.parametrize(
    "text",
    [
        "停水了怎么不通知我",
        "今天停水吗",
        "图书馆几点开门",
        "why didn't you let me know about the outage, please",
        "录取通知书在哪里领",
        "台风天学校停课吗",
        "Is there a power cut today?",
        "订阅" + "很长" * 200 + "通知",
    ],
)
def test_other_texts_are_the_bots(board: Board, text: str) -> None:
    assert wish_in(text, board.service.districts) is None


async def test_a_conversation_about_notices(board: Board) -> None:
    owner = NoticesOwner(board.service)

    async def say(text: str) -> list[Reply]:
        said = await owner.take(Message("a", "m", text))
        assert said is not None
        return list(said)

    asked = await say("我想订阅停水通知")
    payloads = [button.payload for button in asked[0].buttons]
    assert payloads[0] == "订阅全市通知"
    assert "临港区" in (await say(payloads[2]))[0].text
    there = board.store.subscription("a")
    assert there is not None
    assert there.districts == ["lingang"]
    stop = (await say("我订阅了哪些通知"))[-1].buttons[0].payload
    assert "已退订" in (await say(stop))[0].text
    assert board.store.subscription("a") is None
    assert await owner.take(Message("a", "m", "你好")) is None


@pytest.mark.parametrize(
    ("wish", "said", "districts"),
    [
        ("我想订阅停水通知", "临港区", ["lingang"]),
        ("我想订阅停水通知", "临港区吧。", ["lingang"]),
        ("我想订阅停水通知", "全市", []),
        ("please subscribe me to notices", "Lingang District, please", ["lingang"]),
        ("please subscribe me to notices", "临港区有停水吗", None),
        ("please subscribe me to notices", "when is the power cut in Lingang District?", None),
    ],
)
async def test_a_district_typed_after_the_question_is_the_answer(
    board: Board, wish: str, said: str, districts: list[str] | None
) -> None:
    owner = NoticesOwner(board.service)
    assert await owner.take(Message("a", "m0", said)) is None
    asked = await owner.take(Message("a", "m1", wish))
    assert asked and asked[0].buttons
    answered = await owner.take(Message("a", "m2", said))
    there = board.store.subscription("a")
    if districts is None:
        assert answered is None and there is None
    else:
        assert answered and there is not None and there.districts == districts
    # Only the very next message is the answer.
    assert await owner.take(Message("a", "m3", said)) is None


async def test_an_alert_stands_above_the_next_answer_once(board: Board) -> None:
    owner = NoticesOwner(board.service)
    board.service.take_in(cap())

    async def answer(*sources: str, who: str = "a") -> list[str]:
        replies = [Reply(source, source) for source in sources]
        given = Answer("m", "zh", replies, Trace(who, "m"))
        return [reply.text for reply in await owner.answered(Message(who, "m", "x"), given)]

    first = await answer("knowledge")
    assert "台风橙色预警" in first[0]
    assert "1. 关好门窗；\n2. *不要*外出 <海边>。" in first[0]
    assert first[1:] == ["knowledge"]
    assert await answer("knowledge") == ["knowledge"]
    # The numbers to call stay first.
    urgent = await answer("emergency", who="b")
    assert urgent[0] == "emergency"
    # Whoever was told by a push does not read it again.
    board.subscribe("c")
    board.service.deliver()
    assert await answer("knowledge", who="c") == ["knowledge"]


async def test_erasure_forgets_the_subscription(board: Board) -> None:
    board.subscribe("a")
    await NoticesOwner(board.service).erased("a")
    assert board.store.subscription("a") is None


def test_an_update_is_told_as_news_and_replaces(board: Board) -> None:
    board.subscribe("a")
    board.service.take_in(cap())
    board.service.deliver()
    newer = {**CHINESE, "headline": "台风红色预警", "severity": "Extreme"}
    board.service.take_in(cap("LC-2", kind="Update", references=reference(), infos=(newer,)))
    board.service.deliver()
    assert ["橙色" in text or "红色" in text for _, text in board.sent()] == [True, True]
    assert [notice.texts["zh"]["title"] for notice in board.service.banner()] == ["台风红色预警"]


def test_a_cancelled_alert_is_taken_back(board: Board) -> None:
    board.subscribe("a", language="en")
    board.service.take_in(cap())
    board.service.deliver()
    board.service.take_in(cap("LC-3", kind="Cancel", references=reference(), infos=()))
    board.service.deliver()
    assert board.sent()[-1] == ("a", "No longer in force: Orange typhoon warning")
    assert board.service.banner() == []
