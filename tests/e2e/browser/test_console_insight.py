"""Staff resolve a group of the inbox, read a trace, promote a small model and look at the figures, in a real Chromium.

The console runs in this process on real stores; the comparison before the promotion is the real job.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from actions import opinion
from bot.components.models import ModelSource
from channels.traces import TraceStore
from city.settings import load_settings
from console.app import create_console
from console.config import ConsoleConfig
from console.nlu.library import make_library
from console.services import Services
from console.staff import StaffStore
from knowledge.service import KnowledgeService
from tests.console.insight.conftest import EVIL, NOW, SHIPPED, record
from tests.console.opinion_city import fill_opinion, open_opinion
from tests.knowledge.conftest import HashingEncoder, small_base, write_background, write_folder
from tests.nlu_fixtures import YAML, tiny_base, tiny_settings
from training.nlu import jobs as training_jobs

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
axe_module = pytest.importorskip("axe_playwright_python.sync_playwright", reason="the checks need axe")
expect = playwright.expect

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "correct-horse-9"
JOB_MS = 180_000
UNLIKE_ANSWERS = (("abstain", "fallback"), ("clarify", "clarify"), ("handoff", "handoff"))
DECISIONS = (("answer", "knowledge"),) * 7 + UNLIKE_ANSWERS
QUESTIONS = ("毛孩子的身份手续怎么弄", "毛孩子身份手续去哪弄", "给毛孩子弄身份手续")


def write_city(folder: Path) -> Path:
    """Write the shipped settings with data and articles of the test's own."""
    write_folder(folder / "articles", small_base())
    write_background(folder / "calibration")
    text = (ROOT / "city.yml").read_text("utf-8").replace("data_dir: var ", f"data_dir: {folder / 'var'} ")
    text = text.replace(": knowledge/articles", f": {folder / 'articles'}").replace(
        ": nlp/base", f": {folder / 'base'}"
    )
    file = folder / "city.yml"
    file.write_text(text, "utf-8")
    return file


def fill(traces: TraceStore) -> None:
    """Sixty days of conversations."""
    dice = random.Random(3)
    rows = []
    for back in range(60, 0, -1):
        for number in range(dice.randrange(6, 14)):
            decision, source = dice.choice(DECISIONS)
            rows.append(
                record(
                    f"{back}-{number}",
                    at=NOW - timedelta(days=back, minutes=number),
                    channel=dice.choice(("web", "web", "wecom", "sms")),
                    language=dice.choice(("zh", "zh", "en")),
                    decision=decision,
                    source=source,
                    intent=dice.choice(("waste", "departures", "out_of_scope")),
                    total_ms=dice.lognormvariate(2.9, 0.6),
                )
            )
    rows.append(record("plain", text="旧电池应该扔进哪个桶"))
    rows.append(record("the-one", text=f"which bin for batteries {EVIL}", language="en"))
    traces.write(rows)
    for row in rows[::5]:
        traces.rate(row.conversation_id, row.message_id, dice.choice(("up", "up", "down")))


