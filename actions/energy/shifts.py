"""Finds lasting steps in a load's daily level and in its night base load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from actions.energy.profile import DayTable, row_mean
from actions.energy.series import LoadSeries

_SIDE_DAYS = 14
_LEAST_STEP = 0.12
_LEAST_SCORE = 4.5
_SHARPEN_DAYS = 5
NIGHT_H = (1, 5)


@dataclass(frozen=True)
class Shift:
    """A step from one level to another that lasted; power in kW, mean over the hours concerned.

    `day` counts from the first day of the series.
    """

    kind: Literal["level_shift", "night_base_load"]
    start: pd.Timestamp
    end: pd.Timestamp
    before_kw: float
    after_kw: float
    days: int
    hours_per_day: float
    score: float
    day: int


def find_shifts(series: LoadSeries, layout: DayTable, doubtful: np.ndarray) -> list[Shift]:
    """Return the steps in the mean power of whole days and of nights (01:00–05:00).

    A step compares the fortnights on both sides of a day after taking out the kind of day and the season's slow
    drift; it must be sharp and larger than what the days vary by. A night step that a day step explains is left out.
    """
    kw = np.where(series.filled | doubtful, np.nan, series.power_kw)
    table = layout.pivot(kw)
    slots = table.shape[1]
    out: list[Shift] = []
    night = slice(slots * NIGHT_H[0] // 24, max(slots * NIGHT_H[1] // 24, slots * NIGHT_H[0] // 24 + 1))
    day_kw, night_kw = row_mean(table, 0.7), row_mean(table[:, night], 0.7)
    if series.temperature_c is not None:
        day_t = row_mean(layout.pivot(series.temperature_c), 0.7)
        day_kw, night_kw = (
            level - _temperature_part(layout.kinds, level, day_t) for level in (day_kw, night_kw)
        )
    steps = _steps(day_kw, layout.kinds)
    for at, end, before, after, score in steps:
        out.append(_shift("level_shift", series, layout, at, end, before, after, 24.0, score))
    if slots >= 24:
        explained = {at for at, *_ in steps}
        for at, end, before, after, score in _steps(night_kw, np.where(layout.kinds >= 5, 5, 0)):
            if not any(abs(at - other) <= 3 for other in explained):
                span = float(NIGHT_H[1] - NIGHT_H[0])
                out.append(_shift("night_base_load", series, layout, at, end, before, after, span, score))
    return out


def _temperature_part(kinds: np.ndarray, level: np.ndarray, day_t: np.ndarray) -> np.ndarray:
    """The response of a daily level to daily temperature, from day-to-day changes of like days, shape (days,)."""
    basis = np.stack([np.maximum(day_t - 20, 0), np.maximum(15 - day_t, 0)], axis=1)
    like = (kinds[1:] >= 5) == (kinds[:-1] >= 5)
    x, y = np.diff(basis, axis=0)[like], np.diff(level)[like]
    known = np.isfinite(y) & np.isfinite(x).all(axis=1)
    if known.sum() < 20:
        return np.zeros_like(level)
    x, y = x[known], y[known]
    gram = x.T @ x
    slope = np.linalg.lstsq(gram + 1e-3 * np.trace(gram) * np.eye(2), x.T @ y, rcond=None)[0]
    return np.asarray(np.nan_to_num(basis) @ np.maximum(slope, 0))


def _steps(level: np.ndarray, kinds: np.ndarray) -> list[tuple[int, int, float, float, float]]:
    """Return (day, end day, before, after, score) of sharp lasting steps of a daily level."""
    known = np.isfinite(level)
    if known.sum() < 2 * _SIDE_DAYS:
        return []
    usual = float(np.nanmedian(level))
    if usual <= 0:
        return []
    flat = _without_kinds(level, kinds) / usual
    jump, noise, lean = (np.zeros(len(level)) for _ in range(3))
    for day in range(_SIDE_DAYS // 2, len(level) - _SIDE_DAYS // 2 + 1):
        before, after = flat[max(0, day - _SIDE_DAYS) : day], flat[day : day + _SIDE_DAYS]
        before, after = before[np.isfinite(before)], after[np.isfinite(after)]
        if len(before) < 7 or len(after) < 7 or day >= len(level):
            continue
        jump[day] = np.median(after) - np.median(before)
        spread = np.concatenate((before - np.median(before), after - np.median(after)))
        noise[day] = 1.4826 * np.median(np.abs(spread)) + 0.01
        # a slow drift moves within each side too: take what a slope would give off the jump
        drift = _drift(before) + _drift(after)
        lean[day] = max(0.0, np.sign(jump[day]) * drift / 2) * _SIDE_DAYS
    strength = np.maximum(np.abs(jump) - lean, 0) / np.maximum(noise, 0.015)
    picked: list[int] = []
    for day in np.argsort(-strength * (np.abs(jump) - lean > _LEAST_STEP)):
        if strength[day] < _LEAST_SCORE or np.abs(jump[day]) - lean[day] <= _LEAST_STEP:
            break
        if all(abs(day - other) > _SIDE_DAYS for other in picked):
            picked.append(int(day))
    picked = sorted({_sharpen(flat, day) for day in picked})
    out = []
    for number, day in enumerate(picked):
        end = picked[number + 1] if number + 1 < len(picked) else len(level)
        left = max(picked[number - 1] if number else 0, day - 2 * _SIDE_DAYS)
        low = float(np.nanmedian(flat[left:day]) * usual)
        high = float(np.nanmedian(flat[day : min(end, day + 2 * _SIDE_DAYS)]) * usual)
        near = strength[max(0, day - _SHARPEN_DAYS) : day + _SHARPEN_DAYS + 1]
        out.append((day, end, low, high, float(near.max())))
    return out


def _sharpen(flat: np.ndarray, day: int) -> int:
    """Return the day near `day` at which two constants fit best in absolute error."""
    low, high = max(0, day - _SIDE_DAYS), min(len(flat), day + _SIDE_DAYS)
    best = (np.inf, day)
    for cut in range(max(low + 3, day - _SHARPEN_DAYS), min(high - 3, day + _SHARPEN_DAYS) + 1):
        sides = [part[np.isfinite(part)] for part in (flat[low:cut], flat[cut:high])]
        if all(len(side) for side in sides):
            best = min(best, (sum(float(np.abs(side - np.median(side)).sum()) for side in sides), cut))
    return best[1]


def _drift(side: np.ndarray) -> float:
    """Robust slope per day: the median of slopes between the two halves' days."""
    half = len(side) // 2
    return float((np.median(side[-half:]) - np.median(side[:half])) / max(1, len(side) - half))


def _without_kinds(level: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Scale every kind of day to the common level by its median ratio to the running median."""
    running = pd.Series(level).rolling(29, center=True, min_periods=8).median().to_numpy()
    ratio = level / running
    out = level.copy()
    overall = np.nanmedian(ratio)
    for kind in np.unique(kinds):
        sample = ratio[(kinds == kind) & np.isfinite(ratio)]
        if len(sample) >= 3 and np.median(sample) > 0:
            out[kinds == kind] *= overall / np.median(sample)
        else:
            out[kinds == kind] = np.nan
    return out


def _shift(
    kind: Literal["level_shift", "night_base_load"],
    series: LoadSeries,
    layout: DayTable,
    at: int,
    end: int,
    before: float,
    after: float,
    hours_per_day: float,
    score: float,
) -> Shift:
    zone = series.index.tz
    start = layout.days[at].tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
    last = layout.days[end - 1] + pd.Timedelta(days=1)
    return Shift(
        kind,
        start,
        last.tz_localize(zone, ambiguous=True, nonexistent="shift_forward"),
        before,
        after,
        end - at,
        hours_per_day,
        score,
        at,
    )
