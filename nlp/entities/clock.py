"""Turns the normal form of a time expression into dates, given the present moment."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import datetime, timedelta

# Hours [from, to) that a part of the day covers; beyond 24 is the next day.
PARTS = {
    "dawn": (0, 6), "morning": (6, 12), "morning-peak": (7, 9), "noon": (11, 13), "afternoon": (12, 18),
    "evening": (18, 22), "evening-peak": (17, 19), "night": (20, 30), "midnight": (23, 29),
}  # fmt: skip
_DAYS = {"min": 1 / 1440, "h": 1 / 24, "d": 1.0, "w": 7.0, "mo": 30.0, "y": 365.0}
Interval = tuple[datetime, datetime]


def resolve_time(normal: str, now: datetime) -> Interval | None:
    """Return the interval `[from, to)` that a normal form means, or `None` when it is open (a holiday, say).

    A moment such as `08:30` has a length of zero. A weekday or clock time without a date is the next one.

    Args:
        normal: as `nlp.entities.times` gives it, for example `day+1 08:30`.
        now: the present moment, in the city's time zone.
    """
    fields = normal.split()
    if not fields or any(field.startswith("holiday=") for field in fields):
        return None
    if fields[0] == "now":
        return now, now
    if match := re.fullmatch(r"([+-])(\d+)([a-z]+)", fields[0]):
        moment = now + (1 if match[1] == "+" else -1) * timedelta(days=int(match[2]) * _DAYS[match[3]])
        return moment, moment
    if match := re.fullmatch(r"span=(next|past)-(\d+)([a-z]+)", fields[0]):
        length = timedelta(days=int(match[2]) * _DAYS[match[3]])
        return (now, now + length) if match[1] == "next" else (now - length, now)
    clock = next((field for field in fields if re.fullmatch(r"\d\d:\d\d", field)), None)
    part = next((field[5:] for field in fields if field.startswith("part=")), None)
    dates = [field for field in fields if field != clock and not field.startswith("part=")]
    days = _days(dates, now) if dates else None
    if dates and days is None:
        return None
    return _within(days, clock, part, now)


def _within(days: Interval | None, clock: str | None, part: str | None, now: datetime) -> Interval | None:
    first = days[0] if days is not None else _midnight(now)
    if clock is not None:
        moment = first + timedelta(hours=int(clock[:2]), minutes=int(clock[3:]))
        if days is None and moment < now:
            moment += timedelta(days=1)
        return moment, moment
    if part is not None:
        start, end = PARTS[part]
        return first + timedelta(hours=start), first + timedelta(hours=end)
    return days


def _days(fields: list[str], now: datetime) -> Interval | None:
    today = _midnight(now)
    values: dict[str, str] = {}
    for field in fields:
        if match := re.fullmatch(r"([a-z]+)([=+-].*)?", field):
            values[match[1]] = match[2] or ""
    if "day" in values:
        return _day(today + timedelta(days=_number(values["day"])))
    monday = today - timedelta(days=today.weekday())
    if "weekday" in values:
        wanted = _number(values["weekday"]) - 1
        if "week" in values:
            return _day(monday + timedelta(days=7 * _number(values["week"]) + wanted))
        return _day(today + timedelta(days=(wanted - today.weekday()) % 7))
    if "week" in values:
        start = monday + timedelta(days=7 * _number(values["week"]))
        return (start + timedelta(days=5 if "weekend" in values else 0)), start + timedelta(days=7)
    year = today.year
    if "year" in values:
        year = _number(values["year"]) + (0 if values["year"].startswith("=") else year)
    if "quarter" in values:
        given = values["quarter"]
        number = _number(given) - 1 if given.startswith("=") else (today.month - 1) // 3 + _number(given)
        start = _month(today, year, 3 * number)
        return start, _month(today, year, 3 * number + 3)
    if "month" in values:
        given = values["month"]
        number = _number(given) - 1 if given.startswith("=") else today.month - 1 + _number(given)
        start = _month(today, year, number)
        if "dayofmonth" in values:
            day = _number(values["dayofmonth"])
            if not 1 <= day <= monthrange(start.year, start.month)[1]:
                return None
            return _day(start.replace(day=day))
        return start, _month(today, year, number + 1)
    return (_month(today, year, 0), _month(today, year, 12)) if "year" in values else None


def _number(text: str) -> int:
    return int(text.lstrip("="))


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _day(start: datetime) -> Interval:
    return start, start + timedelta(days=1)


def _month(today: datetime, year: int, number: int) -> datetime:
    """Return the first of month `number` (0: January) counted from January of `year`."""
    return today.replace(year=year + number // 12, month=number % 12 + 1, day=1)
