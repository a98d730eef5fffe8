"""Findings in a load: unusual use, level shifts, a raised night base load, stuck and silent meters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from actions.energy.profile import Profile, day_table, fit_profile
from actions.energy.series import LoadSeries
from actions.energy.shifts import Shift, find_shifts
from actions.energy.tariff import Tariff

Kind = Literal["high", "low", "spike", "level_shift", "night_base_load", "stuck", "silent"]

_ENTER, _STAY = 4.0, 2.0
_LEAST_SHARE = 0.15
_STUCK_H = 6.0
_SILENT_H = 1.0


@dataclass(frozen=True)
class Finding:
    """One finding: what, when, what was expected and measured, and what it cost.

    Energies in kWh over [start, end); `excess_kwh` is actual minus expected. `cost` is in the tariff's currency
    and `None` without a tariff, or where the reading itself is doubtful.
    """

    kind: Kind
    start: pd.Timestamp
    end: pd.Timestamp
    expected_kwh: float
    actual_kwh: float
    peak_kw: float
    cost: float | None
    score: float

    @property
    def excess_kwh(self) -> float:
        """Energy above (or, negative, below) what was expected."""
        return self.actual_kwh - self.expected_kwh

    @property
    def hours(self) -> float:
        """Length in hours."""
        return float((self.end - self.start).total_seconds() / 3600)


def find_anomalies(
    series: LoadSeries,
    tariff: Tariff | None = None,
    country: str = "CN",
    profile: Profile | None = None,
) -> list[Finding]:
    """Return the findings of a series, in order of time.

    Args:
        series: at least three weeks.
        tariff: prices the excess.
        country: whose public holidays count.
        profile: when it is already fitted.

    Raises:
        TooFewRows, AllZeros.
    """
    profile = profile or fit_profile(series, country)
    doubtful = np.zeros(len(series), dtype=bool)
    findings: list[Finding] = []
    for kind, begin, end in _meter_faults(series, profile):
        doubtful[begin:end] = True
        findings.append(_finding(kind, series, profile, begin, end, None, float(end - begin)))
    shifts = find_shifts(series, day_table(series, country), doubtful)
    if shifts:  # judge the days on both sides of a step by their own side
        profile = fit_profile(series, country, [shift.day for shift in shifts])
    findings += _unusual(series, profile, tariff, doubtful)
    findings += [_from_shift(shift, series, tariff) for shift in shifts]
    return sorted(findings, key=lambda finding: finding.start)


def _meter_faults(series: LoadSeries, profile: Profile) -> Iterator[tuple[Kind, int, int]]:
    """Yield runs of one repeated value (stuck) and of zeros where the load never rests (silent)."""
    kw = np.where(series.filled, np.nan, series.power_kw)
    if len(kw) < 3:
        return
    edges = np.concatenate(([0], np.flatnonzero(np.diff(kw) != 0) + 1, [len(kw)]))
    lengths = np.diff(edges)
    starts = edges[:-1]
    value = kw[starts]
    zero = np.abs(value) < 1e-9
    live = ~zero & np.isfinite(value)
    if zero.any() and np.nanmean(np.abs(kw) < 1e-9) < 0.02:
        for begin, length in zip(starts[zero], lengths[zero], strict=False):
            usual = profile.expected_kw[begin : begin + length]
            if length * series.step_h >= _SILENT_H and np.nanmin(usual) > 0.05 * np.nanmean(np.abs(kw)):
                yield "silent", int(begin), int(begin + length)
    if not live.any():
        return
    # many meters count in whole kilowatts and repeat themselves at night: judge by this meter's own habit
    habit = np.percentile(lengths[live], 99.5) if live.sum() > 50 else 1.0
    least = max(_STUCK_H / series.step_h, 3.0 * habit, 4.0)
    for begin, length in zip(starts[live], lengths[live], strict=False):
        if length >= least:
            yield "stuck", int(begin), int(begin + length)


def _unusual(
    series: LoadSeries, profile: Profile, tariff: Tariff | None, doubtful: np.ndarray
) -> list[Finding]:
    kw, expected = series.power_kw, profile.expected_kw
    known = np.isfinite(kw) & np.isfinite(expected) & ~series.filled & ~doubtful
    residual = np.where(known, kw - expected, 0.0)
    hour = max(1, round(1 / series.step_h))
    # a ramp that comes up to an hour early or late is no finding: measure from the band of the hours around
    outside = np.where(residual > 0, np.maximum(kw - _around(expected, hour, np.fmax), 0), 0.0)
    outside += np.where(residual < 0, np.minimum(kw - _around(expected, hour, np.fmin), 0), 0.0)
    z = np.nan_to_num(outside) / profile.scale_kw
    calm = _rolling_mean(z, hour) if hour > 1 else z
    typical = float(np.nanmean(np.abs(kw)))
    # the noise left after the profile is correlated and heavy-tailed; scale the threshold to what is common here
    tail = float(np.percentile(np.abs(calm[known]), 98)) if known.any() else _ENTER
    enter = max(_ENTER, 1.6 * min(tail, 6.0))
    out: list[Finding] = []
    for sign, kind in ((1, "high"), (-1, "low")):
        score = np.maximum(sign * calm, np.where(sign * z > 2 * enter, sign * z, -np.inf))
        size = sign * residual
        hot = (score > enter) & (size > _LEAST_SHARE * np.maximum(np.nan_to_num(expected), 0.5 * typical))
        warm = sign * calm > _STAY
        for begin, end in _runs(hot, warm, gap=hour):
            excess = residual[begin:end].sum() * series.step_h
            if abs(excess) < 0.25 * typical:
                continue
            peak = float(np.max(sign * z[begin:end]))
            short = (end - begin) * series.step_h <= 1.0 and peak > 8
            name: Kind = "spike" if sign > 0 and short else "high" if kind == "high" else "low"
            out.append(_finding(name, series, profile, begin, end, tariff, peak))
    return out


def _runs(hot: np.ndarray, warm: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """Return [begin, end) of hot stretches, widened over warm neighbours and joined over gaps of up to `gap`."""
    spans: list[list[int]] = []
    for start in np.flatnonzero(hot):
        if spans and start < spans[-1][1]:
            continue
        begin = end = int(start)
        while begin > 0 and warm[begin - 1]:
            begin -= 1
        while end < len(hot) and (warm[end] or hot[end]):
            end += 1
        if spans and begin - spans[-1][1] <= gap:
            spans[-1][1] = max(spans[-1][1], end)
        else:
            spans.append([begin, end])
    return [(begin, end) for begin, end in spans]


def _around(values: np.ndarray, width: int, reduce: np.ufunc) -> np.ndarray:
    """Return the extreme over `width` steps on both sides, shape (n,)."""
    out = values.copy()
    for shift in range(1, width + 1):
        out[shift:] = reduce(out[shift:], values[:-shift])
        out[:-shift] = reduce(out[:-shift], values[shift:])
    return out


def _rolling_mean(values: np.ndarray, width: int) -> np.ndarray:
    return np.asarray(np.convolve(values, np.ones(width) / width, mode="same"))


def _finding(
    kind: Kind,
    series: LoadSeries,
    profile: Profile,
    begin: int,
    end: int,
    tariff: Tariff | None,
    score: float,
) -> Finding:
    part = series.at(slice(begin, end))
    expected = np.where(
        np.isfinite(profile.expected_kw[begin:end]), profile.expected_kw[begin:end], part.power_kw
    )
    excess_kwh = np.nan_to_num(part.power_kw - expected) * series.step_h
    cost = None
    if tariff is not None:
        cost = float((tariff.import_price(part.index) * excess_kwh).sum())
    return Finding(
        kind=kind,
        start=part.index[0],
        end=part.end if len(part) > 1 else part.index[0] + pd.Timedelta(minutes=series.step_min),
        expected_kwh=float(np.nansum(expected) * series.step_h),
        actual_kwh=float(np.nansum(part.power_kw) * series.step_h),
        peak_kw=float(np.nanmax(part.power_kw)),
        cost=cost,
        score=score,
    )


def _from_shift(shift: Shift, series: LoadSeries, tariff: Tariff | None) -> Finding:
    part = series.between(shift.start, shift.end)
    hours = shift.hours_per_day * shift.days
    price = float(np.mean(tariff.import_price(part.index))) if tariff is not None and len(part) else None
    excess = (shift.after_kw - shift.before_kw) * hours
    return Finding(
        kind=shift.kind,
        start=shift.start,
        end=shift.end,
        expected_kwh=shift.before_kw * hours,
        actual_kwh=shift.after_kw * hours,
        peak_kw=float(np.nanmax(part.power_kw)) if len(part) else shift.after_kw,
        cost=None if price is None else excess * price,
        score=shift.score,
    )
