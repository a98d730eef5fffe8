"""Scripted conversations with the real brain: the trained language model, the dialogue, the city's modules."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from city.messages import Message, Reply
from tests.e2e.servers import ROOT, settings_for

pytestmark = pytest.mark.e2e
FOLDER = ROOT / "tests" / "data" / "requests"


def scripts() -> list[tuple[str, dict[str, Any]]]:
    """Return (language, conversation) of every script."""
    reader = YAML(typ="safe", pure=True)
    return [
        (file.stem, item)
        for file in sorted(FOLDER.glob("*.yml"))
        for item in reader.load(file.read_text("utf-8"))
    ]


SCRIPTS = scripts()


@pytest.fixture(scope="module")
def brain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The brain as `chengda run` loads it, with its own data directory."""
    folder = tmp_path_factory.mktemp("requests-talk")
    before = os.environ.get("CHENGDA_CITY")
    os.environ["CHENGDA_CITY"] = str(settings_for(folder))
    from actions import setup
    from bot.components import models
    from chengda.compose import make_brain
    from city.settings import load_settings

    models.source.cache_clear()
    settings = load_settings()
    setup.configure(settings)
    made = make_brain(settings)
    made.load()
    yield made
    made.close()
    models.source.cache_clear()
    if before is None:
        del os.environ["CHENGDA_CITY"]
    else:
        os.environ["CHENGDA_CITY"] = before


@pytest.fixture(autouse=True)
def _empty_store(brain: Any) -> None:
    """Forget what other scripts reported, so that nothing is offered as a duplicate."""
    from sqlalchemy import delete

    from actions import requests
    from actions.requests import tables
    from city.db import writing

    with writing(requests.get_service().store.engine) as session:
        for table in (
            tables.events,
            tables.followers,
            tables.misses,
            tables.outbox,
            tables.photos,
            tables.requests,
        ):
            session.execute(delete(table))


def problem(expected: str, replies: list[Reply]) -> str:
    """Return why the replies are not what a script expects, empty when they are.

    `> a|b`: one of the texts occurs; `! a`: it does not occur; `= a|b`: a reply has one of the sources.
    """
    kind, _, wanted = expected.partition(" ")
    said = "\n".join(reply.text for reply in replies)
    options = wanted.split("|")
    if kind == "=":
        return "" if any(r.source in options for r in replies) else f"no reply of {wanted}"
    found = any(option in said for option in options)
    return "" if found == (kind == ">") else f"{'missing' if kind == '>' else 'must not say'}: {wanted}"


async def play(brain: Any, name: str, turns: list[dict[str, Any]]) -> list[str]:
    """Say every line in turn; return what went wrong, with what was said instead."""
    wrong = []
    for number, turn in enumerate(turns):
        answer = await brain.respond(Message(name, f"m{number}", turn["say"]))
        replies = list(answer.replies)
        reasons = [reason for expected in turn.get("expect", ()) if (reason := problem(expected, replies))]
        said = [reply.text[:160] for reply in replies]
        wrong += [f"{turn['say']!r}: {reason}; said {said}" for reason in reasons]
        if any(reply.source == "error" for reply in replies):
            wrong.append(f"{turn['say']!r}: an apology")
    return wrong


@pytest.mark.parametrize(
    ("language", "script"), SCRIPTS, ids=[f"{language}-{script['name']}" for language, script in SCRIPTS]
)
def test_conversation(brain: Any, language: str, script: dict[str, Any]) -> None:
    name = f"{language}-{script['name']}"
    assert asyncio.run(play(brain, name, script["turns"])) == []


def test_there_are_enough_of_every_sort() -> None:
    for language in ("zh", "en"):
        tags = [tag for here, script in SCRIPTS if here == language for tag in script["tags"]]
        assert sum(here == language for here, _ in SCRIPTS) >= 60
        assert {"correction", "interruption", "refusal", "mixed", "danger", "privacy"} <= set(tags)


@pytest.mark.parametrize(
    ("report", "answer", "expected"),
    [
        ("人民路有个大坑", "匿名", "请核对"),
        ("there's a pothole on Renmin Road", "anonymous", "Please check"),
    ],
)
def test_an_expired_session_keeps_the_open_form(
    brain: Any, monkeypatch: pytest.MonkeyPatch, report: str, answer: str, expected: str
) -> None:
    async def talk() -> str:
        await brain.respond(Message(f"expired-{answer}", "1", report))
        monkeypatch.setattr(brain._processor, "_has_session_expired", lambda tracker: True)
        after = await brain.respond(Message(f"expired-{answer}", "2", answer))
        monkeypatch.undo()
        return "\n".join(reply.text for reply in after.replies)

    assert expected in asyncio.run(talk())
