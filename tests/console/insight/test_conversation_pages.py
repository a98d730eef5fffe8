"""Conversations: search, trace, words, unmasking, export and erasure, by whom and under attack."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from channels.dispatcher import Dispatcher
from channels.traces import TraceStore
from console.conversations.view import coloured
from nlp.joint import JointModel
from nlp.joint_explain import explain
from tests.console.insight.conftest import EVIL, record, say


async def test_a_viewer_finds_a_conversation_and_reads_its_whole_trace(
    console: Any, traces: TraceStore
) -> None:
    traces.write([record(), record("c2", text="bins", language="en", decision="abstain", source="fallback")])
    traces.rate("c1", "m1", "down", "too short")
    await console.sign_in("viewer")
    page = await console.page("/conversations?q=几点&decision=answer&rating=down")
    assert "图书馆几点开门" in page and "bins" not in page
    page = await console.page("/conversations/c1")
    for shown in (
        "waste",
        "departures",
        "place: 图书馆",
        "图书馆 几点",
        "0.81",
        "library-hours",
        "action_answer_question",
    ):
        assert shown in page
    for shown in ("20260301-120000-abcdef12", "17", "九点开门", "too short", "9.0"):
        assert shown in page


@pytest.mark.parametrize(
    "query",
    [
        "q=%25",
        "q=_",
        "q=%27%3B--",
        "decision=nonsense",
        "from=yesterday",
        "from=2026-01-01&to=2025-01-01",
        "channel=x",
    ],
)
async def test_odd_filters_list_nothing_wrong(console: Any, traces: TraceStore, query: str) -> None:
    traces.write([record()])
    await console.sign_in("viewer")
    await console.page(f"/conversations?{query}")


async def test_a_list_goes_on_page_by_page(console: Any, traces: TraceStore) -> None:
    traces.write([record(f"c{n:03}") for n in range(120)])
    await console.sign_in("viewer")
    first = await console.page("/conversations")
    assert "Older conversations" in first
    response = await console.get("/conversations?after=rubbish")
    assert (response.status, response.headers["Location"]) == (303, "/conversations")


async def test_what_citizens_write_is_only_ever_text(
    console: Any, traces: TraceStore, with_model: Path
) -> None:
    evil_id = '"><script>alert(2)</script>'
    traces.write(
        [
            record(
                evil_id,
                text=EVIL,
                intent=EVIL[:100],
                channel=EVIL[:30],
                replies=[{"text": EVIL, "source": "knowledge"}],
                steps=[
                    {"step": EVIL, "ms": 1, "error": EVIL},
                    {"step": "nlu", "entities": [{"entity": EVIL, "value": EVIL}]},
                ],
            )
        ]
    )
    turn = traces.turn_at(evil_id, "m1")
    assert turn is not None
    traces.rate(evil_id, "m1", "up", EVIL)
    await console.sign_in("admin")
    path = "/conversations/%22%3E%3Cscript%3Ealert(2)%3C%2Fscript%3E"
    for address in (
        "/conversations",
        f"/conversations?q={EVIL}",
        path,
        f"{path}/turns/{turn['id']}/words",
        "/analytics",
    ):
        page = await console.page(address)
        assert "<script>alert" not in page
        assert "<img src=x" not in page


async def test_masked_unless_an_operator_asks_and_that_is_logged(
    console: Any, dispatcher: Dispatcher
) -> None:
    conversation = await say(dispatcher, "我的电话是13812345678")
    assert dispatcher.turn_observers[0].flush()  # type: ignore[attr-defined]
    path = f"/conversations/{conversation}"
    await console.sign_in("publisher")
    page = await console.page(path)
    assert "[phone]" in page and "13812345678" not in page and "Show the original" not in page
    assert (await console.post(f"{path}/unmask")).status == 403
    assert console.audit.entries(action="conversations.unmask") == []
    await console.sign_in("operator")
    response = await console.post(f"{path}/unmask")
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert "13812345678" in await response.text()
    (entry,) = console.audit.entries(action="conversations.unmask")
    assert (entry.user, entry.target) == ("operator", conversation)
    # Looking again is another look, and the address alone shows nothing.
    assert "13812345678" not in await console.page(path)
    assert (await console.get(f"{path}/unmask")).status in (404, 405)


async def test_erasing_erases_everywhere(console: Any, dispatcher: Dispatcher, traces: TraceStore) -> None:
    conversation = await say(dispatcher, "peculiar words")
    assert dispatcher.turn_observers[0].flush()  # type: ignore[attr-defined]
    path = f"/conversations/{conversation}"
    await console.sign_in("operator")
    await console.page(path)
    assert (await console.post(f"{path}/erase", {"sure": "1"})).status == 403
    await console.sign_in("admin")
    assert "Tick the box" in await console.submit(f"{path}/erase")
    assert "is erased" in await console.submit(f"{path}/erase", {"sure": "1"})
    assert traces.turn_at(conversation, "m1") is None
    assert await dispatcher.store.describe(conversation) is None
    assert dispatcher.brain.forgotten == [conversation]  # type: ignore[attr-defined]
    await console.page(path, status=404)
    assert [e.target for e in console.audit.entries(action="conversations.erase")] == [conversation]
    assert "peculiar" not in repr(console.audit.entries())


async def test_an_erasure_that_fails_is_said_and_not_logged(console: Any, dispatcher: Dispatcher) -> None:
    conversation = await say(dispatcher, "hello")
    assert dispatcher.turn_observers[0].flush()  # type: ignore[attr-defined]
    dispatcher.brain.fail = OSError("down")  # type: ignore[attr-defined]
    await console.sign_in("admin")
    page = await console.submit(f"/conversations/{conversation}/erase", {"sure": "1"})
    assert "could not be erased" in page
    assert console.audit.entries(action="conversations.erase") == []


async def test_exports_are_masked_safe_and_logged(console: Any, traces: TraceStore) -> None:
    traces.write([record(text="=HYPERLINK(1)"), record("c2")])
    await console.sign_in("viewer")
    await console.page("/conversations")
    assert (await console.get("/conversations/export.csv")).status == 403
    await console.sign_in("editor")
    response = await console.get("/conversations/export.csv?q=HYPER")
    assert response.headers["Content-Disposition"].startswith("attachment")
    (row,) = csv.DictReader(io.StringIO((await response.text()).lstrip("\ufeff")))
    assert row["text"] == "'=HYPERLINK(1)"
    data = json.loads(await (await console.get("/conversations/export.json")).text())
    assert {c["conversation_id"] for c in data["conversations"]} == {"c1", "c2"}
    one = json.loads(await (await console.get("/conversations/c2/export.json")).text())
    assert one["conversations"][0]["turns"][0]["text"] == "图书馆几点开门"
    assert len(console.audit.entries(action="conversations.export")) == 3
    assert (await console.get("/conversations/none/export.csv")).status == 404


async def test_the_words_that_drove_a_decision_are_coloured(
    console: Any, traces: TraceStore, with_model: Path
) -> None:
    traces.write([record(text="which bin for batteries", language="en")])
    turn = traces.turn_at("c1", "m1")
    assert turn is not None
    await console.sign_in("viewer")
    path = f"/conversations/c1/turns/{turn['id']}/words"
    page = await console.page(path)
    assert 'class="word-' in page and "batteries" in page and "decided by another model" in page
    part = await console.page(path, headers={"HX-Request": "true"})
    assert "<html" not in part
    await console.page("/conversations/c1/turns/999/words", status=404)
    await console.page("/conversations/c1/turns/x/words", status=404)


@pytest.mark.parametrize("path", ["/conversations", "/conversations/c1", "/conversations/export.json"])
async def test_nobody_gets_in_without_signing_in(console: Any, traces: TraceStore, path: str) -> None:
    traces.write([record()])
    response = await console.get(path)
    assert response.status in (302, 303)
    assert "/signin" in response.headers["Location"]


@pytest.mark.parametrize("path", ["/conversations/c1/unmask", "/conversations/c1/erase"])
async def test_another_site_cannot_make_a_staff_browser_act(
    console: Any, traces: TraceStore, path: str
) -> None:
    traces.write([record()])
    await console.sign_in("admin")
    console.token = "0" * 64
    assert (await console.post(path, {"sure": "1"})).status == 403
    assert traces.turn_at("c1", "m1") is not None


@pytest.mark.parametrize(
    "text", ["旧电池应该扔进哪个桶", "which bin for batteries 🪫🪫", "a" * 200, "電池 12路 é"]
)
def test_coloured_pieces_make_up_the_text(tiny_model: Path, text: str) -> None:
    pieces = coloured(explain(JointModel.load(tiny_model), text))
    assert "".join(piece.text for piece in pieces) == text
