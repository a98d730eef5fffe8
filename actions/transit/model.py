"""The timetable in memory: small tables as objects, stop times as column arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from actions.transit.errors import Notice
from actions.transit.service_days import DAY_S, ServiceCalendar

Ints = NDArray[np.int32]

NOT_BOARDABLE, PHONE_AHEAD, ASK_DRIVER, GUESSED = 1, 2, 4, 8
LAST_OF_TRIP, NOT_ALIGHTABLE = 16, 32


@dataclass(frozen=True)
class Stop:
    """A row of stops.txt. `parent` is the index of the parent station or -1; lat, lon in degrees (WGS 84)."""

    stop_id: str
    code: str
    name: str
    lat: float
    lon: float
    location_type: int = 0
    parent: int = -1
    timezone: str = ""
    platform: str = ""
    zone: str = ""


@dataclass(frozen=True)
class Route:
    """A row of routes.txt."""

    route_id: str
    short_name: str
    long_name: str
    route_type: int
    agency: str = ""


@dataclass(frozen=True)
class Agency:
    """A row of agency.txt."""

    agency_id: str
    name: str
    url: str
    timezone: str
    lang: str = ""


@dataclass(frozen=True)
class FeedInfo:
    """feed_info.txt; `start` and `end` are the days that the publisher vouches for."""

    publisher: str = ""
    lang: str = ""
    start: date | None = None
    end: date | None = None
    version: str = ""


@dataclass(frozen=True)
class Frequency:
    """A window of frequencies.txt: departures from the first stop every `headway_s` in [start_s, end_s)."""

    start_s: int
    end_s: int
    headway_s: int
    exact: bool


@dataclass(frozen=True)
class Fare:
    """Lowest and highest price of a route, in `currency` (ISO 4217)."""

    low: float
    high: float
    currency: str


@dataclass
class Translations:
    """translations.txt: by record and by original text; language tags are matched on their first part."""

    records: dict[tuple[str, str, str, str, str], str] = field(default_factory=dict)
    values: dict[tuple[str, str, str, str], str] = field(default_factory=dict)

    def add(self, table: str, name: str, language: str, text: str, record: str, sub: str, value: str) -> None:
        """Store one row; `record` empty means that it translates every `value`."""
        language = _primary(language)
        if record:
            self.records.setdefault((table, name, record, sub, language), text)
        else:
            self.values.setdefault((table, name, value, language), text)

    def get(self, table: str, name: str, language: str, record: str, value: str, sub: str = "") -> str | None:
        """Return the translation; a record's own wins over one by value, as the reference demands."""
        language = _primary(language)
        found = self.records.get((table, name, record, sub, language)) if record else None
        if found is None and value:
            found = self.values.get((table, name, value, language))
            if found is None:
                found = self.values.get(("*", "*", value, language))
        return found


def _primary(language: str) -> str:
    return language.replace("_", "-").split("-")[0].lower()


