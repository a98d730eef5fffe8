"""Traces, their search and their figures on PostgreSQL (CHENGDA_TEST_POSTGRES names an empty database)."""

from __future__ import annotations

import os
import uuid
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select

from channels.traces import TraceStore, TurnRecord
from channels.traces.reading import TraceReader, Wanted
from channels.traces.statistics import Scope, Statistics, total
from channels.traces.tables import grams

URL = os.environ.get("CHENGDA_TEST_POSTGRES", "")
pytestmark = pytest.mark.skipif(
    not URL, reason="no server: set CHENGDA_TEST_POSTGRES to postgresql://user@host/db"
)
DAY = date(2026, 3, 2)


def test_search_filters_figures_and_erasure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.traces.reading._WINDOW", 1)
    store, run = TraceStore(URL), uuid.uuid4().hex
    reader, at = TraceReader(store.engine), datetime.combine(DAY, datetime.min.time())
    texts = ("居住证丢了", "Bins 100% full_", "证", "last one")
    for number, text in enumerate(texts):
        more = {"text": text, "intent": run, "confidence": 0.9, "source": "knowledge", "total_ms": 12.0}
        store.write([TurnRecord(f"{run}{number}", "m1", at, DAY, "web", "zh", **more)])
    store.rate(f"{run}1", "m1", "down")

    def found(**wanted: str) -> list[int]:
        lines = reader.conversations(Wanted(**wanted)).lines
        return [int(line.id[-1]) for line in lines if line.id.startswith(run)]

    assert found(text="住证") == [0]
    assert found(text="证") == [2, 0]
    assert found(text="BINS 100%", intent=run) == found(text="l_") == found(rating="down") == [1]
    assert found(text="100%f") == []
    assert found(intent=run) == [3, 2, 1, 0]
    assert "web" in reader.values("channel")
    days = Statistics(store.engine).of(Scope(DAY, DAY)).by_day()
    assert total(days).turns >= 4
    turns = [reader.conversation(f"{run}{number}")[0].id for number in range(4)]
    for number in range(4):
        store.erase(f"{run}{number}")
    with store.engine.connect() as connection:
        assert connection.execute(select(grams).where(grams.c.turn_id.in_(turns))).all() == []
    store.purge(1, 1, at + timedelta(days=9))
    store.close()
