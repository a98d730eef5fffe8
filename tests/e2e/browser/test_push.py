"""What is said unasked: put by another process, shown on the open page, kept over a reload, read aloud."""

from __future__ import annotations

from typing import Any

import pytest

from channels.store import make_engine
from city.messages import Button, Reply
from city.outbox import Outbox

expect = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright").expect
pytestmark = [pytest.mark.e2e, pytest.mark.browser]


def test_a_notice_appears_by_itself(visit: Any, ask: Any, answered: Any, server: Any) -> None:
    page = visit("/?lang=zh")
    ask(page, "你好")
    answered(page, 1)
    conversation = page.evaluate("JSON.parse(sessionStorage.getItem('chengda.conversation')).id")
    outbox = Outbox(make_engine(f"sqlite:///{server.data_dir / 'chat.db'}"))
    notice = Reply("您的报修**已办结**。", "requests", buttons=(Button("谢谢", "谢谢"),))
    assert outbox.put(conversation, [notice], key=f"e2e:{conversation}")
    assert not outbox.put(conversation, [notice], key=f"e2e:{conversation}")
    pushed = page.locator(".message.pushed")
    expect(pushed).to_have_count(1)
    assert "已办结" in pushed.inner_text()
    assert "新消息" in pushed.locator(".hidden").first.text_content()
    assert page.locator("#log").get_attribute("aria-live") == "polite"
    page.reload()
    page.wait_for_selector("html[data-ready]")
    expect(pushed).to_have_count(1)
    expect(page.locator(".message.citizen")).to_have_count(1)
    pushed.locator(".choice").click()
    answered(page, 2)
