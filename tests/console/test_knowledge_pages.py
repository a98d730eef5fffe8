"""Curating articles in the console: write, review, publish, go back, import; and the attacks on each."""

from __future__ import annotations

import io
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from console.config import ConsoleConfig
from console.knowledge.editing import FIELDS, fields_of
from console.services import Services
from knowledge.service import KnowledgeService
from tests.console.conftest import Console
from tests.knowledge.conftest import HashingEncoder, make_settings, small_base, write_background, write_folder

BAD = "</textarea><script>alert('x')</script>\"><img src=x onerror=alert(1)>{{7*7}}"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small base with its index, made once and copied for each test."""
    root = tmp_path_factory.mktemp("base")
    write_folder(root / "articles", small_base())
    write_background(root / "calibration")
    KnowledgeService.open(make_settings(root), encoder=HashingEncoder(), follow=False).close()
    return root


@pytest.fixture
def knowledge(tmp_path: Path, prepared: Path) -> Iterator[KnowledgeService]:
    """The small base, opened without a thread of its own."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    service = KnowledgeService.open(make_settings(tmp_path), encoder=HashingEncoder(), follow=False)
    yield service
    service.close()


@pytest.fixture
def services(knowledge: KnowledgeService, tmp_path: Path) -> Services:
    """The console over the small base."""
    return Services(settings=knowledge.settings, knowledge=knowledge, files=tmp_path / "var" / "files")


def form_of(knowledge: KnowledgeService, article_id: str, **changes: str) -> dict[str, str]:
    """The editor's form of an article, some fields changed."""
    article = knowledge.get(article_id)
    return {**fields_of(article), "base_version": str(article.version), **changes}


NEW = {
    "id": "ferry-dogs",
    "title_zh": "轮渡带狗",
    "answer_zh": "小型犬可乘船。",
    "title_en": "Dogs on the ferry",
    "answer_en": "Small dogs may board.",
    "tags": "topic:ferry",
    "questions_en": "Can my dog ride the ferry boat?",
}


async def test_from_draft_over_review_to_the_citizen(console: Console, knowledge: KnowledgeService) -> None:
    await console.sign_in("editor")
    page = await console.submit("/knowledge/new", {**NEW, "comment": "new rule", "then": "review"})
    assert "In review" in page
    assert not [hit for hit in knowledge.search("Can my dog ride the ferry boat?", "en") if hit.exact]
    assert (await console.post("/knowledge/a/ferry-dogs/status", {"to": "published"})).status == 403
    await console.post("/signout")
    await console.sign_in("publisher")
    page = await console.submit("/knowledge/a/ferry-dogs/status", {"to": "published", "comment": "checked"})
    assert "checked" in page
    assert "new rule" in page
    best = knowledge.search("Can my dog ride the ferry boat?", "en")[0]
    assert (best.facts.id, best.exact) == ("ferry-dogs", True)
    actions = [entry.action for entry in console.audit.entries(target="ferry-dogs")]
    assert actions == ["knowledge.published", "knowledge.review", "knowledge.save"]
    await console.submit("/knowledge/a/ferry-dogs/status", {"to": "archived"})
    assert "ferry-dogs" not in knowledge.store.published()


async def test_a_draft_changes_nothing_for_citizens_and_the_audit_log_has_both_states(
    console: Console, knowledge: KnowledgeService
) -> None:
    await console.sign_in("editor")
    data = form_of(knowledge, "permit-fee", answer_zh="一年以内500元。")
    page = await console.submit("/knowledge/a/permit-fee/edit", data)
    assert "Citizens still read version 1" in page
    entry = console.audit.entries(action="knowledge.save")[0]
    assert entry.before == {"answer_zh": "一年以内400元。"}
    assert entry.after["answer_zh"] == "一年以内500元。"


async def test_two_people_at_once_lose_nothing(
    console: Console,
    console_config: ConsoleConfig,
    browser_of: Callable[[ConsoleConfig], Any],
    knowledge: KnowledgeService,
) -> None:
    other = await browser_of(console_config)
    await console.sign_in("editor", "an")
    await other.sign_in("editor", "bo")
    first = form_of(knowledge, "dog-licence", answer_zh="登记费每年120元。", title_en="Licence for dogs")
    second = form_of(
        knowledge,
        "dog-licence",
        answer_zh="登记费每年150元。",
        questions_en="register my dog\nnew phrase of bo",
    )
    await console.submit("/knowledge/a/dog-licence/edit", first)
    response = await other.post("/knowledge/a/dog-licence/edit", second)
    page = await response.text()
    assert response.status == 409
    for text in (
        "登记费每年120元。",
        "登记费每年150元。",
        "Licence for dogs",
        "new phrase of bo",
        "an saved version 2",
    ):
        assert text in page
    assert knowledge.get("dog-licence").version == 2
    base = re.search(r'name="base_version" value="(\d+)"', page).group(1)  # type: ignore[union-attr]
    merged = {**form_of(knowledge, "dog-licence", answer_zh="登记费每年150元。"), "base_version": base}
    await other.submit("/knowledge/a/dog-licence/edit", merged)
    assert knowledge.get("dog-licence").answer["zh"] == "登记费每年150元。"
    assert knowledge.get("dog-licence").title["en"] == "Licence for dogs"


