"""The rules of a telephone dialogue."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.hotline.call import Call, Heard, Kind, Step, Then
from channels.hotline.config import HotlineSection
from channels.hotline.dialogue import Spoken, Telephone
from city.messages import Message
from tests.channels.hotline.conftest import NAMES, Oracle


class Line:
    """A call in progress."""

    def __init__(self, **settings_: object) -> None:
        self.oracle = Oracle()
        section = HotlineSection(**{"transfer_to": "+8610", **settings_})
        self.telephone = Telephone(section, self.ask, NAMES)
        self.call = Call("c1", "conversation")
        self.telephone.begin(self.call)

    async def ask(self, call: Call, text: str) -> Spoken:
        answer = await self.oracle.respond(Message(call.conversation_id, str(call.turn), text))
        return Spoken(answer.language, answer.replies)

    async def say(self, text: str, confidence: float = 1.0) -> Step:
        return await self.telephone.hear(self.call, Heard(Kind.SPEECH, text, confidence))

    async def key(self, digits: str) -> Step:
        return await self.telephone.hear(self.call, Heard(Kind.DIGITS, digits))

    async def quiet(self, kind: Kind = Kind.SILENCE) -> Step:
        return await self.telephone.hear(self.call, Heard(kind))


def text(step: Step) -> str:
    return " ".join(say.text for say in step.says)


async def test_long_answers_come_in_parts() -> None:
    line = Line()
    first = text(await line.say("长一点的清单"))
    assert "第一项材料" in first and "第十二项" not in first and "按九" in first
    second = text(await line.say("继续"))
    assert second != first and "第一项材料" not in second
    heard = second
    for _ in range(10):
        heard += text(await line.key("9"))
    assert "第十二项材料" in heard and "没有更多内容" in heard


async def test_repeat_and_slower() -> None:
    line = Line()
    answer = text(await line.say("library hours please"))
    assert text(await line.say("say that again")) == answer
    slower = await line.say("slower")
    assert slower.rate == pytest.approx(0.8) and answer in text(slower)
    for _ in range(9):
        slower = await line.key("7")
    assert slower.rate == pytest.approx(0.6)


async def test_choices_are_keys() -> None:
    line = Line()
    offered = text(await line.say("12路去哪个方向"))
    assert "去火车站，请按一" in offered and "去科技园，请按二" in offered
    chosen = text(await line.key("2"))
    assert "十二路往科技园" in chosen


async def test_uncertain_words_are_confirmed() -> None:
    line = Line()
    asked = text(await line.say("公积金提取", 0.45))
    assert asked == "您说的是：公积金提取。对吗？对请按一，不对请按二。"
    assert line.oracle.asked == []
    assert "请再说一遍" in text(await line.say("不对"))
    await line.say("公积金提取", 0.45)
    assert "您问的是公积金提取" in text(await line.key("1"))


async def test_long_numbers_are_read_back() -> None:
    line = Line()
    assert "幺三八" in text(await line.say("我的电话是13812345678"))
    assert "您问的是我的电话" in text(await line.say("对"))


async def test_words_said_instead_of_yes_are_taken() -> None:
    line = Line()
    await line.say("公积金提取", 0.45)
    assert "您问的是医保报销比例" in text(await line.say("医保报销比例"))


@pytest.mark.parametrize("kind", [Kind.SILENCE, Kind.NOISE])
async def test_three_misses_bring_a_person(kind: Kind) -> None:
    line = Line()
    steps = [await line.quiet(kind) for _ in range(3)]
    assert [step.then for step in steps] == [Then.LISTEN, Then.LISTEN, Then.TRANSFER]
    assert text(steps[0]) != text(steps[1])


async def test_without_a_person_three_misses_end_the_call() -> None:
    line = Line(transfer_to="")
    steps = [await line.quiet() for _ in range(3)]
    assert steps[-1].then is Then.HANG_UP
    assert "无法转接人工" in text(await line.key("0"))


async def test_a_question_resets_the_misses() -> None:
    line = Line()
    await line.quiet()
    await line.quiet()
    await line.say("图书馆几点开门")
    assert (await line.quiet()).then is Then.LISTEN


async def test_hand_over_of_the_assistant_is_a_transfer() -> None:
    line = Line()
    step = await line.say("我找专员谈谈")
    assert step.then is Then.TRANSFER
    assert "刚才问了" in step.summary[0].text


async def test_language_by_key_word_and_question() -> None:
    line = Line()
    assert "ask your question" in text(await line.key("2"))
    assert text(await line.say("说中文")) == "好的，我说普通话。"
    assert (await line.say("where is the library")).language == "en"
    assert text(await line.say("bye")) == "Thank you for calling. Goodbye."


async def test_a_failing_answer_is_told() -> None:
    line = Line()
    assert "系统暂时没有回答" in text(await line.say("boom 长"))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(
            Heard,
            st.sampled_from(list(Kind)),
            st.one_of(
                st.text(max_size=60),
                st.sampled_from(["0", "1", "9", "*", "#", "12#", "继续", "boom", "哪", "对"]),
            ),
            st.floats(0, 1),
        ),
        max_size=12,
    )
)
def test_any_call_goes_on_or_ends_with_words(turns: Sequence[Heard]) -> None:
    async def lead() -> None:
        line = Line()
        for heard in turns:
            step = await line.telephone.hear(line.call, heard)
            assert text(step).strip()
            line.call = Call.from_dict(line.call.to_dict())
            assert Step.from_dict(step.to_dict()) == Step(
                tuple(step.says), step.then, step.language, step.rate, tuple(step.summary)
            )
            if step.then is not Then.LISTEN:
                return

    asyncio.run(lead())
