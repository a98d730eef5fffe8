"""The robust seasonal profile: what a building usually draws at this time of such a day, given the weather."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from actions.energy.calendars import HOLIDAY, observed_kinds, rest_kinds
from actions.energy.series import LoadSeries, need_days, need_load

_WINDOW_DAYS = 35
_FEWEST = 4
COOLING_BASE_C = 22.0
HEATING_BASE_C = 16.0


@dataclass(frozen=True)
class Profile:
    """Expected power of every step.

    Args:
        expected_kw: shape (n,), NaN where nothing is known.
        scale_kw: robust standard deviation of the residual, shape (n,).
        weather_kw: the part that follows the outdoor temperature, shape (n,); zero without weather.
        off_day: true on Saturdays, Sundays and holidays, shape (n,).
    """

    expected_kw: np.ndarray
    scale_kw: np.ndarray
    weather_kw: np.ndarray
    off_day: np.ndarray


@dataclass(frozen=True)
class DayTable:
    """Values as a table of local days by slots of the wall clock."""

    days: pd.DatetimeIndex
    kinds: np.ndarray
    row: np.ndarray
    slot: np.ndarray
    slots: int

    def pivot(self, values: np.ndarray) -> np.ndarray:
        """Return values as a (days, slots) table, NaN where there is none."""
        table = np.full((len(self.days), self.slots), np.nan)
        table[self.row, self.slot] = values
        return table

    def flat(self, table: np.ndarray) -> np.ndarray:
        """Return a table's values in the order of the series, shape (n,)."""
        return np.asarray(table[self.row, self.slot])


