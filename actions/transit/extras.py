"""Reads the optional GTFS tables: frequencies, feed_info, translations, fares."""

from __future__ import annotations

from datetime import date

from actions.transit import values
from actions.transit.errors import FeedBadValue, FeedUnknownReference
from actions.transit.model import Fare, FeedInfo, Frequency, Route, Translations
from actions.transit.source import Source
from actions.transit.tables import DAY_FORM, Trips, field_value

_TRANSLATED = {
    "agency",
    "stops",
    "routes",
    "trips",
    "stop_times",
    "feed_info",
    "pathways",
    "levels",
    "attributions",
}


def read_frequencies(source: Source, trips: Trips) -> dict[int, list[Frequency]]:
    """Read frequencies.txt, by trip index."""
    file, report = "frequencies.txt", source.report
    found: dict[int, list[Frequency]] = {}
    if not source.has(file):
        return found
    at = {t: n for n, t in enumerate(trips.ids)}
    for line, row in source.table(
        file, ("trip_id", "start_time", "end_time", "headway_secs"), ("exact_times",)
    ):
        trip = at.get(row["trip_id"])
        if trip is None:
            report.error(
                FeedUnknownReference(file, line, "trip_id", value=row["trip_id"], target="trips.txt")
            )
            continue
        clock = ("时间 HH:MM:SS", "a time HH:MM:SS")
        start = field_value(report, (file, line, "start_time"), row["start_time"], values.seconds, clock)
        end = field_value(report, (file, line, "end_time"), row["end_time"], values.seconds, clock)
        headway = values.whole(row["headway_secs"])
        if not headway:
            expected = ("正整数秒", "seconds above 0")
            report.error(
                FeedBadValue(file, line, "headway_secs", value=row["headway_secs"], expected=expected)
            )
        elif start is not None and end is not None and end > start:
            found.setdefault(trip, []).append(Frequency(start, end, headway, row["exact_times"] == "1"))
    return found


def read_info(source: Source) -> FeedInfo:
    """Read feed_info.txt, if there is one."""
    file, report = "feed_info.txt", source.report
    if not source.has(file):
        return FeedInfo()
    optional = (
        "feed_publisher_name",
        "feed_lang",
        "feed_start_date",
        "feed_end_date",
        "feed_version",
        "default_lang",
    )
    for line, row in source.table(file, (), optional):
        days: dict[str, date | None] = {}
        for name in ("feed_start_date", "feed_end_date"):
            days[name] = (
                field_value(report, (file, line, name), row[name], values.day, DAY_FORM)
                if row[name]
                else None
            )
        lang = row["feed_lang"] if row["feed_lang"].lower() != "mul" else row["default_lang"]
        return FeedInfo(
            row["feed_publisher_name"],
            lang,
            days["feed_start_date"],
            days["feed_end_date"],
            row["feed_version"],
        )
    return FeedInfo()


def read_translations(source: Source) -> Translations:
    """Read translations.txt: by record, by value, and the older trans_id form."""
    file, out = "translations.txt", Translations()
    if not source.has(file):
        return out
    header = {name.strip().lower() for name in source.header(file)}
    if "trans_id" in header and "table_name" not in header:
        for _, row in source.table(file, ("trans_id", "lang", "translation")):
            out.add("*", "*", row["lang"], row["translation"], "", "", row["trans_id"])
        return out
    optional = ("record_id", "record_sub_id", "field_value")
    for line, row in source.table(file, ("table_name", "field_name", "language", "translation"), optional):
        table = row["table_name"].removesuffix(".txt")
        if table not in _TRANSLATED:
            expected = ("表名,如 stops", "a table, e.g. stops")
            source.report.warning(FeedBadValue(file, line, "table_name", value=table, expected=expected))
        elif table != "feed_info" and not row["record_id"] and not row["field_value"]:
            expected = ("record_id 或 field_value", "record_id or field_value")
            source.report.error(FeedBadValue(file, line, "record_id", value="", expected=expected))
        elif row["translation"]:
            parts = (row["translation"], row["record_id"], row["record_sub_id"], row["field_value"])
            out.add(table, row["field_name"], row["language"], *parts)
    return out


def read_fares(source: Source, routes: list[Route]) -> dict[int, Fare]:
    """Read the price range of each route from fare_attributes.txt and fare_rules.txt."""
    if not source.has("fare_attributes.txt"):
        return {}
    prices: dict[str, tuple[float, str]] = {}
    for line, row in source.table("fare_attributes.txt", ("fare_id", "price", "currency_type")):
        where = ("fare_attributes.txt", line, "price")
        price = field_value(source.report, where, row["price"], values.real, ("金额", "an amount"))
        if price is not None:
            prices[row["fare_id"]] = (price, row["currency_type"])
    at = {r.route_id: n for n, r in enumerate(routes)}
    by_route: dict[int, list[tuple[float, str]]] = {}
    ruled: set[str] = set()
    if source.has("fare_rules.txt"):
        for _, row in source.table("fare_rules.txt", ("fare_id",), ("route_id",)):
            ruled.add(row["fare_id"])
            if row["route_id"] in at and row["fare_id"] in prices:
                by_route.setdefault(at[row["route_id"]], []).append(prices[row["fare_id"]])
    everywhere = [p for fare, p in prices.items() if fare not in ruled]
    fares: dict[int, Fare] = {}
    for route in range(len(routes)):
        some = by_route.get(route) or everywhere
        if some and len({c for _, c in some}) == 1:
            fares[route] = Fare(min(p for p, _ in some), max(p for p, _ in some), some[0][1])
    return fares
