"""A small dialogue model of our own rules, with Rasa's keyword classifier in place of the trained BERT."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from actions import answers
from bot.brain import Brain, BrainConfig
from bot.training import BOT_DIR, train_dialogue
from city.settings import load_settings
from knowledge.service import KnowledgeService

ROOT = BOT_DIR.parent

NAMES = {
    "zh": {"city": "测试市", "assistant": "小测", "hotline": "999", "emergency_numbers": "110"},
    "en": {"city": "Testville", "assistant": "Testy", "hotline": "999", "emergency_numbers": "110"},
}
KEYWORDS = {
    "greet": ["你好", "hello", "hi"],
    "thank": ["谢谢", "thanks"],
    "bot_identity": ["你是谁", "who are you"],
    "change_language": ["说英文", "speak chinese", "说中文"],
    "repeat": ["再说一遍", "say that again"],
    "emergency": ["报警"],
    "human_handoff": ["转人工", "talk to a person"],
}


@pytest.fixture(scope="session")
def small_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of bot/ whose pipeline needs no trained model."""
    folder = tmp_path_factory.mktemp("bot")
    for part in ("domain", "data/rules", "data/stories"):
        shutil.copytree(BOT_DIR / part, folder / part)
    (folder / "data" / "nlu").mkdir()
    lines = ['version: "3.1"', "nlu:"]
    for intent, words in KEYWORDS.items():
        lines += [f"- intent: {intent}", "  examples: |", *(f"    - {word}" for word in words)]
    (folder / "data" / "nlu" / "keywords.yml").write_text("\n".join(lines) + "\n", "utf-8")
    config = (BOT_DIR / "config.yml").read_text("utf-8")
    start = config.index("  - name: bot.components.joint_nlu")
    end = config.index("  - name: bot.components.emergency")
    keyword = "  - name: KeywordIntentClassifier\n    case_sensitive: false\n"
    (folder / "config.yml").write_text(config[:start] + keyword + config[end:], "utf-8")
    return folder


@pytest.fixture(scope="session")
def small_model(small_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained small model."""
    return train_dialogue(tmp_path_factory.mktemp("models"), small_project)


@pytest.fixture(scope="session")
def knowledge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeService]:
    """The real knowledge base with the library's articles only."""
    folder = tmp_path_factory.mktemp("knowledge")
    shutil.copytree(ROOT / "knowledge" / "articles" / "library", folder / "articles")
    text = (ROOT / "city.yml").read_text("utf-8")
    text = text.replace(": nlp/base", f": {ROOT / 'nlp/base'}").replace(": knowledge/articles", ": articles")
    (folder / "city.yml").write_text(text, "utf-8")
    service = KnowledgeService.open(load_settings(folder / "city.yml"))
    answers.configure(service)
    yield service
    answers.configure(None)
    service.close()


@pytest.fixture
async def brain(small_model: Path, tmp_path: Path, knowledge: KnowledgeService) -> AsyncIterator[Brain]:
    """A loaded brain with an empty conversation store."""
    made = Brain(BrainConfig(small_model, f"sqlite:///{tmp_path / 'conversations.db'}", names=NAMES))
    made.load()
    yield made
    made.close()
