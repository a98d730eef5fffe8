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
from sqlalchemy import select

from channels.traces import TraceStore, TurnRecord
from channels.traces.drift import drift
from channels.traces.reading import CursorError, TraceReader, Wanted, like_literal
from channels.traces.statistics import Scope, Statistics, by_week, percentile_ms, total
from channels.traces.store import LATENCY_MS, latency_bucket
from channels.traces.tables import grams

DAY = date(2026, 3, 2)
ASCII_LOWER = {code: code + 32 for code in range(65, 91)}


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
    days = Statistics(store.engine).of(Scope(DAY, DAY + timedelta(days=3))).by_day()
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
    days = (DAY, DAY + timedelta(days=3))
    everything = statistics.of(Scope(*days))
    assert total(statistics.of(Scope(*days, channel="sms")).by_day()).turns == 1
    assert total(statistics.of(Scope(*days, language="zh")).by_day()).conversations == 2
    assert total(statistics.of(Scope(*days, channel="sms", language="zh")).by_day()).turns == 0
    assert total(statistics.of(Scope(*days, channel="nobody's")).by_day()).turns == 0
    languages, channels = everything.mixes()
    assert (languages[DAY], channels[DAY]) == ({"zh": 3}, {"web": 3})
    assert [(s.value, s.turns) for s in everything.top("intent")] == [
        ("ask_knowledge", 3),
        ("human_handoff", 1),
    ]
    assert [(s.value, s.down) for s in everything.top("article")] == [("fees", 1)]
    (topic,) = everything.failing(everything.top("intent"), at_least=1)
    assert (topic.intent, topic.failed, topic.turns) == ("ask_knowledge", 1, 3)
    assert topic.share == pytest.approx(1 / 3)
    assert everything.failing(everything.top("intent")) == []
    assert statistics.span() == (DAY, DAY + timedelta(days=2))


def test_figures_follow_every_turn_rating_and_hand_over(store: TraceStore) -> None:
    fill(store)
    statistics, scope = Statistics(store.engine), Scope(DAY, DAY + timedelta(days=3))
    assert total(statistics.of(scope).by_day()).turns == 4
    store.rate("a", "m1", "down")
    later = DAY + timedelta(days=3)
    store.write([record("a", "m9", day=later, decision="handoff", intent="human_handoff")])
    days = statistics.of(scope).by_day()
    assert (days[DAY].up, days[DAY].down) == (0, 1)
    assert (days[DAY].conversations, days[DAY].handed_over) == (2, 2)
    assert (days[later].turns, days[later].conversations) == (1, 0)
    assert [share.turns for share in statistics.of(scope).top("intent")] == [3, 2]
    store.purge(1, 1, datetime.combine(later, datetime.min.time()) + timedelta(hours=30))
    assert total(statistics.of(scope).by_day()).turns == 1


@pytest.mark.parametrize("days", [1, 45, 400])
def test_nothing_counted_is_nothing_shown(store: TraceStore, days: int) -> None:
    empty = Statistics(store.engine).of(Scope(DAY, DAY + timedelta(days=days - 1)))
    assert total(empty.by_day()).turns == 0
    assert len(empty.mixes()[0]) == days
    assert empty.top("intent") == empty.failing([]) == []


WORDS = st.text(st.sampled_from("居住证ab %_\\'ß\t"), min_size=1, max_size=4).filter(str.strip)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TraceReader, list[str]]]:
    """A reader that reads only two turns before it asks for pairs, and the texts it searches."""
    made = TraceStore(f"sqlite:///{tmp_path_factory.mktemp('search') / 'traces.db'}")
    letters = "居住证ab %_\\'ß"
    texts = [
        "".join(letters[(n * k + n // 7) % len(letters)] for k in range(1, 2 + n % 6)) for n in range(120)
    ]
    made.write([record(f"c{n}", text=text) for n, text in enumerate(texts)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("channels.traces.reading._WINDOW", 2)
        patch.setattr("channels.traces.reading._PART", 7)
        yield TraceReader(made.engine), texts
    made.close()


@given(wanted=WORDS, common=st.sampled_from([1, 5, 1_000]))
def test_a_search_finds_what_holds_the_words_and_nothing_else(
    searched: tuple[TraceReader, list[str]], wanted: str, common: int
) -> None:
    reader, texts = searched
    wanted = wanted.strip()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("channels.traces.grams.COUNTED", common)
        patch.setattr("channels.traces.grams.MOST", 10 * common)
        found = {line.id for line in reader.conversations(Wanted(text=wanted), limit=200).lines}
    folded = [text.translate(ASCII_LOWER) for text in texts]
    assert found == {f"c{n}" for n, text in enumerate(folded) if wanted.translate(ASCII_LOWER) in text}


def test_erased_and_old_texts_leave_no_pairs(store: TraceStore) -> None:
    store.write(
        [record("a", text="居住证丢了"), record("b", text="居住证"), record("c", day=DAY - timedelta(days=9))]
    )
    store.erase("a")
    with store.engine.connect() as connection:
        rows = connection.execute(select(grams.c.gram, grams.c.turn_id)).all()
    assert {gram for gram, turn in rows if turn != 3} == {"居住", "住证", "证\n"}
    store.purge(5, 30, datetime.combine(DAY, datetime.min.time()) + timedelta(hours=1))
    with store.engine.connect() as connection:
        assert {turn for (turn,) in connection.execute(select(grams.c.turn_id))} == {2}


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
