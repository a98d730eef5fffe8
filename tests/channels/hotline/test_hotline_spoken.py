"""Written replies as they are spoken on the telephone."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from channels.hotline.numerals import cardinal, clock, spell
from channels.hotline.spoken import PART_CHARS, parts_of, speakable
from city.messages import Reply

_VALUES = {c: n for n, c in enumerate("零一二三四五六七八九")}


def value_of(words: str) -> int:
    """Read a Chinese numeral the way a person does."""
    total = group = digit = 0
    for c in words:
        if c in _VALUES:
            digit = _VALUES[c]
        elif c in "十百千":
            group += (digit or (1 if c == "十" else 0)) * {"十": 10, "百": 100, "千": 1000}[c]
            digit = 0
        else:
            total = (total + group + digit) * 10**4 if c == "万" else (total + group + digit) * 10**8
            group = digit = 0
    return total + group + digit


@given(st.integers(0, 10**8 - 1))
def test_chinese_numbers_read_back(number: int) -> None:
    assert value_of(cardinal(str(number), "zh")) == number


@given(st.integers(0, 10**9))
def test_english_numbers_are_those_of_the_library(number: int) -> None:
    assert cardinal(f"{number:,}", "en") == num2words(number).replace(",", "")


@pytest.mark.parametrize(
    ("number", "zh", "en"),
    [
        ("0", "零", "zero"),
        ("10", "十", "ten"),
        ("110", "一百一十", "one hundred and ten"),
        ("1,000", "一千", "one thousand"),
        ("10,010", "一万零一十", "ten thousand and ten"),
        ("3.50", "三点五零", "three point five zero"),
        ("-5", "负五", "minus five"),
    ],
)
def test_amounts(number: str, zh: str, en: str) -> None:
    assert (cardinal(number, "zh"), cardinal(number, "en")) == (zh, en)


@pytest.mark.parametrize(
    ("hour", "minute", "zh", "en"),
    [
        (9, 0, "九点", "nine a.m."),
        (2, 5, "两点零五分", "two oh five a.m."),
        (22, 30, "二十二点半", "ten thirty p.m."),
        (12, 0, "十二点", "noon"),
        (0, 0, "零点", "midnight"),
    ],
)
def test_times_of_day(hour: int, minute: int, zh: str, en: str) -> None:
    assert (clock(hour, minute, "zh"), clock(hour, minute, "en")) == (zh, en)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("**市图书馆周二至周日9:00至21:00开放**", "市图书馆周二至周日九点到二十一点开放"),
        ("请拨打**12345转14**", "请拨打幺二三四五转幺四"),
        ("马上拨打120或110", "马上拨打幺二零或幺幺零"),
        ("首年300元，之后每年1,000元", "首年三百元，之后每年一千元"),
        ("报销85%", "报销百分之八十五"),
        ("年检60-64周岁半价", "年检六十到六十四周岁半价"),
        ("2026-11-30 前办理", "二零二六年十一月三十日 前办理"),
        ("平均车速49公里/小时", "平均车速四十九公里每小时"),
        ("编号LC-20261124-7F3A", "编号L C 二零二六幺幺二四 七 F 三 A".replace("七", "七")),
        (
            "见 [网页](https://www.lanchuan.example/a?b=1) 和 www.lanchuan.example。",
            "见 网页 和 市政府网站。",
        ),
        ("12路末班车22:00", "十二路末班车二十二点"),
        ("已受理2个问题", "已受理两个问题"),
    ],
)
def test_chinese(written: str, spoken: str) -> None:
    assert re.sub(r"\s", "", speakable(written, "zh")) == re.sub(r"\s", "", spoken)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Open **9:00 to 21:00**", "Open nine a.m. to nine p.m."),
        ("Call 12345 ext. 3", "Call one two three four five extension three"),
        ("Under 1 year: 400 yuan", "Under one year: four hundred yuan"),
        ("3–5 years: 1,000 yuan", "three to five years: one thousand yuan"),
        ("mean speed 49 km/h", "mean speed forty-nine kilometres per hour"),
        ("half price (50%)", "half price (fifty percent)"),
        ("from 26 Nov 22:00", "from November twenty-six ten p.m."),
        ("counter, 2nd floor", "counter, second floor"),
        ("8:30–12:30: Binhe Road", "eight thirty a.m. to twelve thirty p.m.: Binhe Road"),
        ("until 17:00.", "until five p.m."),
        ("Bus K12 (night)", "Bus K twelve (night)"),
        ("No. 88 Renmin Rd", "number eighty-eight Renmin Road"),
    ],
)
def test_english(written: str, spoken: str) -> None:
    assert speakable(written, "en") == spoken


@given(st.text(max_size=300), st.sampled_from(["zh", "en"]))
def test_nothing_unspeakable_is_left(text: str, language: str) -> None:
    spoken = speakable(text, language)
    assert not re.search(r"[\u0000-\u0008*_#`|<>\u202e]|[0-9]", spoken)


@given(st.lists(st.text(max_size=400), max_size=3), st.sampled_from(["zh", "en"]))
def test_parts_are_short_unless_one_sentence_is_long(texts: list[str], language: str) -> None:
    replies = [Reply(text, "knowledge") for text in texts]
    for part in parts_of(replies, language):
        assert part.strip()


def test_a_long_answer_is_said_in_parts() -> None:
    text = "请带身份证到窗口办理，当场领取。\n\n- " + "\n- ".join(
        f"第{n}项材料请准备原件和复印件各一份" for n in range(1, 12)
    )
    parts = parts_of([Reply(text, "knowledge")], "zh")
    assert len(parts) >= 3
    assert all(len(part) <= PART_CHARS["zh"] for part in parts)
    assert parts[0].startswith("请带身份证到窗口办理")


def test_numbered_lists_are_read_without_their_numbers() -> None:
    parts = parts_of([Reply("Nearby:\n1. People's Square\n2. Old Town", "transit")], "en")
    assert parts == ["Nearby: People's Square. Old Town."]


def test_digits_are_spelled_for_the_ear() -> None:
    assert spell("120", "zh") == "幺二零"
    assert spell("A7", "en") == "A seven"