async def test_going_back_is_one_click_and_differences_are_marked(
    console: Console, knowledge: KnowledgeService
) -> None:
    await console.sign_in("publisher")
    data = form_of(knowledge, "permit-fee", answer_zh="一年以内900元。", then="published")
    await console.submit("/knowledge/a/permit-fee/edit", data)
    assert knowledge.store.published()["permit-fee"] == 2
    page = await console.page("/knowledge/a/permit-fee/compare?old=1&new=2")
    assert "<del>400</del><ins>900</ins>" in page
    await console.submit("/knowledge/a/permit-fee/rollback", {"version": "1", "head": "2"})
    published = knowledge.store.published()["permit-fee"]
    assert knowledge.store.version("permit-fee", published).answer["zh"] == "一年以内400元。"
    stale = await console.submit("/knowledge/a/permit-fee/rollback", {"version": "2", "head": "2"})
    assert "Somebody saved a newer version" in stale


async def test_editors_do_not_go_back_on_what_citizens_read(console: Console) -> None:
    await console.sign_in("editor")
    response = await console.post("/knowledge/a/permit-fee/rollback", {"version": "1"})
    assert response.status == 403


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/knowledge/new", NEW),
        ("/knowledge/a/permit-fee/edit", NEW),
        ("/knowledge/a/permit-fee/rollback", {"version": "1"}),
        ("/knowledge/a/permit-fee/status", {"to": "archived"}),
        ("/knowledge/import", {}),
        ("/knowledge/attach", {}),
    ],
)
async def test_viewers_change_nothing(
    console: Console, knowledge: KnowledgeService, path: str, data: dict[str, str]
) -> None:
    await console.sign_in("viewer")
    seq = knowledge.store.change_seq()
    assert (await console.post(path, data)).status == 403
    assert knowledge.store.change_seq() == seq
    assert (await console.get("/knowledge/new")).status == 403


async def test_markup_in_every_field_is_shown_as_text(console: Console, knowledge: KnowledgeService) -> None:
    await console.sign_in("admin")
    fields = {
        name: BAD for name in FIELDS if name not in ("valid_from", "valid_until", "source_url", "category")
    }
    data = {
        **fields,
        "id": "bad-fields",
        "category": BAD[:60],
        "department": BAD[:60],
        "comment": BAD,
        "tags": BAD,
    }
    await console.submit("/knowledge/new", data)
    await console.submit("/knowledge/a/bad-fields/status", {"to": "published", "comment": BAD})
    pages = [
        "/knowledge/a/bad-fields",
        "/knowledge/a/bad-fields/edit",
        "/knowledge",
        "/audit",
        f"/knowledge/search?q={BAD}",
        f"/knowledge?text={BAD}",
        f"/audit?target={BAD}",
    ]
    for path in pages:
        page = await console.page(path)
        assert "<script>alert" not in page, path
        assert not re.search(r"<img[^>]*onerror", page), path
        assert "49" not in re.sub(r"\w{64}", "", page) or "{{7*7}}" in page, path
    for path in ("/knowledge/preview?of=zh", "/knowledge/ask", "/knowledge/check"):
        part = await (await console.post(path, {**data, "question": BAD, "language": "zh"})).text()
        assert "<script>" not in part
        assert "<img" not in part


async def test_the_preview_makes_no_dangerous_links(console: Console) -> None:
    await console.sign_in("editor")
    text = (
        "[a](javascript:alert(1)) [b](data:text/html,x) [c](https://ok.example) <b onclick=x>d</b> **bold**"
    )
    part = await (await console.post("/knowledge/preview?of=en", {"answer_en": text})).text()
    assert "javascript:" not in re.sub(r"\[a\]\(javascript:alert\(1\)\)", "", part)
    assert 'href="https://ok.example"' in part
    assert "<strong>bold</strong>" in part
    assert "<b " not in part


async def test_wrong_fields_are_told_and_the_text_stays(
    console: Console, knowledge: KnowledgeService
) -> None:
    await console.sign_in("editor")
    data = {
        **NEW,
        "id": "Bad Id!",
        "source_url": "ftp://x",
        "valid_from": "2026-13-40",
        "answer_en": "long" * 6000,
    }
    response = await console.post("/knowledge/new", data)
    page = await response.text()
    assert response.status == 422
    for text in ("https://", "2026-12-31", "At most 20000", "Use lower-case letters", "轮渡带狗"):
        assert text in page
    late = {**NEW, "valid_from": "2026-05-01", "valid_until": "2026-04-01"}
    assert "lies before the first" in await (await console.post("/knowledge/new", late)).text()
    taken = await (await console.post("/knowledge/new", {**NEW, "id": "permit-fee"})).text()
    assert "This id is taken" in taken
    assert knowledge.get("permit-fee").version == 1


