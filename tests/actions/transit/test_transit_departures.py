from __future__ import annotations

import csv
import io
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actions.transit.departures import (
    boarding_rows,
    first_and_last,
    next_departures,
    next_running_day,
    on_service_day,
)
from actions.transit.errors import NaiveTimeError
from actions.transit.feed import load_feed
from actions.transit.service_days import service_day_start

UTC = ZoneInfo("UTC")
MINIMAL_WEEK = "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"


def clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


@st.composite
def random_feeds(draw: st.DrawFn) -> dict[str, str]:
    zone = draw(
        st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
    )
    services = draw(st.lists(st.sampled_from("ABC"), min_size=1, max_size=3, unique=True))
    start = date(2026, 3, 27)
    calendar = ["service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date"]
    dates = ["service_id,date,exception_type"]
    for name in services:
        days = draw(st.lists(st.sampled_from("01"), min_size=7, max_size=7))
        first = start + timedelta(days=draw(st.integers(-3, 3)))
        last = first + timedelta(days=draw(st.integers(0, 9)))
        calendar.append(f"{name},{','.join(days)},{first:%Y%m%d},{last:%Y%m%d}")
        offsets = draw(st.lists(st.integers(-3, 6), max_size=3, unique=True))
        dates += [
            f"{name},{start + timedelta(days=offset):%Y%m%d},{draw(st.sampled_from('12'))}"
            for offset in offsets
        ]
    trips = ["route_id,service_id,trip_id,direction_id"]
    rows = ["trip_id,arrival_time,departure_time,stop_id,stop_sequence,pickup_type"]
    frequencies = ["trip_id,start_time,end_time,headway_secs,exact_times"]
    for n in range(draw(st.integers(1, 6))):
        trips.append(f"R{draw(st.integers(0, 1))},{draw(st.sampled_from(services))},T{n},{n % 2}")
        at = draw(st.integers(0, 50 * 3600))
        for sequence in range(draw(st.integers(2, 4))):
            wait = draw(st.sampled_from([0, 60, 300]))
            stop = draw(st.integers(0, 2))
            rows.append(
                f"T{n},{clock(at)},{clock(at + wait)},S{stop},{sequence * 5},{draw(st.sampled_from(['', '0', '1', '2']))}"
            )
            at += wait + draw(st.integers(0, 1800))
        if draw(st.booleans()) and n == 0:
            begin = draw(st.integers(0, 26 * 3600))
            frequencies.append(
                f"T{n},{clock(begin)},{clock(begin + draw(st.integers(60, 9000)))},{draw(st.integers(60, 4000))},1"
            )
    return {
        "agency.txt": f"agency_name,agency_url,agency_timezone\nA,https://a.example,{zone}\n",
        "stops.txt": "stop_id,stop_name,stop_lat,stop_lon\nS0,a,1,1\nS1,b,1,2\nS2,c,1,3\n",
        "routes.txt": "route_id,route_short_name,route_type\nR0,1,3\nR1,2,3\n",
        "calendar.txt": "\n".join(calendar),
        "calendar_dates.txt": "\n".join(dates),
        "trips.txt": "\n".join(trips),
        "stop_times.txt": "\n".join(rows),
        "frequencies.txt": "\n".join(frequencies),
    }


def table(files: dict[str, str], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[name])))


def seconds(text: str) -> int:
    h, m, s = text.split(":")
    return int(h) * 3600 + int(m) * 60 + int(s)


