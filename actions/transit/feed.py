"""Loads a GTFS timetable from a zip or folder (reference: https://gtfs.org/schedule/reference/)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from actions.transit import cache, extras, tables
from actions.transit.errors import FeedBadValue, Report
from actions.transit.model import Feed
from actions.transit.source import Limits, Source
from actions.transit.stop_times import read_stop_times


def load_feed(
    path: Path | str,
    *,
    cache_dir: Path | str | None = None,
    strict: bool = False,
    limits: Limits | None = None,
) -> Feed:
    """Load a feed.

    Args:
        path: a GTFS zip, or a folder with its tables.
        cache_dir: where a binary form is kept, keyed by a hash of the content; `None` keeps none.
        strict: refuse the feed for its first bad row instead of leaving the row out.
        limits: bounds on what is unpacked.

    Raises:
        FeedError: one of its subclasses, naming file, line, field and the mend. Rows left out are in
            `Feed.notices`; a table of which more than a tenth is bad raises its first error.
    """
    report = Report(strict=strict)
    with Source(path, report, limits) as source:
        key = source.digest()
        folder = Path(cache_dir) if cache_dir is not None and not strict else None
        known = cache.load(folder, key) if folder else None
        if known is not None:
            return known
        feed = read_feed(source, key)
    if folder:
        cache.save(feed, folder)
    return feed


def read_feed(source: Source, key: str) -> Feed:
    """Read all tables of an open source; `key` is the hash of its content. Raises `FeedError`."""
    agencies = tables.read_agencies(source)
    stops = tables.read_stops(source)
    routes = tables.read_routes(source)
    calendar = tables.read_calendar(source)
    strings = tables.Strings()
    trips = tables.read_trips(source, routes, calendar, strings)
    rows = read_stop_times(source, trips, stops, strings)
    by_stop = np.lexsort((rows.depart, rows.stop)).astype(np.int32)
    stop_first = np.searchsorted(rows.stop[by_stop], np.arange(len(stops) + 1)).astype(np.int64)
    trip_first = np.searchsorted(rows.trip, np.arange(len(trips.ids) + 1)).astype(np.int64)
    frequencies = extras.read_frequencies(source, trips)
    used = {t for t in frequencies if trip_first[t + 1] > trip_first[t]}
    info = extras.read_info(source)
    if info.start and info.end and info.end < info.start:
        expected = ("不早于 feed_start_date", "no earlier than feed_start_date")
        error = FeedBadValue("feed_info.txt", None, "feed_end_date", value=str(info.end), expected=expected)
        source.report.error(error)
    return Feed(
        key=key,
        agencies=agencies,
        stops=stops,
        routes=routes,
        trip_ids=trips.ids,
        strings=strings.items,
        trip_route=np.asarray(trips.route, dtype=np.int32),
        trip_service=np.asarray(trips.service, dtype=np.int32),
        trip_direction=np.asarray(trips.direction, dtype=np.int32),
        trip_headsign=np.asarray(trips.headsign, dtype=np.int32),
        trip_first=trip_first,
        row_trip=rows.trip,
        row_stop=rows.stop,
        row_arrive=rows.arrive,
        row_depart=rows.depart,
        row_flags=rows.flags,
        row_headsign=rows.headsign,
        row_sequence=rows.sequence,
        by_stop=by_stop,
        stop_first=stop_first,
        calendar=calendar,
        frequencies={t: f for t, f in frequencies.items() if t in used},
        info=info,
        translations=extras.read_translations(source),
        fares=extras.read_fares(source, routes),
        notices=source.report.notices,
    )
