"""The last answer in the other language, through the action that changes the language."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions import answers
from actions.answers.actions import STATE_SLOT, ActionAnswerQuestion
from actions.general.actions import ActionChangeLanguage
from knowledge.service import KnowledgeService


@pytest.fixture(autouse=True)
def configured(service: KnowledgeService) -> Iterator[None]:
    answers.configure(service)
    yield
    answers.configure(None)


def tracker_of(text: str, intent: str, slots: dict[str, Any]) -> Tracker:
    latest = {"text": text, "intent": {"name": intent}, "entities": []}
    return Tracker("talk-1", {"language": "zh", **slots}, latest, [], False, None, {}, None)


async def said(action: Any, tracker: Tracker) -> tuple[str, dict[str, Any]]:
    dispatcher = CollectingDispatcher()
    events = await action.run(dispatcher, tracker, {})
    return str(dispatcher.messages), {event["name"]: event["value"] for event in events}


@pytest.mark.parametrize("wish", ["and in English?", "Please answer in English", "说英文"])
async def test_last_answer_is_given_in_the_language_asked_for(wish: str) -> None:
    _, slots = await said(
        ActionAnswerQuestion(), tracker_of("图书馆几点开门？", "ask_knowledge", {"last_topic": None})
    )
    text, changed = await said(ActionChangeLanguage(), tracker_of(wish, "change_language", slots))
    assert "library-hours" in text
    assert "What would you like to know" not in text
    assert changed["language"] == "en"
    assert changed[STATE_SLOT]["language"] == "en"
    # Once it is given, a second wish for the same language is only confirmed.
    text, _ = await said(ActionChangeLanguage(), tracker_of(wish, "change_language", {**slots, **changed}))
    assert "What would you like to know" in text


@pytest.mark.parametrize("change", ["expired", "other topic", "nothing said"])
async def test_without_an_answer_of_late_the_change_is_confirmed(change: str) -> None:
    _, slots = await said(ActionAnswerQuestion(), tracker_of("图书馆几点开门？", "ask_knowledge", {}))
    if change == "expired":
        slots[STATE_SLOT] = {**slots[STATE_SLOT], "at": time.time() - 3600}
    elif change == "other topic":
        slots["last_topic"] = "traffic"
    else:
        slots = {}
    text, changed = await said(ActionChangeLanguage(), tracker_of("English please", "change_language", slots))
    assert "What would you like to know" in text
    assert changed == {"language": "en"}
