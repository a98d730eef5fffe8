"""Field types of the GTFS reference: times, dates, numbers, zones, coordinates."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from zoneinfo import ZoneInfo

_TIME = re.compile(r"(\d{1,3}):([0-5]\d):([0-5]\d)")
_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")


def seconds(text: str) -> int | None:
    """Return the seconds of "H:MM:SS" (hours may pass 24), or `None`."""
    match = _TIME.fullmatch(text.strip())
    return int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3]) if match else None


def day(text: str) -> date | None:
    """Return the day of "YYYYMMDD", or `None`."""
    match = _DATE.fullmatch(text)
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None


def whole(text: str) -> int | None:
    """Return a non-negative integer, or `None`."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def real(text: str) -> float | None:
    """Return a finite number, or `None`."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e15 else None


@lru_cache(maxsize=256)
def is_zone(text: str) -> bool:
    """Return whether `text` names a time zone."""
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        return False
    return True
