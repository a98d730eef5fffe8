"""What the forecasters look at: lags, recent level, calendar and weather, for every origin and lead."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from actions.energy.calendars import HOLIDAY, MAKE_UP_WORKDAY, observed_kinds, rest_kinds

DAY, WEEK = 24, 168
HISTORY_H = 6 * WEEK
_RECENT = 48


@dataclass(frozen=True)
class Hourly:
    """An hourly series made ready for forecasting, extended by the calendar of the hours to come.

    Args:
        index: aware, from the first hour known to the last hour to forecast, shape (m,).
        kw: complete (filled) load of the known hours, shape (n,), n ≤ m.
        real: true where it was measured, shape (n,).
        kinds: day type of every hour, shape (m,).
        off: true on the kinds of day on which this load rests, shape (m,).
        temperature_c: shape (m,), or `None`.
    """

    index: pd.DatetimeIndex
    kw: np.ndarray
    real: np.ndarray
    kinds: np.ndarray
    off: np.ndarray
    temperature_c: np.ndarray | None = None
    country: str = ""

    @classmethod
    def make(
        cls,
        index: pd.DatetimeIndex,
        kw: np.ndarray,
        real: np.ndarray,
        ahead: int,
        country: str,
        temperature_c: np.ndarray | None = None,
    ) -> Hourly:
        """Extend the calendar of a known series by `ahead` hours; temperature must reach as far to be used."""
        future = pd.date_range(index[0].tz_convert("UTC"), periods=len(index) + ahead, freq="1h")
        whole = pd.DatetimeIndex(future).tz_convert(index.tz)
        if temperature_c is not None and (
            len(temperature_c) < len(whole) or not np.isfinite(temperature_c).all()
        ):
            temperature_c = None
        empty = np.zeros(len(whole), dtype=int)
        data = cls(whole, kw, real, empty, empty.astype(bool), temperature_c, country)
        return data.labelled(len(kw))

    def labelled(self, until: int) -> Hourly:
        """Return the series with its kinds of day learnt from the hours before position `until` only."""
        wall = self.index.tz_localize(None).normalize()
        row, days = pd.factorize(wall)
        known = np.where(self.real[:until], self.kw[:until], np.nan)
        sums = pd.Series(known).groupby(row[:until]).agg(["mean", "count"])
        daily = np.where(sums["count"] >= DAY * 3 // 4, sums["mean"], np.nan)
        if until < len(row) and row[until - 1] == row[until]:  # the last day is not over
            daily = daily[:-1]
        kinds = observed_kinds(pd.DatetimeIndex(days), daily, self.country)
        return replace(self, kinds=kinds[row], off=rest_kinds(daily, kinds[: len(daily)])[kinds[row]])


@dataclass(frozen=True)
class Table:
    """Features of many origins.

    Args:
        common: the last 48 hours above the level, shape (origins, 48).
        lags: loads like the target's, above the level, shape (origins, leads, k).
        known: calendar and weather of the target, shape (origins, leads, c).
        hour, kind, off: of the target, shape (origins, leads).
        level_kw: mean of the last week, shape (origins,).
        usual_kw: median of the same hour on the last six days of this kind, shape (origins, leads).
        target: position of the hour forecast, shape (origins, leads).
    """

    common: np.ndarray
    lags: np.ndarray
    known: np.ndarray
    hour: np.ndarray
    kind: np.ndarray
    off: np.ndarray
    level_kw: np.ndarray
    usual_kw: np.ndarray
    target: np.ndarray

    def take(self, rows: np.ndarray) -> Table:
        """Return the table of some origins."""
        return Table(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def build_table(data: Hourly, origins: np.ndarray, leads: int) -> Table:
    """Return the features of forecasts made just before each origin (a position; the first hour forecast).

    Lags: the same hour one and two days before what is known, the last day of the same kind (worked or off) and of the
    same weekday, one and two weeks before, the mean of four weeks, and the usual load.
    """
    origins = np.asarray(origins)
    lead = np.arange(leads)
    target = origins[:, None] + lead
    days_back = (lead // DAY + 1) * DAY
    weeks_back = (lead // WEEK + 1) * WEEK
    kw = data.kw

    def lagged(hours: np.ndarray | int) -> np.ndarray:
        return kw[np.clip(target - hours, 0, len(kw) - 1)]

    weekly = [lagged(weeks_back + WEEK * k) for k in range(4)]
    like = _last_like(data, target, days_back)
    usual = _usual(data, target, weeks_back)
    lags = [
        lagged(days_back),
        lagged(days_back + DAY),
        like,
        weekly[0],
        weekly[1],
        np.mean(weekly, axis=0),
        usual,
    ]
    window = kw[origins[:, None] - WEEK + np.arange(WEEK)]
    level = window.mean(axis=1)
    recent = window[:, -_RECENT:]
    day_mean = window[:, -DAY:].mean(axis=1)
    lags.append(np.repeat(day_mean[:, None], leads, axis=1))
    stacked = np.stack(lags, axis=-1) - level[:, None, None]
    hour = np.asarray(data.index.hour)[target]
    kind = data.kinds[target]
    return Table(
        recent - level[:, None],
        stacked,
        _known(data, target, days_back),
        hour,
        kind,
        data.off[target],
        level,
        usual,
        target,
    )


def _usual(data: Hourly, target: np.ndarray, weeks_back: np.ndarray) -> np.ndarray:
    """Return the median of six weeks at the same hour and weekday, past holidays left out.

    A holiday is compared with Sundays, a worked weekend day with Wednesdays.
    """
    weekday = np.asarray(data.index.weekday)[target]
    kind = data.kinds[target]
    shift = np.where(kind == HOLIDAY, (weekday - 6) % 7, 0)
    shift = np.where((kind == MAKE_UP_WORKDAY) & (weekday >= 5), (weekday - MAKE_UP_WORKDAY) % 7, shift)
    at = target - shift * DAY - weeks_back
    stack = np.stack([np.clip(at - WEEK * k, 0, len(data.kw) - 1) for k in range(6)])
    values = np.where((data.kinds[stack] == HOLIDAY) | ~data.real[stack], np.nan, data.kw[stack])
    values[:, np.isnan(values).all(axis=0)] = data.kw[stack][:, np.isnan(values).all(axis=0)]
    return np.asarray(np.nanmedian(values, axis=0))


def _last_like(data: Hourly, target: np.ndarray, days_back: np.ndarray) -> np.ndarray:
    """Return the load at the same hour of the last known day that was worked or off as the target's is."""
    off = data.off
    first = np.clip(target - days_back, 0, len(data.kw) - 1)
    out = data.kw[first].copy()
    open_ = off[first] != off[target]
    for back in range(1, 9):
        at = np.clip(target - days_back - back * DAY, 0, len(data.kw) - 1)
        hit = open_ & (off[at] == off[target])
        out[hit] = data.kw[at[hit]]
        open_ &= ~hit
    return out


def _known(data: Hourly, target: np.ndarray, days_back: np.ndarray) -> np.ndarray:
    kind = data.kinds
    off = data.off.astype(float)
    year = 2 * np.pi * np.asarray(data.index.dayofyear) / 365.25
    columns = [(kind == k).astype(float)[target] for k in range(8)]
    before = off[np.clip(target - DAY, 0, None)]
    after = off[np.clip(target + DAY, None, len(off) - 1)]
    lag_off = off[np.clip(target - days_back, 0, None)]
    columns += [before, after, off[target] - lag_off, np.sin(year)[target], np.cos(year)[target]]
    if data.temperature_c is not None:
        t = data.temperature_c
        smooth = pd.Series(t).ewm(halflife=12).mean().to_numpy()
        for part in (np.maximum(smooth - 20, 0), np.maximum(16 - smooth, 0), t / 10):
            columns += [part[target], part[target] - part[np.clip(target - days_back, 0, None)]]
    return np.stack(columns, axis=-1)
