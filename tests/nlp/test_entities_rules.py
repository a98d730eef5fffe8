"""Rules for lines, times, telephone and request numbers in both languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.entities.numbers import number
from nlp.entities.rules import RULES, find_all
from nlp.entities.times import find_times
from nlp.joint_text import prepare


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("十二", 12),
        ("二十", 20),
        ("一百零五", 105),
        ("二〇二六", 2026),
        ("两", 2),
        ("twelve", 12),
        ("abc", None),
        ("", None),
    ],
)
def test_numbers(text: str, value: int | None) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    ("text", "span", "value"),
    [
        ("112路几点来", "112路", "112路"),
        ("坐二十二路", "二十二路", "22路"),
        ("K12路末班车", "K12路", "K12路"),
        ("地铁一号线末班", "地铁一号线", "地铁1号线"),
        ("next bus 12 please", "bus 12", "12路"),
        ("metro line 2 timetable", "metro line 2", "地铁2号线"),
        ("when is the 26 bus due", "26", "26路"),
        ("bus number eight", "bus number eight", "8路"),
    ],
)
def test_lines(text: str, span: str, value: str) -> None:
    (found,) = find_all(text, ["line"])
    assert text[found.start : found.end] == span
    assert found.value == value


@pytest.mark.parametrize(
    "text", ["一路平安", "建设路12号", "12路口右转", "第12路", "in line for 5 minutes", "解放路堵吗"]
)
def test_what_is_no_line(text: str) -> None:
    assert find_all(text, ["line"]) == []


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("明天早上八点半", "day+1 08:30"),
        ("今晚七点", "day+0 19:00"),
        ("下周三下午3点", "week+1 weekday=3 15:00"),
        ("半小时后", "+30min"),
        ("未来24小时", "span=next-24h"),
        ("最近七天", "span=past-7d"),
        ("三天前", "-3d"),
        ("上个月", "month-1"),
        ("10月1日", "month=10 dayofmonth=1"),
        ("今年一季度", "year+0 quarter=1"),
        ("现在", "now"),
        ("8:30", "08:30"),
        ("tomorrow at 8:30 am", "day+1 08:30"),
        ("half past seven", "07:30"),
        ("7 pm", "19:00"),
        ("next Monday morning", "week+1 weekday=1 part=morning"),
        ("in half an hour", "+30min"),
        ("the past seven days"[4:], "span=past-7d"),
        ("day after tomorrow", "day+2"),
        ("noon", "part=noon"),
        ("tomorrow at noon", "day+1 12:00"),
        ("12 am", "00:00"),
    ],
)
def test_times_are_found_whole_and_normalised(text: str, normal: str) -> None:
    (found,) = find_times(text)
    assert (found.start, found.end, found.normal) == (0, len(text), normal)


@pytest.mark.parametrize("text", ["有一点堵", "good morning", "周末愉快", "快一点", "the best of times"])
def test_what_is_no_time(text: str) -> None:
    assert [m for m in find_times(text) if m.sure] == []


@pytest.mark.parametrize(
    ("text", "entity", "normal"),
    [
        ("打13800138000找我", "phone", "+8613800138000"),
        ("+86 138 0013 8000", "phone", "+8613800138000"),
        ("call 010-12345678", "phone", "+861012345678"),
        ("我的单号LC-2026-001234", "request_number", "LC-2026-001234"),
        ("lc 2026 001357 please", "request_number", "LC-2026-001357"),
        ("is 20261123-0042 done", "request_number", "20261123-0042"),
        ("编号88213什么时候处理", "request_number", "88213"),
    ],
)
def test_numbers_of_people_and_cases(text: str, entity: str, normal: str) -> None:
    (found,) = find_all(text, ["phone", "request_number"])
    assert (found.entity, found.normal) == (entity, normal)


@given(st.text(max_size=80))
def test_any_text_gives_spans_inside_it(text: str) -> None:
    prepared = prepare(text)
    for found in find_all(prepared, list(RULES)):
        assert 0 <= found.start < found.end <= len(prepared)
