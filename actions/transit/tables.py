"""Reads the small GTFS tables; a bad row is noted and left out, a bad table is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from actions.transit import values
from actions.transit.errors import (
    FeedAdvice,
    FeedBadValue,
    FeedDuplicate,
    FeedEmpty,
    FeedMissingFile,
    FeedUnknownReference,
    Report,
)
from actions.transit.model import Agency, Route, Stop
from actions.transit.service_days import ServiceCalendar
from actions.transit.source import Source

T = TypeVar("T")
_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
TOLERATED = 0.1


@dataclass
class Trips:
    """Columns of trips.txt; -1 stands for "not given"."""

    ids: list[str] = field(default_factory=list)
    route: list[int] = field(default_factory=list)
    service: list[int] = field(default_factory=list)
    direction: list[int] = field(default_factory=list)
    headsign: list[int] = field(default_factory=list)


class Strings:
    """A table of distinct strings."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self._at: dict[str, int] = {}

    def add(self, text: str) -> int:
        """Return the index of `text`, -1 for ""."""
        if not text:
            return -1
        if text not in self._at:
            self._at[text] = len(self.items)
            self.items.append(text)
        return self._at[text]


def settle(report: Report, file: str, kept: int, dropped: int) -> None:
    """Refuse a table of which nothing, or too little, is usable; raises its first error."""
    if kept and dropped <= TOLERATED * (kept + dropped):
        return
    first = report.first_error(file)
    raise first if first is not None else FeedEmpty(file)


def field_value(
    report: Report,
    where: tuple[str, int, str],
    text: str,
    read: Callable[[str], T | None],
    expected: tuple[str, str],
) -> T | None:
    """Return a cell read by `read`, or note a bad value and return `None`. `where` is (file, line, column)."""
    found = read(text)
    if found is None:
        file, line, name = where
        report.error(FeedBadValue(file, line, name, value=text, expected=expected))
    return found


DAY_FORM = ("日期 YYYYMMDD", "a date YYYYMMDD")
_FLAG = ("0 或 1", "0 or 1")


def read_agencies(source: Source) -> list[Agency]:
    """Read agency.txt; raises when no usable time zone is in it."""
    file, report = "agency.txt", source.report
    found: list[Agency] = []
    dropped = 0
    columns = (("agency_name", "agency_timezone"), ("agency_id", "agency_url", "agency_lang"))
    for line, row in source.table(file, *columns):
        zone = row["agency_timezone"]
        if not zone or not values.is_zone(zone):
            expected = ("时区名,如 Asia/Shanghai", "a time zone, e.g. Asia/Shanghai")
            report.error(FeedBadValue(file, line, "agency_timezone", value=zone, expected=expected))
            dropped += 1
            continue
        if found and zone != found[0].timezone:
            expected = (found[0].timezone, "the same zone for every agency")
            report.error(FeedBadValue(file, line, "agency_timezone", value=zone, expected=expected))
        found.append(
            Agency(row["agency_id"], row["agency_name"], row["agency_url"], zone, row["agency_lang"])
        )
    settle(report, file, len(found), dropped)
    return found


