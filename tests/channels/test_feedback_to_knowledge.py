"""What citizens say of answers reaches the knowledge base through the public HTTP API, masked, and is really erased."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp.test_utils import TestClient, TestServer

from channels.gateway import GatewayConfig, create_app
from channels.traces import TraceRecorder, TraceStore
from channels.traces.inbox import KnowledgeInbox
from city.messages import Answer, Message, Trace
from knowledge.service import KnowledgeService, Question
from tests.channels.conftest import Citizen
from tests.knowledge.conftest import (
    TODAY,
    HashingEncoder,
    make_settings,
    small_base,
    write_background,
    write_folder,
)


class KnowledgeBrain:
    """Answers every message from the knowledge base, as the action does, without the dialogue around it."""

    def __init__(self, service: KnowledgeService) -> None:
        self.service = service

    async def respond(self, message: Message) -> Answer:
        language = "zh" if any("㐀" <= ch <= "鿿" for ch in message.text) else "en"
        outcome = self.service.answer(
            Question(message.text, language, TODAY, conversation_id=message.conversation_id)
        )
        trace = Trace(message.conversation_id, message.message_id, list(outcome.steps))
        return Answer(message.message_id, language, outcome.replies, trace)

    async def forget(self, conversation_id: str) -> None:
        """Nothing is kept here."""

    def ready(self) -> Mapping[str, bool]:
        return {"index": self.service.ready()}


@pytest.fixture
def knowledge(tmp_path: Path) -> KnowledgeService:
    write_folder(tmp_path / "articles", small_base())
    write_background(tmp_path / "calibration")
    return KnowledgeService.open(make_settings(tmp_path), encoder=HashingEncoder(), follow=False)


@pytest.fixture
async def gateway(
    knowledge: KnowledgeService, tmp_path: Path, make_config: Callable[..., GatewayConfig]
) -> AsyncIterator[tuple[TestClient, TraceRecorder]]:
    store = TraceStore(f"sqlite:///{tmp_path / 'traces.db'}")
    recorder = TraceRecorder(store, ZoneInfo("Asia/Shanghai"), inbox=KnowledgeInbox(knowledge))
    config = make_config(turn_observers=[recorder], conversation_observers=[recorder])
    async with TestClient(TestServer(create_app(KnowledgeBrain(knowledge), config))) as client:
        yield client, recorder
    recorder.close()
    store.close()
    knowledge.close()


async def rate(citizen: Citizen, message_id: str, rating: str, comment: str = "") -> int:
    data = {"message_id": message_id, "rating": rating, "comment": comment}
    response = await citizen.client.post(citizen.path + "/feedback", json=data, headers=citizen.headers)
    return response.status


async def test_thumbs_reach_the_article_and_can_be_changed(
    gateway: tuple[TestClient, TraceRecorder],
    knowledge: KnowledgeService,
    arrive: Callable[[TestClient], Awaitable[Citizen]],
) -> None:
    client, recorder = gateway
    citizen = await arrive(client)
    answered = await (await citizen.say("狗证怎么办")).json()
    assert answered["replies"][0]["citations"][0]["article_id"] == "dog-licence"
    assert await rate(citizen, answered["message_id"], "down", "电话13812345678没人接") < 300
    assert recorder.flush()
    (entry,) = knowledge.curator.queue.entries(article_id="dog-licence")
    assert (entry.kind, entry.question, entry.comment) == ("down", "狗证怎么办", "电话[phone]没人接")
    assert [item.id for item in knowledge.articles(disliked=True, order="used")] == ["dog-licence"]
    assert knowledge.articles(order="used")[0].answers == 1
    assert await rate(citizen, answered["message_id"], "up") < 300
    assert recorder.flush()
    assert [item.kind for item in knowledge.curator.queue.entries()] == ["up"]


async def test_what_found_no_answer_is_grouped_masked_accepted_and_then_answered(
    gateway: tuple[TestClient, TraceRecorder],
    knowledge: KnowledgeService,
    arrive: Callable[[TestClient], Awaitable[Citizen]],
) -> None:
    client, _recorder = gateway
    first, second = await arrive(client), await arrive(client)
    await first.say("蓝色奇怪家伙谁拉走，我电话13812345678")
    await second.say("蓝色奇怪家伙谁拉走")
    (group,) = knowledge.open_questions()
    assert [item.question for item in group.items if "phone" in item.question] == [
        "蓝色奇怪家伙谁拉走，我电话[phone]"
    ]
    knowledge.curator.add_phrasings([item.id for item in group.items], "bulky-waste", by="editor")
    answered = await (await second.say("蓝色奇怪家伙谁拉走")).json()
    assert answered["replies"][0]["citations"][0]["article_id"] == "bulky-waste"


async def test_an_erased_conversation_leaves_no_word_in_the_knowledge_base(
    gateway: tuple[TestClient, TraceRecorder],
    knowledge: KnowledgeService,
    arrive: Callable[[TestClient], Awaitable[Citizen]],
    tmp_path: Path,
) -> None:
    client, recorder = gateway
    citizen, other = await arrive(client), await arrive(client)
    await citizen.say("麒麟提出了量子力学吗")
    await other.say("火星上怎么租房子")
    answered: dict[str, Any] = await (await citizen.say("狗证怎么办")).json()
    await rate(citizen, answered["message_id"], "down", "麒麟也算狗")
    assert recorder.flush()
    knowledge.curator.flush()
    assert len(knowledge.curator.queue.entries()) == 3
    response = await client.delete(citizen.path, headers=citizen.headers)
    assert response.status < 300
    assert [item.question for item in knowledge.curator.queue.entries()] == ["火星上怎么租房子"]
    with knowledge.store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    for file in (tmp_path / "var" / "knowledge").glob("articles.db*"):
        assert "麒麟".encode() not in file.read_bytes(), file.name


EDIT = """
import sys
from dataclasses import replace
from pathlib import Path
from knowledge.service import KnowledgeService
from tests.knowledge.conftest import HashingEncoder, make_settings
service = KnowledgeService.open(make_settings(Path(sys.argv[1])), encoder=HashingEncoder(), follow=False)
item = service.get("dog-licence")
changed = replace(item, answer={**item.answer, "zh": "登记费每年80元。"})
service.publish(changed, author="staff", base_version=item.version)
service.close()
"""


async def test_an_edit_made_in_another_process_reaches_citizens_of_a_running_server(
    tmp_path: Path,
    make_config: Callable[..., GatewayConfig],
    arrive: Callable[[TestClient], Awaitable[Citizen]],
) -> None:
    write_folder(tmp_path / "articles", small_base())
    write_background(tmp_path / "calibration")
    service = KnowledgeService.open(make_settings(tmp_path), encoder=HashingEncoder())
    async with TestClient(TestServer(create_app(KnowledgeBrain(service), make_config()))) as client:
        citizen = await arrive(client)
        assert "100元" in (await (await citizen.say("狗证怎么办")).json())["replies"][0]["text"]
        editor = await asyncio.create_subprocess_exec(
            sys.executable, "-c", EDIT, str(tmp_path), cwd=Path(__file__).parents[2]
        )
        assert await editor.wait() == 0
        started = time.monotonic()
        text = ""
        # One second is promised; the bound leaves room for a busy machine.
        while "80元" not in text and time.monotonic() - started < 5:
            text = (await (await citizen.say("狗证怎么办")).json())["replies"][0]["text"]
            await asyncio.sleep(0.05)
        assert "80元" in text
    service.close()