class Running:
    """The console in a thread of its own."""

    def __init__(self, config: ConsoleConfig) -> None:
        self.url = ""
        self._config = config
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(30)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = web.AppRunner(create_console(self._config), access_log=None)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())

    def stop(self) -> None:
        """End serving."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(15)


@pytest.fixture(scope="module")
def staff_console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A console with conversations, open questions and two versions of a small model; gives it and its services."""
    folder = tmp_path_factory.mktemp("console")
    tiny_base(folder)
    city = load_settings(write_city(folder))
    shipped = folder / "shipped"
    shipped.mkdir()
    (shipped / "all.yml").write_text(SHIPPED, "utf-8")
    (folder / "tiny.yml").write_text(YAML, "utf-8")
    library = make_library(city, shipped)
    small = tiny_settings(folder / "base", dev_share=0.25, epochs=10)
    for promote in (True, False):
        training_jobs.train_into_registry(folder / "tiny.yml", library.registry, small, promote=promote)
    traces = TraceStore(f"sqlite:///{folder / 'traces.db'}")
    fill(traces)
    knowledge = KnowledgeService.open(city, encoder=HashingEncoder(), follow=False)
    for question in QUESTIONS:
        knowledge.record_feedback(question, "zh", "unanswered")
    staff = StaffStore(f"sqlite:///{folder / 'console.db'}")
    staff.add("wang", "publisher", PASSWORD)
    services = Services(settings=city, knowledge=knowledge, traces=traces)
    source = ModelSource(None, library.registry, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("console.nlu.library.make_library", lambda _: library)
        for page in ("console.conversations.pages", "console.inbox.asking"):
            patch.setattr(f"{page}.source", lambda: source)
        running = Running(
            ConsoleConfig(staff=staff, services=services, city=("澜川市", "Lanchuan City"), zone=city.zone)
        )
        posts = open_opinion(folder, lambda: datetime.now(timezone.utc))
        fill_opinion(posts, datetime.now(timezone.utc))
        opinion.configure(posts)
        yield running, library, knowledge
        running.stop()
        opinion.configure(None)
        posts.close()
    knowledge.close()
    traces.close()


@pytest.fixture
def staff_page(browser: Any, staff_console: Any) -> Iterator[Any]:
    """A signed-in publisher's page on a tablet; an error in a script or a refused inline part fails the test."""
    context = browser.new_context(locale="en", viewport={"width": 1180, "height": 900})
    context.set_default_timeout(30_000)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(staff_console[0].url + "/signin")
    page.get_by_label("Account").fill("wang") if page.get_by_label("Account").count() else page.locator(
        "input[name=name]"
    ).fill("wang")
    page.locator("input[type=password]").fill(PASSWORD)
    page.locator("main button.primary, main form button").first.click()
    page.wait_for_url(lambda url: "/signin" not in url)
    yield page
    context.close()
    assert problems == []


def assert_accessible(page: Any) -> None:
    """No serious or critical finding of axe-core."""
    found = axe_module.Axe().run(page).response["violations"]
    serious = [
        f"{item['id']}: {item['nodes'][0]['html'][:200]}"
        for item in found
        if item["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_a_group_of_the_inbox_is_resolved_in_two_clicks(
    staff_page: Any, staff_console: Any, screenshots: Path
) -> None:
    running, _, knowledge = staff_console
    page = staff_page
    page.goto(running.url + "/inbox")
    for _ in range(40):
        if page.locator("section.card").count():
            break
        page.wait_for_timeout(250)
        page.reload()
    expect(page.get_by_text("3 times")).to_be_visible()
    assert_accessible(page)
    page.screenshot(path=screenshots / "console-inbox.png", full_page=True)
    page.get_by_role("link", name="Look and act").click()
    assert_accessible(page)
    page.get_by_role("link", name="Ask again").click()
    expect(page.locator("#answer .badge").first).to_be_visible()
    page.get_by_label("Article", exact=True).select_option("dog-licence")
    page.get_by_role("button", name="Add as phrasings").click()
    expect(page.get_by_text("登记费每年100元")).to_be_visible()
    assert set(QUESTIONS) <= set(knowledge.get("dog-licence").questions["zh"])
    page.goto(running.url + "/inbox")
    expect(page.get_by_text("毛孩子")).to_have_count(0)


def test_a_trace_is_read_with_the_words_that_drove_it(
    staff_page: Any, staff_console: Any, screenshots: Path
) -> None:
    page = staff_page
    page.goto(staff_console[0].url + "/conversations")
    assert_accessible(page)
    page.screenshot(path=screenshots / "console-conversations.png")
    page.locator("input[name=q]").fill("batteries")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="which bin for batteries").click()
    expect(page.get_by_text("<script>alert").first).to_be_visible()
    page.get_by_role("link", name="Show the words").click()
    expect(page.locator(".words span").first).to_be_visible()
    closed = page.locator("details:not([open]) > summary")
    while closed.count():
        closed.first.click()
    expect(page.get_by_text("20260301-120000-abcdef12").first).to_be_visible()
    expect(page.get_by_text("knowledge.search").first).to_be_visible()
    assert_accessible(page)
    page.goto(staff_console[0].url + "/conversations/plain")
    page.get_by_role("link", name="Show the words").click()
    expect(page.locator(".words span").first).to_be_visible()
    page.screenshot(path=screenshots / "console-trace.png", full_page=True)


def test_a_small_model_is_compared_and_promoted(
    staff_page: Any, staff_console: Any, screenshots: Path
) -> None:
    running, library, _ = staff_console
    page = staff_page
    before = library.registry.current().name
    page.goto(running.url + "/nlu/models")
    assert_accessible(page)
    candidate = next(item.version for item in library.registry.versions() if not item.current)
    page.get_by_role("link", name=candidate).first.click()
    page.get_by_role("button", name="Compare with the version in use").click()
    expect(page.locator("#job .badge", has_text="Done")).to_be_visible(timeout=JOB_MS)
    expect(page.locator("#job .badge", has_text="Passed")).to_be_visible()
    page.screenshot(path=screenshots / "console-job.png")
    assert_accessible(page)
    page.get_by_role("link", name=candidate).click()
    page.screenshot(path=screenshots / "console-model.png", full_page=True)
    page.get_by_role("button", name="Promote this version").click()
    expect(page.get_by_text(f"{candidate} is in use")).to_be_visible()
    assert library.registry.current().name == candidate
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text(f"Rolled back to {before}")).to_be_visible()