def read_stops(source: Source) -> list[Stop]:
    """Read stops.txt. A stop whose place is unusable stays, with lat and lon NaN, so that its times survive."""
    file, report = "stops.txt", source.report
    optional = (
        *("stop_code", "stop_name", "stop_lat", "stop_lon", "location_type", "parent_station"),
        *("stop_timezone", "platform_code", "zone_id"),
    )
    rows: dict[str, tuple[int, dict[str, str]]] = {}
    dropped = 0
    for line, row in source.table(file, ("stop_id",), optional):
        key = row["stop_id"]
        if not key or key in rows:
            dropped += 1
            report.error(FeedDuplicate(file, line, "stop_id", value=key))
            continue
        rows[key] = (line, row)
    index = {key: n for n, key in enumerate(rows)}
    stops: list[Stop] = []
    for key, (line, row) in rows.items():
        kind = values.whole(row["location_type"]) if row["location_type"] else 0
        if kind is None or kind > 4:
            expected = ("0 至 4", "0 to 4")
            report.error(
                FeedBadValue(file, line, "location_type", value=row["location_type"], expected=expected)
            )
            kind = 0
        name = row["stop_name"]
        if not name and kind < 3:
            expected = ("站名", "a name")
            report.error(FeedBadValue(file, line, "stop_name", value="", expected=expected))
        lat, lon = _position(report, line, row, kind)
        parent = -1
        if row["parent_station"]:
            parent = index.get(row["parent_station"], -1)
            if parent < 0 or row["parent_station"] == key:
                detail = {"value": row["parent_station"], "target": "stops.txt"}
                report.error(FeedUnknownReference(file, line, "parent_station", **detail))
                parent = -1
        zone = row["stop_timezone"]
        if zone and not values.is_zone(zone):
            expected = ("时区名", "a time zone")
            report.error(FeedBadValue(file, line, "stop_timezone", value=zone, expected=expected))
            zone = ""
        stop = Stop(
            key,
            row["stop_code"],
            name or key,
            lat,
            lon,
            kind,
            parent,
            zone,
            row["platform_code"],
            row["zone_id"],
        )
        stops.append(stop)
    settle(report, file, len(stops), dropped)
    return stops


def _position(report: Report, line: int, row: dict[str, str], kind: int) -> tuple[float, float]:
    nan = float("nan")
    if kind >= 3 and not row["stop_lat"]:
        return nan, nan
    lat, lon = values.real(row["stop_lat"]), values.real(row["stop_lon"])
    for name, value, limit in (("stop_lat", lat, 90), ("stop_lon", lon, 180)):
        if value is None or not -limit <= value <= limit:
            expected = (f"-{limit} 至 {limit} 的度数", f"degrees from -{limit} to {limit}")
            report.error(FeedBadValue("stops.txt", line, name, value=row[name], expected=expected))
            return nan, nan
    assert lat is not None and lon is not None
    if lat == 0 and lon == 0:
        about = {"about_zh": "坐标为 0,0", "about_en": "its place is 0,0"}
        report.warning(
            FeedAdvice(
                "stops.txt", line, "stop_lat", do_zh="请补上坐标。", do_en="Give its coordinates.", **about
            )
        )
        return nan, nan
    return lat, lon


def read_routes(source: Source) -> list[Route]:
    """Read routes.txt."""
    file, report = "routes.txt", source.report
    found: dict[str, Route] = {}
    dropped = 0
    optional = ("route_short_name", "route_long_name", "agency_id")
    for line, row in source.table(file, ("route_id", "route_type"), optional):
        key = row["route_id"]
        if not key or key in found:
            dropped += 1
            report.error(FeedDuplicate(file, line, "route_id", value=key))
            continue
        kind = field_value(
            report,
            (file, line, "route_type"),
            row["route_type"],
            values.whole,
            ("非负整数", "a whole number"),
        )
        short, long = row["route_short_name"], row["route_long_name"]
        if not short and not long:
            expected = ("短名或长名", "a short or long name")
            report.error(FeedBadValue(file, line, "route_short_name", value="", expected=expected))
            short = key
        found[key] = Route(key, short, long, 3 if kind is None else kind, row["agency_id"])
    settle(report, file, len(found), dropped)
    return list(found.values())


