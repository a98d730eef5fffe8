"""Analytics: figures with filters, charts with tables, export, warnings."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from typing import Any

import pytest

from channels.traces import TraceStore
from console.analytics.report import MOST_DAYS, read_scope
from tests.console.insight.conftest import NOW, record

TODAY = date(2026, 3, 31)


async def test_figures_charts_and_tables(console: Any, traces: TraceStore) -> None:
    traces.write(
        [
            record("a"),
            record("a", "m2", decision="abstain", source="fallback", article_id=""),
            record("b", channel="wecom", language="en", decision="handoff", source="handoff", total_ms=900.0),
        ]
    )
    traces.rate("a", "m1", "up")
    await console.sign_in("viewer")
    page = await console.page("/analytics")
    assert page.count('<svg viewBox="0 0 720') == 8
    assert "50.0%" in page and "100.0%" in page and "Library opening hours" in page
    assert "<style" not in page and "style=" not in page
    only = await console.page("/analytics?channel=wecom")
    assert "<dt>Turns</dt><dd>1</dd>" in only.replace("\n", "")


@pytest.mark.parametrize(
    "query", ["from=x&to=y", "from=2030-01-01", "from=0001-01-01", "channel='--", "language=%00"]
)
async def test_odd_filters_are_borne(console: Any, traces: TraceStore, query: str) -> None:
    traces.write([record()])
    await console.sign_in("viewer")
    await console.page(f"/analytics?{query}")


async def test_an_empty_city_has_a_page(console: Any) -> None:
    await console.sign_in("viewer")
    assert "no conversation in this time" in await console.page("/analytics")


async def test_every_table_is_exported_safely(console: Any, traces: TraceStore) -> None:
    traces.write([record(f"c{n}", intent="=cmd()", decision="abstain", source="fallback") for n in range(6)])
    await console.sign_in("viewer")
    await console.page("/analytics")
    assert (await console.get("/analytics/export.csv")).status == 403
    await console.sign_in("editor")
    for table in ("days", "intents", "sources", "articles", "failing"):
        response = await console.get(f"/analytics/export.csv?table={table}")
        assert response.status == 200
        rows = list(csv.DictReader(io.StringIO((await response.text()).lstrip("\ufeff"))))
        assert rows
        if table in ("intents", "failing"):
            assert next(iter(rows[0].values())) == "'=cmd()"
    assert (await console.get("/analytics/export.csv?table=users")).status == 404
    assert len(console.audit.entries(action="analytics.export")) == 5


async def test_a_change_of_traffic_is_warned_of(console: Any, traces: TraceStore) -> None:
    rows = []
    for back in range(1, 36):
        at = NOW - timedelta(days=back)
        changes = {"decision": "abstain", "source": "fallback"} if back <= 6 else {}
        rows += [record(f"{back}-{n}", at=at, **changes) for n in range(20)]
    traces.write(rows)
    await console.sign_in("viewer")
    page = await console.page("/analytics")
    assert "More questions find no answer" in page
    assert "less sure" not in page


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (None, None, (TODAY - timedelta(days=29), TODAY)),
        (date(2026, 3, 5), date(2026, 3, 1), (date(2026, 3, 1), date(2026, 3, 5))),
        (date(1900, 1, 1), None, (TODAY - timedelta(days=MOST_DAYS - 1), TODAY)),
        (None, date(9999, 12, 31), (TODAY - timedelta(days=28), TODAY + timedelta(days=1))),
    ],
)
def test_a_scope_is_in_order_and_bounded(first: Any, last: Any, expected: tuple[date, date]) -> None:
    scope = read_scope(first, last, "", "", TODAY)
    assert (scope.first, scope.last) == expected
