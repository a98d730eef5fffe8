from __future__ import annotations

import copy
import functools
import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.transit.errors import FeedError, NaiveTimeError
from actions.transit.service import TransitService
from city.messages import Reply

SHANGHAI = ZoneInfo("Asia/Shanghai")
ODD = [
    "",
    "   ",
    "🚌🚏",
    "\u202e路21\u202c",
    "\x00\x07\x1b[31m",
    "<script>alert(1)</script>",
    "a" * 10_000,
    "路" * 10_000,
    "12路" * 3_000,
    "?!",
    "{{x}}",
    "%s {0}",
]


class Talk:
    """A conversation with the service."""

    def __init__(self, service: TransitService, language: str, now: datetime) -> None:
        self.service, self.language, self.now, self.state = service, language, now, None

    def __call__(self, kind: str, text: str, **entities: str) -> Reply:
        ask = self.service.follow_up if kind == "more" else functools.partial(self.service.answer, kind)
        before = copy.deepcopy(self.state)
        outcome = ask(
            text,
            now=self.now,
            language=self.language,
            state=self.state,
            entities={k: [v] for k, v in entities.items()},
        )
        assert self.state == before, "the state handed in must not change"
        self.state = json.loads(json.dumps(outcome.state))
        assert len(outcome.replies) == 1
        return outcome.replies[0]


@pytest.fixture
def zh(demo, tuesday) -> Talk:
    return Talk(demo, "zh", tuesday)


@pytest.fixture
def en(demo, tuesday) -> Talk:
    return Talk(demo, "en", tuesday)


def test_stops_near_a_place(zh):
    reply = zh("stops", "人民广场附近有哪些公交站?")
    assert reply.source == "transit"
    assert reply.text.startswith("人民广场附近")
    assert "人民广场（约" in reply.text
    assert "12路" in reply.text
    assert "来源：澜川公交集团" in reply.text


def test_stops_near_a_landmark_that_is_no_stop(en):
    reply = en("stops", "Which stops are near the Clock Tower?")
    assert "Old Town (about" in reply.text
    assert "Clock Tower" in reply.text


def test_metro_near_widens_the_search_and_says_so(zh):
    reply = zh("stops", "植物园附近的地铁站在哪")
    assert "800 米内没有站点" in reply.text
    assert "东湖（约 1.1 公里）" in reply.text


def test_near_me_asks_where(en):
    reply = en("stops", "bus stops near me")
    assert reply.source == "clarify"
    assert reply.buttons
    assert "Stops within" in en("stops", reply.buttons[0].payload).text


def test_unknown_place_is_not_guessed(zh):
    reply = zh("stops", "望江亭附近有什么站")
    assert reply.source == "clarify"
    assert "望江亭" in reply.text


def test_two_places_are_a_choice(zh):
    reply = zh("stops", "人民路和解放路路口附近的站")
    assert [b.title for b in reply.buttons] == ["人民路", "解放路"]


def test_coordinates(en):
    assert "People's Square" in en("stops", "stops near 29.0001, 124.5001").text


def test_a_line_without_a_stop_asks_and_the_answer_completes_it(zh):
    asked = zh("departures", "下一班12路几点?")
    assert asked.source == "clarify"
    assert "12路" in asked.text
    assert "人民广场" in [b.title for b in asked.buttons]
    for kind in ("departures", "stops", "more"):
        fresh = Talk(zh.service, "zh", zh.now)
        fresh.state = zh.state
        reply = fresh(kind, "人民广场")
        assert reply.source == "transit"
        assert reply.text.startswith("12路 在 人民广场 的下一班（计划时刻）")
        assert "往 科技园：08:10（8 分钟后）" in reply.text


def test_what_was_said_before_the_question_is_kept(zh):
    asked = zh("departures", "明天12路末班车几点")
    # Without a stop the line's own first and last vehicles are told.
    assert asked.source == "transit" and "末班" in asked.text and "科技园" in asked.text
    reply = zh("departures", "人民广场")
    assert "末班车" in reply.text
    assert "2026年11月25日" in reply.text