async def test_filters_find_what_they_say(console: Console, knowledge: KnowledgeService) -> None:
    knowledge.record_feedback("狗证多少钱", "zh", "down", article_id="dog-licence")
    await console.sign_in("viewer")

    async def ids(query: str) -> set[str]:
        return set(re.findall(r'href="/knowledge/a/([\w.-]+)"', await console.page(f"/knowledge?{query}")))

    assert await ids("without=en") == {"only-chinese"}
    assert await ids("special=disliked") == {"dog-licence"}
    assert await ids("special=expiring") == {"expired-subsidy"}
    assert await ids("category=immigration") == {"permit-fee", "permit-renew"}
    assert await ids("text=%25") == set()
    assert await ids("text=permit_fee") == set()
    assert await ids("text=PERMIT-F") == {"permit-fee"}
    assert len(await ids("status=nonsense&page=-3")) == len(small_base())


async def test_the_panel_shows_answer_scores_and_records_nothing(
    console: Console, knowledge: KnowledgeService
) -> None:
    await console.sign_in("editor")
    data = {**NEW, "question": "How much is a residence permit?", "language": "en"}
    part = await (await console.post("/knowledge/ask", data)).text()
    assert "400 yuan" in part
    assert "Residence permit fee" in part
    assert " %" in part
    await console.post("/knowledge/ask", {"question": "zzzz qqqq wwww?", "language": "en"})
    knowledge.curator.flush()
    assert knowledge.curator.queue.entries() == []


async def test_remarks_name_duplicates_contradictions_and_gaps(console: Console) -> None:
    await console.sign_in("editor")
    data = {
        **dict.fromkeys(FIELDS, ""),
        "title_en": "Residence permit fee",
        "answer_en": "500 yuan for less than one year.",
        "questions_en": "price of a residence permit",
        "valid_until": "2020-01-01",
    }
    part = await (await console.post("/knowledge/check", data)).text()
    written = {**data, "answer_zh": "一年以内500元。", "questions_zh": ""}
    assert "no phrasing in zh" in await (await console.post("/knowledge/check", written)).text()
    for text in ("is also a title or phrasing", "no Chinese answer", "no topic: tag", "It has expired"):
        assert text in part


async def upload(console: Console, path: str, name: str, content: bytes, **fields: str) -> Any:
    data = FormData(quote_fields=False)
    data.add_field("file", content, filename=name)
    for key, value in fields.items():
        data.add_field(key, value)
    return await console.post(path, data)


def empty_archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a", b"")
    return stream.getvalue()


async def test_attachments_are_what_their_name_says_and_stay_in_their_folder(
    console: Console, tmp_path: Path
) -> None:
    await console.sign_in("editor")
    png = b"\x89PNG\r\n\x1a\n" + b"0" * 50
    part = await (await upload(console, "/knowledge/attach", "../../map.png", png)).text()
    stored = re.search(r"\(/files/([0-9a-f]{32}\.png)\)", part).group(1)  # type: ignore[union-attr]
    assert "[map.png]" in part
    assert [file.name for file in (tmp_path / "var" / "files").iterdir()] == [stored]
    response = await console.get(f"/knowledge/files/{stored}")
    assert response.headers["Content-Type"] == "image/png"
    for name, content in (
        ("x.svg", b"<svg onload=alert(1)>"),
        ("x.png", b"<html>"),
        ("x.docx", empty_archive()),
    ):
        assert (await upload(console, "/knowledge/attach", name, content)).status == 422
    assert (await upload(console, "/knowledge/attach", "x.pdf", b"%PDF-" + b"0" * 9_000_000)).status == 422
    for path in ("..%2f..%2fcity.yml", "x.png", f"{stored}%00"):
        assert (await console.get(f"/knowledge/files/{path}")).status in (400, 404)


async def test_odd_addresses_are_not_found(console: Console) -> None:
    await console.sign_in("admin")
    for path in ("nothing", "..", "%2e%2e%2f", "a%00b", "x" * 500, "'; drop table x"):
        assert (await console.get(f"/knowledge/a/{path}")).status in (303, 400, 404)
    assert (await console.get("/knowledge/a/permit-fee/compare?old=1&new=99")).status == 404
    assert (await console.get("/knowledge/a/permit-fee/compare?old=x")).status == 400


async def test_a_console_without_a_knowledge_base_says_so(
    console_config: ConsoleConfig, browser_of: Callable[[ConsoleConfig], Any]
) -> None:
    from dataclasses import replace

    console = await browser_of(replace(console_config, services=Services()))
    await console.sign_in("viewer")
    assert "Not running" in await console.page("/knowledge", 503)