def read_calendar(source: Source) -> ServiceCalendar:
    """Read calendar.txt and calendar_dates.txt, of which one may be missing."""
    report = source.report
    at: dict[str, int] = {}
    out = ServiceCalendar([], [], [], [])
    if not source.has("calendar.txt") and not source.has("calendar_dates.txt"):
        raise FeedMissingFile("calendar.txt")
    if source.has("calendar.txt"):
        file = "calendar.txt"
        for line, row in source.table(file, ("service_id", *_WEEK, "start_date", "end_date")):
            if row["service_id"] in at:
                report.error(FeedDuplicate(file, line, "service_id", value=row["service_id"]))
                continue
            bits = 0
            for n, name in enumerate(_WEEK):
                if row[name] not in ("0", "1"):
                    report.error(FeedBadValue(file, line, name, value=row[name], expected=_FLAG))
                bits |= (row[name] == "1") << n
            first = field_value(report, (file, line, "start_date"), row["start_date"], values.day, DAY_FORM)
            last = field_value(report, (file, line, "end_date"), row["end_date"], values.day, DAY_FORM)
            if first is None or last is None:
                continue
            if last < first:
                expected = ("不早于 start_date", "no earlier than start_date")
                report.error(FeedBadValue(file, line, "end_date", value=row["end_date"], expected=expected))
            at[row["service_id"]] = len(out.ids)
            out.ids.append(row["service_id"])
            out.weekdays.append(bits)
            out.start.append(first.toordinal())
            out.end.append(last.toordinal())
    if source.has("calendar_dates.txt"):
        _read_exceptions(source, out, at)
    if not out.ids:
        settle(report, "calendar.txt" if source.has("calendar.txt") else "calendar_dates.txt", 0, 1)
    return ServiceCalendar(out.ids, out.weekdays, out.start, out.end, out.added, out.removed)


def _read_exceptions(source: Source, out: ServiceCalendar, at: dict[str, int]) -> None:
    file, report = "calendar_dates.txt", source.report
    for line, row in source.table(file, ("service_id", "date", "exception_type")):
        when = field_value(report, (file, line, "date"), row["date"], values.day, DAY_FORM)
        if row["exception_type"] not in ("1", "2"):
            expected = ("1(加开)或 2(停运)", "1 (added) or 2 (removed)")
            report.error(
                FeedBadValue(file, line, "exception_type", value=row["exception_type"], expected=expected)
            )
            continue
        if when is None or not row["service_id"]:
            continue
        if row["service_id"] not in at:
            at[row["service_id"]] = len(out.ids)
            out.ids.append(row["service_id"])
            out.weekdays.append(0)
            out.start.append(1)
            out.end.append(0)
        days = out.added if row["exception_type"] == "1" else out.removed
        days.setdefault(at[row["service_id"]], []).append(when.toordinal())


def read_trips(source: Source, routes: list[Route], calendar: ServiceCalendar, strings: Strings) -> Trips:
    """Read trips.txt."""
    file, report = "trips.txt", source.report
    route_at = {r.route_id: n for n, r in enumerate(routes)}
    service_at = {s: n for n, s in enumerate(calendar.ids)}
    seen: set[str] = set()
    out = Trips()
    dropped = 0
    for line, row in source.table(
        file, ("route_id", "service_id", "trip_id"), ("trip_headsign", "direction_id")
    ):
        key = row["trip_id"]
        route, service = route_at.get(row["route_id"]), service_at.get(row["service_id"])
        if not key or key in seen:
            report.error(FeedDuplicate(file, line, "trip_id", value=key))
        elif route is None:
            report.error(
                FeedUnknownReference(file, line, "route_id", value=row["route_id"], target="routes.txt")
            )
        elif service is None:
            report.error(
                FeedUnknownReference(file, line, "service_id", value=row["service_id"], target="calendar.txt")
            )
        else:
            seen.add(key)
            direction = row["direction_id"]
            if direction not in ("", "0", "1"):
                report.error(FeedBadValue(file, line, "direction_id", value=direction, expected=_FLAG))
                direction = ""
            out.ids.append(key)
            out.route.append(route)
            out.service.append(service)
            out.direction.append(int(direction) if direction else -1)
            out.headsign.append(strings.add(row["trip_headsign"]))
            continue
        dropped += 1
    settle(report, file, len(out.ids), dropped)
    return out
