"""From the normal form of a time expression to dates."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.entities.clock import resolve_time
from nlp.entities.times import find_times
from nlp.joint_text import prepare

NOW = datetime(2026, 5, 13, 15, 20)  # a Wednesday


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("明天早上八点半", datetime(2026, 5, 14, 8, 30), datetime(2026, 5, 14, 8, 30)),
        ("tomorrow", datetime(2026, 5, 14), datetime(2026, 5, 15)),
        ("next Monday", datetime(2026, 5, 18), datetime(2026, 5, 19)),
        ("周五晚上", datetime(2026, 5, 15, 18), datetime(2026, 5, 15, 22)),
        ("上个月", datetime(2026, 4, 1), datetime(2026, 5, 1)),
        ("in half an hour", datetime(2026, 5, 13, 15, 50), datetime(2026, 5, 13, 15, 50)),
        ("8点", datetime(2026, 5, 14, 8), datetime(2026, 5, 14, 8)),
        ("今年一季度", datetime(2026, 1, 1), datetime(2026, 4, 1)),
        ("10月1日", datetime(2026, 10, 1), datetime(2026, 10, 2)),
        ("12月", datetime(2026, 12, 1), datetime(2027, 1, 1)),
        ("this weekend", datetime(2026, 5, 16), datetime(2026, 5, 18)),
        ("past seven days", datetime(2026, 5, 6, 15, 20), NOW),
    ],
)
def test_expressions_become_dates(text: str, start: datetime, end: datetime) -> None:
    (found,) = find_times(text)
    assert resolve_time(found.normal, NOW) == (start, end)


@pytest.mark.parametrize("normal", ["", "holiday=春节", "month=2 dayofmonth=31"])
def test_open_expressions_have_no_date(normal: str) -> None:
    assert resolve_time(normal, NOW) is None


@given(
    st.text(
        alphabet="今明后大前天早上午下晚周一二三四五六日月年季度点半刻分号上下个未来最近过去小时内0123456789: tomorrowpam",
        max_size=14,
    )
)
def test_whatever_is_found_is_resolved_or_left_open(text: str) -> None:
    for found in find_times(prepare(text)):
        interval = resolve_time(found.normal, NOW)
        assert interval is None or interval[0] <= interval[1]
