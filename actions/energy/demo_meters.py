"""Makes plausible 15-minute meters for buildings of the demo city, with faults to find; the same for the same day.

Values of a date follow from the building and the date alone. Faults are placed relative to the last day, so that the
demo always has something to show: the air conditioning of City Hall left on last week's Tuesday night, and so on.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd

from actions.energy.calendars import HOLIDAY, day_type
from actions.energy.series import LoadSeries, QualityReport

SLOTS = 96


@dataclass(frozen=True)
class Kind:
    """How a building uses electricity: kW by part, and opening hours by day type (None: closed)."""

    base_kw: float
    open_kw: float
    cooling_kw_per_k: float
    heating_kw_per_k: float
    opens: float
    closes: float
    rest: frozenset[int]
    rest_share: float = 0.12
    ramp_h: float = 1.5


KINDS: dict[str, Kind] = {
    "city_hall": Kind(46, 165, 13.0, 7.5, 8.0, 18.0, frozenset({5, 6, HOLIDAY})),
    "library": Kind(28, 88, 8.0, 4.0, 8.5, 21.0, frozenset({0})),
    "sports_centre": Kind(62, 190, 9.5, 6.0, 9.0, 22.0, frozenset(), 0.3, 1.0),
    "service_centre": Kind(24, 96, 7.0, 4.5, 8.5, 17.5, frozenset({6, HOLIDAY})),
    "museum": Kind(55, 70, 6.5, 5.0, 9.0, 17.0, frozenset({0})),
    "hospital": Kind(310, 260, 24.0, 12.0, 7.5, 19.0, frozenset(), 0.6, 2.0),
}


def temperature(day: date) -> np.ndarray:
    """Return the outdoor temperature of a date in °C, shape (96,): a subtropical year with spells of a few days."""
    noise = [np.random.default_rng(1000 + (day - timedelta(days=k)).toordinal()).normal() for k in range(6)]
    spell = float(np.dot(noise, [1.0, 0.8, 0.6, 0.4, 0.25, 0.15])) * 1.7
    year = (day.timetuple().tm_yday - 20) / 365.25
    mean = 16.8 - 12.0 * np.cos(2 * np.pi * year) + spell
    hour = np.arange(SLOTS) / 4
    swing = 3.6 + 0.8 * noise[0]
    return np.asarray(mean + swing * np.cos(2 * np.pi * (hour - 15) / 24))


def sunshine(day: date) -> np.ndarray:
    """Return the yield of a kW of photovoltaics on a date, shape (96,)."""
    hour = np.arange(SLOTS) / 4
    cloud = 0.25 + 0.75 * np.random.default_rng(5000 + day.toordinal()).beta(3, 1.4)
    length = 12 + 2.0 * np.sin(2 * np.pi * (day.timetuple().tm_yday - 80) / 365.25)
    return np.asarray(
        0.82
        * cloud
        * np.maximum(0, np.sin(np.pi * (hour - 12 + length / 2) / length))
        * (abs(hour - 12) < length / 2)
    )


def day_kw(building: str, day: date, warmth: np.ndarray, night_extra: float = 0.0) -> np.ndarray:
    """Return the load of a date without faults in kW, shape (96,)."""
    kind = KINDS[building]
    rng = np.random.default_rng(zlib.crc32(f"{building}:{day}".encode()))
    hour = np.arange(SLOTS) / 4
    rest = day_type(day) in kind.rest
    share = kind.rest_share if rest else 1.0
    up = 1 / (1 + np.exp(-(hour - kind.opens) * 5 / kind.ramp_h))
    down = 1 / (1 + np.exp((hour - kind.closes) * 4))
    busy = up * down * (1 - 0.08 * np.exp(-((hour - 12.7) ** 2)))
    comfort = kind.cooling_kw_per_k * np.maximum(warmth - 22, 0) + kind.heating_kw_per_k * np.maximum(
        14 - warmth, 0
    )
    level = rng.normal(1.0, 0.035)
    wiggle = np.convolve(rng.normal(0, 0.05, SLOTS + 8), np.ones(5) / 5, mode="valid")[:SLOTS]
    kw = kind.base_kw * (1 + 0.03 * np.cos(2 * np.pi * hour / 24)) + night_extra
    kw = kw + share * busy * (kind.open_kw + comfort) * level
    return np.asarray(np.maximum(kw * (1 + wiggle), 1.0))


def make_meter(building: str, end: datetime, days: int = 400, faults: bool = True) -> LoadSeries:
    """Return a building's meter up to `end`.

    Args:
        building: a key of `KINDS`.
        end: aware; the last full quarter of an hour before it is the last value.
        days: how many days back.
        faults: whether to inject the demo's faults.

    Raises:
        KeyError: for another building.
    """
    first = end.date() - timedelta(days=days)
    dates = [first + timedelta(days=k) for k in range(days + 1)]
    warmth = np.concatenate([temperature(day) for day in dates])
    kw = np.concatenate(
        [day_kw(building, day, warmth[k * SLOTS : (k + 1) * SLOTS]) for k, day in enumerate(dates)]
    )
    if faults:
        _inject(building, dates, kw, warmth)
    index = pd.date_range(
        datetime.combine(first, datetime.min.time(), end.tzinfo), periods=len(kw), freq="15min"
    )
    keep = np.asarray(index <= pd.Timestamp(end) - pd.Timedelta(minutes=15))
    report = QualityReport(rows=int(keep.sum()), unit="kW", native_step_min=15)
    series = LoadSeries(
        building,
        pd.DatetimeIndex(index),
        np.round(kw, 1),
        np.zeros(len(kw), bool),
        np.round(warmth, 1),
        report,
    )
    return replace(series.at(keep), quality=report)


def _inject(building: str, dates: list[date], kw: np.ndarray, warmth: np.ndarray) -> None:
    last = len(dates) - 1
    monday = last - dates[last].weekday() - 7  # of last week

    def span(day: int, begin_h: float, end_h: float) -> slice:
        return slice(int(day * SLOTS + begin_h * 4), int(day * SLOTS + end_h * 4))

    if building == "city_hall":  # cooling or heating left on over Tuesday night and into the day
        kw[span(monday + 1, 0, 7.5)] += 95
        kw[span(monday + 1, 18.5, 24)] += 88
        kw[span(monday - 60, 20, 30)] += 80
    elif building == "library":  # a lighting circuit no longer switches off at night
        for day in range(last - 45, last + 1):
            hours = np.r_[span(day, 0, 6), span(day, 22, 24)]
            kw[hours] += 16
    elif building == "sports_centre":  # pool pump replaced by a stronger one
        kw[(last - 75) * SLOTS :] += 38
    elif building == "service_centre":  # the meter hung for a day
        kw[span(monday - 12, 7, 29)] = kw[span(monday - 12, 7, 29)][0]
    elif building == "museum":  # opened on a closed day for an event
        rest = monday - 21
        kw[span(rest, 8, 22)] += 85
    elif building == "hospital":
        kw[span(monday - 33, 10, 10.5)] *= 2.1
