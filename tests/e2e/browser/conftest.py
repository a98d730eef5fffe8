"""A real Chromium, and what a citizen does with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
expect = playwright.expect

CHROMIUM = os.environ.get("CHENGDA_CHROMIUM") or shutil.which("chromium")
ANSWER_MS = 30_000
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window; its tests are skipped where there is none."""
    if not CHROMIUM:
        pytest.skip("no Chromium: set CHENGDA_CHROMIUM to its path")
    expect.set_options(timeout=ANSWER_MS)
    with playwright.sync_playwright() as manager:
        browser = manager.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any, server_url: str) -> Iterator[Any]:
    """Open the page as a citizen with the given browser settings; an error in its script fails the test."""
    contexts: list[Any] = []
    errors: list[str] = []

    def visit(path: str = "/", url: str | None = None, **settings: Any) -> Any:
        context = browser.new_context(**{"locale": "zh-CN", **settings})
        context.set_default_timeout(ANSWER_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url or server_url.rstrip("/") + path)
        if url is None:
            page.wait_for_selector("html[data-ready]")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: the folder named in CHENGDA_SCREENSHOTS, else nowhere that is kept."""
    folder = Path(os.environ.get("CHENGDA_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def ask() -> Callable[..., Any]:
    """Write a text into the box of a page and press Enter."""

    def ask(page: Any, text: str) -> None:
        page.locator("#text").fill(text)
        page.locator("#text").press("Enter")

    return ask


@pytest.fixture
def answered() -> Callable[..., Any]:
    """Wait until `count` citizen's messages stand there and nothing is being answered any more."""

    def answered(page: Any, count: int) -> None:
        expect(page.locator(".message.citizen")).to_have_count(count)
        page.wait_for_function(
            "count => document.querySelectorAll('.message.assistant:not(.welcome)').length >= count"
            " && !document.querySelector('#typing.on')",
            arg=count,
            timeout=ANSWER_MS,
        )

    return answered


@pytest.fixture
def texts_in_store() -> Callable[..., Any]:
    """Return what the server keeps of this page's conversation."""

    def texts_in_store(page: Any) -> list[str]:
        return page.evaluate(
            """async () => {
              const { id, token } = JSON.parse(sessionStorage.getItem("chengda.conversation"));
              const headers = { Authorization: `Bearer ${token}` };
              const response = await fetch(`/api/v1/conversations/${id}/messages`, { headers });
              return (await response.json()).messages.map((message) => message.text);
            }"""
        )

    return texts_in_store
