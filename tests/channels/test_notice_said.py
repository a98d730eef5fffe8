"""The notice to all citizens where there is no banner: said once in each chat and each call, and kept out of figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from channels.base import Inbound, Outgoing
from channels.fitting.fit import Part
from channels.gateway import Bilingual, create_app
from channels.hotline.call import Call, Heard, Kind, Then
from channels.hotline.config import HotlineSection
from channels.hotline.dialogue import Spoken, Telephone
from channels.notice import Notice, said_first
from channels.web.keys import STORE
from city.live import LiveSettings
from city.messages import Answer, Message, Reply
from tests.channels.hotline.conftest import NAMES
from tests.channels.test_intake import Dove, note, post

WATER = {"id": "w1", "zh": "自来水暂不可饮用", "en": "Do not drink tap water", "urgent": True, "until": ""}
SAID_ZH, SAID_EN = "紧急通知：自来水暂不可饮用", "Emergency notice: Do not drink tap water"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveSettings]:
    """Run-time settings."""
    made = LiveSettings(f"sqlite:///{tmp_path / 'live.db'}")
    yield made
    made.close()


class Watcher:
    """Remembers what the observers of turns are told."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def turn(self, message: Message, answer: Answer) -> None:
        self.answers.append(answer)


class Desk:
    """A person owns every conversation and the bot keeps quiet."""

    async def take(self, message: Message) -> tuple[Reply, ...] | None:
        return ()

    async def answered(self, message: Message, answer: Answer) -> Any:
        return answer.replies


async def test_a_chat_is_told_once_first_and_again_of_another_notice(
    aiohttp_client: Any, brain: Any, make_config: Any, live: LiveSettings, eventually: Any
) -> None:
    dove, watcher = Dove(), Watcher()
    config = make_config(channels=(dove,), live=live, turn_observers=(watcher,))
    client = await aiohttp_client(create_app(brain, config))

    async def ask(sender: str, number: int, **more: Any) -> list[str]:
        before = len(dove.sent)
        await post(client, note(sender, number, **more))
        await eventually(lambda: len(dove.sent) > before)
        return [reply.text for reply in dove.sent[-1].replies]

    assert await ask("ann", 1) == ["1"]
    live.set("notice", WATER, "wang")
    assert await ask("ann", 2) == [SAID_ZH, "2"]
    assert await ask("ann", 3) == ["3"]
    assert await ask("ben", 1, language="en") == [SAID_EN, "1"]
    live.set("notice", {**WATER, "until": "2099-01-01T00:00:00+00:00"}, "wang")
    assert await ask("ann", 4) == ["4"]
    live.set("notice", {**WATER, "id": "w2", "urgent": False}, "wang")
    assert await ask("ann", 5) == ["通知：自来水暂不可饮用", "5"]
    live.set("notice", {}, "wang")
    assert await ask("cid", 1) == ["1"]
    assert [[reply.source for reply in answer.replies] for answer in watcher.answers] == [["smalltalk"]] * 7
    live.set("notice", WATER, "wang")
    brain.replies = [Reply("请拨打120", "emergency"), Reply("别的", "knowledge")]
    assert await ask("dee", 1) == ["请拨打120", SAID_ZH, "别的"]
    brain.replies, brain.fail = None, RuntimeError("down")
    assert (await ask("eve", 1))[0] == SAID_ZH


async def test_the_page_shows_it_and_is_not_told_and_erasing_forgets(
    aiohttp_client: Any, brain: Any, make_config: Any, live: LiveSettings, arrive: Any, eventually: Any
) -> None:
    live.set("notice", WATER, "wang")
    dove = Dove()
    client = await aiohttp_client(create_app(brain, make_config(channels=(dove,), live=live)))
    citizen = await arrive(client)
    data = await (await citizen.say("hello")).json()
    assert [reply["text"] for reply in data["replies"]] == ["hello"]
    store = client.server.app[STORE]
    await post(client, note("ann", 1))
    await eventually(lambda: dove.sent)
    conversation = await store.for_sender("dove", "ann")
    assert await store.was_told(conversation, "w1")
    assert [r.text for r in (await store.history(conversation))[0].replies] == [SAID_ZH, "1"]
    await store.erase(conversation)
    assert not await store.was_told(conversation, "w1")


