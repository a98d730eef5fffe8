"""Checks a GTFS feed and lists what is wrong with it: `python -m actions.transit.validate FEED [--language zh]`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np

from actions.transit.errors import (
    FeedAdvice,
    FeedBadValue,
    FeedError,
    FeedExpired,
    FeedMissingColumn,
    FeedMissingFile,
    FeedNeverRuns,
    FeedNotYetValid,
    Notice,
    Report,
)
from actions.transit.feed import read_feed
from actions.transit.lines import mode_of
from actions.transit.model import Feed
from actions.transit.places import distance_m
from actions.transit.source import Limits, Source

TOO_FAST_KMH = {"bus": 150.0, "tram": 150.0, "metro": 200.0, "ferry": 120.0, "rail": 450.0}
_MUST = {"agency.txt": ("agency_url",), "stops.txt": ("stop_name", "stop_lat", "stop_lon")}


def validate(path: Path | str, *, today: date | None = None, limits: Limits | None = None) -> list[Notice]:
    """Return everything found wrong with a feed, errors first; an empty list means none.

    Args:
        path: a GTFS zip or folder.
        today: the day for which the feed should be valid; `None` leaves dates unchecked.
        limits: bounds on what is unpacked.
    """
    report = Report()
    try:
        with Source(path, report, limits) as source:
            _check_headers(source)
            feed = read_feed(source, "")
        _check_feed(feed, report, today)
        if report.left_out:
            _count_left_out(report)
    except FeedError as error:
        if all(n.error is not error for n in report.notices):
            report.error(error)
    return sorted(report.notices, key=lambda n: n.severity != "error")


def as_text(notices: Sequence[Notice], language: str = "en") -> str:
    """Return the notices and a summary as lines for a terminal."""
    errors = sum(n.severity == "error" for n in notices)
    warnings = len(notices) - errors
    summary = f"{errors} error(s), {warnings} warning(s)"
    if language == "zh":
        summary = f"{errors} 个错误，{warnings} 个警告"
    return "\n".join([*(n.text(language) for n in notices), summary])


def _check_headers(source: Source) -> None:
    for file, names in _MUST.items():
        if source.has(file):
            header = {name.strip().strip("\ufeff").lower() for name in source.header(file)}
            for name in names:
                if name not in header:
                    source.report.error(FeedMissingColumn(file, 1, name))
    if source.has("translations.txt") and not source.has("feed_info.txt"):
        source.report.error(FeedMissingFile("feed_info.txt"))


def _check_feed(feed: Feed, report: Report, today: date | None) -> None:
    first, last = feed.coverage()
    if today is not None and today > last:
        report.warning(
            FeedExpired("feed_info.txt" if feed.info.end else "calendar.txt", date=last.isoformat())
        )
    if today is not None and today < first:
        report.warning(
            FeedNotYetValid("feed_info.txt" if feed.info.start else "calendar.txt", date=first.isoformat())
        )
    for agency in feed.agencies:
        if not agency.url.startswith(("http://", "https://")):
            expected = ("网址", "a web address")
            report.error(FeedBadValue("agency.txt", None, "agency_url", value=agency.url, expected=expected))
    for number, service in enumerate(feed.calendar.ids):
        if not feed.calendar.runs_ever(number):
            report.warning(FeedNeverRuns("calendar.txt", None, "service_id", value=service))
    used = np.bincount(feed.row_stop, minlength=len(feed.stops))
    idle = [s.stop_id for n, s in enumerate(feed.stops) if s.location_type == 0 and not used[n]]
    if idle:
        _advise(
            report,
            "stops.txt",
            ("没有任何班次停靠", "no trip calls at"),
            idle,
            ("请删去或补全。", "Remove or complete."),
        )
    trips = np.bincount(feed.trip_route, minlength=len(feed.routes))
    empty = [r.route_id for n, r in enumerate(feed.routes) if not trips[n]]
    if empty:
        _advise(
            report,
            "routes.txt",
            ("没有班次", "no trips on"),
            empty,
            ("请删去或补全。", "Remove or complete."),
        )
    _check_speeds(feed, report)


def _advise(
    report: Report, file: str, about: tuple[str, str], which: Sequence[str], mend: tuple[str, str]
) -> None:
    some = ", ".join(which[:5]) + (", …" if len(which) > 5 else "")
    report.warning(
        FeedAdvice(
            file,
            about_zh=f"{len(which)} 个：{about[0]}（{some}）",
            about_en=f"{about[1]} {len(which)}: {some}",
            do_zh=mend[0],
            do_en=mend[1],
        )
    )


def _check_speeds(feed: Feed, report: Report) -> None:
    same = feed.row_trip[1:] == feed.row_trip[:-1]
    pairs: dict[tuple[int, int, int], int] = {}
    for n in np.flatnonzero(same):
        a, b = int(feed.row_stop[n]), int(feed.row_stop[n + 1])
        route = int(feed.trip_route[int(feed.row_trip[n])])
        seconds = int(feed.row_arrive[n + 1]) - int(feed.row_depart[n])
        kept = pairs.get((a, b, route))
        if kept is None or seconds < kept:
            pairs[a, b, route] = seconds
    fast = []
    for (a, b, route), seconds in pairs.items():
        here, there = feed.stops[a], feed.stops[b]
        metres = distance_m(here.lat, here.lon, there.lat, there.lon)
        limit = TOO_FAST_KMH[mode_of(feed.routes[route].route_type)]
        # times are often whole minutes: allow one
        if metres / 1000 / ((seconds + 60) / 3600) > limit:
            fast.append(f"{here.stop_id}→{there.stop_id}")
    if fast:
        about = ("站间速度过快", "impossible speed between stops,")
        mend = ("请检查坐标与时间。", "Check coordinates and times.")
        _advise(report, "stop_times.txt", about, fast, mend)


def _count_left_out(report: Report) -> None:
    for (file, code), count in list(report.left_out.items()):
        zh, en = f"另有 {count} 处同类问题（{code}）", f"{count} more of the kind {code}"
        more = {"about_zh": zh, "about_en": en, "do_zh": "请一并改正。", "do_en": "Correct them too."}
        report.warning(FeedAdvice(file, None, "", **more))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns 1 when there are errors."""
    parser = argparse.ArgumentParser(description="Check a GTFS feed.")
    parser.add_argument("feed", type=Path, help="a GTFS zip or folder")
    parser.add_argument("--language", choices=("zh", "en"), default="en")
    parser.add_argument("--today", type=date.fromisoformat, help="the day it should be valid on, YYYY-MM-DD")
    options = parser.parse_args(arguments)
    notices = validate(options.feed, today=options.today or date.today())
    print(as_text(notices, options.language))
    return int(any(n.severity == "error" for n in notices))


if __name__ == "__main__":
    raise SystemExit(main())