@dataclass
class Feed:
    """A loaded timetable. Arrays are sorted by trip and order of calling; times in seconds of the service day.

    `trip_first[i]:trip_first[i+1]` are the rows of trip i. `by_stop` orders the rows by stop, then departure;
    `stop_first[s]:stop_first[s+1]` is the part of stop s.
    """

    key: str
    agencies: list[Agency]
    stops: list[Stop]
    routes: list[Route]
    trip_ids: list[str]
    strings: list[str]
    trip_route: Ints
    trip_service: Ints
    trip_direction: Ints
    trip_headsign: Ints
    trip_first: NDArray[np.int64]
    row_trip: Ints
    row_stop: Ints
    row_arrive: Ints
    row_depart: Ints
    row_flags: NDArray[np.uint8]
    row_headsign: Ints
    row_sequence: Ints
    by_stop: Ints
    stop_first: NDArray[np.int64]
    calendar: ServiceCalendar
    frequencies: dict[int, list[Frequency]]
    info: FeedInfo
    translations: Translations
    fares: dict[int, Fare]
    notices: list[Notice] = field(default_factory=list)

    @cached_property
    def zone(self) -> ZoneInfo:
        """Time zone of the stop times (agency_timezone)."""
        return ZoneInfo(self.agencies[0].timezone)

    @cached_property
    def language(self) -> str:
        """Language of the untranslated names, "" when the feed does not say."""
        lang = _primary(self.info.lang) if _primary(self.info.lang) != "mul" else ""
        return lang or next((_primary(a.lang) for a in self.agencies if a.lang), "")

    @cached_property
    def look_back_days(self) -> int:
        """How many earlier service days may still have a bus on the road (times past 24:00)."""
        latest = int(self.row_depart.max()) if len(self.row_depart) else 0
        for trip, windows in self.frequencies.items():
            first, last = int(self.trip_first[trip]), int(self.trip_first[trip + 1])
            length = int(self.row_depart[last - 1] - self.row_depart[first])
            latest = max(latest, max(w.end_s for w in windows) + length)
        return (latest + 3 * 3600) // DAY_S

    @cached_property
    def repeats(self) -> NDArray[np.bool_]:
        """Whether each trip is repeated by frequencies.txt."""
        mask = np.zeros(len(self.trip_ids), dtype=bool)
        mask[list(self.frequencies)] = True
        return mask

    @cached_property
    def children(self) -> dict[int, list[int]]:
        """Stop indices below each station."""
        below: dict[int, list[int]] = {}
        for index, stop in enumerate(self.stops):
            if stop.parent >= 0:
                below.setdefault(stop.parent, []).append(index)
        return below

    @cached_property
    def publisher(self) -> str:
        """Who publishes the timetable."""
        return self.info.publisher or self.agencies[0].name

    def publisher_name(self, language: str) -> str:
        """Return the publisher in `language` where the feed translates it."""
        found = None
        if self.info.publisher:
            found = self.translations.get(
                "feed_info", "feed_publisher_name", language, "", self.info.publisher
            )
        return found or self.agency_name(self.agencies[0], language)

    def agency_name(self, agency: Agency, language: str) -> str:
        """Return an agency's name in `language`."""
        return (
            self.translations.get("agency", "agency_name", language, agency.agency_id, agency.name)
            or agency.name
        )

    def coverage(self) -> tuple[date, date]:
        """Return the first and last service day that the timetable can be relied on for."""
        span = self.calendar.span()
        first, last = span if span else (date.min, date.min)
        if self.info.start:
            first = max(first, self.info.start)
        if self.info.end:
            last = min(last, self.info.end)
        return first, last

    def stop_zone(self, stop: int) -> ZoneInfo:
        """Return the zone for showing times at a stop: its own, its station's, else the agency's."""
        here = self.stops[stop]
        if here.parent >= 0:
            here = self.stops[here.parent] if self.stops[here.parent].timezone else here
        return ZoneInfo(here.timezone) if here.timezone else self.zone

    def stop_name(self, stop: int, language: str) -> str:
        """Return a stop's name in `language`, else as the feed has it."""
        here = self.stops[stop]
        return self.translations.get("stops", "stop_name", language, here.stop_id, here.name) or here.name

    def route_name(self, route: int, column: str, language: str) -> str:
        """Return route_short_name or route_long_name in `language`, else as the feed has it."""
        here = self.routes[route]
        value = here.short_name if column == "route_short_name" else here.long_name
        return self.translations.get("routes", column, language, here.route_id, value) or value

    def headsign(self, row: int, language: str) -> str:
        """Return where the vehicle says it is going at a row: its headsign, else its last stop."""
        trip = int(self.row_trip[row])
        own = int(self.row_headsign[row])
        text = self.strings[own] if own >= 0 else ""
        if text:
            sub = str(int(self.row_sequence[row]))
            return (
                self.translations.get("stop_times", "stop_headsign", language, self.trip_ids[trip], text, sub)
                or text
            )
        sign = int(self.trip_headsign[trip])
        if sign >= 0 and self.strings[sign]:
            value = self.strings[sign]
            found = self.translations.get("trips", "trip_headsign", language, self.trip_ids[trip], value)
            return found or value
        return self.stop_name(int(self.row_stop[int(self.trip_first[trip + 1]) - 1]), language)

    def rows_at(self, stops: list[int]) -> Ints:
        """Return the rows that call at any of the stops."""
        parts = [self.by_stop[int(self.stop_first[s]) : int(self.stop_first[s + 1])] for s in stops]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int32)
