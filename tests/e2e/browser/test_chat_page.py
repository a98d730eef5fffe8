"""The chat page in a real Chromium against the real server: reading, writing, reaching everything."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright").expect
pytestmark = [pytest.mark.e2e, pytest.mark.browser]

ZH = "图书馆周日几点开门？"
EN = "What time does the library open on Sunday?"


def test_a_chinese_question_gets_an_answer_with_its_source(visit: Any, screenshots: Path, ask: Any) -> None:
    page = visit(viewport={"width": 1180, "height": 820})
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    ask(page, ZH)
    source = page.locator(".sources a").first
    expect(source).to_be_visible()
    assert (source.text_content() or "").strip()
    assert re.match("https?://", source.get_attribute("href"))
    assert "noopener" in source.get_attribute("rel")
    expect(page.locator(".message.knowledge .bubble").first).to_have_attribute("lang", "zh-CN")
    page.wait_for_timeout(400)
    page.screenshot(path=screenshots / "chat-desktop-zh.png")


def test_a_phone_in_english_has_everything_in_reach(visit: Any, screenshots: Path, ask: Any) -> None:
    page = visit(
        viewport={"width": 360, "height": 740},
        device_scale_factor=2,
        locale="en-GB",
        is_mobile=True,
        has_touch=True,
    )
    ask(page, EN)
    expect(page.locator(".sources").first).to_be_visible()
    expect(page.locator(".message.knowledge .bubble").first).to_have_attribute("lang", "en")
    page.wait_for_timeout(400)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # Only the conversation scrolls: the box stays at the foot of the page however long it grows.
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    phones = page.locator("#phones a")
    assert phones.count() >= 3
    for phone in phones.all():
        assert phone.get_attribute("href").startswith("tel:")
        expect(phone).to_be_in_viewport()
    for control in page.locator("#send, #fresh, #erase, #languages button").all():
        expect(control).to_be_in_viewport()
        assert control.bounding_box()["height"] >= 24
    page.screenshot(path=screenshots / "chat-phone-en.png")


def test_the_keyboard_alone_is_enough(visit: Any, ask: Any, answered: Any) -> None:
    page = visit()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.type("第一行")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type(ZH)
    assert page.locator("#text").input_value() == f"第一行\n{ZH}"
    page.keyboard.press("Enter")
    answered(page, 1)
    expect(page.locator("#text")).to_be_focused()
    ask(page, ZH)
    answered(page, 2)
    thumb = page.locator(".thumb.up").last
    thumb.wait_for()
    for _ in range(30):
        page.keyboard.press("Shift+Tab")
        if thumb.evaluate("element => element === document.activeElement"):
            break
    expect(thumb).to_be_focused()
    assert thumb.evaluate("element => getComputedStyle(element).outlineStyle") != "none"
    page.keyboard.press("Space")
    expect(thumb).to_have_attribute("aria-pressed", "true")


def test_names_and_roles_for_a_screen_reader(visit: Any) -> None:
    page = visit(locale="en-US")
    log = page.get_by_role("log", name="Conversation")
    expect(log).to_have_attribute("aria-live", "polite")
    expect(page.get_by_role("textbox", name="Your question")).to_be_visible()
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()
    expect(page.get_by_role("navigation", name="Emergency")).to_be_visible()
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, a, textarea, img:not([alt])')]"
        ".filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML)"
    )
    assert unnamed == []


def test_an_input_method_s_enter_does_not_send(visit: Any) -> None:
    page = visit()
    page.locator("#text").fill("tushuguan")
    page.evaluate(
        """() => {
          const press = (init) => document.getElementById("text").dispatchEvent(
            new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...init }));
          press({ isComposing: true });
          press({ keyCode: 229 });
        }"""
    )
    expect(page.locator(".message.citizen")).to_have_count(0)
    assert page.locator("#text").input_value() == "tushuguan"


def test_the_language_switch_changes_every_word_and_is_remembered(visit: Any, ask: Any) -> None:
    page = visit()
    expect(page.locator("#send")).to_have_text("发送")
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("#send")).to_have_text("Send")
    left = page.evaluate(
        "[...document.querySelectorAll('[data-i18n]')].filter(e => /\\p{Script=Han}/u.test(e.textContent)).length"
    )
    assert left == 0
    ask(page, ZH)
    expect(page.locator(".message.knowledge .bubble").first).to_have_attribute("lang", "zh-CN")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    expect(page.locator("#send")).to_have_text("Send")


def test_a_rating_with_a_comment_is_confirmed(visit: Any, ask: Any) -> None:
    page = visit(locale="en-US")
    ask(page, EN)
    page.locator(".thumb.down").last.click()
    comment = page.locator(".comment-text")
    expect(comment).to_be_focused()
    comment.fill("Say when the branches open.")
    page.get_by_role("button", name="Send comment").click()
    expect(page.locator(".rated").last).to_have_text("Comment received. Thank you.")
    expect(page.locator(".thumb.down").last).to_have_attribute("aria-pressed", "true")


def test_erasing_asks_first_and_really_erases(visit: Any, ask: Any, answered: Any) -> None:
    page = visit()
    ask(page, ZH)
    answered(page, 1)
    conversation = page.evaluate("JSON.parse(sessionStorage.getItem('chengda.conversation'))")
    page.locator("#erase").click()
    page.keyboard.press("Escape")
    expect(page.locator(".message.citizen")).to_have_count(1)
    page.locator("#erase").click()
    page.get_by_role("button", name="彻底删除").click()
    expect(page.locator(".message.citizen")).to_have_count(0)
    expect(page.locator(".note")).to_have_text("对话已彻底删除。")
    response = page.request.get(
        f"/api/v1/conversations/{conversation['id']}/messages".join([page.url.rstrip("/"), ""]),
        headers={"Authorization": f"Bearer {conversation['token']}"},
    )
    assert response.status == 404
    ask(page, "你好")
    answered(page, 1)


def test_the_text_limit_is_shown_before_sending(visit: Any) -> None:
    page = visit()
    limit = page.evaluate("JSON.parse(document.getElementById('settings').textContent).textLimit")
    page.locator("#text").fill("图" * (limit + 5))
    expect(page.locator("#problem")).to_contain_text("5")
    page.locator("#send").click()
    expect(page.locator(".message.citizen")).to_have_count(0)
    assert len(page.locator("#text").input_value()) == limit + 5


def test_html_from_a_citizen_stays_text(visit: Any, ask: Any, answered: Any) -> None:
    page = visit()
    attack = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    ask(page, attack)
    answered(page, 1)
    assert page.locator(".message.citizen .bubble").inner_text() == attack
    assert page.locator(".log img, .log script").count() == 0
    assert "owned" not in page.title()


def test_markdown_builds_nodes_and_refuses_script_links(visit: Any) -> None:
    page = visit()
    html = page.evaluate(
        """async (text) => {
          const { render } = await import("/static/markdown.js");
          const box = document.createElement("div");
          box.append(render(text));
          return box.innerHTML;
        }""",
        "A **bold** <b>x</b>\nsecond\n\n- one\n- two\n\n1. first\n2. next\n\n[ok](https://a.example/) [bad](javascript:alert(1)) 12路",
    )
    assert "<strong>bold</strong> &lt;b&gt;x&lt;/b&gt;<br>second" in html
    assert "<ul><li>one</li><li>two</li></ul><ol><li>first</li><li>next</li></ol>" in html
    assert 'href="https://a.example/"' in html
    assert "javascript:" not in html


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(visit: Any, scheme: str, ask: Any, answered: Any) -> None:
    page = visit(color_scheme=scheme)
    ask(page, ZH)
    answered(page, 1)
    page.wait_for_timeout(400)
    poor = page.evaluate(
        """() => {
          const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
          const parse = (c) => c.match(/[\\d.]+/g).map(Number);
          const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
          const solid = (e) => {
            for (; e; e = e.parentElement) {
              const c = parse(getComputedStyle(e).backgroundColor);
              if (c.length === 3 || c[3] === 1) return c;
            }
            return [255, 255, 255];
          };
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          const found = [];
          while (walker.nextNode()) {
            const e = walker.currentNode.parentElement;
            if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest("noscript, script")) continue;
            const [a, b] = [luminance(parse(getComputedStyle(e).color)), luminance(solid(e))];
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (ratio < 4.5) found.push(`${walker.currentNode.data.trim()}: ${ratio.toFixed(2)}`);
          }
          return found;
        }"""
    )
    assert poor == []


def test_twice_the_text_size_on_a_small_screen_still_works(visit: Any, ask: Any, answered: Any) -> None:
    page = visit(viewport={"width": 360, "height": 370})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    ask(page, ZH)
    answered(page, 1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("#send").scroll_into_view_if_needed()
    expect(page.locator("#send")).to_be_in_viewport()
