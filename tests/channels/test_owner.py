"""While a person owns a conversation the bot says nothing; what the owner adds stands with the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from channels.gateway import GatewayConfig, create_app
from city.messages import Answer, Message, Reply


class Desk:
    """Owns a conversation once the citizen said "person"; `fail` raises."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.owns = False
        self.fail: Exception | None = None

    async def take(self, message: Message) -> tuple[Reply, ...] | None:
        if self.fail is not None:
            raise self.fail
        if message.text == "person":
            self.owns = True
            return (Reply("please wait", "handoff"),)
        if not self.owns:
            return None
        self.kept.append(message.text)
        return ()

    async def answered(self, message: Message, answer: Answer) -> Sequence[Reply]:
        if self.fail is not None:
            raise self.fail
        return [Reply("first", "handoff"), *answer.replies]


class Watcher:
    def __init__(self) -> None:
        self.turns: list[str] = []

    def turn(self, message: Message, answer: Answer) -> None:
        self.turns.append(message.text)


@pytest.fixture
async def desk() -> Desk:
    return Desk()


@pytest.fixture
async def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
async def citizen(
    aiohttp_client: Any,
    brain: Any,
    desk: Desk,
    watcher: Watcher,
    arrive: Any,
    make_config: Callable[..., GatewayConfig],
) -> Any:
    config = make_config(owner=desk, turn_observers=(watcher,))
    return await arrive(await aiohttp_client(create_app(brain, config)))


async def test_the_bot_is_silent_while_a_person_owns_the_conversation(
    citizen: Any, brain: Any, desk: Desk, watcher: Watcher
) -> None:
    first = await (await citizen.say("person")).json()
    assert [reply["text"] for reply in first["replies"]] == ["please wait"]
    second = await (await citizen.say("hello?")).json()
    assert second["replies"] == []
    assert desk.kept == ["hello?"]
    assert brain.seen == []
    assert watcher.turns == []
    assert [entry["state"] for entry in await citizen.history()] == ["answered", "answered"]


async def test_a_repeated_delivery_reaches_the_person_once(citizen: Any, desk: Desk) -> None:
    await citizen.say("person")
    for _ in range(2):
        assert (await (await citizen.say("again", message_id="m1")).json())["replies"] == []
    assert desk.kept == ["again"]


async def test_what_the_owner_adds_is_answered_and_kept(citizen: Any, watcher: Watcher) -> None:
    answer = await (await citizen.say("hello")).json()
    assert [reply["text"] for reply in answer["replies"]] == ["first", "hello"]
    assert [reply["text"] for reply in (await citizen.history())[0]["replies"]] == ["first", "hello"]
    assert watcher.turns == ["hello"]


async def test_an_owner_that_fails_leaves_the_bot_to_answer(citizen: Any, desk: Desk) -> None:
    desk.fail = RuntimeError("store away")
    answer = await (await citizen.say("hello")).json()
    assert [reply["text"] for reply in answer["replies"]] == ["hello"]
