"""The chat page when the line breaks: nothing lost, nothing doubled."""

from __future__ import annotations

from typing import Any

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright").expect
pytestmark = [pytest.mark.e2e, pytest.mark.browser]

ZH = "图书馆周日几点开门？"


def test_a_reload_keeps_the_conversation_and_the_draft(visit: Any, ask: Any, answered: Any) -> None:
    page = visit()
    ask(page, ZH)
    answered(page, 1)
    before = page.locator(".message.assistant .bubble").last.inner_text()
    page.locator("#text").fill("还没写完")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    expect(page.locator(".message.citizen")).to_have_count(1)
    assert page.locator(".message.assistant .bubble").last.inner_text() == before
    assert page.locator("#text").input_value() == "还没写完"


def test_messages_typed_offline_are_sent_later_and_once(
    visit: Any, ask: Any, answered: Any, texts_in_store: Any
) -> None:
    page = visit()
    ask(page, "你好")
    answered(page, 1)
    page.context.set_offline(True)
    ask(page, ZH)
    ask(page, "谢谢")
    expect(page.locator(".message.citizen.waiting")).to_have_count(2)
    expect(page.locator("#connection")).not_to_be_empty()
    page.wait_for_timeout(700)
    page.context.set_offline(False)
    answered(page, 3)
    expect(page.locator(".message.citizen.waiting")).to_have_count(0)
    expect(page.locator("#connection")).to_be_empty()
    assert texts_in_store(page) == ["你好", ZH, "谢谢"]


def test_messages_typed_offline_survive_a_reload(
    visit: Any, ask: Any, answered: Any, texts_in_store: Any
) -> None:
    page = visit()
    ask(page, "你好")
    answered(page, 1)
    page.route("**/api/**", lambda route: route.abort())
    page.route_web_socket("**/api/v1/ws", lambda socket: socket.close())
    page.reload()
    page.wait_for_selector("html[data-ready]")
    ask(page, ZH)
    expect(page.locator(".message.citizen.waiting")).to_have_count(1)
    page.unroute_all()
    page.context.new_page().close()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator(".sources").first).to_be_visible()
    assert texts_in_store(page) == ["你好", ZH]


def test_a_line_that_breaks_before_the_answer_loses_and_doubles_nothing(
    visit: Any, server_url: str, ask: Any, answered: Any, texts_in_store: Any
) -> None:
    page = visit()
    cut = {"left": 2}

    def handler(socket: Any) -> None:
        server = socket.connect_to_server()

        def from_page(frame: str) -> None:
            server.send(frame)
            if '"message"' in frame and cut["left"]:
                cut["left"] -= 1
                socket.close()
                server.close()

        socket.on_message(from_page)

    page.route_web_socket("**/api/v1/ws", handler)
    ask(page, ZH)
    expect(page.locator(".sources").first).to_be_visible()
    answered(page, 1)
    expect(page.locator(".sources")).to_have_count(1)
    assert cut["left"] == 0
    assert texts_in_store(page) == [ZH]


def test_plain_http_where_no_web_socket_gets_through(visit: Any, ask: Any, texts_in_store: Any) -> None:
    page = visit()
    page.route_web_socket("**/api/v1/ws", lambda socket: socket.close())
    ask(page, ZH)
    expect(page.locator(".sources").first).to_be_visible()
    assert texts_in_store(page) == [ZH]
