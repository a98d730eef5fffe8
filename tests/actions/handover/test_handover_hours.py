"""Hours with holidays and daylight saving, the expected wait, and the data files."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from actions.handover.errors import RulesError
from actions.handover.hours import Hours
from actions.handover.rules import read_canned, read_rules
from actions.handover.settings import HandoverSection, WindowSection
from actions.handover.waiting import Pace, expected_wait_s, measured

SHANGHAI = ZoneInfo("Asia/Shanghai")
WEEK = [
    WindowSection.parse_obj({"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:30", "to": "18:00"}),
    WindowSection.parse_obj({"days": ["sat", "sun", "holiday"], "from": "09:00", "to": "12:00"}),
]


def at(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(timezone.utc)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-23T08:29:59", False),
        ("2026-11-23T08:30", True),
        ("2026-11-23T18:00", False),
        ("2026-11-28T10:00", True),
        ("2026-11-28T14:00", False),
        ("2026-10-01T14:00", False),  # National Day, a Thursday
        ("2026-10-01T10:00", True),
        ("2026-10-10T14:00", True),  # a Saturday worked in exchange
    ],
)
def test_open_by_weekday_holiday_and_make_up_day(moment: str, is_open: bool) -> None:
    assert Hours(WEEK, SHANGHAI, "CN").is_open(at(moment)) is is_open


def test_a_window_over_midnight_and_a_closed_day() -> None:
    night = [WindowSection.parse_obj({"days": ["mon"], "from": "22:00", "to": "02:00"})]
    hours = Hours(night, SHANGHAI, closed=[at("2026-11-30T12:00").date()])
    assert hours.is_open(at("2026-11-24T01:59"))
    assert not hours.is_open(at("2026-11-24T02:00"))
    assert not hours.is_open(at("2026-11-30T23:00"))
    opens = hours.next_opening(at("2026-11-24T02:00"))
    assert opens is not None
    assert opens.isoformat() == "2026-12-07T22:00:00+08:00"


def test_daylight_saving_keeps_the_wall_clock() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    hours = Hours([WindowSection.parse_obj({"days": ["sun"], "from": "08:00", "to": "12:00"})], berlin)
    assert hours.is_open(at("2026-03-29T08:00", berlin))
    assert not hours.is_open(at("2026-03-29T07:59", berlin))


@given(st.integers(0, 60 * 24 * 400))
@settings(max_examples=60, deadline=None)
def test_the_next_opening_is_open_and_nothing_opens_before(minutes: int) -> None:
    hours = Hours(WEEK, SHANGHAI, "CN")
    moment = at("2026-01-01T00:00") + timedelta(minutes=minutes)
    opens = hours.next_opening(moment)
    assert opens is not None
    assert hours.is_open(opens)
    assert opens > moment
    if not hours.is_open(moment):
        assert not hours.is_open(opens - timedelta(minutes=1))


@given(st.integers(1, 50), st.integers(1, 40), st.integers(0, 60))
def test_the_wait_grows_with_the_queue_and_shrinks_with_people(position: int, places: int, busy: int) -> None:
    pace = Pace(30, 300)
    wait = expected_wait_s(position, places, busy, pace)
    later = expected_wait_s(position + 1, places, busy, pace)
    more = expected_wait_s(position, places + 1, busy, pace)
    assert wait is not None
    assert later is not None
    assert more is not None
    assert later >= wait >= more >= 30


def test_measurements_replace_the_guess_once_there_are_enough() -> None:
    guess = Pace(30, 300)
    assert measured([1, 2], [3], guess) == guess
    assert measured([10, 20, 30, 40, 50], [100] * 5, guess) == Pace(30, 100)
    assert expected_wait_s(1, 0, 0, guess) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hours": [{"days": ["mon"], "from": "8:30", "to": "12:00"}]}, "time of day"),
        ({"hours": [{"days": ["mon"], "from": "08:30", "to": "08:30"}]}, "must differ"),
        ({"holidays": "ZZ"}, "no country"),
        ({"teams": [{"id": "a", "name": {}}, {"id": "a", "name": {}}]}, "same id"),
        ({"unknown": 1}, "extra fields"),
    ],
)
def test_wrong_settings_say_what_is_wrong(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        HandoverSection(**change)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: 7", "must hold a list"),
        ("- a", "must hold a list"),
        ("rules: [{id: a}]", "at least one of"),
        ("rules: [{id: a, words: {zh: [x]}, do: shout}]", "do"),
        ("rules: [{id: a, intents: [x], do: hand_over}]", "known after"),
        ("rules: [: :", "no valid YAML"),
        ("rules: [text]", "must hold keys"),
    ],
)
def test_a_wrong_rules_file_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(text)
    with pytest.raises(RulesError, match=said) as caught:
        read_rules(file)
    assert str(file) in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="cannot be read"):
        read_canned(tmp_path / "none.yml")
