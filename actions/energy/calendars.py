"""What kind of day a date is: weekday, public holiday, or a weekend day worked in exchange for one."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

import numpy as np
import pandas as pd

HOLIDAY = 7
MAKE_UP_WORKDAY = 2  # a worked Saturday or Sunday runs like a midweek day


@lru_cache(maxsize=64)
def _year(country: str, year: int) -> tuple[dict[date, str], dict[date, str], frozenset[date]]:
    import holidays

    english = holidays.country_holidays(country, years=year, language="en_US")
    try:
        local = holidays.country_holidays(country, years=year, language="zh_CN")
    except (NotImplementedError, TypeError, ValueError):
        local = english
    worked = frozenset(day for day in getattr(english, "weekend_workdays", ()) if day.year == year)
    return dict(english), dict(local), worked


def known_country(country: str) -> bool:
    """Return whether the holidays of an ISO 3166 country code are known; "" stands for none."""
    if not country:
        return True
    try:
        _year(country, 2026)
    except (NotImplementedError, KeyError):
        return False
    return True


def day_type(day: date, country: str = "CN") -> int:
    """Return 0 (Monday) to 6 (Sunday), 7 for a public holiday, 2 for a worked weekend day."""
    if country:
        names, _, worked = _year(country, day.year)
        if day in names:
            return HOLIDAY
        if day in worked:
            return MAKE_UP_WORKDAY
    return day.weekday()


def holiday_name(day: date, language: str, country: str = "CN") -> str:
    """Return the holiday's name in `language`, "" on other days."""
    if not country:
        return ""
    english, local, _ = _year(country, day.year)
    name = (local if language == "zh" else english).get(day, "")
    return name.split(";")[0].split(" (")[0].split("（")[0]


def day_types(index: pd.DatetimeIndex, country: str = "CN") -> np.ndarray:
    """Return `day_type` of every stamp's local date, shape (n,)."""
    wall = index.tz_localize(None).normalize() if index.tz is not None else index.normalize()
    unique, inverse = np.unique(np.asarray(wall), return_inverse=True)
    kinds = np.array([day_type(pd.Timestamp(day).date(), country) for day in unique], dtype=int)
    return kinds[inverse]


def rest_kinds(daily: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Return for each of the 8 day types whether the load rests then; learned, for not every house rests on Sunday.

    Args:
        daily: level of each day, NaN where unknown, shape (days,); the last 26 weeks count.
        kinds: day types, shape (days,).
    """
    daily, kinds = daily[-182:], kinds[-182:]
    level = np.full(8, np.nan)
    for kind in range(8):
        sample = daily[(kinds == kind) & np.isfinite(daily)]
        if len(sample) >= 2:
            level[kind] = np.median(sample)
    out = np.zeros(8, dtype=bool)
    out[HOLIDAY] = True
    if np.isfinite(level[:7]).sum() < 2:
        out[5:] = True
        return out
    high, low = float(np.nanmax(level[:7])), float(np.nanmin(level[:7]))
    if high > 0 and (high - low) / high > 0.1:
        out = np.nan_to_num(level, nan=low) < (high + low) / 2
    return out


def observed_kinds(
    days: pd.DatetimeIndex, daily: np.ndarray, country: str = "CN", as_spent: bool = True
) -> np.ndarray:
    """Return the day type of every day as this load keeps it, shape (m,).

    Holidays that it never kept count as ordinary days; dates on which it rested in two years or more, and days known
    to have been spent like its quietest weekday, count as holidays; one that opened its closed weekday counts as open.
    A worked weekend day stays one.

    Args:
        days: naive midnights, the known days first, shape (m,).
        daily: level of the known days, NaN where unknown, shape (n,), n ≤ m.
        country: whose holidays are official.
        as_spent: label the known days by how they were spent; a search for anomalies must not.
    """
    official = day_types(days, country)
    weekday = np.asarray(days.weekday)
    known = len(daily)
    usual = np.full((7, known), np.nan)
    for day in range(7):
        level = pd.Series(np.where((weekday[:known] == day) & (official[:known] != HOLIDAY), daily, np.nan))
        usual[day] = (
            level.rolling(63, center=True, min_periods=3)
            .median()
            .interpolate(limit_direction="both")
            .to_numpy()
        )
    own = usual[weekday[:known], np.arange(known)]
    quiet = np.nanmin(np.where(np.isfinite(usual), usual, np.inf), axis=0)
    with np.errstate(invalid="ignore"):
        telling = np.isfinite(own) & np.isfinite(daily) & (quiet < 0.8 * own)
        rested = telling & (daily < (quiet + own) / 2)
    out = official.copy()
    busy = np.nanmedian(usual, axis=0)
    on_rest = np.isfinite(own) & np.isfinite(daily) & (quiet < 0.8 * busy) & (own < 1.1 * quiet)
    on_rest &= official[:known] == HOLIDAY
    opened = on_rest.sum() >= 2 and np.mean(daily[on_rest] > ((quiet + busy) / 2)[on_rest]) >= 0.5
    names = [holiday_name(day.date(), "en", country) for day in days]
    kept: dict[str, list[bool]] = {}
    dates: dict[tuple[int, int], list[bool]] = {}
    for at in np.flatnonzero(telling):
        if official[at] == HOLIDAY:
            kept.setdefault(names[at], []).append(bool(rested[at]))
        dates.setdefault((days[at].month, days[at].day), []).append(bool(rested[at]))
    every = [rest for rests in kept.values() for rest in rests]
    default = float(np.mean(every)) >= 0.5 if len(every) >= 3 else True
    for at, day in enumerate(days):
        past = dates.get((day.month, day.day), [])
        if official[at] == HOLIDAY:
            rests = kept.get(names[at])
            if not (default if rests is None else np.mean(rests) >= 0.5):
                out[at] = weekday[at]
            resting = known and usual[weekday[at], min(at, known - 1)] < 1.1 * quiet[min(at, known - 1)]
            if opened and resting:  # closed on Mondays, open on a Monday that is a holiday
                out[at] = int(np.nanargmax(usual[:, min(at, known - 1)]))
        elif len(past) >= 2 and all(past):
            out[at] = HOLIDAY
        if as_spent and at < known and telling[at]:
            out[at] = HOLIDAY if rested[at] else (weekday[at] if out[at] == HOLIDAY else out[at])
    return out
