"""The citizen's side: asking, waiting, writing, cancelling, being called for, and nobody coming."""

from __future__ import annotations

from typing import Any

import pytest

from actions.handover.records import CLOSED, OPEN, WAITING, PastTurn, Ticket

NIGHT = {"hours": [{"days": ["mon"], "from": "08:30", "to": "12:00"}]}


def test_the_queue_tells_place_and_wait(scene: Any) -> None:
    scene.desk.seen("li")
    first, second = scene.ask("c1"), scene.ask("c2")
    assert (first.kind, first.position, second.position) == (Ticket.QUEUED, 1, 2)
    assert first.wait_s == 30
    assert "您是下一位" in scene.reception.say_ticket(first, "zh").text
    assert "There is one person before you" in scene.reception.say_ticket(second, "en").text


def test_asking_again_keeps_the_place(scene: Any) -> None:
    first = scene.ask()
    scene.ask("c2")
    again = scene.ask()
    assert (again.kind, again.case.id, again.position) == (Ticket.ALREADY, first.case.id, 1)


def test_without_operators_the_wait_is_not_promised(scene: Any) -> None:
    ticket = scene.ask()
    assert ticket.wait_s is None
    text = scene.reception.say_ticket(ticket, "zh").text
    assert "15 分钟内无人应答" in text
    assert "12345" in text


def test_a_flood_of_wishes_ends_at_the_limits(make_scene: Any) -> None:
    scene = make_scene(queue_limit=3, asks_per_hour=2)
    kinds = [scene.ask(f"c{n}").kind for n in range(5)]
    assert kinds == [Ticket.QUEUED] * 3 + [Ticket.FULL] * 2
    for _ in range(2):
        case = scene.office.store.live("c0")
        if case is not None:
            scene.reception.hear(case, "x", "取消排队", "zh")
        last = scene.ask("c0").kind
    assert last == Ticket.TOO_OFTEN


async def test_messages_are_kept_while_waiting_and_shown_once(scene: Any) -> None:
    case = scene.ask().case
    said = await scene.write("水管爆了")
    assert said == [] or "已记下" in said[0]
    repeated = scene.message("还在漏水")
    for _ in range(3):
        await scene.owner.take(repeated)
    lines = [line.text for line in scene.desk.lines(case.id) if line.kind == "citizen"]
    assert lines == ["水管爆了", "还在漏水"]
    scene.clock.move(minutes=2)
    assert "您是下一位" in (await scene.write("有人吗"))[0]
    assert await scene.write("？") == []


@pytest.mark.parametrize(("words", "said"), [("取消排队", "已取消排队"), ("Stop waiting!", "left the queue")])
async def test_the_citizen_can_go_back_to_the_bot(scene: Any, words: str, said: str) -> None:
    case = scene.ask().case
    assert said in (await scene.write(words))[0]
    assert scene.office.store.get(case.id).outcome == "cancelled"
    assert await scene.write("图书馆几点开门") is None


async def test_while_a_person_has_the_conversation_nothing_is_said(scene: Any) -> None:
    case = scene.ask().case
    scene.desk.claim(case.id, "li")
    assert await scene.write("取消") == []
    assert await scene.write("转人工") == []
    assert scene.office.store.get(case.id).unread
    scene.clock.move(seconds=1)
    scene.desk.reply(case.id, "li", "在的")
    assert not scene.office.store.get(case.id).unread
    assert "评价" in (await scene.write("结束人工服务"))[0]
    assert scene.office.store.get(case.id).outcome == "citizen"


async def test_danger_while_waiting_gets_the_bot_and_goes_first(scene: Any) -> None:
    scene.ask("c0")
    case = scene.ask("c1").case
    assert await scene.write("着火了！救命！") is None
    assert scene.desk.queue()[0].id == case.id
    scene.desk.claim(case.id, "li")
    assert await scene.write("着火了！救命！") == []
    assert [line.text for line in scene.desk.lines(case.id)].count("danger") == 2


