"""A citizen and two operators in real browsers, on the real server: from asking for a person to the rating."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.actions.notices.conftest import CHINESE, cap
from tests.actions.requests.conftest import photo_bytes
from tests.e2e.servers import Server, settings_for, start_server, stop_server

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
expect = playwright.expect

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
PASSWORD = "correct-horse-9"
_HOURS = re.compile(r"^  hours:\n(?:    - .*\n)+", re.MULTILINE)
_ALWAYS = "  hours:\n    - {days: [mon, tue, wed, thu, fri, sat, sun, holiday], from: '00:00', to: '24:00'}\n"


@pytest.fixture(scope="module")
def desk_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server with a desk that is always open, and two operators."""
    from console.staff import StaffStore

    folder = tmp_path_factory.mktemp("desk")
    settings = settings_for(folder)
    text = settings.read_text("utf-8")
    assert len(_HOURS.findall(text)) == 1
    text = _HOURS.sub(_ALWAYS, text).replace("    poll_s: 60\n", "    poll_s: 1\n")
    settings.write_text(text, "utf-8")
    staff = StaffStore(f"sqlite:///{folder / 'var' / 'console.db'}")
    for name in ("li", "wang"):
        staff.add(name, "operator", PASSWORD)
    staff.close()
    server = start_server(folder)
    yield server
    stop_server(server)


@pytest.fixture(scope="module")
def server_url(desk_server: Server) -> str:
    """The citizens' page of this server."""
    return desk_server.url


