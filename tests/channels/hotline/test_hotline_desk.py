"""Calls for a person: put through and written down at the desk, or kept as a message with the number to call back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from channels.hotline.call import Call, Heard, Kind, Step, Then
from channels.hotline.config import HotlineSection
from channels.hotline.desk import HandoverPhoneDesk
from channels.hotline.dialogue import Telephone
from channels.hotline.extension import HotlineExtension
from tests.actions.handover.conftest import Scene
from tests.channels.hotline.conftest import NAMES, SECRETS
from tests.channels.hotline.test_hotline_dialogue import Line, text


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.fixture
def line(scene: Scene) -> Callable[..., Line]:
    def make(caller: str = "+8613800138000", language: str = "zh", transfer_to: str = "") -> Line:
        made = Line()
        section = HotlineSection(transfer_to=transfer_to)
        made.telephone = Telephone(section, made.ask, NAMES, HandoverPhoneDesk(scene.service.switchboard))
        made.call = Call("c1", "conversation", language, chosen=True, caller=caller)
        return made

    return make


def kept(scene: Scene) -> list[str]:
    """Return the lines of the only conversation at the desk."""
    (case,) = scene.office.store.since(scene.clock().replace(hour=0))
    assert case.channel == "phone" and case.state == "closed"
    return [entry.text for entry in scene.desk.lines(case.id)]


@pytest.mark.parametrize(
    ("language", "wish", "matter", "said"),
    [
        ("zh", "转人工", "小区停水两天没人管", "给您回电"),
        ("en", "let me talk to a person", "no water here for two days", "call you back"),
    ],
)
async def test_a_caller_is_called_back_when_nobody_can_be_reached(
    line: Callable[..., Line], scene: Scene, language: str, wish: str, matter: str, said: str
) -> None:
    made = line(language=language)
    assert said in text(await made.say(wish))
    answer = text(await made.say(matter))
    assert said in answer and made.call.outcome == "call_back" and not made.call.calling_back
    (filed,) = scene.filer.filed.values()
    assert matter in filed and "+8613800138000" in filed
    assert kept(scene)[0] == filed
    # The assistant goes on.
    assert (await made.say("图书馆几点开门")).then is Then.LISTEN
    assert made.oracle.asked[-1].text == "图书馆几点开门"


async def test_another_number_can_be_typed_in(line: Callable[..., Line], scene: Scene) -> None:
    made = line(caller="")
    assert "按键输入您的号码" in text(await made.key("0"))
    assert "请说出要办的事" in text(await made.key("13900139000#"))
    await made.say("路灯坏了")
    assert "13900139000" in kept(scene)[0]


@pytest.mark.parametrize("no", ["不用了", "算了，谢谢", "No, thanks.", "never mind"])
async def test_a_caller_who_declines_goes_on_with_the_assistant(
    line: Callable[..., Line], scene: Scene, no: str
) -> None:
    made = line()
    await made.say("转人工")
    await made.say(no)
    assert not made.call.calling_back and scene.filer.filed == {}


async def test_danger_is_never_kept_for_later(line: Callable[..., Line], scene: Scene) -> None:
    made = line()
    await made.say("转人工")
    await made.say("楼里着火了")
    assert made.oracle.asked[-1].text == "楼里着火了" and scene.filer.filed == {}


async def test_what_was_heard_badly_is_confirmed_before_it_is_kept(
    line: Callable[..., Line], scene: Scene
) -> None:
    made = line()
    await made.say("转人工")
    assert "对吗" in text(await made.say("井盖没了", 0.5))
    await made.key("1")
    assert "井盖没了" in kept(scene)[0]


async def test_a_request_that_cannot_be_filed_at_once_is_filed_by_the_keeper(
    line: Callable[..., Line], scene: Scene
) -> None:
    made = line()
    scene.filer.fail = RuntimeError("the database is away")
    await made.say("转人工")
    assert "已记下您的留言" in text(await made.say("井盖没了"))
    scene.filer.fail = None
    scene.keeper.sweep()
    assert "井盖没了" in next(iter(scene.filer.filed.values()))


async def test_a_transfer_is_written_down_with_its_summary(
    scene: Scene, serve: Callable[..., object], section: Callable[..., HotlineSection], tmp_path: Path
) -> None:
    desk = HandoverPhoneDesk(scene.service.switchboard)
    extension = HotlineExtension(section(), f"sqlite:///{tmp_path / 'calls.db'}", NAMES, SECRETS, desk)
    await serve(extension)  # type: ignore[misc]
    hotline = extension.hotline
    await hotline.begin("twilio", "CA1", "+8613800138000")

    async def say(words: str) -> Step:
        return await hotline.hear("twilio", "CA1", Heard(Kind.SPEECH, words))

    await say("图书馆几点开门")
    assert (await say("转人工")).then is Then.TRANSFER
    assert any("图书馆几点开门" in entry for entry in kept(scene))
    # Nobody took it: the caller is asked for a message, and the number is known.
    assert "给您回电" in text(await hotline.not_transferred("twilio", "CA1"))
    await say("请告诉我借书证怎么办")
    assert "+8613800138000" in next(iter(scene.filer.filed.values()))
    await hotline.end("twilio", "CA1")
    record = hotline.store.find("twilio", "CA1")
    assert record is not None and record.outcome == "call_back"
    assert record.call.caller == "" and "13800138000" not in record.caller


@pytest.mark.parametrize("caller", ["anonymous", "", "sip:a@b.example", "+266696687;ext=1"])
async def test_a_number_that_cannot_be_called_is_asked_for(
    scene: Scene,
    serve: Callable[..., object],
    section: Callable[..., HotlineSection],
    tmp_path: Path,
    caller: str,
) -> None:
    desk = HandoverPhoneDesk(scene.service.switchboard)
    made = section(transfer_to="")
    extension = HotlineExtension(made, f"sqlite:///{tmp_path / 'calls.db'}", NAMES, SECRETS, desk)
    await serve(extension)  # type: ignore[misc]
    await extension.hotline.begin("twilio", "CA1", caller)
    step = await extension.hotline.hear("twilio", "CA1", Heard(Kind.DIGITS, "0"))
    assert "输入您的号码" in text(step)
