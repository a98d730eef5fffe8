"""Traces: what is kept of a turn, how ratings and erasure follow, and that no turn waits for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from channels.gateway import create_app
from channels.traces import TraceRecorder, TraceStore, digest
from channels.traces.digest import DECISIONS, HIDDEN
from channels.traces.recorder import DROPPED
from channels.traces.store import Rated
from channels.traces.tables import conversations, details, totals, turns
from city.db import reading
from city.messages import Answer, Button, Citation, Message, Reply, Trace

ZONE = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 3, 1, 17, 30, tzinfo=timezone.utc)


def make_turn(
    text: str = "图书馆几点开门",
    conversation: str = "c1",
    message: str = "m1",
    source: str = "knowledge",
    decision: str = "answer",
    **nlu: Any,
) -> tuple[Message, Answer]:
    steps = [
        {
            "step": "nlu",
            "ms": 4.0,
            "intent": {"name": "ask_knowledge", "confidence": 0.91},
            "ranking": [
                {"name": "ask_knowledge", "confidence": 0.91},
                {"name": "report_problem", "confidence": 0.05},
            ],
            "entities": [],
            "model": "20260301-120000-abcdef12",
            **nlu,
        },
        {
            "step": "knowledge.search",
            "ms": 3.0,
            "found": [{"article": "library-hours", "probability": 0.8}],
            "index": "17",
        },
        {"step": "knowledge.decide", "ms": 0.1, "decision": decision, "why": "found"},
        {"step": "answered", "ms": 12.5},
    ]
    reply = Reply("九点。", source, (Citation("library-hours", "开放时间"),), (Button("借书", "借书"),))
    return Message(conversation, message, text), Answer(message, "zh", (reply,), Trace("", "", steps))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TraceStore]:
    made = TraceStore(f"sqlite:///{tmp_path / 'traces.db'}")
    yield made
    made.close()


def write(store: TraceStore, *turns_: tuple[Message, Answer], now: datetime = NOON) -> None:
    store.write([digest(message, answer, ZONE, now) for message, answer in turns_])


def rows(store: TraceStore, table: Any) -> list[dict[str, Any]]:
    with reading(store.engine) as session:
        return [dict(row._mapping) for row in session.execute(select(table))]


def test_a_turn_is_kept_with_its_decision_versions_and_the_citys_day() -> None:
    record = digest(*make_turn(), ZONE, NOON)
    assert (record.intent, record.confidence, record.runner_up) == ("ask_knowledge", 0.91, "report_problem")
    assert (record.decision, record.source, record.article_id) == ("answer", "knowledge", "library-hours")
    assert (record.model, record.index_version, record.total_ms) == ("20260301-120000-abcdef12", "17", 12.5)
    assert record.day.isoformat() == "2026-03-02"
    assert record.at == datetime(2026, 3, 1, 17, 30)
    assert record.steps[0]["model"] == "20260301-120000-abcdef12"


@pytest.mark.parametrize(
    ("source", "decided", "expected"),
    [
        ("knowledge", "answer", "answer"),
        ("clarify", "clarify", "clarify"),
        ("fallback", "abstain", "abstain"),
        ("handoff", "", "handoff"),
        ("error", "", "error"),
        ("transit", "", "answer"),
    ],
)
def test_the_decision_is_read_from_replies_and_steps(source: str, decided: str, expected: str) -> None:
    assert digest(*make_turn(source=source, decision=decided), ZONE).decision == expected


def test_a_turn_without_replies_belongs_to_a_person() -> None:
    message, answer = make_turn()
    assert digest(message, Answer("m", "zh", (), answer.trace), ZONE).decision == "handoff"


def test_personal_data_is_masked_everywhere() -> None:
    text = "我叫张三丰，电话13812345678，身份证110101199003078515"
    entities = [
        {"entity": "person", "value": "张三丰", "start": 2, "end": 5},
        {"entity": "phone", "value": "13812345678"},
    ]
    message, answer = make_turn(text, entities=entities)
    answer.trace.steps.append({"step": "action", "note": ["13812345678", {"deep": "张三丰"}]})
    record = digest(message, answer, ZONE)
    kept = repr(record)
    for secret in ("张三丰", "13812345678", "110101199003078515"):
        assert secret not in kept
    assert record.steps[0]["entities"][0]["value"] == HIDDEN


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.floats(allow_nan=False)
        | st.text(max_size=40)
        | st.just("13812345678"),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    )
)
def test_whatever_a_step_holds_can_be_kept(value: Any) -> None:
    message, answer = make_turn("13812345678")
    answer.trace.steps.append({"step": "odd", "value": value})
    answer.trace.steps.append("no step")  # type: ignore[arg-type]
    record = digest(message, answer, ZONE)
    assert record.decision in DECISIONS
    assert "13812345678" not in repr([step.get("value") for step in record.steps])


def test_turns_count_once_and_add_up(store: TraceStore) -> None:
    write(store, make_turn(), make_turn(message="m2", source="fallback", decision="abstain"))
    write(store, make_turn(), make_turn(message="m3", source="clarify", decision="clarify"))
    assert len(rows(store, turns)) == len(rows(store, details)) == 3
    (conversation,) = rows(store, conversations)
    assert [conversation[n] for n in ("turns", "answered", "abstained", "clarified")] == [3, 1, 1, 1]
    assert conversation["last_decision"] == "clarify"
    counts = {(r["dimension"], r["value"]): r["turns"] for r in rows(store, totals)}
    assert counts[("turns", "")] == 3
    assert counts[("failing", "ask_knowledge")] == 2
    assert counts[("latency", "20")] == 3
    assert counts[("article", "library-hours")] == 3


def test_the_latest_rating_counts(store: TraceStore) -> None:
    write(store, make_turn())
    first = store.rate("c1", "m1", "down", "call me on 13812345678")
    assert first is not None
    assert (first.before, first.comment) == ("", "call me on [phone]")
    again = store.rate("c1", "m1", "up")
    assert again is not None
    assert again.before == "down"
    store.rate("c1", "m1", "up")
    assert store.rate("c1", "unknown", "up") is None
    (conversation,) = rows(store, conversations)
    assert (conversation["up"], conversation["down"]) == (1, 0)
    assert {(r["up"], r["down"]) for r in rows(store, totals) if r["dimension"] == "turns"} == {(1, 0)}
    with pytest.raises(ValueError, match="sideways"):
        store.rate("c1", "m1", "sideways")


def test_erasing_leaves_no_word_on_the_disk(store: TraceStore, tmp_path: Path) -> None:
    write(store, make_turn("a very peculiar sentence"), make_turn("something else", conversation="c2"))
    assert store.erase("c1") == 1
    assert [row["conversation_id"] for row in rows(store, turns)] == ["c2"]
    assert len(rows(store, details)) == len(rows(store, conversations)) == 1
    assert sum(r["turns"] for r in rows(store, totals) if r["dimension"] == "turns") == 2
    held = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"peculiar" not in held
    assert b"something else" in held


def test_old_traces_go_and_counts_stay_longer(store: TraceStore) -> None:
    write(store, make_turn(conversation="old"), now=NOON - timedelta(days=100))
    write(store, make_turn(conversation="new"), now=NOON)
    now = NOON.replace(tzinfo=None)
    assert store.purge(90, 365, now) == 1
    assert [row["conversation_id"] for row in rows(store, conversations)] == ["new"]
    assert {row["day"].isoformat() for row in rows(store, totals)} == {"2025-11-22", "2026-03-02"}
    assert store.purge(90, 30, now) == 0
    assert {row["day"].isoformat() for row in rows(store, totals)} == {"2026-03-02"}


def test_a_clarification_left_alone_is_handed_on_once(store: TraceStore) -> None:
    write(store, make_turn("居住证", source="clarify", decision="clarify"))
    write(
        store,
        make_turn("居住证", "c2", source="clarify", decision="clarify"),
        make_turn(conversation="c2", message="m2"),
    )
    now = NOON.replace(tzinfo=None)
    assert store.take_abandoned(600, now=now + timedelta(seconds=500)) == []
    later = now + timedelta(seconds=700)
    assert [turn["conversation_id"] for turn in store.take_abandoned(600, now=later)] == ["c1"]
    assert store.take_abandoned(600, now=later) == []


class Notes:
    """An inbox that remembers what it was told."""

    def __init__(self) -> None:
        self.ratings: list[Rated] = []
        self.left: list[Mapping[str, Any]] = []
        self.gone: list[str] = []

    def rated(self, rated: Rated) -> None:
        self.ratings.append(rated)

    def abandoned(self, turn: Mapping[str, Any]) -> None:
        self.left.append(turn)

    def erased(self, conversation_id: str) -> None:
        self.gone.append(conversation_id)


async def test_the_recorder_writes_rates_and_erases(store: TraceStore) -> None:
    notes = Notes()
    recorder = TraceRecorder(store, ZONE, inbox=notes, idle_s=-1, sweep_s=0.01)
    try:
        recorder.turn(*make_turn(source="clarify", decision="clarify"))
        await recorder.rated("c1", "m1", "down", "no help")
        assert await asyncio.to_thread(recorder.flush)
        assert [rated.turn["text"] for rated in notes.ratings] == ["图书馆几点开门"]
        recorder.turn(*make_turn(conversation="c2"))
        await recorder.erased("c1")
        await recorder.erased("c2")
        assert await asyncio.to_thread(recorder.flush)
        assert rows(store, turns) == []
        assert notes.gone == ["c1", "c2"]
    finally:
        recorder.close()


def test_a_full_queue_drops_and_counts(store: TraceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, real = threading.Event(), store.write

    def slow(records: Any) -> int:
        gate.wait(5)
        return real(records)

    monkeypatch.setattr(store, "write", slow)
    before = DROPPED._value.get()
    recorder = TraceRecorder(store, ZONE, capacity=3)
    for number in range(300):
        recorder.turn(*make_turn(message=f"m{number}"))
    gate.set()
    recorder.close()
    assert recorder.dropped > 0
    assert DROPPED._value.get() - before == recorder.dropped
    assert len(rows(store, turns)) == 300 - recorder.dropped


def test_one_bad_record_does_not_cost_the_others(store: TraceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = store.write

    def picky(records: Any) -> int:
        if any(record.message_id == "bad" for record in records):
            raise OSError("the disk says no")
        return real(records)

    monkeypatch.setattr(store, "write", picky)
    monkeypatch.setattr("channels.traces.recorder._TRIES", 1)
    recorder = TraceRecorder(store, ZONE)
    for name in ("m1", "bad", "m2"):
        recorder.turn(*make_turn(message=name))
    recorder.close()
    assert recorder.dropped == 1
    assert {row["message_id"] for row in rows(store, turns)} == {"m1", "m2"}


class Watcher:
    """Observes turns and conversations; fails when told to."""

    def __init__(self) -> None:
        self.turns: list[tuple[Message, Answer]] = []
        self.told: list[tuple[str, ...]] = []
        self.fail = False

    def turn(self, message: Message, answer: Answer) -> None:
        if self.fail:
            raise RuntimeError("the watcher is broken")
        self.turns.append((message, answer))

    async def rated(self, *rating: str) -> None:
        if self.fail:
            raise RuntimeError("the watcher is broken")
        self.told.append(rating)

    async def erased(self, conversation_id: str) -> None:
        if self.fail:
            raise RuntimeError("the watcher is broken")
        self.told.append((conversation_id,))


async def test_the_gateway_tells_its_observers(
    aiohttp_client: Any, brain: Any, make_config: Any, arrive: Any
) -> None:
    watcher = Watcher()
    config = make_config(turn_observers=[watcher], conversation_observers=[watcher])
    citizen = await arrive(await aiohttp_client(create_app(brain, config)))
    assert (await citizen.say("hello", "m1")).status == 200
    assert (await citizen.say("hello", "m1")).status == 200
    ((message, answer),) = watcher.turns
    assert (message.text, answer.replies[0].text) == ("hello", "hello")
    assert answer.trace.steps[-1]["step"] == "answered"
    response = await citizen.client.post(
        citizen.path + "/feedback", json={"message_id": "m1", "rating": "down"}, headers=citizen.headers
    )
    assert response.status == 200
    response = await citizen.client.delete(citizen.path, headers=citizen.headers)
    assert response.status == 204
    assert watcher.told == [(citizen.id, "m1", "down", ""), (citizen.id,)]


async def test_a_failed_answer_is_observed_too(
    aiohttp_client: Any, brain: Any, make_config: Any, arrive: Any
) -> None:
    watcher = Watcher()
    citizen = await arrive(await aiohttp_client(create_app(brain, make_config(turn_observers=[watcher]))))
    brain.fail = OSError("down")
    await citizen.say("hello")
    record = digest(*watcher.turns[0], ZONE)
    assert (record.decision, record.source) == ("error", "error")
    assert record.steps[0]["error"] == "OSError"


async def test_a_broken_observer_fails_no_turn_but_an_erasure_says_so(
    aiohttp_client: Any, brain: Any, make_config: Any, arrive: Any
) -> None:
    watcher = Watcher()
    watcher.fail = True
    config = make_config(turn_observers=[watcher], conversation_observers=[watcher])
    citizen = await arrive(await aiohttp_client(create_app(brain, config)))
    assert (await citizen.say("hello", "m1")).status == 200
    response = await citizen.client.post(
        citizen.path + "/feedback", json={"message_id": "m1", "rating": "up"}, headers=citizen.headers
    )
    assert response.status == 200
    response = await citizen.client.delete(citizen.path, headers=citizen.headers)
    assert response.status == 503
    watcher.fail = False
    response = await citizen.client.delete(citizen.path, headers=citizen.headers)
    assert response.status == 204
