"""Times in questions."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.traffic.when import parse_when, peak_period

NOW = datetime(2026, 11, 24, 8, 7, tzinfo=ZoneInfo("Asia/Shanghai"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("今晚七点学府路会不会堵", "11-24 19:00"),
        ("半小时后人民路还堵吗", "11-24 08:37"),
        ("两小时后呢", "11-24 10:07"),
        ("明天下午3点", "11-25 15:00"),
        ("周五晚上滨河路车况", "11-27 19:00"),
        ("下周一早高峰", "11-30 07:30"),
        ("will there be a jam at 7 pm", "11-24 19:00"),
        ("in half an hour", "11-24 08:37"),
        ("tomorrow at 17:30", "11-25 17:30"),
        ("Friday evening", "11-27 17:30"),
        ("十二点半", "11-24 12:30"),
    ],
)
def test_moments(text: str, expected: str) -> None:
    when = parse_when(text, NOW)
    assert f"{when.at:%m-%d %H:%M}" == expected
    assert not when.now


@pytest.mark.parametrize("text", ["人民路现在堵吗", "is Renmin Road jammed right now", "实时路况"])
def test_now(text: str) -> None:
    assert parse_when(text, NOW).now


def test_peaks() -> None:
    assert peak_period("早高峰") == "morning" and peak_period("evening peak") == "evening"
    assert peak_period("优化信号") is None


@given(st.text(max_size=40))
def test_never_fails(text: str) -> None:
    assert parse_when(text, NOW).at.tzinfo is not None
