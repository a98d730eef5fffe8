"""A binary form of a loaded feed, kept under the data directory and mapped into memory when read again."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from actions.transit import errors
from actions.transit.errors import FeedError, Notice
from actions.transit.model import Agency, Fare, Feed, FeedInfo, Frequency, Route, Stop, Translations
from actions.transit.service_days import ServiceCalendar

FORMAT = 1
ARRAYS = (
    "trip_route", "trip_service", "trip_direction", "trip_headsign", "trip_first", "row_trip", "row_stop",
    "row_arrive", "row_depart", "row_flags", "row_headsign", "row_sequence", "by_stop", "stop_first",
)  # fmt: skip


def _folder(cache_dir: Path, key: str) -> Path:
    return cache_dir / f"gtfs-{FORMAT}-{key[:32]}"


def save(feed: Feed, cache_dir: Path) -> None:
    """Write the feed; a reader sees all of it or none. An unwritable folder is not an error."""
    target = _folder(cache_dir, feed.key)
    if target.exists():
        return
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix="gtfs-part-", dir=cache_dir))
    except OSError:
        return
    try:
        for name in ARRAYS:
            np.save(work / f"{name}.npy", getattr(feed, name), allow_pickle=False)
        (work / "tables.json").write_text(json.dumps(_tables(feed), ensure_ascii=False), encoding="utf-8")
        os.replace(work, target)
    except OSError:
        shutil.rmtree(work, ignore_errors=True)


def load(cache_dir: Path, key: str) -> Feed | None:
    """Return the feed of that content hash, or `None` when it is absent, damaged or of another format."""
    folder = _folder(cache_dir, key)
    try:
        tables = json.loads((folder / "tables.json").read_text(encoding="utf-8"))
        arrays = {n: np.load(folder / f"{n}.npy", mmap_mode="r", allow_pickle=False) for n in ARRAYS}
        feed = _feed(key, tables, arrays)
        rows = len(feed.row_trip)
        if any(len(arrays[n]) != rows for n in ARRAYS if n.startswith("row_") or n == "by_stop"):
            raise ValueError("arrays of different lengths")
        return feed
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        shutil.rmtree(folder, ignore_errors=True)
        return None


def _tables(feed: Feed) -> dict[str, Any]:
    calendar, info = feed.calendar, feed.info
    notices = [
        [n.severity, type(n.error).__name__, n.error.file, n.error.line, n.error.field, n.error.details]
        for n in feed.notices
    ]
    return {
        "agencies": [list(asdict(a).values()) for a in feed.agencies],
        "stops": [list(asdict(s).values()) for s in feed.stops],
        "routes": [list(asdict(r).values()) for r in feed.routes],
        "trip_ids": feed.trip_ids,
        "strings": feed.strings,
        "calendar": [calendar.ids, calendar.weekdays, calendar.start, calendar.end],
        "added": list(calendar.added.items()),
        "removed": list(calendar.removed.items()),
        "frequencies": [[t, [list(asdict(f).values()) for f in fs]] for t, fs in feed.frequencies.items()],
        "info": [info.publisher, info.lang, _iso(info.start), _iso(info.end), info.version],
        "records": [[*k, v] for k, v in feed.translations.records.items()],
        "values": [[*k, v] for k, v in feed.translations.values.items()],
        "fares": [[r, f.low, f.high, f.currency] for r, f in feed.fares.items()],
        "notices": notices,
    }


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _feed(key: str, t: dict[str, Any], arrays: dict[str, Any]) -> Feed:
    publisher, lang, start, end, version = t["info"]
    info = FeedInfo(
        publisher,
        lang,
        date.fromisoformat(start) if start else None,
        date.fromisoformat(end) if end else None,
        version,
    )
    notices = []
    for severity, kind, file, line, name, details in t["notices"]:
        found = getattr(errors, kind)
        if not (isinstance(found, type) and issubclass(found, FeedError)):
            raise ValueError(f"{kind} is not a feed error")
        notices.append(Notice(severity, found(file, line, name, **details)))
    ids, weekdays, first, last = t["calendar"]
    added, removed = ({int(k): v for k, v in t[name]} for name in ("added", "removed"))
    calendar = ServiceCalendar(ids, weekdays, first, last, added=added, removed=removed)
    return Feed(
        key=key,
        agencies=[Agency(*a) for a in t["agencies"]],
        stops=[Stop(*s) for s in t["stops"]],
        routes=[Route(*r) for r in t["routes"]],
        trip_ids=t["trip_ids"],
        strings=t["strings"],
        calendar=calendar,
        frequencies={int(k): [Frequency(*f) for f in fs] for k, fs in t["frequencies"]},
        info=info,
        translations=Translations(
            {(r[0], r[1], r[2], r[3], r[4]): r[5] for r in t["records"]},
            {(v[0], v[1], v[2], v[3]): v[4] for v in t["values"]},
        ),
        fares={int(r): Fare(low, high, currency) for r, low, high, currency in t["fares"]},
        notices=notices,
        **arrays,
    )
