"""Writes the GTFS feed and the places table of the demo city: `python -m actions.transit.demo_feed --out PATH`.

The same bytes come out every time. `--places PATH` writes the places table.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import zipfile
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from actions.transit import demo_network as net

_SERVICES = {"WD": (1, 1, 1, 1, 1, 0, 0), "SA": (0, 0, 0, 0, 0, 1, 0), "SU": (0, 0, 0, 0, 0, 0, 1)}
_LATE = "LATE"
_LATE_METRO = (23 * 60 + 10, 23 * 60 + 20, 23 * 60 + 30)
_SPEED_KMH = {"bus": 19.0, "express": 22.0, "metro": 36.0}
_SLOWER = {"WD": 1.0, "SA": 1.3, "SU": 1.5}
_SIGN_EN = {zh: en for zh, en, _, _ in net.stop_table()}


def _csv(header: str, rows: list[tuple[object, ...]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header.split(","))
    writer.writerows(rows)
    return out.getvalue().encode("utf-8")


def position(east_km: float, north_km: float) -> tuple[str, str]:
    """Return latitude and longitude as text, in degrees."""
    lat = net.ORIGIN_LAT + north_km / 111.195
    lon = net.ORIGIN_LON + east_km / (111.195 * math.cos(math.radians(net.ORIGIN_LAT)))
    return f"{lat:.6f}", f"{lon:.6f}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}:00"


def _zone(east_km: float, north_km: float) -> str:
    ring = min(3, int(math.hypot(east_km, north_km) / 1.6))
    if ring == 0:
        return "C0"
    sector = "ENWS"[int(((math.degrees(math.atan2(north_km, east_km)) + 45) % 360) // 90)]
    return f"{sector}{ring}"


def _stops() -> tuple[
    list[tuple[object, ...]], list[tuple[object, ...]], dict[tuple[str, str], tuple[str, str]]
]:
    """Return the rows of stops.txt, of translations.txt, and {(name, kind): (outbound, inbound stop_id)}."""
    rows: list[tuple[object, ...]] = []
    translations: list[tuple[object, ...]] = []
    ids: dict[tuple[str, str], tuple[str, str]] = {}
    served = {"road": set(), "metro": set()}  # type: dict[str, set[str]]
    for line in net.lines():
        served["metro" if line.kind == "metro" else "road"].update(line.stops)

    def add(
        stop_id: str, code: str, zh: str, en: str, east: float, north: float, kind: int, parent: str
    ) -> None:
        lat, lon = position(east, north)
        rows.append((stop_id, code, zh, lat, lon, _zone(east, north), kind, parent))
        translations.append(("stops", "stop_name", "en", en, stop_id, ""))

    for n, (zh, en, east, north) in enumerate(net.stop_table(), start=1):
        if zh in served["road"]:
            ids[zh, "road"] = (f"S{n:02d}A", f"S{n:02d}B")
            add(f"S{n:02d}A", f"{1000 + n}", zh, en, east + 0.02, north - 0.02, 0, "")
            add(f"S{n:02d}B", f"{2000 + n}", zh, en, east - 0.02, north + 0.02, 0, "")
        if zh in served["metro"]:
            ids[zh, "metro"] = (f"M{n:02d}A", f"M{n:02d}B")
            add(f"M{n:02d}", f"{3000 + n}", zh, en, east + 0.08, north + 0.05, 1, "")
            add(f"M{n:02d}A", "", zh, en, east + 0.08, north + 0.05, 0, f"M{n:02d}")
            add(f"M{n:02d}B", "", zh, en, east + 0.08, north + 0.05, 0, f"M{n:02d}")
    return rows, translations, ids


def _run_minutes(line: net.Line) -> list[int]:
    """Return, for each stop, minutes after leaving the first one."""
    place = {zh: (x, y) for zh, _, x, y in net.stop_table()}
    total, out = 0.0, [0]
    for a, b in pairwise(line.stops):
        km = math.dist(place[a], place[b]) * 1.25
        total += max(1.0, km / _SPEED_KMH[line.kind] * 60 + (0.5 if line.kind != "express" else 1.0))
        out.append(round(total))
    return out


def _starts(line: net.Line, service: str, direction: int) -> list[int]:
    """Return the departure minutes from the first stop over a service day; the last one always runs."""
    if service == _LATE:
        return list(_LATE_METRO) if line.kind == "metro" else []
    slower = _SLOWER[service] if line.kind == "bus" and line.first < 22 * 60 else 1.0
    peak, daytime, late = (max(1, round(h * slower)) for h in line.headways)
    first, last = (line.first, line.last) if direction == 0 else (line.back_first, line.back_last)
    evening = 22 if line.kind == "metro" else 19
    starts, now = [], first
    while now < last:
        starts.append(now)
        hour = now / 60
        rush = service == "WD" and (7 <= hour < 9 or 17 <= hour < 19)
        now += peak if rush else late if hour >= evening or hour < 6 else daytime
    return [*starts, last]


def _exceptions() -> list[tuple[object, ...]]:
    """Return calendar_dates.txt: Sunday service on holidays, late metro on the evening before."""
    rows: list[tuple[object, ...]] = []
    free = set(net.holidays())
    day = net.FIRST_DAY
    while day <= net.LAST_DAY:
        text = f"{day:%Y%m%d}"
        usual = "WD" if day.weekday() < 5 else "SA" if day.weekday() == 5 else "SU"
        if day in free and usual != "SU":
            rows += [(usual, text, 2), ("SU", text, 1)]
        eve = day + timedelta(days=1) in free and day not in free
        if eve and day.weekday() not in (4, 5):
            rows.append((_LATE, text, 1))
        day += timedelta(days=1)
    return rows


def tables() -> dict[str, bytes]:
    """Return {file name: content} of the demo feed."""
    stop_rows, translations, ids = _stops()
    routes, trips, stop_times, fare_rules = [], [], [], []
    signs: set[str] = set()
    for line in net.lines():
        metro = line.kind == "metro"
        routes.append((line.route_id, "LC", line.zh, line.long_zh, 1 if metro else 3))
        translations.append(("routes", "route_short_name", "en", line.en, line.route_id, ""))
        translations.append(("routes", "route_long_name", "en", line.long_en, line.route_id, ""))
        minutes = _run_minutes(line)
        for direction in (0, 1):
            names = line.stops if direction == 0 else line.stops[::-1]
            after = minutes if direction == 0 else [minutes[-1] - m for m in reversed(minutes)]
            signs.add(names[-1])
            called = [ids[name, "metro" if metro else "road"][direction] for name in names]
            for service in (*_SERVICES, _LATE):
                for number, start in enumerate(_starts(line, service, direction), start=1):
                    trip = f"{line.route_id}-{direction}{service}{number}"
                    trips.append((line.route_id, service, trip, names[-1], direction))
                    for order, (stop, extra) in enumerate(zip(called, after, strict=True), start=1):
                        clock = _clock(start + extra)
                        stop_times.append((trip, clock, clock, stop, order))
        if not metro:
            fare_rules.append(("AIRPORT" if line.kind == "express" else "BUS", line.route_id, "", ""))
    translations += [("trips", "trip_headsign", "en", _SIGN_EN[s], "", s) for s in sorted(signs)]
    translations.append(("agency", "agency_name", "en", "Lanchuan Transit", "LC", ""))
    translations.append(("feed_info", "feed_publisher_name", "en", "Lanchuan Transit", "", ""))
    zones = sorted({str(r[5]) for r in stop_rows if str(r[0]).startswith("M")})
    for a in zones:
        for b in zones:
            there, back = int(a[1]), int(b[1])
            rings = abs(there - back) if a[0] == b[0] else there + back
            fare_rules += [(f"METRO{min(7, 2 + rings)}", m, a, b) for m in ("M1", "M2")]
    week = [(s, *days, f"{net.FIRST_DAY:%Y%m%d}", f"{net.LAST_DAY:%Y%m%d}") for s, days in _SERVICES.items()]
    late = (_LATE, 0, 0, 0, 0, 1, 1, 0, f"{net.FIRST_DAY:%Y%m%d}", f"{net.LAST_DAY:%Y%m%d}")
    fares: list[tuple[object, ...]] = [
        ("BUS", "2.00", "CNY", 0, 0, ""),
        ("AIRPORT", "20.00", "CNY", 0, 0, ""),
    ]
    fares += [(f"METRO{n}", f"{n}.00", "CNY", 1, "", "") for n in range(2, 8)]
    opens, closes = f"{net.FIRST_DAY:%Y%m%d}", f"{net.LAST_DAY:%Y%m%d}"
    home = "https://www.lanchuan.example/transit"
    agency = [("LC", "澜川公交集团", home, "Asia/Shanghai", "zh", "12345 转 12")]
    info = [("澜川公交集团", home, "zh", opens, closes, "demo-1")]
    return {
        "agency.txt": _csv(
            "agency_id,agency_name,agency_url,agency_timezone,agency_lang,agency_phone", [*agency]
        ),
        "feed_info.txt": _csv(
            "feed_publisher_name,feed_publisher_url,feed_lang,feed_start_date,feed_end_date,feed_version",
            [*info],
        ),
        "stops.txt": _csv(
            "stop_id,stop_code,stop_name,stop_lat,stop_lon,zone_id,location_type,parent_station", stop_rows
        ),
        "routes.txt": _csv("route_id,agency_id,route_short_name,route_long_name,route_type", [*routes]),
        "trips.txt": _csv("route_id,service_id,trip_id,trip_headsign,direction_id", [*trips]),
        "stop_times.txt": _csv("trip_id,arrival_time,departure_time,stop_id,stop_sequence", [*stop_times]),
        "calendar.txt": _csv(
            "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date",
            [*week, late],
        ),
        "calendar_dates.txt": _csv("service_id,date,exception_type", _exceptions()),
        "translations.txt": _csv(
            "table_name,field_name,language,translation,record_id,field_value", translations
        ),
        "fare_attributes.txt": _csv(
            "fare_id,price,currency_type,payment_method,transfers,transfer_duration", [*fares]
        ),
        "fare_rules.txt": _csv("fare_id,route_id,origin_id,destination_id", [*fare_rules]),
    }


def write_feed(out: Path) -> None:
    """Write the feed as a zip; equal input gives equal bytes."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in tables().items():
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED, 9)


def places_csv() -> bytes:
    """Return the places table of the demo city."""
    rows: list[tuple[object, ...]] = []
    for zh, en, other, east, north, district in net.place_table():
        rows.append((zh, en, other.replace(",", "|"), *position(east, north), district))
    return _csv("name_zh,name_en,aliases,lat,lon,district", rows)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Write the demo city's GTFS feed.")
    parser.add_argument("--out", type=Path, required=True, help="where the zip goes")
    parser.add_argument("--places", type=Path, help="where the places table (CSV) goes")
    options = parser.parse_args(arguments)
    write_feed(options.out)
    if options.places:
        options.places.parent.mkdir(parents=True, exist_ok=True)
        options.places.write_bytes(places_csv())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