@pytest.mark.parametrize("kind", ["departures", "line", "more"])
def test_the_next_one_after_the_way_is_one_that_goes_there(en, zh, kind):
    assert (
        "Direct lines from Railway Station"
        in en("line", "how do I get from the Railway Station to the airport").text
    )
    following = en(kind, "when is the next one")
    assert "Airport" in following.text and "Bus 1" not in following.text
    assert "Last departures" in en("departures", "and the last one").text
    assert "Airport Express: 20 yuan" in en("more", "how much is it").text
    zh("line", "从人民广场到澜川大学怎么走")
    assert "澜川大学" in zh(kind, "下一班几点").text or "地铁1号线" in zh(kind, "下一班几点").text


def test_what_the_way_costs(en, zh):
    zh("line", "从人民广场到澜川大学怎么走")
    fares = zh("line", "要多少钱")
    assert fares.text.startswith("票价：") and "地铁1号线：" in fares.text and "3路：2 元" in fares.text
    assert "下一班" in zh("more", "下一班呢").text
    en("line", "how do I get from the Railway Station to the airport")
    assert "Airport Express: 20 yuan" in en("more", "how much is it").text


def test_departures_name_source_day_and_that_they_are_scheduled(zh, en):
    assert "计划时间，非实时。运营日：2026年11月24日（周二）。" in zh("departures", "12路人民广场下一班").text
    text = en("departures", "next bus 12 from People's Square").text
    assert "scheduled times, not live. Service day: Tue 24 Nov 2026." in text
    assert "To Science Park: 08:10 (in 8 min), 08:20, 08:30" in text


def test_follow_ups(zh):
    zh("departures", "12路在人民广场往科技园方向的下一班")
    later = zh("more", "那下一班呢?")
    assert "08:40" in later.text
    assert "火车站：" not in later.text
    assert "往 火车站：" in zh("more", "反方向呢?").text
    five = zh("more", "那5路呢?")
    assert five.text.startswith("5路 在 人民广场")
    assert "末班车" in zh("more", "末班车呢").text
    assert "5路不停靠火车站" in zh("more", "从火车站出发呢").text


def test_follow_ups_in_english(en):
    en("departures", "next bus 12 from People's Square")
    assert en("more", "what about line 5?").text.startswith("Next departures of Bus 5 from People's Square")
    assert "Bus 5 does not stop at Railway Station" in en("more", "and from the railway station?").text
    en("departures", "next bus 12 from People's Square")
    assert "from Railway Station" in en("more", "and from the railway station?").text
    assert "Wed 25 Nov 2026" in en("more", "and tomorrow?").text


def test_earlier_and_later_move_through_the_timetable(en):
    first = en("departures", "next bus 12 from People's Square towards Science Park").text
    assert "08:10" in first
    en("more", "any later ones")
    back = en("more", "anything earlier?").text
    assert "08:30" in back
    assert "08:40" not in back


def test_the_opposite_of_both_directions_is_asked(zh):
    zh("departures", "12路在人民广场的下一班")
    reply = zh("more", "反方向呢")
    assert reply.source == "clarify"
    assert {b.title for b in reply.buttons} == {"往火车站", "往科技园"}


def test_at_a_terminus_there_is_only_one_direction(zh):
    zh("departures", "12路在火车站的下一班")
    assert "只有往科技园的方向" in zh("more", "反方向呢").text


def test_a_follow_up_no_timetable_answers_offers_what_it_can(en):
    en("departures", "next bus 12 from People's Square")
    reply = en("more", "is it crowded")
    assert reply.source == "clarify"
    assert len(reply.buttons) == 3