async def test_somebody_who_talks_with_a_person_is_told_in_both_languages(
    aiohttp_client: Any, brain: Any, make_config: Any, live: LiveSettings, eventually: Any
) -> None:
    live.set("notice", WATER, "wang")
    dove = Dove()
    config = make_config(channels=(dove,), live=live, owner=Desk())
    client = await aiohttp_client(create_app(brain, config))
    await post(client, note("ann", 1))
    await eventually(lambda: dove.sent)
    assert dove.texts("ann") == [f"{SAID_ZH}\n\n{SAID_EN}"]
    assert brain.seen == []


def test_the_settings_file_s_notice_has_an_id_of_its_words() -> None:
    first, second = Notice("停水", "No water"), Notice("停水", "No water tomorrow")
    assert first.id == Notice("停水", "No water").id != second.id
    assert said_first(first, [], "en")[0].text == "Notice: No water"
    assert Bilingual("停水", "No water").zh == first.zh


class Line:
    """A call at a telephone whose assistant repeats the question."""

    def __init__(self, notice: Notice | None) -> None:
        self.notice = notice
        self.telephone = Telephone(
            HotlineSection(transfer_to="+8610"), self.ask, NAMES, notice=lambda: self.notice
        )
        self.call = Call("c1", "conversation")
        self.telephone.begin(self.call)

    async def ask(self, call: Call, text: str) -> Spoken:
        return Spoken("en" if text.isascii() else "zh", [Reply(text, "knowledge")])

    async def hear(self, kind: Kind, text: str = "") -> tuple[list[str], Then]:
        step = await self.telephone.hear(self.call, Heard(kind, text))
        return [say.text for say in step.says], step.then


async def test_a_caller_hears_it_once_before_the_first_answer() -> None:
    line = Line(Notice("自来水暂不可饮用", "Do not drink tap water", True, "w1"))
    assert not any("饮用" in said for said in (await line.hear(Kind.SILENCE))[0])
    said, _ = await line.hear(Kind.SPEECH, "which bin")
    assert (said[0], "which bin" in said[1]) == ("Emergency notice: Do not drink tap water.", True)
    assert Call.from_dict(line.call.to_dict()).notices == ["w1"]
    said, _ = await line.hear(Kind.SPEECH, "which bin")
    assert "which bin" in said[0]
    line.notice = None
    assert "which bin" in (await line.hear(Kind.SPEECH, "which bin"))[0][0]


async def test_an_emergency_of_the_caller_s_own_and_a_transfer() -> None:
    line = Line(Notice("自来水暂不可饮用", "Do not drink tap water", True, "w1"))
    said, _ = await line.hear(Kind.SPEECH, "着火了快来人")
    assert "饮用" not in " ".join(said)
    line.call.confirming = "着火了快来人"
    said, _ = await line.hear(Kind.SPEECH, "是")
    assert "饮用" not in " ".join(said)
    said, then = await line.hear(Kind.DIGITS, "0")
    assert then is Then.TRANSFER
    assert "饮用" in said[0]


async def test_wechat_takes_notice_and_answer_as_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    from channels.apps.wechat import WeChat

    channel = WeChat.__new__(WeChat)
    channel._crypt = None
    parts: list[Part] = []
    monkeypatch.setattr(WeChat, "parts", lambda _self, _outgoing: parts)
    outgoing = Outgoing(Inbound("ann", "1", "问"), [], "k")
    for given, inline in (
        ([Part(SAID_ZH), Part("答")], True),
        ([Part("答")], True),
        ([Part("长" * 400), Part("长" * 400)], False),
        ([Part("答"), Part("", image="https://city.example/a.png")], False),
        ([], False),
    ):
        parts[:] = given
        found = channel.reply_inline(outgoing)
        assert (found is not None) is inline
        if found is not None:
            assert "\n\n".join(part.text for part in given) in found.body
