"""The staff console in a real browser: the main tasks from sign-in to the citizen's page, and axe on every page."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

axe_module = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="needs axe-playwright-python"
)
playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
expect = playwright.expect

from tests.e2e.servers import Server  # noqa: E402

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

ANSWER = "Kites may be flown on the Riverside meadow from 9:00 to 18:00, except during thunderstorms."
CHANGED = "Kites may be flown on the Riverside meadow from 10:00 to 17:00."
QUESTION = "Where may I fly my stunt kite in Lanchuan?"


@pytest.fixture(scope="module")
def password(server: Server) -> str:
    """The first administrator's password, which the server printed once."""
    found = re.findall(r"admin\s+(\S+)", server.log.read_text("utf-8"))
    assert len(found) == 1
    return str(found[0])


@pytest.fixture(scope="module")
def staff_context(browser: Any, server: Server, password: str) -> Iterator[Any]:
    """A browser that is signed in as administrator and reads English."""
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(f"{server.console_url}/")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Hello, admin")).to_be_visible()
    page.close()
    yield context
    context.close()


@pytest.fixture
def staff(staff_context: Any) -> Iterator[Any]:
    """A new tab; an error in a script, or something the content policy refused, fails the test."""
    page = staff_context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console", lambda entry: wrong.append(entry.text) if "Content Security Policy" in entry.text else None
    )
    yield page
    page.close()
    assert wrong == []


@pytest.fixture
def goto(staff: Any, server: Server) -> Callable[[str], Any]:
    """Open an address of the console."""

    def goto(path: str) -> Any:
        staff.goto(server.console_url + path)
        return staff

    return goto


def serious(page: Any) -> list[str]:
    """Return axe's findings that keep people from using the page."""
    found = axe_module.Axe().run(page).response["violations"]
    return [
        f"{item['id']}: {node['html'][:160]}"
        for item in found
        if item["impact"] in ("serious", "critical")
        for node in item["nodes"]
    ]


def answer_to(page: Any, server: Server, question: str) -> str:
    """Ask as a new citizen and return the first reply's text."""
    api = f"{server.url}/api/v1/conversations"
    opened = page.request.post(api).json()
    headers = {"Authorization": f"Bearer {opened['token']}"}
    address = f"{api}/{opened['conversation_id']}/messages"
    return str(
        page.request.post(address, data={"text": question}, headers=headers).json()["replies"][0]["text"]
    )


def test_the_sign_in_page_is_usable_by_keyboard_alone(
    browser: Any, server: Server, password: str, screenshots: Path
) -> None:
    context = browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(f"{server.console_url}/knowledge")
    assert page.url.endswith("/signin?next=/knowledge")
    page.screenshot(path=screenshots / "console-signin-zh.png")
    assert serious(page) == []
    page.get_by_label("用户名").focus()
    page.keyboard.type("admin")
    page.keyboard.press("Tab")
    page.keyboard.type(password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="知识库")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.screenshot(path=screenshots / "console-knowledge-zh.png")
    context.close()


def test_write_review_publish_and_the_citizen_gets_the_new_answer_then_go_back(
    goto: Callable[[str], Any], server: Server, screenshots: Path
) -> None:
    page = goto("/knowledge/new")
    assert ANSWER not in answer_to(page, server, QUESTION)
    page.get_by_label("Id (lower-case").fill("kite-flying")
    page.get_by_label("Title (Chinese)").fill("放风筝")
    page.get_by_label("Answer (Chinese)").fill("滨河草坪 **9:00–18:00** 可放风筝，雷雨天除外。")
    page.get_by_label("Title (English)").fill("Flying kites")
    page.get_by_label("Answer (English)").fill(ANSWER)
    page.get_by_label("How citizens ask (English").fill(QUESTION)
    page.get_by_label("Tags").fill("topic:kites\nhours")
    expect(page.locator("#preview-zh strong")).to_have_text("9:00–18:00")
    expect(page.get_by_text("There is no phrasing in zh yet")).to_be_visible()
    page.get_by_label("A citizen's question").fill(QUESTION)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_text("Nearest phrasing of this draft")).to_be_visible()
    page.screenshot(path=screenshots / "console-editor-en.png", full_page=True)
    assert serious(page) == []
    page.get_by_role("button", name="Send to review").click()
    expect(page.locator(".badge.review").first).to_have_text("In review")
    assert ANSWER not in answer_to(page, server, QUESTION)
    page.get_by_label("Comment", exact=True).fill("Checked with the parks department")
    page.get_by_role("button", name="Publish", exact=True).click()
    published = time.monotonic()
    expect(page.locator(".badge.published").first).to_be_visible()
    assert ANSWER in answer_to(page, server, QUESTION)
    print(f"the citizen had the new answer {time.monotonic() - published:.2f} s after the click")
    page.screenshot(path=screenshots / "console-article-en.png", full_page=True)
    assert serious(page) == []

    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Answer (English)").fill(CHANGED)
    page.get_by_role("button", name="Save draft → Publish").click()
    expect(page.locator(".badge.published").first).to_be_visible()
    assert CHANGED in answer_to(page, server, QUESTION)
    page.get_by_role("link", name="Compare").first.click()
    expect(page.locator("ins").first).to_be_visible()
    page.screenshot(path=screenshots / "console-compare-en.png")
    assert serious(page) == []
    page.go_back()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Go back to this version 1").click()
    expect(page.get_by_text("Version 1 is back")).to_be_visible()
    assert ANSWER in answer_to(page, server, QUESTION)


def test_an_emergency_notice_is_on_open_pages_at_once(
    goto: Callable[[str], Any], visit: Callable[..., Any], ask: Any, answered: Any, screenshots: Path
) -> None:
    citizen = visit(locale="en-US")
    ask(citizen, "hello")
    answered(citizen, 1)
    page = goto("/settings")
    page.get_by_label("Notice (Chinese)").fill("台风红色预警：请留在室内。")
    page.get_by_label("Notice (English)").fill("Typhoon red alert: stay indoors.")
    page.get_by_role("button", name="Publish to all citizens now").click()
    started = time.monotonic()
    expect(citizen.locator("#notice")).to_have_text("Typhoon red alert: stay indoors.", timeout=2_000)
    print(f"the notice was on the open page {time.monotonic() - started:.2f} s after the click")
    assert citizen.locator("#notice").get_attribute("role") == "alert"
    citizen.screenshot(path=screenshots / "console-notice-citizen.png")
    expect(page.get_by_text("The notice is published")).to_be_visible()
    page.screenshot(path=screenshots / "console-settings-en.png", full_page=True)
    assert serious(page) == []
    page.get_by_role("button", name="Take the notice down").click()
    expect(citizen.locator("#notice")).to_be_hidden(timeout=2_000)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/knowledge",
        "/knowledge/search?q=library",
        "/knowledge/ask",
        "/knowledge/import",
        "/users",
        "/audit",
        "/account",
    ],
)
@pytest.mark.parametrize("width", [1280, 820])
def test_pages_have_no_serious_finding_and_fit_a_tablet(
    goto: Callable[[str], Any], path: str, width: int
) -> None:
    page = goto("/account")
    page.set_viewport_size({"width": width, "height": 1100})
    page = goto(path)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_markup_typed_by_staff_never_runs(goto: Callable[[str], Any]) -> None:
    page = goto("/knowledge/ask")
    page.get_by_label("A citizen's question").fill("<img src=x onerror=\"document.title='owned'\">")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_text("Candidates")).to_be_visible()
    assert page.title() != "owned"