def test_old_or_foreign_state_counts_as_none(demo, tuesday):
    state = demo.answer("departures", "12路人民广场", now=tuesday, state=None).state
    fresh = demo.follow_up("末班车呢", now=tuesday + timedelta(minutes=5), state=state).replies[0]
    assert "12路 在 人民广场" in fresh.text
    stale = [
        {**state, "at": state["at"] - 86_400},
        {**state, "version": 0},
        {**state, "line": 5},
        {"x": 1},
        {**state, "stop": "gone", "line": "gone"},
    ]
    for old in stale:
        assert demo.follow_up("末班车呢", now=tuesday, state=old).replies[0].source == "clarify"


def test_a_line_of_several_modes_is_asked_unless_the_stop_tells(en):
    reply = en("departures", "when is the next line 2")
    assert [b.title for b in reply.buttons] == ["Bus 2", "Metro Line 2"]
    assert (
        "Metro Line 2 from People's Square"
        in Talk(en.service, "en", en.now)("departures", "line 2 from People's Square").text
    )


def test_unknown_line_and_line_that_does_not_stop(zh):
    reply = zh("departures", "99路在人民广场几点")
    assert reply.source == "clarify"
    assert "没有“99路”" in reply.text
    reply = zh("departures", "26路在人民广场几点")
    assert "26路不停靠人民广场" in reply.text


def test_all_lines_at_a_stop(zh):
    text = zh("departures", "火车站下一班有哪些车").text
    assert "8路 往 会展中心" in text
    assert "机场快线 往 澜川机场" in text


def test_after_midnight_yesterdays_night_bus_runs(demo):
    talk = Talk(demo, "zh", datetime(2026, 11, 25, 0, 40, tzinfo=SHANGHAI))
    text = talk("departures", "K12路在人民广场往软件园方向").text
    assert "01:09（29 分钟后）" in text
    assert "运营日：2026年11月24日" in text
    assert "05:09（次日）" in talk("more", "末班车呢").text


def test_last_bus_gone_says_so_and_names_the_next(demo):
    talk = Talk(demo, "en", datetime(2026, 11, 24, 23, 30, tzinfo=SHANGHAI))
    text = talk("departures", "last bus 12 from People's Square towards Science Park").text
    assert "already left" in text
    assert "tomorrow 05:50" in text


def test_holidays_run_the_sunday_timetable_and_say_so(demo):
    talk = Talk(demo, "zh", datetime(2026, 10, 1, 8, 0, tzinfo=SHANGHAI))
    assert "特别安排" in talk("departures", "12路在人民广场的下一班").text


@pytest.mark.parametrize(("year", "word"), [(2029, "只到2028年12月31日"), (2025, "从2026年1月1日")])
def test_outside_the_timetable_it_says_so(demo, year, word):
    talk = Talk(demo, "zh", datetime(year, 6, 1, 8, 0, tzinfo=SHANGHAI))
    for text in ("12路在人民广场的下一班", "12路在人民广场的末班车"):
        reply = talk("departures", text)
        assert word in reply.text
        assert ":" not in reply.text.replace("：", "")
    assert word in talk("line", "12路多久一班").text


def test_line_information(zh):
    text = zh("line", "12路经过哪些站").text
    assert "火车站 → 站前路 → 少年宫 → 人民广场" in text
    assert "首班 05:40，末班 22:30" in text
    assert "早高峰（7–9 时）10 分钟" in text
    assert "票价：2 元" in text
    assert "2–7 元" in zh("line", "地铁1号线的路线").text


def test_metro_hours_are_those_of_the_articles(demo):
    friday = Talk(demo, "zh", datetime(2026, 11, 27, 8, 0, tzinfo=SHANGHAI))
    tuesday = Talk(demo, "zh", datetime(2026, 11, 24, 8, 0, tzinfo=SHANGHAI))
    eve = Talk(demo, "zh", datetime(2026, 9, 24, 8, 0, tzinfo=SHANGHAI))
    assert "首班 06:00，末班 23:30" in friday("line", "地铁1号线路线").text
    assert "首班 06:00，末班 23:00" in tuesday("line", "地铁1号线路线").text
    assert "末班 23:30" in eve("line", "地铁1号线路线").text


