"""Scripted conversations with the real brain: the trained language model, the dialogue, the city's modules."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from city.messages import Message
from tests.e2e.talk.scripts import problem, scripts

pytestmark = pytest.mark.e2e
SCRIPTS = scripts("requests")


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


@pytest.mark.parametrize(
    ("bare", "details", "asked", "read_back"),
    [
        ("📷 照片", "人民路的路灯坏了", "收到 1 张照片", "人民路"),
        ("📷 Photo", "the street light on Renmin Road is out", "Got 1 photo", "Renmin Road"),
    ],
)
def test_a_photo_alone_begins_a_report_and_a_position_ends_the_question_where(
    brain: Any, bare: str, details: str, asked: str, read_back: str
) -> None:
    from actions import requests
    from tests.actions.requests.conftest import photo_bytes

    service, name = requests.get_service(), f"photo-{read_back}"
    language = "en" if "Photo" in bare else "zh"
    photo = service.photos.put(name, photo_bytes(), service.now())

    async def say(number: int, text: str, **metadata: Any) -> str:
        message = Message(name, f"m{number}", text, language=language, metadata=metadata)
        return "\n".join(reply.text for reply in (await brain.respond(message)).replies)

    async def talk() -> None:
        assert asked in await say(1, bare, attachments=[photo.id])
        await say(2, details)
        where = {"lat": 28.9985, "lon": 124.4966}
        assert "📍" not in await say(3, "📍 28.99850, 124.49660", location=where)
        said = await say(4, "匿名" if language == "zh" else "anonymous")
        assert "28.9985" in said or read_back in said or "📍" in said
        assert "LC-" in await say(5, "确认" if language == "zh" else "yes")

    asyncio.run(talk())
    (request,) = service.mine(name)
    assert [kept.id for kept in service.store.photos(request_id=request.id)] == [photo.id]
    assert request.lat == pytest.approx(28.9985) and request.category == "streetlight"


FILED = {
    "zh": ["人民路的路灯不亮了", "匿名", "确认"],
    "en": ["the street light on Renmin Road is out", "anonymous", "yes"],
}


@pytest.mark.parametrize(
    ("language", "answer", "question", "added"),
    [
        ("zh", "加到 {number}", "要把照片加到刚提交的", "已把 1 张照片加到"),
        ("zh", "对，加上去", "要把照片加到刚提交的", "已把 1 张照片加到"),
        ("en", "add to {number}", "Shall I add the photo", "1 photo added"),
        ("en", "yes please", "Shall I add the photo", "1 photo added"),
    ],
)  # fmt: skip
def test_a_photo_after_filing_goes_to_what_was_filed_when_the_citizen_says_so(
    brain: Any, language: str, answer: str, question: str, added: str
) -> None:
    from actions import requests
    from tests.actions.requests.conftest import photo_bytes

    service, name = requests.get_service(), f"after-{language}-{len(answer)}"

    async def say(number: int, text: str, **metadata: Any) -> Any:
        message = Message(name, f"m{number}", text, language=language, metadata=metadata)
        return (await brain.respond(message)).replies

    async def talk() -> None:
        for number, text in enumerate(FILED[language]):
            replies = await say(number, text)
        assert "LC-" in replies[-1].text
        (request,) = service.mine(name)
        photo = service.photos.put(name, photo_bytes((70, 30 + len(answer))), service.now())
        replies = await say(10, "📷", attachments=[photo.id])
        asked = replies[-1]
        assert question in asked.text and request.number in asked.text
        assert len(asked.buttons) == 2
        # A question on the side is answered, and the offer stands.
        aside = await say(
            11,
            "顺便问一下，图书馆几点开门？" if language == "zh" else "by the way, when does the library open?",
        )
        assert question in aside[-1].text and len(aside) > 1
        replies = await say(12, answer.format(number=request.number))
        assert added in replies[-1].text
        assert [kept.id for kept in service.store.photos(request_id=request.id)] == [photo.id]
        # Nothing is open any more: what is said now is talk about the request.
        replies = await say(13, "我的工单" if language == "zh" else "my requests")
        assert request.number in replies[-1].text

    asyncio.run(talk())
    assert len(service.mine(name)) == 1


@pytest.mark.parametrize(
    ("language", "new", "details"),
    [
        ("zh", "上报新问题", "和平路井盖没了"),
        ("en", "report something new", "manhole cover missing on Heping Road"),
    ],
)  # fmt: skip
def test_a_photo_after_filing_may_begin_another_report(
    brain: Any, language: str, new: str, details: str
) -> None:
    from actions import requests
    from tests.actions.requests.conftest import photo_bytes

    service, name = requests.get_service(), f"another-{language}"

    async def talk() -> None:
        photo: list[str] = []
        for number, text in enumerate([*FILED[language], "📷", new, details, *FILED[language][1:]]):
            if text == "📷":
                photo = [service.photos.put(name, photo_bytes((50, 50)), service.now()).id]
            metadata = {"attachments": photo} if text == "📷" else {}
            await brain.respond(Message(name, f"m{number}", text, language=language, metadata=metadata))
        second, first = service.mine(name)
        assert (first.category, second.category) == ("streetlight", "manhole")
        assert [kept.id for kept in service.store.photos(request_id=second.id)] == photo

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("language", "unhappy", "reopened", "stars", "rated"),
    [
        ("zh", "还是没修好", "已重新办理", "我给2分", "2 分"),
        ("en", "it is still not fixed", "is reopened", "I rate it 2 stars", "2 of 5"),
    ],
)
def test_a_closed_request_is_rated_and_reopened_in_so_many_words(
    brain: Any, language: str, unhappy: str, reopened: str, stars: str, rated: str
) -> None:
    from actions import requests

    service, name = requests.get_service(), f"result-{language}"

    async def talk() -> None:
        async def say(number: int, text: str) -> str:
            answer = await brain.respond(Message(name, f"m{number}", text, language=language))
            return str(answer.replies[-1].text)

        for number, text in enumerate(FILED[language]):
            await say(number, text)
        (request,) = service.mine(name)
        service.change_state(request.number, "closed", "li", outcome="resolved")
        assert rated in await say(10, stars)
        assert reopened in await say(11, unhappy)

    asyncio.run(talk())
    (request,) = service.mine(name)
    assert request.is_open and request.rating == 2 and request.reopened == 1