def brute_force(
    files: dict[str, str], stop: str, after: int, until: int, route: str | None = None
) -> list[tuple[int, str]]:
    """The reference read word for word: every day, every trip, every call."""
    zone = ZoneInfo(table(files, "agency.txt")[0]["agency_timezone"])
    found = []
    for offset in range(-14, 20):
        day = date(2026, 3, 27) + timedelta(days=offset)
        noon = datetime.combine(day, time(12), tzinfo=zone).timestamp()
        active = {
            c["service_id"]
            for c in table(files, "calendar.txt")
            if c["start_date"] <= f"{day:%Y%m%d}" <= c["end_date"] and c[f"{day:%A}".lower()] == "1"
        }
        for e in table(files, "calendar_dates.txt"):
            if e["date"] == f"{day:%Y%m%d}":
                (active.add if e["exception_type"] == "1" else active.discard)(e["service_id"])
        for trip in table(files, "trips.txt"):
            if trip["service_id"] not in active or (route and trip["route_id"] != route):
                continue
            calls = [r for r in table(files, "stop_times.txt") if r["trip_id"] == trip["trip_id"]]
            shifts = [0]
            windows = [f for f in table(files, "frequencies.txt") if f["trip_id"] == trip["trip_id"]]
            if windows:
                begin = seconds(calls[0]["departure_time"])
                shifts = [
                    t - begin
                    for w in windows
                    for t in range(seconds(w["start_time"]), seconds(w["end_time"]), int(w["headway_secs"]))
                ]
            for call in calls[:-1]:
                if call["stop_id"] == stop and call["pickup_type"] != "1":
                    for shift in shifts:
                        at = int(noon - 12 * 3600 + seconds(call["departure_time"]) + shift)
                        if after <= at <= until:
                            found.append((at, trip["trip_id"]))
    return sorted(found)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    files=random_feeds(),
    stop=st.integers(0, 2),
    hour=st.integers(-40, 200),
    route=st.sampled_from([None, 0, 1]),
)
def test_next_departures_equal_a_brute_force_reading(build, files, stop, hour, route):
    feed = load_feed(build(files, base=False))
    now = datetime(2026, 3, 26, tzinfo=UTC) + timedelta(hours=hour, seconds=hour * 7)
    rows = boarding_rows(feed, [stop], routes=None if route is None else [route])
    got = [(d.epoch, feed.trip_ids[d.trip]) for d in next_departures(feed, rows, now, within_s=30 * 3600)]
    begin = int(now.timestamp())
    expected = brute_force(
        files, f"S{stop}", begin, begin + 30 * 3600, None if route is None else f"R{route}"
    )
    assert sorted(got) == expected
    assert [e for e, _ in got] == sorted(e for e, _ in got)
    few = next_departures(feed, rows, now, within_s=30 * 3600, limit=2)
    assert [d.epoch for d in few] == [e for e, _ in expected][:2]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(files=random_feeds(), stop=st.integers(0, 2), offset=st.integers(-4, 10))
def test_first_and_last_are_the_ends_of_the_service_day(build, files, stop, offset):
    feed = load_feed(build(files, base=False))
    rows = boarding_rows(feed, [stop])
    day = date(2026, 3, 27) + timedelta(days=offset)
    found, ends = on_service_day(feed, rows, day), first_and_last(feed, rows, day)
    assert (ends is None) == (not found)
    if ends:
        assert (ends[0].epoch, ends[1].epoch) == (found[0].epoch, found[-1].epoch)
        assert all(d.service_day == day for d in found)


def test_a_bus_past_midnight_belongs_to_yesterday(build):
    feed = load_feed(build())
    zone = feed.zone
    rows = boarding_rows(feed, [2])
    tuesday = next_departures(feed, rows, datetime(2026, 11, 24, 0, 29, tzinfo=zone))
    assert [(f"{d.when:%d %H:%M}", d.service_day.day) for d in tuesday] == [("24 00:30", 23)]
    saturday = next_departures(feed, rows, datetime(2026, 11, 28, 0, 29, tzinfo=zone), limit=1)
    assert saturday[0].service_day == date(2026, 11, 27)
    assert next_departures(feed, rows, datetime(2026, 11, 29, 0, 29, tzinfo=zone)) == []
    assert next_running_day(feed, rows, date(2026, 11, 28)) == date(2026, 11, 30)
    assert next_running_day(feed, rows, date(2027, 5, 1)) is None


@pytest.mark.parametrize(
    ("day", "shift_h"), [(date(2026, 3, 29), -1), (date(2026, 10, 25), 1), (date(2026, 6, 1), 0)]
)
def test_service_days_begin_twelve_hours_before_noon(day, shift_h):
    zone = ZoneInfo("Europe/Berlin")
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
    assert service_day_start(day, zone) - midnight == shift_h * 3600


def test_clock_change_keeps_the_printed_time_of_day_buses(build):
    agency = "agency_name,agency_url,agency_timezone\nA,https://a.example,Europe/Berlin\n"
    every_day = MINIMAL_WEEK + "W,1,1,1,1,1,1,1,20260101,20261231\n"
    feed = load_feed(build({"agency.txt": agency, "calendar.txt": every_day}))
    for day in (date(2026, 3, 28), date(2026, 3, 29), date(2026, 10, 25)):
        found = on_service_day(feed, boarding_rows(feed, [0]), day)
        assert [f"{d.when:%H:%M}" for d in found] == ["08:00"]


def test_direction_headsign_and_destination(build):
    feed = load_feed(build())
    assert feed.trip_ids[int(feed.row_trip[boarding_rows(feed, [1], direction=1)[0]])] == "T2"
    assert feed.trip_ids[int(feed.row_trip[boarding_rows(feed, [1], headsign="码头")[0]])] == "T1"
    assert feed.trip_ids[int(feed.row_trip[boarding_rows(feed, [1], to_stops=[0])[0]])] == "T2"
    assert len(boarding_rows(feed, [0], to_stops=[0])) == 0
    assert len(boarding_rows(feed, [])) == 0


def test_now_must_be_aware(build):
    feed = load_feed(build())
    with pytest.raises(NaiveTimeError, match="time zone"):
        next_departures(feed, boarding_rows(feed, [0]), datetime(2026, 1, 1))