def test_does_it_stop_there(en):
    assert en("line", "does bus 12 stop at People's Square").text.startswith("Yes")
    assert "Bus 15, Bus 26" in en("line", "does bus 20 go to the Children's Hospital").text


def test_lines_that_cross_and_lines_that_lead_somewhere(zh, en):
    assert "人民广场" in zh("line", "1号线和2号线在哪换乘").text
    assert "15路" in zh("line", "去动物园坐几路车").text
    assert "换乘15路" in zh("line", "从长途汽车站").text
    assert "Airport Express: next 08:08" in en("line", "best way from People's Square to the airport").text


def test_which_line_is_asked_when_none_is_named(en):
    reply = en("line", "tell me about the route")
    assert reply.source == "clarify"
    assert "Bus 1" in en("line", reply.buttons[0].payload).text


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("kind", ["stops", "departures", "line", "more"])
def test_odd_texts_get_a_reply_in_both_languages(zh, en, kind, text):
    for talk in (zh, en):
        reply = talk(kind, text)
        assert reply.text
        assert len(reply.text) < 2_000
        assert "\x1b" not in reply.text


WORDS = st.sampled_from(
    "12路 5路 人民广场 火车站 西山公园 明天 8点半 末班车 first from to 从 到 方向 呢 附近 反方向 下一班".split()
    + "metro line 1 周日 the zoo 吗".split()
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["stops", "departures", "line", "more"]),
            st.lists(WORDS, max_size=6).map(" ".join),
        ),
        max_size=4,
    ),
    st.sampled_from(["zh", "en"]),
)
def test_any_conversation_is_answered(demo, turns, language):
    talk = Talk(demo, language, datetime(2026, 11, 24, 8, 2, tzinfo=SHANGHAI))
    for kind, text in turns:
        reply = talk(kind, text)
        assert reply.source in ("transit", "clarify")
        assert len(reply.buttons) <= 6
        assert all(b.title and b.payload for b in reply.buttons)


def test_naive_time_and_broken_feeds_are_named_errors(demo, tmp_path):
    with pytest.raises(NaiveTimeError):
        demo.answer("departures", "12路", now=datetime(2026, 1, 1))
    (tmp_path / "gtfs.zip").write_bytes(b"junk")
    with pytest.raises(FeedError, match=r"gtfs\.zip"):
        TransitService.load(tmp_path / "gtfs.zip")


def test_a_feed_without_landmarks_or_translations_serves(build, tuesday):
    service = TransitService.load(build())
    assert (
        "码头"
        in service.answer(
            "departures", "12路 from 人民广场", now=tuesday - timedelta(minutes=10), language="en"
        )
        .replies[0]
        .text
    )
    assert service.answer("stops", "火车站附近", now=tuesday).replies[0].source == "transit"


def test_departures_near_a_landmark_name_the_stop(zh):
    reply = zh("departures", "钟楼附近下一班12路几点")
    assert "离钟楼最近的站是少年宫" in reply.text
    assert "12路 在 少年宫" in reply.text


def test_typos_are_understood_or_asked(zh):
    assert "12路 在 人民广场" in zh("departures", "12路从人民光场坐").text
    reply = zh("departures", "12路从桃园小区坐")
    assert reply.source == "clarify"
    assert "桃园小区" in reply.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("人民广场", True),
        ("People's Square", True),
        ("要带什么材料", False),
        ("", False),
        ("人民广场" * 20, False),
    ],
)
def test_bare_stop_after_which_stop_is_an_answer(demo, tuesday, text, expected):
    asked = demo.answer("departures", "下一班12路几点", now=tuesday, language="zh")
    assert demo.is_answer(text, now=tuesday, entities=None, state=asked.state) is expected
    assert demo.is_answer(text, now=tuesday, entities=None, state=None) is False