def day_table(series: LoadSeries, country: str = "CN") -> DayTable:
    """Return the layout of a series as days by slots, with the holidays that this load keeps."""
    wall = series.index.tz_localize(None)
    midnight = wall.normalize()
    row, days = pd.factorize(midnight)
    slot = ((wall - midnight) // pd.Timedelta(minutes=series.step_min)).to_numpy()
    bare = DayTable(pd.DatetimeIndex(days), np.zeros(len(days), int), row, slot, series.per_day)
    daily = row_mean(bare.pivot(np.where(series.filled, np.nan, series.power_kw)), 0.7)
    return replace(bare, kinds=observed_kinds(bare.days, daily, country, as_spent=False))


def fit_profile(series: LoadSeries, country: str = "CN", breaks: Sequence[int] = ()) -> Profile:
    """Fit the profile: medians of like days within five weeks, plus a temperature response when weather is known.

    Args:
        series: at least three weeks.
        country: whose public holidays count.
        breaks: days (counted from the first) on which the level changed for good; baselines do not reach across.

    Raises:
        TooFewRows: with less than three weeks of data.
        AllZeros: when nothing was ever drawn.
    """
    need_days(series, 21, ("建立用电基线", "a baseline"))
    need_load(series)
    layout = day_table(series, country)
    table = layout.pivot(np.where(series.filled, np.nan, series.power_kw))
    off = rest_kinds(row_mean(table, 0.7), layout.kinds)[layout.kinds]
    segment = np.searchsorted(np.asarray(sorted(breaks), dtype=int), np.arange(len(table)), side="right")
    neighbours = _neighbours(layout.kinds, off, segment)
    weather = np.zeros_like(table)
    if series.temperature_c is not None:
        weather = _weather_response(table, off, layout.pivot(series.temperature_c), neighbours)
    calm = table - weather
    usual = _medians(calm, neighbours)
    expected = np.maximum(usual + weather, 0.0) if np.nanmin(table) >= 0 else usual + weather
    scale = _scales(table - expected, off, float(np.nanmean(np.abs(table))))
    return Profile(
        layout.flat(expected),
        layout.flat(scale),
        layout.flat(weather),
        layout.flat(np.repeat(off[:, None], table.shape[1], 1)),
    )


def row_mean(table: np.ndarray, least: float) -> np.ndarray:
    """Return the mean of each row, NaN where less than the share `least` of it is known, shape (rows,)."""
    enough = np.isfinite(table).mean(axis=1) >= least
    out = np.full(len(table), np.nan)
    out[enough] = np.nanmean(table[enough], axis=1)
    return out


def _neighbours(kinds: np.ndarray, group: np.ndarray, segment: np.ndarray) -> list[np.ndarray]:
    """For every day, the days like it within five weeks, itself left out; wider and looser where those are few."""
    days = np.arange(len(kinds))
    out = []
    for day, kind in enumerate(kinds):
        near = np.abs(days - day) <= _WINDOW_DAYS
        beside = near & (segment == segment[day])
        if (beside & (group == group[day])).sum() > _FEWEST:
            near = beside
        same = near & (kinds == kind) & (days != day)
        if kind == HOLIDAY:
            same = near & ((kinds == HOLIDAY) | (kinds == 6)) & (days != day)
        if same.sum() < _FEWEST:
            same = near & (group == group[day]) & (days != day)
        if same.sum() < _FEWEST:
            same = (group == group[day]) & (days != day)
        out.append(np.flatnonzero(same if same.any() else days != day))
    return out


def _medians(table: np.ndarray, neighbours: list[np.ndarray]) -> np.ndarray:
    out = np.full_like(table, np.nan)
    for day, others in enumerate(neighbours):
        sample = table[others]
        known = np.isfinite(sample).any(axis=0)
        out[day, known] = np.nanmedian(sample[:, known], axis=0)
    return out


def _weather_response(
    table: np.ndarray, off_days: np.ndarray, temperature_c: np.ndarray, neighbours: list[np.ndarray]
) -> np.ndarray:
    """Fit kW per degree above 22 °C and below 16 °C, by block of the day and kind of day, on departures from the usual.

    Departures remove the season from both sides (Frisch–Waugh), so that a slow drift is not taken for weather.
    """
    out = np.zeros_like(table)
    slots = table.shape[1]
    blocks = min(8, slots)
    warmth = _smooth_days(temperature_c)
    basis = np.stack([np.maximum(warmth - COOLING_BASE_C, 0), np.maximum(HEATING_BASE_C - warmth, 0)])
    basis = np.nan_to_num(basis)
    target = table - _medians(table, neighbours)
    moved = np.stack([part - np.nan_to_num(_medians(part, neighbours)) for part in basis])
    for off in (False, True):
        rows = np.flatnonzero(off_days == off)
        for block in np.array_split(np.arange(slots), blocks):
            y = target[np.ix_(rows, block)].ravel()
            x = moved[:, rows][:, :, block].reshape(2, -1).T
            known = np.isfinite(y)
            if known.sum() < 30:
                continue
            slope = _robust_slope(x[known], y[known])
            out[np.ix_(rows, block)] = np.einsum("k,kds->ds", slope, basis[:, rows][:, :, block])
    return out


def _robust_slope(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Non-negative slopes by iteratively reweighted least squares with Huber weights."""
    weight = np.ones(len(y))
    slope = np.zeros(x.shape[1])
    ridge = 1e-3 * np.eye(x.shape[1]) * max(1e-9, float((x**2).sum()))
    for _ in range(5):
        slope = np.linalg.solve((x * weight[:, None]).T @ x + ridge, (x * weight[:, None]).T @ y)
        slope = np.maximum(slope, 0.0)
        residual = np.abs(y - x @ slope)
        limit = 1.345 * 1.4826 * np.median(residual) + 1e-9
        weight = np.minimum(1.0, limit / np.maximum(residual, limit))
    return slope


def _smooth_days(temperature_c: np.ndarray) -> np.ndarray:
    """Blend the temperature with the mean of the day before: buildings warm up slowly."""
    daily = pd.Series(row_mean(temperature_c, 0.01))
    before = daily.interpolate(limit_direction="both").shift(1, fill_value=daily.iloc[0]).to_numpy()
    return np.asarray(0.7 * temperature_c + 0.3 * before[:, None])


def _scales(residual: np.ndarray, off: np.ndarray, mean_kw: float) -> np.ndarray:
    """Robust spread by slot and kind of day, smoothed over neighbouring slots, at least 3 % of the mean load."""
    out = np.empty_like(residual)
    floor = 0.03 * mean_kw
    for kind in (False, True):
        rows = np.flatnonzero(off == kind)
        if not len(rows):
            continue
        sample = np.abs(residual[rows])
        spread = np.zeros(residual.shape[1])
        known = np.isfinite(sample).any(axis=0)
        spread[known] = 1.4826 * np.nanmedian(sample[:, known], axis=0)
        width = max(1, residual.shape[1] // 24)
        ring = np.concatenate((spread[-width:], spread, spread[:width]))
        smooth = np.convolve(ring, np.ones(2 * width + 1) / (2 * width + 1), mode="valid")
        out[rows] = np.maximum(np.maximum(spread, smooth), floor)
    return out
