from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.transit.errors import NaiveTimeError
from actions.transit.numerals import number
from actions.transit.parse import TransitQuery
from actions.transit.text import fold
from actions.transit.times import read_when

NOW = datetime(2026, 11, 24, 15, 2, tzinfo=ZoneInfo("Asia/Shanghai"))  # a Tuesday

MOMENTS = [
    ("8点半", "24 20:30"),
    ("晚上10点", "24 22:00"),
    ("明天早上7点", "25 07:00"),
    ("after 10pm", "24 22:00"),
    ("tomorrow at 8:30", "25 08:30"),
    ("下午3点15分", "24 15:15"),
    ("八点一刻", "24 20:15"),
    ("二十一点", "24 21:00"),
    ("凌晨一点", "25 01:00"),
    ("半夜", "25 00:00"),
    ("中午12点", "25 12:00"),
    ("晚上12点", "25 00:00"),
    ("at half past seven", "24 19:30"),
    ("quarter to nine", "24 20:45"),
    ("8 am tomorrow", "25 08:00"),
    ("10 p.m.", "24 22:00"),
    ("noon", "25 12:00"),
    ("20分钟后", "24 15:22"),
    ("半小时后", "24 15:32"),
    ("一个半小时后", "24 16:32"),
    ("in half an hour", "24 15:32"),
    ("in 20 minutes", "24 15:22"),
    ("in an hour", "24 16:02"),
    ("at 10 from City Hall", "24 22:00"),
    ("明晚", "25 19:00"),
    ("下周一上午", "30 09:00"),
    ("5 in the morning", "25 05:00"),
    ("今天晚上十点以后", "24 22:00"),
    ("早高峰", "25 07:00"),
    ("tonight", "24 19:00"),
    ("25点", "25 01:00"),
    ("25:10", "25 01:10"),
    ("9:61", None),
    ("12路", None),
    ("晚一点的班次", None),
    ("几点", None),
    ("the night bus", None),
    ("", None),
]

DAYS = [
    ("周日", date(2026, 11, 29)),
    ("on Sunday", date(2026, 11, 29)),
    ("星期二", date(2026, 11, 24)),
    ("下周二", date(2026, 12, 1)),
    ("明天", date(2026, 11, 25)),
    ("后天", date(2026, 11, 26)),
    ("大后天", date(2026, 11, 27)),
    ("day after tomorrow", date(2026, 11, 26)),
    ("周末", date(2026, 11, 28)),
    ("10月1日", date(2027, 10, 1)),
    ("十月一号", date(2027, 10, 1)),
    ("2026-12-25", date(2026, 12, 25)),
    ("Dec 25", date(2026, 12, 25)),
    ("25th of December", date(2026, 12, 25)),
    ("元旦", date(2027, 1, 1)),
    ("New Year's Day", date(2027, 1, 1)),
    ("6月31日", None),
]


@pytest.mark.parametrize(("text", "moment"), MOMENTS)
def test_moments(text, moment):
    when = read_when(fold(text), NOW)
    assert (when and when.moment and f"{when.moment:%d %H:%M}") == moment


@pytest.mark.parametrize(("text", "day"), DAYS)
def test_days(text, day):
    when = read_when(fold(text), NOW)
    assert (when and when.day) == day
    assert when is None or when.moment is None


def test_now_is_now():
    when = read_when(fold("现在"), NOW)
    assert when is not None
    assert when.is_now
    assert when.moment == NOW


@given(hour=st.integers(0, 23), minute=st.integers(0, 59), ahead=st.integers(0, 3), now_h=st.integers(0, 23))
def test_a_clock_time_with_a_day_is_that_time(hour, minute, ahead, now_h):
    now = NOW.replace(hour=now_h)
    word = ["今天", "明天", "后天", "大后天"][ahead]
    when = read_when(f"{word}{hour}:{minute:02d}", now)
    assert when is not None
    assert when.moment is not None
    expected = (now + timedelta(days=ahead)).replace(hour=hour, minute=minute, second=0)
    if ahead == 0 and 1 <= hour <= 12:
        assert when.moment in (expected, expected + timedelta(hours=12))
    else:
        assert when.moment == expected


@given(st.integers(0, 99))
def test_chinese_numerals_round_trip(value):
    digits = "零一二三四五六七八九"
    tens, ones = divmod(value, 10)
    text = (
        digits[ones]
        if not tens
        else ("" if tens == 1 else digits[tens]) + "十" + (digits[ones] if ones else "")
    )
    assert number(text) == value
    assert number(str(value)) == value


