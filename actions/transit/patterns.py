"""What is known about a line: its stops in order, first and last vehicle, headways, and changes between lines."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from statistics import median

import numpy as np

from actions.transit.departures import Departure, boarding_rows, on_service_day
from actions.transit.lines import Line
from actions.transit.model import Feed
from actions.transit.stops import StopIndex

PERIODS = (("am", 7, 9), ("day", 9, 17), ("pm", 17, 19), ("evening", 19, 30))


@dataclass(frozen=True)
class Pattern:
    """The commonest run of a line in one direction; `stops` are stop indices, `minutes` the time it takes."""

    line: Line
    direction: int
    stops: tuple[int, ...]
    headsign_row: int
    minutes: int


@dataclass(frozen=True)
class Service:
    """A pattern's departures from its first stop on one day; `headways_min` by period of `PERIODS`."""

    pattern: Pattern
    first: Departure
    last: Departure
    headways_min: dict[str, int]


def patterns(feed: Feed, line: Line, day: date | None) -> list[Pattern]:
    """Return the commonest pattern of each direction among the trips of `day`, or of any day for `None`."""
    wanted = np.isin(feed.trip_route, line.routes)
    if day is not None:
        wanted &= feed.calendar.active(day)[feed.trip_service]
    seen: dict[tuple[int, bytes], Counter[bytes]] = defaultdict(Counter)
    example: dict[bytes, int] = {}
    for trip in np.flatnonzero(wanted):
        a, b = int(feed.trip_first[trip]), int(feed.trip_first[trip + 1])
        if b - a < 2:
            continue
        calls = feed.row_stop[a:b]
        direction = int(feed.trip_direction[trip])
        # without direction_id the last stop tells the direction
        end = b"" if direction >= 0 else calls[-1:].tobytes()
        form = calls.tobytes()
        seen[direction, end][form] += len(feed.frequencies.get(int(trip), ())) or 1
        example.setdefault(form, int(trip))
    ranked = sorted(seen.items(), key=lambda kv: (-sum(kv[1].values()), kv[0]))[:2]
    found = []
    for (direction, _), forms in sorted(ranked, key=lambda kv: kv[0]):
        form = max(forms, key=lambda f: (forms[f], len(f), f))
        a, b = int(feed.trip_first[example[form]]), int(feed.trip_first[example[form] + 1])
        minutes = round((int(feed.row_arrive[b - 1]) - int(feed.row_depart[a])) / 60)
        found.append(Pattern(line, direction, tuple(int(s) for s in feed.row_stop[a:b]), a, minutes))
    return found


def service(feed: Feed, pattern: Pattern, day: date) -> Service | None:
    """Return first, last and headways at the pattern's first stop, or `None` when it does not run on `day`."""
    direction = pattern.direction if pattern.direction >= 0 else None
    ends = [pattern.stops[-1]] if direction is None else None
    rows = boarding_rows(
        feed, [pattern.stops[0]], routes=pattern.line.routes, direction=direction, to_stops=ends
    )
    found = on_service_day(feed, rows, day)
    if not found:
        return None
    start = found[0].epoch - int(feed.row_depart[found[0].row])
    headways = {}
    for name, low, high in PERIODS:
        times = [d.epoch - start for d in found if low * 3600 <= d.epoch - start < high * 3600]
        gaps = [b - a for a, b in pairwise(times) if b > a]
        if gaps:
            headways[name] = max(1, round(median(gaps) / 60))
    return Service(pattern, found[0], found[-1], headways)


def lines_between(
    feed: Feed, index: StopIndex, of_route: dict[int, Line], start: set[int], end: set[int]
) -> list[Line]:
    """Return the lines that go without a change from any stop of `start` to any of `end` (stop indices)."""
    rows = boarding_rows(feed, sorted(start), to_stops=end)
    routes = np.unique(feed.trip_route[feed.row_trip[rows]])
    return list({of_route[int(r)].index: of_route[int(r)] for r in routes}.values())


def one_change(
    feed: Feed,
    index: StopIndex,
    first: list[Line],
    second: list[Line],
    start: set[int],
    end: set[int],
    day: date,
) -> tuple[Line, int, Line] | None:
    """Return (line, stop group to change at, line) with the fewest stops, or `None`."""
    group_of = {m: g.index for g in index.groups for m in g.members}
    onward: dict[int, tuple[int, Line]] = {}
    for line in second:
        for pattern in patterns(feed, line, day):
            last = max((n for n, s in enumerate(pattern.stops) if s in end), default=-1)
            for n in range(last):
                group = group_of[pattern.stops[n]]
                if group not in onward or last - n < onward[group][0]:
                    onward[group] = (last - n, line)
    best: tuple[int, Line, int, Line] | None = None
    for line in first:
        for pattern in patterns(feed, line, day):
            begin = next((n for n, s in enumerate(pattern.stops) if s in start), None)
            if begin is None:
                continue
            for n in range(begin + 1, len(pattern.stops)):
                group = group_of[pattern.stops[n]]
                if group in onward and onward[group][1].index != line.index:
                    cost = n - begin + onward[group][0]
                    if best is None or cost < best[0]:
                        best = (cost, line, group, onward[group][1])
    return best[1:] if best else None
