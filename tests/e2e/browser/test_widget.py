"""The one-line embed on somebody else's web site."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright").expect
pytestmark = [pytest.mark.e2e, pytest.mark.browser]

ZH = "图书馆周日几点开门？"


class _HostPage(http.server.BaseHTTPRequestHandler):
    """Somebody else's web site, with rude styles of its own."""

    widget = ""

    def do_GET(self) -> None:
        page = (
            '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>市政府门户网站</title><style>'
            "* { font-family: serif !important } button { background: #b3261e !important; color: #fff }"
            " iframe { width: 10px !important; opacity: .1 !important } div { display: none }"
            " body { margin: 0 } h1 { margin: 0; padding: 24px 48px; background: #8c1d18; color: #fff }"
            " p { max-width: 40em; padding: 0 48px; font-size: 18px; line-height: 1.8 }</style>"
            "<h1>市政府门户网站</h1><p>市民服务中心位于人民路88号，周一至周五 9:00–12:00、13:30–17:00，"
            "周六 9:00–16:00。如需帮助，请使用右下角的城市助手。</p><p><button>网站的按钮</button></p>"
            f'<script src="{self.widget}" data-lang="zh" async></script></html>'
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def host_page(server_url: str) -> Iterator[str]:
    handler = type("Host", (_HostPage,), {"widget": server_url.rstrip("/") + "/widget.js"})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()


def test_the_widget_on_another_site(visit: Any, host_page: str, server_url: str, screenshots: Path) -> None:
    page = visit(url=host_page, viewport={"width": 1180, "height": 820})
    # A site may embed the page only when `allowed_origins` names it; here the policy is lifted in the test.
    page.context.route(
        re.compile(re.escape(server_url.rstrip("/")) + r"/\?embed=1.*"),
        lambda route: lift_frame_policy(route),
    )
    launcher = page.get_by_role("button", name="打开城市助手对话窗口")
    expect(launcher).to_have_attribute("aria-expanded", "false")
    assert launcher.evaluate("e => getComputedStyle(e).fontSize") == "16px"
    launcher.focus()
    page.keyboard.press("Enter")
    frame = page.frame_locator("[data-chengda] iframe")
    expect(frame.locator("#text")).to_be_focused()
    expect(page.get_by_role("button", name="关闭城市助手对话窗口")).to_have_attribute("aria-expanded", "true")
    assert page.locator("[data-chengda] iframe").bounding_box()["width"] > 300
    frame.locator("#text").fill(ZH)
    frame.locator("#text").press("Enter")
    expect(frame.locator(".sources").first).to_be_visible()
    page.wait_for_timeout(400)
    page.screenshot(path=screenshots / "widget.png")
    frame.locator("#text").press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(launcher).to_be_focused()


def lift_frame_policy(route: Any) -> None:
    response = route.fetch()
    headers = {k: v for k, v in response.headers.items() if k != "content-security-policy"}
    route.fulfill(response=response, headers=headers)