def test_the_figures_are_seen_and_reached_by_keyboard(
    staff_page: Any, staff_console: Any, screenshots: Path
) -> None:
    page = staff_page
    page.goto(staff_console[0].url + "/analytics")
    expect(page.locator("svg.chart")).to_have_count(8)
    page.screenshot(path=screenshots / "console-analytics.png", full_page=True)
    table = page.locator("details", has_text="Data table").first
    table.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(table.locator("table")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Last 90 days").click()
    expect(page.get_by_text("shown by weeks")).to_be_visible()
    page.locator("select[name=channel]").select_option("wecom")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(lambda url: "channel=wecom" in url)
    page.set_viewport_size({"width": 768, "height": 1024})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_public_opinion_is_looked_at_and_an_alarm_taken_on(
    staff_page: Any, staff_console: Any, screenshots: Path
) -> None:
    page, url = staff_page, staff_console[0].url
    page.goto(url + "/overview/opinion")
    expect(page.locator("svg.chart")).to_have_count(1)
    assert_accessible(page)
    page.screenshot(path=screenshots / "console-opinion.png", full_page=True)
    page.set_viewport_size({"width": 768, "height": 1024})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    alarm = page.get_by_role("link", name="brown tap water").first
    alarm.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Posts behind it")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("Note").fill("Calling the water works")
    page.get_by_role("button", name="Acknowledge").press("Enter")
    expect(page.get_by_text("is acknowledged")).to_be_visible()
    page.get_by_label("To (department or person)").fill("Night shift")
    page.get_by_role("button", name="Hand over").press("Enter")
    expect(page.get_by_text("handed it over: Night shift")).to_be_visible()
    page.screenshot(path=screenshots / "console-alarm.png", full_page=True)
    page.get_by_role("link", name="#1 brown tap water").click()
    page.get_by_label("For how long").select_option("72")
    page.get_by_role("button", name="Mute", exact=True).press("Enter")
    expect(page.get_by_text("is muted until")).to_be_visible()
    assert_accessible(page)


def test_an_import_is_followed_to_its_report(staff_page: Any, staff_console: Any, screenshots: Path) -> None:
    page = staff_page
    page.goto(staff_console[0].url + "/knowledge/import")
    rows = "".join(f"walk-{n},Walk {n},Along the river {n}.,draft\n" for n in range(40))
    table = f"id,title_en,answer_en,status\n{rows}broken id,x,y,draft\n".encode()
    page.locator("#f-file").set_input_files([{"name": "walks.csv", "mimeType": "text/csv", "buffer": table}])
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    assert_accessible(page)
    expect(page.get_by_role("heading", name="Added: 40")).to_be_visible()
    expect(page.get_by_text("walks.csv, row 42")).to_be_visible()
    assert_accessible(page)
    page.screenshot(path=screenshots / "console-import.png")


def test_the_pages_speak_chinese(staff_page: Any, staff_console: Any, screenshots: Path) -> None:
    page = staff_page
    page.goto(staff_console[0].url + "/nlu")
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("heading", name="语言理解")).to_be_visible()
    for path in (
        "/inbox",
        "/conversations",
        "/nlu",
        "/nlu/suggestions",
        "/nlu/models",
        "/overview/opinion",
        "/analytics",
    ):
        page.goto(staff_console[0].url + path)
        assert page.locator("html").get_attribute("lang") == "zh-CN"
        assert_accessible(page)
    page.screenshot(path=screenshots / "console-analytics-zh.png")
