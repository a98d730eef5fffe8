"""The inbox: groups, what becomes of them, two staff at once, and asking again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from console.inbox.pages import read_ids
from console.nlu.library import Library
from knowledge.service import KnowledgeService
from tests.console.insight.conftest import EVIL


def ask_in_vain(knowledge: KnowledgeService, *questions: str, kind: str = "down") -> list[int]:
    for question in questions:
        knowledge.record_feedback(question, "zh", kind, comment="没用")
    return [item.id for item in knowledge.curator.queue.entries()]


async def settled(console: Any, path: str = "/inbox") -> str:
    """Reload until the groups are made, as a person would."""
    for _ in range(50):
        page: str = await console.page(path)
        if "being made" not in page and "being grouped" not in page:
            return page
    raise AssertionError("the groups are never made")


async def test_groups_show_counts_languages_and_examples(console: Any, knowledge: KnowledgeService) -> None:
    ask_in_vain(knowledge, "狗证在哪里办啊", "狗证在哪里办呢", kind="unanswered")
    ask_in_vain(knowledge, "火星签证", kind="abandoned")
    await console.sign_in("viewer")
    page = await settled(console)
    assert "2 times" in page and "狗证在哪里办" in page and "Unanswered" in page
    assert "Start an article" not in page
    only = await settled(console, "/inbox?kind=abandoned")
    assert "火星签证" in only and "狗证" not in only


async def test_a_group_becomes_a_phrasing_and_the_answer_is_there_at_once(
    console: Any, knowledge: KnowledgeService
) -> None:
    question = "毛孩子的身份手续怎么弄"
    ids = ask_in_vain(knowledge, question)
    await console.sign_in("publisher")
    await settled(console)
    page = await console.submit("/inbox/phrasing", {"ids": ",".join(map(str, ids)), "article": "dog-licence"})
    assert "登记费每年100元" in page
    assert question in knowledge.get("dog-licence").questions["zh"]
    (entry,) = console.audit.entries(action="inbox.phrasing")
    assert (entry.target, entry.after["questions"]) == ("dog-licence", [question])
    assert "Nothing is waiting" in await settled(console)


async def test_a_group_becomes_a_draft(console: Any, knowledge: KnowledgeService) -> None:
    ids = ask_in_vain(knowledge, "火星签证怎么办", "怎么办火星签证")
    await console.sign_in("editor")
    await console.page("/inbox")
    response = await console.post("/inbox/article", {"ids": ",".join(map(str, ids))})
    assert response.status == 303
    article = knowledge.get(response.headers["Location"].split("/")[3])
    assert article.status == "draft"
    assert set(article.questions["zh"]) == {"火星签证怎么办", "怎么办火星签证"}


async def test_a_group_becomes_training_examples(
    console: Any, knowledge: KnowledgeService, library: Library
) -> None:
    ids = ask_in_vain(knowledge, "旧手机扔哪")
    await console.sign_in("editor")
    await console.page("/inbox/group?ids=" + str(ids[0]))
    page = await console.submit("/inbox/example", {"ids": str(ids[0]), "intent": "waste"})
    assert "旧手机扔哪" in page
    assert [u.text for u in library.examples.by_intent()["waste"] if u.added] == ["旧手机扔哪"]


async def test_an_unknown_intent_or_article_leaves_the_group_open(
    console: Any, knowledge: KnowledgeService
) -> None:
    ids = ask_in_vain(knowledge, "旧手机扔哪")
    await console.sign_in("publisher")
    await console.page("/inbox")
    assert "Nothing was changed" in await console.submit(
        "/inbox/example", {"ids": str(ids[0]), "intent": EVIL}
    )
    page = await console.submit("/inbox/phrasing", {"ids": str(ids[0]), "article": "../../etc"})
    assert "Nothing was changed" in page and "旧手机扔哪" in page
    assert console.audit.entries(action="inbox.") == []


async def test_two_staff_at_the_same_group(
    console: Any, console_config: Any, browser_of: Any, knowledge: KnowledgeService
) -> None:
    ids = ask_in_vain(knowledge, "旧手机扔哪")
    other = await browser_of(console_config)
    await console.sign_in("editor", "wang")
    await other.sign_in("editor", "li")
    assert "put aside" in await console.submit("/inbox/dismiss", {"ids": str(ids[0]), "reason": "spam"})
    assert "Somebody else" in await other.submit("/inbox/article", {"ids": str(ids[0])})
    await other.page(f"/inbox/group?ids={ids[0]}", status=404)


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/inbox/phrasing", "editor"),
        ("/inbox/article", "viewer"),
        ("/inbox/example", "viewer"),
        ("/inbox/dismiss", "viewer"),
    ],
)
async def test_a_role_does_not_reach_further_by_the_address(
    console: Any, knowledge: KnowledgeService, path: str, role: str
) -> None:
    ids = ask_in_vain(knowledge, "旧手机扔哪")
    await console.sign_in(role)
    await console.page("/inbox")
    form = {"ids": str(ids[0]), "article": "dog-licence", "intent": "waste"}
    assert (await console.post(path, form)).status == 403
    console.token = ""
    await console.sign_in("admin")
    console.token = "f" * 64
    assert (await console.post(path, form)).status == 403
    assert knowledge.curator.queue.entries()[0].status == "new"


async def test_asking_again_shows_reading_and_answer(
    console: Any, knowledge: KnowledgeService, with_model: Path
) -> None:
    await console.sign_in("viewer")
    page = await console.page("/inbox/ask?q=狗证怎么办&in=zh")
    assert "登记费每年100元" in page and "dog-licence" in page
    part = await console.page("/inbox/ask?q=" + EVIL, headers={"HX-Request": "true"})
    assert "<html" not in part and "<script>" not in part
    assert await console.page("/inbox/ask?q=")
    assert await console.page("/inbox/ask?q=" + "长" * 800 + "&in=xx")
    knowledge.curator.flush()
    assert knowledge.curator.queue.entries() == []


async def test_what_citizens_ask_is_only_ever_text(console: Any, knowledge: KnowledgeService) -> None:
    ids = ask_in_vain(knowledge, EVIL)
    await console.sign_in("admin")
    for path in ("/inbox", f"/inbox/group?ids={ids[0]}"):
        page = await settled(console, path)
        assert "<script>alert" not in page and "<img src=x" not in page


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ("1,2,2", [1, 2]),
        ("", []),
        ("1,x", []),
        ("-1", []),
        ("１", []),
        ("9" * 20, []),
        (",".join("1" * 600), []),
    ],
)
def test_ids_are_numbers(value: str, ids: list[int]) -> None:
    assert read_ids(value) == ids


async def test_what_was_dealt_with_is_gone_from_the_next_page(
    console: Any, knowledge: KnowledgeService
) -> None:
    ids = ask_in_vain(knowledge, "旧手机扔哪", "火星签证怎么办")
    await console.sign_in("editor")
    await settled(console)
    page = await console.submit("/inbox/dismiss", {"ids": str(ids[0])})
    assert "火星签证" not in page
    assert "旧手机" in page