@pytest.fixture
def sign_in(browser: Any, desk_server: Server) -> Iterator[Callable[[str], Any]]:
    """Open the desk as an operator in a browser of one's own."""
    contexts: list[Any] = []
    errors: list[str] = []

    def open_desk(name: str, language: str = "zh-CN") -> Any:
        context = browser.new_context(locale=language, viewport={"width": 1400, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{desk_server.console_url}/signin?next=/desk")
        page.locator("input[name=name]").fill(name)
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("input[name=password]").press("Enter")
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_desk
    for context in contexts:
        context.close()
    assert errors == []


def test_a_citizen_and_two_operators(
    visit: Callable[..., Any],
    sign_in: Callable[..., Any],
    ask: Callable[..., Any],
    answered: Callable[..., Any],
    screenshots: Path,
    desk_server: Server,
) -> None:
    li, wang = sign_in("li"), sign_in("wang")
    expect(li.locator("#live")).to_have_class(re.compile("good"))
    expect(wang.locator("#live")).to_have_class(re.compile("good"))
    citizen = visit()
    ask(citizen, "图书馆周日几点开门？")
    answered(citizen, 1)
    ask(citizen, "转人工")
    expect(citizen.locator(".message.handoff").last).to_contain_text("正在为您转接人工服务")

    # Both operators hear of it without touching anything; both press at once; one gets it.
    for page in (li, wang):
        expect(page.locator("#lists .cases a")).to_have_count(1)
        expect(page).to_have_title(re.compile(r"^\(1\)"))
        page.goto(f"{desk_server.console_url}/desk/1")
        expect(page.locator("#claim")).to_be_visible()
    # Not `click`: it would wait for the button that the first claim has meanwhile taken from the other page.
    for page in (li, wang):
        page.evaluate("document.querySelector('#claim')?.click()")
    for page in (li, wang):
        expect(page.locator("#claim")).to_have_count(0)
    holder, other = (li, wang) if li.locator("#reply").count() else (wang, li)
    name, other_name = ("li", "wang") if holder is li else ("wang", "li")
    expect(other.locator("#reply")).to_have_count(0)
    expect(citizen.locator(".message.pushed").last).to_contain_text(f"工作人员 {name} 已接入")
    expect(holder.locator(".desk-about")).to_contain_text("图书馆")

    # What the operator writes arrives; what the citizen writes is shown live; the bot keeps quiet.
    holder.locator("#canned").select_option(index=1)
    holder.locator("#reply-text").press("Control+Enter")
    expect(citizen.locator(".message.pushed").last).to_contain_text("市民服务中心")
    bot = citizen.locator(".message.assistant:not(.pushed)").count()
    ask(citizen, "我想给孩子办借书证")
    expect(holder.locator("#lines .citizen").last).to_contain_text("我想给孩子办借书证")
    holder.locator("#reply-text").fill("带上户口簿就可以办。")
    holder.locator("#reply-text").press("Control+Enter")
    expect(citizen.locator(".message.pushed").last).to_contain_text("带上户口簿")
    assert citizen.locator(".message.assistant:not(.pushed)").count() == bot
    # A photo of the citizen's is shown as it comes, and opens large for who is signed in.
    citizen.locator("#file").set_input_files(
        {"name": "证件.jpg", "mimeType": "image/jpeg", "buffer": photo_bytes((640, 480))}
    )
    picture = holder.locator("#lines .citizen img")
    expect(picture).to_have_attribute("alt", re.compile("市民发来的照片"))
    expect(holder.locator("#lines .citizen").last).not_to_contain_text("📷")
    holder.wait_for_function("document.querySelector('#lines .citizen img').naturalWidth === 640")
    large = f"{desk_server.console_url}{picture.get_attribute('src')}"
    assert holder.request.get(large).headers["content-type"] == "image/jpeg"
    assert "image" not in citizen.request.get(large).headers["content-type"]
    assert citizen.locator(".message.assistant:not(.pushed)").count() == bot
    holder.screenshot(path=screenshots / "desk-zh.png")
    holder.set_viewport_size({"width": 390, "height": 844})
    assert holder.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture.scroll_into_view_if_needed()
    holder.screenshot(path=screenshots / "desk-phone-zh.png")
    holder.set_viewport_size({"width": 1400, "height": 900})
    citizen.screenshot(path=screenshots / "desk-citizen-zh.png")

    # Over to the colleague, who ends it.
    holder.reload()
    holder.locator("#transfer-to").select_option(f"operator:{other_name}")
    holder.get_by_role("button", name="转接", exact=True).click()
    expect(citizen.locator(".message.pushed").last).to_contain_text("转接给更合适的同事")
    expect(other.locator("#reply")).to_be_visible()
    other.locator("#reply-text").fill("我来继续为您服务。")
    other.locator("#reply-text").press("Control+Enter")
    expect(citizen.locator(".message.pushed").last).to_contain_text("我来继续为您服务")
    other.locator("#close-reason").select_option("solved")
    other.get_by_role("button", name="结束会话").click()
    rating = citizen.locator(".message.pushed").last
    expect(rating).to_contain_text("评价本次人工服务")
    rating.get_by_role("button", name="很满意").click()
    expect(citizen.locator(".message.handoff").last).to_contain_text("谢谢您的评价")

    # The bot answers again.
    ask(citizen, "怎么办借书证？")
    expect(citizen.locator(".message.knowledge").last).to_be_visible()


def test_a_citizen_stops_waiting(visit: Callable[..., Any], ask: Callable[..., Any]) -> None:
    citizen = visit("/?lang=en", locale="en-GB")
    ask(citizen, "I want to talk to a real person")
    waiting = citizen.locator(".message.handoff").last
    expect(waiting).to_contain_text("I am connecting you to a person")
    waiting.get_by_role("button", name="Stop waiting").click()
    expect(citizen.locator(".message.handoff").last).to_contain_text("you have left the queue")


def test_the_desk_by_keyboard_and_for_screen_readers(
    sign_in: Callable[..., Any], visit: Callable[..., Any], ask: Callable[..., Any]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    citizen = visit()
    ask(citizen, "转人工")
    expect(citizen.locator(".message.handoff").last).to_contain_text("转接")
    desk = sign_in("li", "en-GB")
    expect(desk.locator("#lists .cases a")).to_have_count(1)
    desk.keyboard.press("Alt+n")
    expect(desk.locator("#reply-text")).to_be_focused()
    desk.keyboard.type("Hello")
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#lines .operator").last).to_contain_text("Hello")
    expect(citizen.locator(".message.pushed").last).to_contain_text("Hello")
    assert desk.locator("#talk").get_attribute("role") == "log"
    found = axe.Axe().run(desk)
    serious = [v["id"] for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
    assert serious == []


def test_an_alert_stands_on_the_page_and_above_the_next_answer(
    visit: Callable[..., Any], ask: Callable[..., Any], desk_server: Server, screenshots: Path
) -> None:
    citizen = visit()
    expect(citizen.locator("#alerts")).to_be_hidden()
    later = (datetime.now(timezone.utc) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    document = cap(infos=({**CHINESE, "expires": f"<expires>{later}</expires>"},))
    part = desk_server.data_dir / "cap" / "alert.part"
    part.write_bytes(document)
    part.rename(part.with_suffix(".xml"))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if citizen.request.get(f"{desk_server.url}/api/v1/notices").json()["notices"]:
            break
        time.sleep(0.2)
    citizen.reload()
    alert = citizen.locator("#alerts details")
    expect(alert).to_contain_text("台风橙色预警")
    alert.locator("summary").click()
    expect(alert.locator(".alert-instruction")).to_have_text("1. 关好门窗；\n2. *不要*外出 <海边>。")
    ask(citizen, "图书馆周日几点开门？")
    expect(citizen.locator(".message.emergency").first).to_contain_text("台风橙色预警")
    expect(citizen.locator(".message.knowledge")).to_have_count(1)
    citizen.screenshot(path=screenshots / "alert-zh.png")
