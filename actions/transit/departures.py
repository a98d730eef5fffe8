"""When vehicles leave: next, first and last departures from a feed, over service days and midnight."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

import numpy as np

from actions.transit.errors import NaiveTimeError
from actions.transit.model import GUESSED, LAST_OF_TRIP, NOT_ALIGHTABLE, NOT_BOARDABLE, Feed, Ints
from actions.transit.service_days import service_day_start


@dataclass(frozen=True)
class Departure:
    """One scheduled departure.

    `epoch` is in POSIX seconds, `when` the local time at the stop; `approximate` marks a time that the timetable
    gives only roughly (spread between two stops, or from a headway without exact times).
    """

    epoch: int
    when: datetime
    service_day: date
    row: int
    trip: int
    route: int
    stop: int
    direction: int
    approximate: bool


def boarding_rows(
    feed: Feed,
    stops: Collection[int],
    *,
    routes: Collection[int] | None = None,
    direction: int | None = None,
    headsign: str | None = None,
    to_stops: Collection[int] | None = None,
) -> Ints:
    """Return the stop-time rows at which one can board.

    Args:
        stops: stop indices.
        routes: only these routes.
        direction: only this direction_id.
        headsign: only vehicles signed so, in the feed's own language.
        to_stops: only vehicles that set down at one of these later on.
    """
    rows = feed.rows_at(sorted(stops))
    rows = rows[(feed.row_flags[rows] & (NOT_BOARDABLE | LAST_OF_TRIP)) == 0]
    trips = feed.row_trip[rows]
    keep = np.ones(len(rows), dtype=bool)
    if routes is not None:
        wanted = np.zeros(len(feed.routes), dtype=bool)
        wanted[list(routes)] = True
        keep &= wanted[feed.trip_route[trips]]
    if direction is not None:
        keep &= feed.trip_direction[trips] == direction
    if to_stops is not None:
        ends = feed.rows_at(sorted(to_stops))
        ends = ends[(feed.row_flags[ends] & NOT_ALIGHTABLE) == 0]
        latest = np.full(len(feed.trip_ids), -1, dtype=np.int64)
        np.maximum.at(latest, feed.row_trip[ends], ends)
        keep &= latest[trips] > rows
    rows = rows[keep]
    if headsign is not None:
        rows = rows[
            np.fromiter((feed.headsign(int(r), "") == headsign for r in rows), dtype=bool, count=len(rows))
        ]
    return rows


def next_departures(
    feed: Feed, rows: Ints, after: datetime, *, within_s: int = 86_400, limit: int | None = None
) -> list[Departure]:
    """Return the departures at `rows` from `after` (aware, included) on, soonest first.

    Service days before today count too, so a bus at 25:10 of yesterday is found at ten past one.
    Raises `NaiveTimeError` for a time without zone.
    """
    if after.tzinfo is None:
        raise NaiveTimeError("after")
    first = int(np.ceil(after.timestamp()))
    last = first + within_s
    local = after.astimezone(feed.zone)
    end_day = (local + timedelta(seconds=within_s)).date() + timedelta(days=1)
    day = local.date() - timedelta(days=feed.look_back_days)
    found: list[tuple[int, int, date, bool]] = []
    fixed, repeated = _split(feed, rows)
    while day <= end_day:
        start = service_day_start(day, feed.zone)
        if start <= last:
            found += _on_day(feed, fixed, repeated, day, first - start, last - start, limit)
        day += timedelta(days=1)
    found.sort(key=lambda f: (f[0], f[1]))
    return [_departure(feed, f) for f in found[:limit]]


def on_service_day(feed: Feed, rows: Ints, day: date) -> list[Departure]:
    """Return all departures at `rows` of one service day, those past midnight included."""
    found = _on_day(feed, *_split(feed, rows), day, 0, 1 << 30, None)
    found.sort(key=lambda f: (f[0], f[1]))
    return [_departure(feed, f) for f in found]


def first_and_last(feed: Feed, rows: Ints, day: date) -> tuple[Departure, Departure] | None:
    """Return the first and last departure of a service day, or `None` when nothing runs."""
    found = _on_day(feed, *_split(feed, rows), day, 0, 1 << 30, None)
    if not found:
        return None
    ends = (min(found, key=lambda f: (f[0], f[1])), max(found, key=lambda f: (f[0], f[1])))
    return _departure(feed, ends[0]), _departure(feed, ends[1])


def next_running_day(feed: Feed, rows: Ints, after: date, days: int = 14) -> date | None:
    """Return the first service day after `after`, within `days`, on which something leaves at `rows`."""
    services = np.unique(feed.trip_service[feed.row_trip[rows]])
    for n in range(1, days + 1):
        day = after + timedelta(days=n)
        if feed.calendar.active(day)[services].any():
            return day
    return None


def _split(feed: Feed, rows: Ints) -> tuple[Ints, Ints]:
    repeats = feed.repeats[feed.row_trip[rows]]
    return rows[~repeats], rows[repeats]


def _on_day(
    feed: Feed, fixed: Ints, repeated: Ints, day: date, low_s: int, high_s: int, limit: int | None
) -> list[tuple[int, int, date, bool]]:
    """Return (epoch, row, service day, approximate) between two second counts of the day, both included."""
    active = feed.calendar.active(day)
    start = service_day_start(day, feed.zone)
    times = feed.row_depart[fixed]
    keep = np.flatnonzero((times >= low_s) & (times <= high_s))
    keep = keep[active[feed.trip_service[feed.row_trip[fixed[keep]]]]]
    if limit is not None and len(keep) > limit:
        keep = keep[np.lexsort((fixed[keep], times[keep]))[:limit]]
    found = [
        (start + int(feed.row_depart[r]), int(r), day, bool(feed.row_flags[r] & GUESSED)) for r in fixed[keep]
    ]
    for r in repeated:
        trip = int(feed.row_trip[r])
        if not active[feed.trip_service[trip]]:
            continue
        offset = int(feed.row_depart[r]) - int(feed.row_depart[int(feed.trip_first[trip])])
        for window in feed.frequencies[trip]:
            step = window.headway_s
            number = max(0, -(-(low_s - offset - window.start_s) // step))
            taken = 0
            while window.start_s + number * step < window.end_s and (limit is None or taken < limit):
                second = window.start_s + number * step + offset
                if second > high_s:
                    break
                found.append((start + second, int(r), day, not window.exact))
                number, taken = number + 1, taken + 1
    return found


def _departure(feed: Feed, found: tuple[int, int, date, bool]) -> Departure:
    epoch, row, day, approximate = found
    trip, stop = int(feed.row_trip[row]), int(feed.row_stop[row])
    when = datetime.fromtimestamp(epoch, tz=timezone.utc).astimezone(feed.stop_zone(stop))
    route, direction = int(feed.trip_route[trip]), int(feed.trip_direction[trip])
    return Departure(epoch, when, day, row, trip, route, stop, direction, approximate)
