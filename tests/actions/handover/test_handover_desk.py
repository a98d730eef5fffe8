"""Operators at the desk: who gets a conversation, what reaches the citizen, and what happens when one is gone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from actions.handover.errors import (
    AbsentError,
    FullError,
    HandoverError,
    NotYoursError,
    OverError,
    TakenError,
    TextError,
    UnknownCaseError,
    UnknownTeamError,
)
from actions.handover.records import CLOSED, OPEN, WAITING


def test_of_many_operators_at_once_one_gets_the_conversation(scene: Any) -> None:
    case = scene.ask().case

    def claim(name: str) -> str:
        try:
            return f"mine {scene.desk.claim(case.id, name).operator}"
        except TakenError as error:
            return f"theirs {error.operator}"

    names = [f"op{n}" for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(claim, names))
    winner = scene.office.store.get(case.id).operator
    assert outcomes.count(f"mine {winner}") == 1
    assert outcomes.count(f"theirs {winner}") == 7
    assert len([text for text in scene.sent() if "已接入" in text]) == 1


def test_a_reply_reaches_the_citizen_once_however_often_the_button_is_pressed(scene: Any) -> None:
    case = scene.ask().case
    scene.desk.claim(case.id, "li")
    for _ in range(3):
        scene.desk.reply(case.id, "li", "您好", key="press-1")
    assert scene.sent()[1:] == ["您好"]
    assert [line.text for line in scene.desk.lines(case.id) if line.kind == "operator"] == ["您好"]


def test_only_the_holder_may_reply(scene: Any) -> None:
    case = scene.ask().case
    with pytest.raises(NotYoursError):
        scene.desk.reply(case.id, "li", "hello")
    scene.desk.claim(case.id, "li")
    with pytest.raises(NotYoursError) as caught:
        scene.desk.reply(case.id, "wang", "hello")
    assert caught.value.operator == "li"
    scene.desk.close(case.id, "li", "solved")
    with pytest.raises(OverError):
        scene.desk.reply(case.id, "li", "hello")


@pytest.mark.parametrize("text", ["", "  \n", "\x00", "x" * 4001])
def test_a_text_that_cannot_be_sent_is_refused(scene: Any, text: str) -> None:
    case = scene.ask().case
    scene.desk.claim(case.id, "li")
    with pytest.raises(TextError):
        scene.desk.reply(case.id, "li", text)


def test_an_operator_holds_only_so_many(make_scene: Any) -> None:
    scene = make_scene(most_per_operator=2)
    cases = [scene.ask(f"c{n}").case for n in range(3)]
    for case in cases[:2]:
        scene.desk.claim(case.id, "li")
    with pytest.raises(FullError):
        scene.desk.claim(cases[2].id, "li")


def test_notes_stay_inside(scene: Any) -> None:
    case = scene.ask().case
    scene.desk.claim(case.id, "li")
    scene.sent()
    scene.desk.note(case.id, "wang", "knows him")
    assert scene.sent() == []
    assert [line.text for line in scene.desk.lines(case.id) if line.kind == "note"] == ["knows him"]


def test_transfer_to_a_team_puts_the_conversation_at_its_old_place(scene: Any) -> None:
    first = scene.ask("c1").case
    scene.desk.claim(first.id, "li")
    scene.clock.move(minutes=1)
    second = scene.ask("c2").case
    scene.desk.transfer(first.id, "li", "team:care")
    moved = scene.office.store.get(first.id)
    assert (moved.state, moved.team, moved.operator) == (WAITING, "care", None)
    assert [case.id for case in scene.desk.queue()] == [first.id, second.id]


def test_transfer_to_a_colleague_who_is_there(scene: Any) -> None:
    case = scene.ask().case
    scene.desk.claim(case.id, "li")
    with pytest.raises(AbsentError):
        scene.desk.transfer(case.id, "li", "operator:wang")
    scene.desk.seen("wang")
    scene.desk.transfer(case.id, "li", "operator:wang")
    assert scene.office.store.get(case.id).operator == "wang"
    scene.desk.reply(case.id, "wang", "now me")
    with pytest.raises(NotYoursError):
        scene.desk.transfer(case.id, "li", "operator:wang")


def test_unknown_names_are_refused(scene: Any) -> None:
    case = scene.ask().case
    scene.desk.claim(case.id, "li")
    with pytest.raises(UnknownTeamError):
        scene.desk.transfer(case.id, "li", "team:nowhere")
    with pytest.raises(HandoverError, match="reason"):
        scene.desk.close(case.id, "li", "because")
    with pytest.raises(UnknownCaseError):
        scene.desk.claim(999, "li")


@pytest.mark.parametrize("how", ["close", "give_back"])
async def test_afterwards_the_bot_answers_and_the_citizen_rates(scene: Any, how: str) -> None:
    case = scene.ask().case
    scene.desk.claim(case.id, "li")
    if how == "close":
        scene.desk.close(case.id, "li", "solved")
    else:
        scene.desk.give_back(case.id, "li")
    assert scene.office.store.get(case.id).state == CLOSED
    assert "评价" in scene.sent()[-1]
    assert await scene.write("人工服务评价：4分") == ["谢谢您的评价。"]
    assert scene.office.store.get(case.id).rating == 4
    assert await scene.write("图书馆几点开门") is None


async def test_a_rating_of_nothing_goes_to_the_bot(scene: Any) -> None:
    assert await scene.write("人工服务评价：4分") is None


def test_an_operator_who_disappears_loses_the_conversation_to_the_queue(scene: Any) -> None:
    case = scene.ask().case
    scene.desk.claim(case.id, "li")
    scene.clock.move(seconds=50)
    scene.desk.seen("li")
    scene.clock.move(seconds=50)
    assert scene.keeper.lost() == 0
    scene.clock.move(seconds=30)
    assert scene.keeper.lost() == 1
    assert scene.office.store.get(case.id).state == WAITING
    assert "断线" in scene.sent()[-1]
    scene.desk.claim(case.id, "wang")
    with pytest.raises(NotYoursError):
        scene.desk.reply(case.id, "li", "I am back")


def test_what_was_said_before_a_crash_reaches_the_citizen_once(scene: Any) -> None:
    case = scene.ask().case
    scene.desk.claim(case.id, "li")
    scene.sent()
    # The line was written, and the process ended before the outbox had it.
    working = scene.outbox
    put = working.put
    working.put = lambda *a, **k: (_ for _ in ()).throw(OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        scene.desk.reply(case.id, "li", "kept")
    working.put = put
    scene.service.close()
    scene.open()
    assert scene.office.store.get(case.id).state == OPEN
    scene.keeper.sweep()
    scene.keeper.sweep()
    assert scene.sent() == ["kept"]


def test_operators_of_a_team_see_their_own_queue(scene: Any) -> None:
    from actions.handover.records import PastTurn

    scene.past.said = [PastTurn("下一班12路几点", replies=[{"text": "18:05", "source": "transit"}])]
    case = scene.ask().case
    assert case.team == "roads"
    assert [c.id for c in scene.desk.queue("wang")] == [case.id]
    # Whoever is named in no team answers all.
    assert [c.id for c in scene.desk.queue("li")] == [case.id]


def test_claim_next_takes_urgent_ones_first(scene: Any) -> None:
    first = scene.ask("c1").case
    second = scene.ask("c2").case
    scene.reception.hear(second, "m1", "救命，着火了", "zh", danger=True)
    assert scene.desk.claim_next("li").id == second.id
    assert scene.desk.claim_next("li").id == first.id
    assert scene.desk.claim_next("li") is None


def test_figures(scene: Any) -> None:
    for number, stars in ((1, 5), (2, 2)):
        case = scene.ask(f"c{number}").case
        scene.clock.move(seconds=20)
        scene.desk.claim(case.id, "li")
        scene.clock.move(seconds=100)
        scene.desk.close(case.id, "li", "solved")
        scene.reception.rate(f"c{number}", stars, "zh")
    figures = scene.desk.figures()
    assert (figures.asked, figures.answered, figures.ratings) == (2, 2, 2)
    assert (figures.pickup_s, figures.handling_s, figures.rating) == (20, 100, 3.5)


def test_canned_replies_name_operator_and_city(scene: Any) -> None:
    texts = {name: text for name, _, text in scene.desk.canned("小李", "zh")}
    assert "澜川市" in texts["greeting"]
    assert "小李" in texts["greeting"]
    assert "Lanchuan" in {n: t for n, _, t in scene.desk.canned("Li", "en")}["greeting"]