def test_nobody_comes_and_a_request_is_filed(scene: Any) -> None:
    case = scene.ask().case
    scene.reception.hear(case, "m1", "路灯坏了", "zh")
    scene.clock.move(seconds=899)
    assert scene.keeper.unanswered() == 0
    scene.clock.move(seconds=2)
    assert scene.keeper.unanswered() == 1
    assert scene.filer.filed == {case.id: "路灯坏了"}
    assert f"LC-{case.id}" in scene.sent()[-1]
    assert scene.keeper.unanswered() == 0


def test_a_request_that_cannot_be_filed_is_filed_later(scene: Any) -> None:
    case = scene.ask().case
    scene.filer.fail = OSError("down")
    scene.clock.move(hours=1)
    scene.keeper.sweep()
    assert "已记录" in scene.sent()[-1]
    assert scene.keeper.unfiled() == 0
    scene.filer.fail = None
    scene.keeper.sweep()
    assert f"LC-{case.id}" in scene.sent()[-1]
    assert scene.office.store.get(case.id).request_number == f"LC-{case.id}"


def test_closing_time_ends_the_wait(make_scene: Any) -> None:
    scene = make_scene(**NIGHT)
    case = scene.ask().case
    scene.clock.move(hours=2, minutes=1)
    scene.keeper.sweep()
    assert scene.office.store.get(case.id).outcome == "unanswered"
    assert "时间已结束" in scene.sent()[-1]


async def test_out_of_hours_a_message_can_be_left(make_scene: Any) -> None:
    scene = make_scene(**NIGHT)
    scene.clock.move(hours=5)
    ticket = scene.ask()
    assert ticket.kind == Ticket.SHUT
    text = scene.reception.say_ticket(ticket, "zh").text
    assert "11月30日（周一）08:30" in text
    assert "请写下您的情况" in (await scene.write("给工作人员留言"))[0]
    assert "LC-1" in (await scene.write("小区垃圾没人收"))[0]
    assert scene.filer.filed == {1: "小区垃圾没人收"}
    assert await scene.write("你好") is None


async def test_a_message_begun_can_be_dropped(scene: Any) -> None:
    await scene.write("leave a message")
    assert await scene.write("cancel") == ["All right, no message was left."]
    assert scene.filer.filed == {}


async def test_misses_in_a_row_offer_and_then_call_a_person(make_scene: Any) -> None:
    scene = make_scene(offer_after_misses=2, hand_over_after_misses=3)
    assert len(await scene.bot("a", "fallback")) == 1
    await scene.bot("hi", "smalltalk")
    offered = await scene.bot("b", "clarify")
    assert [button.payload for button in offered[-1].buttons] == ["转人工"]
    scene.open()
    scene.desk.seen("li")
    called = await scene.bot("c", "fallback")
    assert "正在为您转接" in called[-1].text
    assert scene.office.store.live("c1").reason == "misses"


@pytest.mark.parametrize("away", [True, None])
async def test_nobody_is_put_unasked_into_a_queue_that_no_one_serves(
    make_scene: Any, away: bool | None
) -> None:
    scene = make_scene(offer_after_misses=0, hand_over_after_misses=1)
    if away:
        scene.desk.seen("li", away)
    replies = await scene.bot("x", "fallback")
    assert [button.payload for button in replies[-1].buttons] == ["转人工"]
    assert await scene.write("我被老公打了怎么办") is None
    assert scene.office.store.live("c1") is None


async def test_an_answer_that_helps_ends_the_row(scene: Any) -> None:
    for source in ("fallback", "knowledge", "fallback"):
        assert len(await scene.bot("x", source)) == 1


async def test_anger_offers_a_person(scene: Any) -> None:
    assert len(await scene.bot("你们就会踢皮球！", "knowledge")) == 2
    assert len(await scene.bot("This is USELESS", "knowledge")) == 2
    assert len(await scene.bot("笨蛋", "smalltalk", intent="insult_bot")) == 2
    assert len(await scene.bot("uselessly", "knowledge")) == 1


