"""Charts are well-formed, escaped and scriptless; CSV starts no formula."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.charts import Series, bar_chart, line_chart, shown
from console.csv_export import csv_text

VALUES = st.lists(st.none() | st.floats(0, 1e7), max_size=40)


@given(VALUES, VALUES, st.sampled_from(["", "%", "ms"]))
def test_any_values_make_a_picture(one: list[float | None], two: list[float | None], unit: str) -> None:
    labels = [str(n) for n in range(max(len(one), len(two)))]
    chart = line_chart("c", "t", "d", labels, [Series("a", one), Series("b", two)], unit)
    svg = ElementTree.fromstring(chart[: chart.index("<ul")])
    assert svg.get("role") == "img"
    assert "nan" not in chart


@given(
    st.lists(
        st.tuples(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=40), st.floats(0, 1e6))
    )
)
def test_any_bars_make_a_picture(bars: list[tuple[str, float]]) -> None:
    ElementTree.fromstring(bar_chart("b", "t", "d", bars))


def test_names_cannot_break_out() -> None:
    evil = '"><script>alert(1)</script>'
    chart = line_chart(evil, evil, evil, [evil], [Series(evil, [1.0]), Series(evil, [2.0])])
    chart += bar_chart(evil, evil, evil, [(evil, 1.0)])
    assert "<script" not in chart
    assert "style=" not in chart


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "", "–"),
        (0.1234, "%", "12.3%"),
        (1234567, "", "1,234,567"),
        (12.34, "ms", "12.3 ms"),
        (3.0, "", "3"),
    ],
)
def test_values_are_shown_as_people_read_them(value: float | None, unit: str, text: str) -> None:
    assert shown(value, unit) == text


@pytest.mark.parametrize("evil", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "＝1", "\r=1"])
def test_no_cell_starts_a_formula(evil: str) -> None:
    (header, row) = csv.reader(io.StringIO(csv_text([evil], [[evil]]).lstrip("\ufeff"), newline=""))
    assert header[0].startswith("'")
    assert row[0].startswith("'")


def test_numbers_stay_numbers() -> None:
    assert csv_text(["a", "b", "c"], [[-1, 0.123456, None]]).splitlines()[1] == "-1,0.1235,"
