"""A console in front of real traces, a real gateway store and a small knowledge base."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from bot.components.models import ModelSource
from channels.dispatcher import Dispatcher
from channels.store import ConversationStore
from channels.traces import TraceRecorder, TraceStore, TurnRecord
from channels.traces.inbox import KnowledgeInbox
from city.messages import Message
from city.settings import Settings
from console.nlu.library import Library, make_library
from console.services import Services
from knowledge.service import KnowledgeService
from tests.channels.conftest import EchoBrain
from tests.knowledge.conftest import HashingEncoder, make_settings, small_base, write_background, write_folder
from tests.nlu_fixtures import train_tiny

SHIPPED = """version: "3.1"
nlu:
- intent: departures
  examples: |
    - when does [bus 12](line) leave
    - 下一班车几点
- intent: waste
  examples: |
    - which bin for batteries
    - 电池扔哪个桶
"""
EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>"
NOW = datetime.now(timezone.utc).replace(tzinfo=None, microsecond=0)


@pytest.fixture(scope="session")
def built_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A city whose knowledge base is imported and indexed, to be copied."""
    root = tmp_path_factory.mktemp("city")
    write_folder(root / "articles", small_base())
    write_background(root / "calibration")
    KnowledgeService.open(make_settings(root), encoder=HashingEncoder(), follow=False).close()
    return root


@pytest.fixture
def settings(tmp_path: Path, built_city: Path) -> Settings:
    """A city whose files lie in the test's folder."""
    shutil.copytree(built_city, tmp_path, dirs_exist_ok=True)
    return make_settings(tmp_path)


@pytest.fixture
def knowledge(settings: Settings) -> Iterator[KnowledgeService]:
    """The small knowledge base."""
    service = KnowledgeService.open(settings, encoder=HashingEncoder(), follow=False)
    yield service
    service.close()


@pytest.fixture
def traces(tmp_path: Path) -> Iterator[TraceStore]:
    """An empty trace store."""
    store = TraceStore(f"sqlite:///{tmp_path / 'traces.db'}")
    yield store
    store.close()


@pytest.fixture
async def dispatcher(
    tmp_path: Path, traces: TraceStore, knowledge: KnowledgeService
) -> AsyncIterator[Dispatcher]:
    """A gateway's dispatcher whose turns are traced."""
    store = ConversationStore(f"sqlite:///{tmp_path / 'chat.db'}")
    await store.open()
    recorder = TraceRecorder(traces, knowledge.settings.zone, inbox=KnowledgeInbox(knowledge))
    yield Dispatcher(EchoBrain(), store, turn_observers=[recorder], conversation_observers=[recorder])
    recorder.close()
    await store.close()


@pytest.fixture
def services(
    settings: Settings,
    knowledge: KnowledgeService,
    traces: TraceStore,
    dispatcher: Dispatcher,
    library: Library,
) -> Services:
    """Everything that these sections need."""
    return Services(settings=settings, knowledge=knowledge, traces=traces, dispatcher=dispatcher)


@pytest.fixture
def library(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """Two shipped intents, and an empty registry."""
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "all.yml").write_text(SHIPPED, "utf-8")
    made = make_library(settings, shipped)
    monkeypatch.setattr("console.nlu.library.make_library", lambda _: made)
    return made


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was trained in seconds."""
    return train_tiny(tmp_path_factory.mktemp("tiny"), epochs=4).directory


@pytest.fixture
def with_model(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny model in the place of the current one."""
    source = ModelSource(tiny_model, None, 1)
    for page in ("console.conversations.pages", "console.inbox.asking"):
        monkeypatch.setattr(f"{page}.source", lambda: source)
    return tiny_model


def record(conversation: str = "c1", message: str = "m1", **more: Any) -> TurnRecord:
    """A turn as it would be kept, a minute ago."""
    at = more.pop("at", NOW - timedelta(minutes=1))
    values: dict[str, Any] = {
        "channel": "web",
        "language": "zh",
        "text": "图书馆几点开门",
        "intent": "waste",
        "confidence": 0.55,
        "runner_up": "departures",
        "runner_up_confidence": 0.4,
        "source": "knowledge",
        "article_id": "library-hours",
        "total_ms": 15.0,
        "model": "20260301-120000-abcdef12",
        "index_version": "17",
        "steps": [
            {
                "step": "nlu",
                "ms": 4.0,
                "entities": [{"entity": "place", "value": "图书馆"}],
                "detected": {"code": "zh"},
            },
            {
                "step": "knowledge.search",
                "ms": 3.0,
                "completed": "图书馆 几点",
                "found": [{"article": "library-hours", "probability": 0.81}],
            },
            {"step": "dialogue", "ms": 9.0, "actions": ["action_answer_question"]},
        ],
        "replies": [{"text": "九点开门。", "source": "knowledge", "citations": [], "buttons": []}],
        **more,
    }
    return TurnRecord(
        conversation,
        message,
        at,
        more.get("day", at.date()),
        **{k: v for k, v in values.items() if k != "day"},
    )


async def say(dispatcher: Dispatcher, text: str) -> str:
    """Say something to the gateway; return the conversation's id."""
    conversation, _ = await dispatcher.store.create()
    await dispatcher.handle(Message(conversation, "m1", text))
    return conversation