async def test_an_answer_to_the_request_form_is_no_insult(scene: Any) -> None:
    assert len(await scene.bot("匿名", "requests", "insult_bot")) == 1
    assert len(await scene.bot("笨蛋", "smalltalk", "insult_bot")) == 2


async def test_a_sensitive_matter_calls_a_person_at_once(scene: Any) -> None:
    scene.desk.seen("li")
    said = await scene.write("我被老公打了怎么办")
    assert "正在为您转接" in said[0]
    case = scene.office.store.live("c1")
    assert (case.team, case.urgent, case.detail) == ("care", True, "violence-at-home")
    assert [line.text for line in scene.desk.lines(case.id) if line.kind == "citizen"] == [
        "我被老公打了怎么办"
    ]


async def test_a_sensitive_matter_out_of_hours_is_answered_and_a_message_offered(make_scene: Any) -> None:
    scene = make_scene(**NIGHT)
    scene.clock.move(hours=5)
    assert await scene.write("我被老公打了") is None
    replies = await scene.bot("我被老公打了", "knowledge")
    assert replies[-1].buttons[0].payload == "给工作人员留言"


async def test_a_telephone_call_is_left_to_the_hotline(scene: Any) -> None:
    assert await scene.write("我被老公打了", channel="phone") is None


def test_the_summary_is_masked(scene: Any) -> None:
    scene.past.said = [
        PastTurn(
            "我叫王小明，电话13800138000，办居住证",
            "ask_knowledge",
            [{"entity": "place", "value": "滨河路"}, {"entity": "phone", "value": "13800138000"}],
            [{"text": "需要身份证。", "source": "knowledge", "citations": [{"title": "居住证办理"}]}],
        )
    ]
    case = scene.ask().case
    assert case.topic == "居住证办理"
    assert case.summary["named"] == {"place": ["滨河路"]}
    assert case.summary["answers"] == ["需要身份证。"]
    assert "13800138000" not in str(case.summary)


def test_silence_ends_a_conversation(scene: Any) -> None:
    case = scene.ask().case
    scene.desk.claim(case.id, "li")
    scene.desk.reply(case.id, "li", "请问地址？")
    for _ in range(31):
        scene.clock.move(minutes=1)
        scene.desk.seen("li")
    scene.keeper.sweep()
    assert scene.office.store.get(case.id).outcome == "silent"
    assert "没有回复" in scene.sent()[-1]


def test_those_who_move_up_are_told(scene: Any) -> None:
    scene.desk.seen("li")
    first = scene.ask("c1").case
    scene.ask("c2")
    scene.sent("c2")
    scene.desk.claim(first.id, "li")
    assert scene.keeper.places() == 0
    scene.clock.move(minutes=2)
    scene.desk.seen("li")
    assert scene.keeper.places() == 1
    assert "您是下一位" in scene.sent("c2")[-1]


async def test_erasure_leaves_nothing_said(scene: Any) -> None:
    case = scene.ask().case
    await scene.write("我的秘密")
    scene.desk.claim(case.id, "li")
    await scene.owner.erased("c1")
    assert scene.desk.lines(case.id) == []
    assert scene.office.store.live("c1") is None
    kept = scene.office.store.get(case.id)
    assert (kept.conversation_id, kept.summary, kept.state) == ("", {}, CLOSED)


def test_old_conversations_are_forgotten(scene: Any) -> None:
    scene.ask()
    scene.clock.move(hours=1)
    scene.keeper.sweep()
    scene.clock.move(days=181)
    scene.keeper.sweep()
    assert scene.office.store.since(scene.clock.time.replace(year=2000)) == []


def test_a_restart_keeps_queue_and_holders(scene: Any) -> None:
    waiting, held = scene.ask("c1").case, scene.ask("c2").case
    scene.desk.claim(held.id, "li")
    scene.service.close()
    scene.open()
    assert [case.id for case in scene.desk.queue()] == [waiting.id]
    assert scene.office.store.get(held.id).state == OPEN
    assert scene.office.store.get(waiting.id).state == WAITING
