"""Lists of conversations and the figures over time, against counts made by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.traces import TraceStore, TurnRecord
from channels.traces.drift import drift
from channels.traces.reading import CursorError, TraceReader, Wanted, like_literal
from channels.traces.statistics import Scope, Statistics, by_week, percentile_ms, total
from channels.traces.store import LATENCY_MS, latency_bucket

DAY = date(2026, 3, 2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TraceStore]:
    made = TraceStore(f"sqlite:///{tmp_path / 'traces.db'}")
    yield made
    made.close()


def record(conversation: str, message: str = "m1", day: date = DAY, **more: Any) -> TurnRecord:
    at = datetime.combine(day, datetime.min.time()) + timedelta(minutes=more.pop("minute", 0))
    values = {
        "channel": "web",
        "language": "zh",
        "text": f"问题 {message}",
        "intent": "ask_knowledge",
        "confidence": 0.9,
        "source": "knowledge",
        "total_ms": 15.0,
        "steps": [{"step": "nlu"}],
        "replies": [{"text": "答"}],
        **more,
    }
    return TurnRecord(conversation, message, at, day, **values)


def ids(reader: TraceReader, **wanted: Any) -> list[str]:
    return [line.id for line in reader.conversations(Wanted(**wanted)).lines]


def test_conversations_are_listed_latest_first_and_by_each_condition(store: TraceStore) -> None:
    store.write(
        [
            record("a", text="垃圾桶 100%满了", minute=1),
            record("a", "m2", decision="abstain", minute=2),
            record("b", channel="wecom", language="en", text="bins", intent="report_problem", minute=3),
            record("c", day=DAY + timedelta(days=1), text="1000 满", decision="clarify"),
        ]
    )
    store.rate("b", "m1", "down", "no")
    reader = TraceReader(store.engine)
    assert ids(reader) == ["c", "b", "a"]
    assert ids(reader, channel="wecom") == ids(reader, language="en") == ids(reader, rating="down") == ["b"]
    assert ids(reader, decision="abstain") == ["a"]
    assert ids(reader, intent="report_problem") == ["b"]
    assert ids(reader, last=DAY) == ["b", "a"]
    assert ids(reader, first=DAY + timedelta(days=1)) == ["c"]
    assert ids(reader, text="BINS") == ["b"]
    assert ids(reader, text="0%满") == ["a"]
    assert ids(reader, text="_") == ids(reader, text="\\") == ids(reader, text="'; DROP TABLE") == []
    assert [line.text for line in reader.conversations(Wanted()).lines] == [
        "1000 满",
        "bins",
        "垃圾桶 100%满了",
    ]
    assert reader.values("channel") == ["web", "wecom"]
    assert reader.newest() == 4


@pytest.mark.parametrize("text", ["", "问题"])
def test_pages_follow_each_other_without_gap_or_repetition(store: TraceStore, text: str) -> None:
    store.write([record(f"c{n:02}", f"m{t}", minute=n // 3) for n in range(23) for t in range(2)])
    reader, after, seen = TraceReader(store.engine), "", []
    for _ in range(6):
        page = reader.conversations(Wanted(text=text), after, 5)
        seen += [line.id for line in page.lines]
        after = page.after
        if not after:
            break
    assert sorted(seen) == [f"c{n:02}" for n in range(23)]
    with pytest.raises(CursorError):
        reader.conversations(Wanted(text=text), "nowhere", 5)


def test_one_conversation_is_read_whole(store: TraceStore) -> None:
    store.write([record("a"), record("a", "m2", model="v1"), record("b")])
    found = TraceReader(store.engine).conversation("a")
    assert [turn.message_id for turn in found] == ["m1", "m2"]
    assert found[1].model == "v1"
    assert found[0].steps == [{"step": "nlu"}]
    assert TraceReader(store.engine).conversation("nobody") == []


@given(st.text(max_size=30))
def test_a_literal_keeps_no_wildcard(text: str) -> None:
    plain = like_literal(text)
    assert plain.replace("\\%", "").replace("\\_", "").replace("\\\\", "").count("%") == 0


def fill(store: TraceStore) -> None:
    store.write(
        [
            record("a", total_ms=15.0),
            record("a", "m2", decision="abstain", source="fallback", total_ms=90.0),
            record("b", decision="handoff", source="handoff", intent="human_handoff", confidence=0.7),
            record("c", day=DAY + timedelta(days=2), channel="sms", language="en", article_id="fees"),
        ]
    )
    store.rate("a", "m1", "up")
    store.rate("c", "m1", "down")


def test_figures_per_day_and_in_total(store: TraceStore) -> None:
    fill(store)
    days = Statistics(store.engine).by_day(Scope(DAY, DAY + timedelta(days=3)))
    assert [figures.turns for figures in days.values()] == [3, 0, 1, 0]
    first = days[DAY]
    assert (first.conversations, first.handed_over, first.containment) == (2, 1, 0.5)
    assert first.abstention == first.hand_over == first.answered == pytest.approx(1 / 3)
    assert first.clarification == first.errors == 0
    assert first.confidence == pytest.approx(2.5 / 3)
    assert first.satisfaction == 1.0
    assert days[DAY + timedelta(days=1)].containment is None
    whole = total(days)
    assert (whole.turns, whole.conversations, whole.satisfaction) == (4, 3, 0.5)
    assert 10 <= (whole.p50_ms or 0) <= 20 < 75 <= (whole.p95_ms or 0) <= 100
    assert sum(week.turns for week in by_week(days).values()) == 4


def test_filters_mixes_and_tops(store: TraceStore) -> None:
    fill(store)
    statistics = Statistics(store.engine)
    everything = Scope(DAY, DAY + timedelta(days=3))
    assert total(statistics.by_day(Scope(DAY, DAY + timedelta(days=3), channel="sms"))).turns == 1
    assert total(statistics.by_day(Scope(DAY, DAY + timedelta(days=3), language="zh"))).turns == 3
    languages, channels = statistics.mixes(everything)
    assert (languages[DAY], channels[DAY]) == ({"zh": 3}, {"web": 3})
    assert [(s.value, s.turns) for s in statistics.top("intent", everything)] == [
        ("ask_knowledge", 3),
        ("human_handoff", 1),
    ]
    assert [(s.value, s.down) for s in statistics.top("article", everything)] == [("fees", 1)]
    (topic,) = statistics.failing(everything, statistics.top("intent", everything), at_least=1)
    assert (topic.intent, topic.failed, topic.turns) == ("ask_knowledge", 1, 3)
    assert topic.share == pytest.approx(1 / 3)
    assert statistics.failing(everything, statistics.top("intent", everything)) == []
    assert statistics.span() == (DAY, DAY + timedelta(days=2))


@given(st.lists(st.floats(0, 30_000), min_size=1, max_size=60), st.floats(0.01, 1.0))
def test_a_percentile_lies_in_the_bucket_of_the_true_one(times: list[float], share: float) -> None:
    buckets: dict[str, int] = {}
    for ms in times:
        buckets[latency_bucket(ms)] = buckets.get(latency_bucket(ms), 0) + 1
    found = percentile_ms(buckets, share)
    true = sorted(times)[max(0, -int(-share * len(times) // 1) - 1)]
    bounds = [0.0, *map(float, LATENCY_MS), float("inf")]
    low, high = next((a, b) for a, b in itertools.pairwise(bounds) if true <= b)
    assert found is not None
    assert low <= found <= min(high, LATENCY_MS[-1])


def test_no_times_have_no_percentile() -> None:
    assert percentile_ms({}, 0.5) is None


def month(store: TraceStore, **recent: Any) -> None:
    """Thirty-five days, of which the last seven are as `recent` says."""
    rows = []
    for back in range(1, 36):
        for number in range(20):
            changes = recent if back <= 7 and number % 2 == 0 else {}
            rows.append(record(f"{back}-{number}", day=DAY - timedelta(days=back), **changes))
    store.write(rows)


@pytest.mark.parametrize(
    ("recent", "kinds"),
    [
        ({}, []),
        ({"confidence": 0.5}, ["confidence"]),
        ({"decision": "abstain", "source": "fallback"}, ["fallback"]),
        ({"language": "en"}, ["language"]),
    ],
)
def test_drift_warns_of_what_changed_only(
    store: TraceStore, recent: dict[str, Any], kinds: list[str]
) -> None:
    month(store, **recent)
    assert [warning.kind for warning in drift(Statistics(store.engine), DAY)] == kinds


def test_few_turns_warn_of_nothing(store: TraceStore) -> None:
    store.write([record(f"c{n}", day=DAY - timedelta(days=1), decision="abstain") for n in range(20)])
    assert drift(Statistics(store.engine), DAY) == []
