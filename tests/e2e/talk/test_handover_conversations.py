"""Scripted hand-overs: the real brain, the real desk and the real requests service, with a clock that is moved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from actions import handover
from actions.handover.records import Case
from chengda.people import DeskFiler
from city.messages import Message, Reply
from tests.actions.handover.conftest import Scene
from tests.e2e.talk.scripts import problem, scripts

pytestmark = pytest.mark.e2e
SCRIPTS = scripts("handover")
HOURS = [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:30", "to": "20:00"}]


class Play:
    """One conversation on the stage of a desk."""

    def __init__(self, brain: Any, scene: Scene, name: str, script: dict[str, Any]) -> None:
        self.brain, self.scene, self.name = brain, scene, name
        self.there = list(script.get("operators", ["li"]))
        hour, minute = (int(part) for part in script.get("at", "10:00").split(":"))
        local = datetime(2026, 11, 23, hour, minute, tzinfo=ZoneInfo("Asia/Shanghai"))
        scene.clock.time = local.astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
        self.number = 0
        self.show_up()

    def show_up(self) -> None:
        for operator in self.there:
            self.scene.desk.seen(operator)

    async def say(self, text: str, channel: str = "web") -> list[Reply]:
        """Say something as the dispatcher hands it on: the owner first, then the brain, then the owner again."""
        self.number += 1
        message = Message(self.name, f"m{self.number}", text, channel=channel)
        taken = await self.scene.owner.take(message)
        if taken is not None:
            return list(taken)
        return list(await self.scene.owner.answered(message, await self.brain.respond(message)))

    def mine(self) -> Case:
        found = self.scene.office.store.live(self.name)
        assert found is not None, "the conversation is not at the desk"
        return found

    def pushed(self) -> list[Reply]:
        found = []
        while parcels := self.scene.outbox.take("test", 50, 60):
            for parcel in parcels:
                self.scene.outbox.sent(parcel.seq)
                found += parcel.replies if parcel.conversation_id == self.name else []
        return found

    def operate(self, words: str, by: str) -> None:
        desk = self.scene.desk
        verb, _, rest = words.partition(" ")
        acts: dict[str, Callable[[], Any]] = {
            "claim": lambda: desk.claim(desk.queue()[0].id if rest == "other" else self.mine().id, by),
            "reply": lambda: desk.reply(self.mine().id, by, rest),
            "note": lambda: desk.note(self.mine().id, by, rest),
            "return": lambda: desk.give_back(self.mine().id, by),
            "close": lambda: desk.close(self.mine().id, by, rest),
            "transfer": lambda: desk.transfer(self.mine().id, by, rest),
        }
        acts[verb]()

    def wait(self, seconds: float) -> None:
        # Those who are there give signs of life all the time; the keeper looks once a minute.
        while seconds > 0:
            step = min(30.0, seconds)
            seconds -= step
            self.scene.clock.time += timedelta(seconds=step)
            self.show_up()
            self.scene.keeper.sweep()

    async def step(self, turn: dict[str, Any]) -> list[Reply]:
        """Do what one line of the script says; return what the citizen gets."""
        if "repeat" in turn:
            for _ in range(turn["repeat"]):
                await self.say(turn["say"])
                await self.say(turn["then"])
            return []
        if "say" in turn:
            return await self.say(turn["say"], turn.get("channel", "web"))
        if "count" in turn:
            assert len(self.scene.desk.queue()) == turn["count"]
        elif "op" in turn:
            self.operate(turn["op"], turn.get("by", "li"))
        elif "wait" in turn:
            self.wait(turn["wait"])
        elif "lost" in turn:
            self.there.remove(turn["lost"])
        elif turn.get("gone"):
            self.there = []
            self.scene.clock.time += timedelta(minutes=5)
        for other in range(turn.get("others", 0)):
            self.scene.ask(f"{self.name}-{other}")
        return self.pushed()


@pytest.fixture
def scene(brain: Any, tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path, hours=HOURS)
    made.filer = DeskFiler("other_report")  # type: ignore[assignment]
    made.open()
    handover.configure(made.service)
    yield made
    handover.configure(None)
    made.service.close()


@pytest.mark.parametrize(
    ("language", "script"), SCRIPTS, ids=[f"{language}-{script['name']}" for language, script in SCRIPTS]
)
def test_conversation(brain: Any, scene: Scene, language: str, script: dict[str, Any]) -> None:
    async def talk() -> list[str]:
        play = Play(brain, scene, f"{language}-{script['name']}"[:60], script)
        wrong = []
        for turn in script["turns"]:
            replies = await play.step(turn)
            reasons = [
                reason for expected in turn.get("expect", ()) if (reason := problem(expected, replies))
            ]
            if turn.get("silent") and replies:
                reasons.append("must say nothing")
            said = [reply.text[:160] for reply in replies]
            wrong += [f"{turn}: {reason}; said {said}" for reason in reasons]
            if any(reply.source == "error" for reply in replies):
                wrong.append(f"{turn}: an apology")
        return wrong

    assert asyncio.run(talk()) == []


def test_there_are_enough_of_every_sort() -> None:
    for language in ("zh", "en"):
        tags = [tag for here, script in SCRIPTS if here == language for tag in script["tags"]]
        assert sum(here == language for here, _ in SCRIPTS) >= 24
        wanted = "ask queue cancel off-hours message unanswered lost transfer return end rating silence danger rule"
        assert {*wanted.split(), "misses", "form", "phone", "mixed", "flood"} <= set(tags)
