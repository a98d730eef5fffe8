"""Ranked savings with money, energy and CO2, each with the evidence behind it; and proof that a measure worked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from actions.energy.anomalies import Finding
from actions.energy.errors import TooFewRows
from actions.energy.profile import Profile, day_table
from actions.energy.series import LoadSeries
from actions.energy.tariff import Tariff

_NIGHT_H = (1, 5)
_SETPOINT_K = 1.0


@dataclass(frozen=True)
class Saving:
    """One measure: `kind`, what it saves a year, and the numbers behind it in `evidence`."""

    kind: str
    kwh_per_year: float
    money_per_year: float
    co2_kg_per_year: float
    evidence: dict[str, float]


@dataclass(frozen=True)
class Proof:
    """What a measure saved: actual against what the earlier behaviour would have used in the same weather.

    `low_kwh` and `high_kwh` bound the saving with 90 % confidence; `cv_rmse` is the model's error on the days before.
    """

    expected_kwh: float
    actual_kwh: float
    low_kwh: float
    high_kwh: float
    days: int
    cv_rmse: float
    weather: bool

    @property
    def saved_kwh(self) -> float:
        """Energy saved; negative when more was used."""
        return self.expected_kwh - self.actual_kwh

    @property
    def share(self) -> float:
        """Saving as a share of what was expected."""
        return self.saved_kwh / self.expected_kwh if self.expected_kwh else 0.0

    @property
    def certain(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low_kwh > 0 or self.high_kwh < 0


def find_savings(
    series: LoadSeries,
    profile: Profile,
    findings: list[Finding],
    tariff: Tariff,
    co2_kg_per_kwh: float,
    open_h: tuple[float, float] | None = None,
    country: str = "CN",
) -> list[Saving]:
    """Return measures in order of money, the largest first.

    Amounts are scaled to a year from the days known, and are not to be added up: measures overlap.
    """
    layout = day_table(series, country)
    table = layout.pivot(np.where(series.filled, np.nan, series.power_kw))
    slots = table.shape[1]
    if slots < 24:
        return []
    price = layout.pivot(tariff.import_price(series.index))
    year = 365.0 / max(1, len(table))
    mean_price = float(np.nanmean(price))
    out: list[Saving] = []

    def add(kind: str, kwh: float, money: float, **evidence: float) -> None:
        if kwh > 0 and money > 0:
            out.append(Saving(kind, kwh, money, kwh * co2_kg_per_kwh, evidence))

    hours = np.arange(slots) * 24 / slots
    night = (hours >= _NIGHT_H[0]) & (hours < _NIGHT_H[1])
    known = np.isfinite(table[:, night]).mean(axis=1) > 0.5
    night_kw = np.full(len(table), np.nan)
    night_kw[known] = np.nanmedian(table[known][:, night], axis=1)
    if known.sum() > 20:
        best, usual = (float(np.percentile(night_kw[known], q)) for q in (15, 50))
        if usual > 1.05 * best and usual > 0.15 * float(np.nanmean(table)):
            spare = np.maximum(night_kw[known] - best, 0).sum() * 8 * year
            valley = float(np.nanmean(price[:, night]))
            add("night_base_load", spare, spare * valley, usual_kw=usual, best_kw=best, hours=8)
    rest = layout.kinds >= 5
    if open_h is not None:
        _early_late(table, price, hours, rest, open_h, year, series.step_h, add)
    if rest.sum() >= 4 and (~rest).sum() >= 4:
        working, resting = (
            float(np.nanmedian(np.nansum(table[mask], axis=1)) * series.step_h) for mask in (~rest, rest)
        )
        base = float(np.nanpercentile(table, 5)) * 24
        if working > 1.25 * resting > 0 and resting > 1.4 * base:
            kwh = 0.3 * (resting - base) * int(rest.sum()) * year
            add("rest_days", kwh, kwh * mean_price, rest_kwh=resting, base_kwh=base, work_kwh=working)
    live = [
        f
        for f in findings
        if f.kind in ("level_shift", "night_base_load")
        and f.excess_kwh > 0
        and f.end >= series.end - pd.Timedelta(days=2)
    ]
    for finding in live:
        days = max(1.0, finding.hours / 24)
        kwh = finding.excess_kwh / days * 365
        add(
            "undo_" + finding.kind,
            kwh,
            (finding.cost or 0) / days * 365,
            since=finding.start.timestamp(),
            kwh_per_day=finding.excess_kwh / days,
        )
    events = [f for f in findings if f.kind in ("high", "spike") and f.excess_kwh > 0]
    if events:
        kwh = sum(f.excess_kwh for f in events) * year
        add(
            "stop_events",
            kwh,
            sum(f.cost or 0 for f in events) * year,
            events=len(events),
            worst_kwh=max(f.excess_kwh for f in events),
        )
    if series.temperature_c is not None:
        weather_kwh = float(np.nansum(profile.weather_kw) * series.step_h) * year
        degrees = layout.pivot(series.temperature_c)
        excess = np.maximum(degrees - 22, 0) + np.maximum(16 - degrees, 0)
        mean_excess = float(np.nanmean(excess[excess > 0])) if (excess > 0).any() else 0.0
        if weather_kwh > 0 and mean_excess > 1:
            kwh = weather_kwh * min(0.3, _SETPOINT_K / mean_excess)
            add("setpoint", kwh, kwh * mean_price, weather_kwh=weather_kwh, degrees=_SETPOINT_K)
    return sorted(out, key=lambda saving: -saving.money_per_year)


def _early_late(
    table: np.ndarray,
    price: np.ndarray,
    hours: np.ndarray,
    rest: np.ndarray,
    open_h: tuple[float, float],
    year: float,
    step_h: float,
    add: Callable[..., None],
) -> None:
    """Load running up long before opening, or running on after closing."""
    work = table[~rest & (np.isfinite(table).mean(axis=1) > 0.9)]
    if len(work) < 10:
        return
    middle = np.nanmedian(work, axis=0)
    base = float(np.nanpercentile(middle, 10))
    top = float(np.nanpercentile(middle, 90))
    if top <= base * 1.2:
        return
    for kind, mask in (
        ("early_start", (hours >= open_h[0] - 4) & (hours < open_h[0] - 1)),
        ("late_stop", (hours >= open_h[1] + 1) & (hours < min(24, open_h[1] + 5))),
    ):
        over = np.maximum(middle - base - 0.1 * (top - base), 0) * mask
        daily = float(over.sum() * step_h)
        if daily > 0.01 * float(np.nansum(middle) * step_h):
            days = len(work) * year
            cost = float((over * np.nanmean(price[~rest], axis=0)).sum() * step_h)
            add(
                kind,
                daily * days,
                cost * days,
                kwh_per_day=daily,
                hour=open_h[0] if kind == "early_start" else open_h[1],
            )


def verify(
    series: LoadSeries,
    change: pd.Timestamp,
    country: str = "CN",
    confidence: float = 0.9,
    settle_days: int = 1,
) -> Proof:
    """Measure what a change at `change` saved since (IPMVP option C, ASHRAE guideline 14).

    A regression of daily energy on kind of day and degree days is fitted before the change and carried past it.

    Raises:
        TooFewRows: with less than 28 days before or 7 after.
    """
    layout = day_table(series, country)
    table = layout.pivot(np.where(series.filled, np.nan, series.power_kw))
    whole = np.isfinite(table).mean(axis=1) > 0.9
    kwh = np.where(whole, np.nanmean(np.where(whole[:, None], table, 0.0), axis=1) * 24, np.nan)
    columns = [np.ones(len(kwh)), *((layout.kinds == k).astype(float) for k in (4, 5, 6, 7))]
    weather = series.temperature_c is not None
    if series.temperature_c is not None:
        t = np.nanmean(layout.pivot(series.temperature_c), axis=1)
        columns += [np.maximum(t - 20, 0), np.maximum(15 - t, 0)]
    x = np.stack(columns, axis=1)
    days = layout.days
    edge = change.tz_convert(series.index.tz).tz_localize(None) if change.tzinfo else change
    usable = np.isfinite(kwh) & np.isfinite(x).all(axis=1)
    before = usable & np.asarray(days < edge.normalize())
    after = usable & np.asarray(days >= edge.normalize() + pd.Timedelta(days=settle_days))
    if before.sum() < 28 or after.sum() < 7:
        raise TooFewRows(
            series.name,
            rows=int(min(before.sum(), after.sum())),
            purpose=("节能核证", "verification"),
            needed="28 + 7",
        )
    xb, yb = x[before], kwh[before]
    gram = xb.T @ xb + 1e-6 * np.eye(x.shape[1])
    beta = np.linalg.solve(gram, xb.T @ yb)
    residual = yb - xb @ beta
    used = int((np.abs(xb).sum(axis=0) > 0).sum())
    freedom = max(1, len(yb) - used)
    sigma = float(np.sqrt((residual**2).sum() / freedom))
    rho = (
        float(np.clip(np.corrcoef(residual[1:], residual[:-1])[0, 1], 0, 0.9)) if len(residual) > 10 else 0.0
    )
    expected, actual = float((x[after] @ beta).sum()), float(kwh[after].sum())
    total = x[after].sum(axis=0)
    variance = sigma**2 * (
        int(after.sum()) * (1 + rho) / (1 - rho) + float(total @ np.linalg.solve(gram, total))
    )
    half = float(stats.t.ppf(0.5 + confidence / 2, freedom)) * float(np.sqrt(variance))
    saved = expected - actual
    return Proof(
        expected, actual, saved - half, saved + half, int(after.sum()), sigma / float(yb.mean()), weather
    )


__all__ = ["Proof", "Saving", "find_savings", "verify"]