CASES = [
    ("下一班12路几点?", {"line": "12路"}),
    ("人民广场下一班12路几点", {"line": "12路", "stop": "人民广场"}),
    ("从长途汽车站坐20路下一班几点", {"line": "20路", "stop": "长途汽车站"}),
    ("2路几时到老城啊", {"line": "2路", "stop": "老城"}),
    ("往西山公园方向的3路下一趟", {"line": "3路", "to": "西山公园"}),
    ("从人民广场到澜川机场怎么走", {"stop": "人民广场", "to": "澜川机场"}),
    ("next 12 from People's Square", {"line": "12路", "stop": "人民广场"}),
    (
        "the next one for Metro Line 2 towards East High-speed Station",
        {"line": "地铁2号线", "to": "高铁东站"},
    ),
    ("how long till bus 12 gets to Science Park", {"line": "12路", "stop": "科技园"}),
    ("how do i get to Xishan Park by bus", {"to": "西山公园"}),
    ("last bus to the airport tonight", {"to": "澜川机场", "which": "last", "when": True}),
    ("first Airport Express on Saturday", {"line": "机场快线", "which": "first", "when": True}),
    ("首末班几点", {"which": "both"}),
    ("反方向呢", {"opposite": True}),
    ("那下一班呢?", {"later": True}),
    ("anything earlier", {"earlier": True}),
    ("我附近有公交站吗", {"here": True}),
    ("", {}),
    ("???", {}),
    ("谢谢", {}),
]


def summary(demo, query: TransitQuery) -> dict[str, object]:
    stops = demo.network.stops
    out: dict[str, object] = {}
    if query.lines:
        out["line"] = "/".join(line.name("zh") for line in query.lines[0].lines)
    for name in ("stop", "to"):
        mention = getattr(query, name)
        if mention:
            out[name] = "/".join(sorted({stops.name(t, "zh") for t in mention.targets}))
    for name in ("which", "opposite", "later", "earlier", "here"):
        if getattr(query, name):
            out[name] = getattr(query, name)
    if query.when:
        out["when"] = True
    return out


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_queries(demo, text, expected):
    assert summary(demo, demo.network.parser.parse(text, NOW)) == expected


def test_entities_fill_what_the_text_does_not_show(demo):
    entities = {"line": ["K12路"], "stop": ["人民广场"], "time": ["明天早上七点"]}
    query = demo.network.parser.parse("夜班车", NOW, entities)
    assert summary(demo, query) == {"line": "K12路", "stop": "人民广场", "when": True}
    query = demo.network.parser.parse("望江亭附近边度有巴士站", NOW, {"place": ["望江亭"]})
    assert query.stop is not None
    assert query.stop.said == "望江亭"
    assert query.stop.targets == ()


def test_unknown_places_are_kept_as_said(demo):
    for text in ("桃园小区的12路几点", "下一班12路桃园小区几点", "12路从桃园小区坐"):
        query = demo.network.parser.parse(text, NOW)
        assert query.stop is not None
        assert query.stop.said == "桃园小区"
        assert query.stop.targets == ()


def test_stop_codes_and_coordinates(demo):
    query = demo.network.parser.parse("和平路(站点1001)的下一班", NOW)
    assert demo.network.stops.name(query.stop.targets[0], "zh") == "人民广场"
    assert demo.network.parser.parse("29.0, 124.5 附近的公交站", NOW).position == (29.0, 124.5)
    assert demo.network.parser.parse("99.99, 999.99", NOW).position is None


ODD = [
    "",
    " ",
    "🚌🚏",
    "\u202e路21\u202c",
    "\x00\x07",
    "<script>alert(1)</script>",
    "a" * 10_000,
    "路" * 10_000,
    "1" * 10_000,
    "12路" * 3_000,
    "’" * 50,
]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_texts_parse(demo, text):
    assert isinstance(demo.network.parser.parse(text, NOW), TransitQuery)


WORDS = st.sampled_from(
    [
        " ",
        *"12路 人民广场 火车站 明天 8点半 last bus to from the 从 到 去 往 方向 呢 附近 站 k12".split(),
        *"metro line 号线 ? , 周日 pm 一 十 点 the zoo".split(),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(WORDS, max_size=14).map("".join)))
def test_any_text_parses_and_spans_lie_inside(demo, text):
    query = demo.network.parser.parse(text, NOW)
    for mention in query.lines:
        assert 0 <= mention.start <= mention.end <= len(query.text)
    if query.when:
        assert all(0 <= a <= b <= len(query.text) for a, b in query.when.spans)
        if query.when.moment:
            assert query.when.moment.tzinfo is not None


def test_now_must_be_aware(demo):
    with pytest.raises(NaiveTimeError):
        demo.network.parser.parse("12路", datetime(2026, 1, 1))
