"""Forecasts of 24 hours to 7 days with p10, p50 and p90; the model is chosen by backtest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from actions.energy.errors import BadStep
from actions.energy.features import HISTORY_H, Hourly, build_table
from actions.energy.linear import WindowEnsemble, WindowRidge
from actions.energy.metrics import Errors, errors
from actions.energy.models import DAY, WEEK, Boost, RidgeByLead, seasonal_naive
from actions.energy.series import LoadSeries, need_days, need_load

_BACKTEST_DAYS = 28
_LONGEST_H = 168
_RIDGE_DAYS, _BOOST_DAYS = 35, 120
_TRAIN_DAYS = 1100


@dataclass(frozen=True)
class Forecast:
    """A forecast in kW: mean power of each step, shape (n,) for each of index, p10, p50, p90.

    `model` is the winner of the backtest, `scores` the errors of all candidates there, best first.
    """

    index: pd.DatetimeIndex
    p10_kw: np.ndarray
    p50_kw: np.ndarray
    p90_kw: np.ndarray
    step_min: int
    model: str
    scores: dict[str, Errors]
    backtest_days: int

    @property
    def energy_kwh(self) -> float:
        """Expected energy of the whole horizon."""
        return float(self.p50_kw.sum() * self.step_min / 60)

    @property
    def better_than_naive(self) -> float:
        """Share by which the winner's backtest MAE is below that of the best seasonal naive."""
        naive = min(score.mae_kw for name, score in self.scores.items() if name.startswith("naive"))
        return 1 - self.scores[self.model].mae_kw / naive if naive > 0 else 0.0


@dataclass
class Fitted:
    """Trained candidates and their out-of-sample training errors."""

    ridge: RidgeByLead | None
    boosts: dict[str, Boost]
    window: WindowEnsemble | None
    loo_error: np.ndarray | None

    def predict(self, data: Hourly, origins: np.ndarray, leads: int) -> dict[str, np.ndarray]:
        """Return every candidate's forecast, shape (origins, leads) each, kW."""
        out = {
            "naive_day": seasonal_naive(data, origins, leads, DAY),
            "naive_week": seasonal_naive(data, origins, leads, WEEK),
        }
        if self.ridge is not None:
            table = build_table(data, origins, leads)
            out["usual"] = table.usual_kw
            out["ridge"] = self.ridge.predict(table)
            for name, boost in self.boosts.items():
                out[f"{name}+boost"] = boost.predict(table, out[name])
            if self.window is not None:
                back = self.window.back
                past = data.kw[np.asarray(origins)[:, None] - back + np.arange(back)]
                out["linear"] = self.window.predict(past[:, None, :])[:, 0]
                out["ridge+linear"] = 0.5 * (out["ridge"] + out["linear"])
            if self.boosts:
                out["blend"] = np.mean([out[f"{name}+boost"] for name in self.boosts], axis=0)
        return out


def fit(data: Hourly, until: int, phase: int, leads: int) -> Fitted:
    """Train on the hours before position `until`, with origins at the hour of day `phase`."""
    first = HISTORY_H + WEEK
    origins = np.arange(until - leads, first - 1, -DAY)[::-1]
    origins = origins[-_TRAIN_DAYS:] - (origins[-1] - phase) % DAY if len(origins) else origins
    origins = origins[origins >= first]
    if len(origins) < _RIDGE_DAYS:
        return Fitted(None, {}, None, None)
    table = build_table(data, origins, leads)
    target = data.kw[table.target]
    weight = data.real[table.target].astype(float)
    ridge = RidgeByLead()
    loo = ridge.fit(table, target, weight)
    boosts: dict[str, Boost] = {}
    if len(origins) >= _BOOST_DAYS:
        for name, guess in (("ridge", loo), ("usual", table.usual_kw)):
            boosts[name] = Boost()
            boosts[name].fit(table, guess, target, weight)
    return Fitted(ridge, boosts, _fit_window(data, until, leads), np.where(weight > 0, target - loo, np.nan))


def _fit_window(data: Hourly, until: int, leads: int) -> WindowEnsemble | None:
    """Fit linear windows of one and two weeks on what is known; `None` with less than 120 days."""
    window = WindowEnsemble([WindowRidge(WEEK), WindowRidge(2 * WEEK), WindowRidge(2 * WEEK, robust=True)])
    starts = np.arange(max(window.back, until - _TRAIN_DAYS * DAY), until - leads + 1, 3)
    if until < _BOOST_DAYS * DAY:
        return None
    values = data.kw[:until, None].astype(np.float32)
    cut = max(1, len(starts) * 5 // 6)
    window.fit(values, leads, starts[:cut], starts[cut:])
    return window


def backtest(
    data: Hourly, origins: np.ndarray, leads: int, refit_days: int = 0
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Forecast from past origins as if nothing later were known.

    Args:
        data: the whole series.
        origins: positions a day apart, in order.
        leads: hours ahead.
        refit_days: train anew after so many origins; 0 trains once.

    Returns:
        (forecasts by model, actual with NaN where not measured), shape (origins, leads) each.
    """
    actual = np.where(data.real, data.kw, np.nan)[origins[:, None] + np.arange(leads)]
    parts: list[dict[str, np.ndarray]] = []
    width = refit_days or len(origins)
    for begin in range(0, len(origins), width):
        chunk = origins[begin : begin + width]
        start = int(chunk[0])
        known = data.labelled(start)
        parts.append(fit(known, start, start, leads).predict(known, chunk, leads))
    names = set.intersection(*(set(part) for part in parts))
    return {
        name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name in names
    }, actual


def forecast(
    series: LoadSeries,
    hours: int = 24,
    country: str = "CN",
    temperature_ahead_c: np.ndarray | None = None,
) -> Forecast:
    """Forecast the hours after the last whole hour of a series.

    Args:
        series: at least three weeks, at steps of an hour or finer.
        hours: 1 to 168.
        country: whose public holidays count.
        temperature_ahead_c: forecast temperature of those hours, shape (hours,); without it, the series' own
            temperature is not used either.

    Raises:
        TooFewRows, AllZeros, BadStep, ValueError.
    """
    if not 1 <= hours <= _LONGEST_H:
        raise ValueError(f"hours is {hours}; choose 1 to {_LONGEST_H}")
    if series.step_min > 60:
        raise BadStep(
            series.name, step=f"{series.step_min} min", needed="60 min", purpose=("预测", "a forecast")
        )
    need_days(series, 21, ("预测", "a forecast"))
    need_load(series)
    series = _whole_hours(series)
    hourly = series.to_step(60)
    leads = max(DAY, hours) if hours <= DAY else -(-hours // DAY) * DAY
    data = _data(hourly, leads, country, temperature_ahead_c)
    end = len(data.kw)
    days = int(min(_BACKTEST_DAYS, max(7, (end - HISTORY_H) // DAY // 4)))
    origins = end - leads - np.arange(days)[::-1] * DAY
    origins = origins[origins > WEEK + DAY]
    past, actual = backtest(data, origins, leads)
    naive_mae = float(np.nanmean(np.abs(data.kw[WEEK:end] - data.kw[: end - WEEK])))
    scores = {name: errors(actual, guess, naive_mae) for name, guess in past.items()}
    best = min(scores, key=lambda name: scores[name].mae_kw)
    final = fit(data, end, end, leads)
    now = final.predict(data, np.array([end]), leads)
    if best not in now:
        best = min((n for n in scores if n in now), key=lambda name: scores[name].mae_kw)
    low, high = _bands(actual - past[best], final, best)
    scores[best] = errors(actual, past[best], naive_mae, past[best] + low, past[best] + high)
    middle = now[best][0]
    positive = np.nanmin(series.power_kw) >= 0
    p10, p50, p90 = (
        _to_step(np.maximum(v, 0) if positive else v, hourly, series, hours)
        for v in (middle + low, middle, middle + high)
    )
    index = pd.date_range(series.end.tz_convert("UTC"), periods=len(p50), freq=f"{series.step_min}min")
    ranked = dict(sorted(scores.items(), key=lambda item: item[1].mae_kw))
    return Forecast(
        pd.DatetimeIndex(index).tz_convert(series.index.tz),
        p10,
        p50,
        p90,
        series.step_min,
        best,
        ranked,
        len(origins),
    )


def _whole_hours(series: LoadSeries) -> LoadSeries:
    """Cut a started hour off both ends, so that hours and steps meet."""
    utc = series.index[[0]].tz_convert("UTC").minute[0], series.end.tz_convert("UTC").minute
    head = (-utc[0] % 60) // series.step_min
    return series.at(slice(head, len(series) - utc[1] // series.step_min))


def _data(hourly: LoadSeries, leads: int, country: str, ahead_c: np.ndarray | None) -> Hourly:
    temperature_c = None
    if ahead_c is not None and hourly.temperature_c is not None:
        whole = pd.Series(np.concatenate([hourly.temperature_c, np.asarray(ahead_c, float)]))
        short = leads - len(ahead_c)
        if short > 0:
            whole = pd.concat([whole, pd.Series(np.full(short, np.nan))], ignore_index=True)
        temperature_c = whole.interpolate(limit_direction="both").to_numpy()
    real = np.isfinite(hourly.power_kw) & ~hourly.filled
    return Hourly.make(hourly.index, hourly.complete(), real, leads, country, temperature_c)


def _bands(residual: np.ndarray, final: Fitted, best: str) -> tuple[np.ndarray, np.ndarray]:
    """Return offsets of p10 and p90 for every lead: quantiles of the errors, pooled over neighbouring hours.

    Split-conformal in spirit: backtest errors, joined by leave-one-out errors of training when the winner has any.
    """
    sample = residual
    if best != "naive_day" and best != "naive_week" and final.loo_error is not None:
        recent = final.loo_error[-120:]
        scale = np.nanmean(np.abs(residual)) / max(1e-9, float(np.nanmean(np.abs(recent))))
        sample = np.concatenate([residual, recent * min(1.5, max(0.7, scale))])
    leads = residual.shape[1]
    low, high = np.empty(leads), np.empty(leads)
    for lead in range(leads):
        near = sample[:, max(0, lead - 2) : lead + 3]
        near = near[np.isfinite(near)]
        low[lead], high[lead] = np.quantile(near, [0.1, 0.9]) if len(near) else (0.0, 0.0)
    return np.minimum(low, 0), np.maximum(high, 0)


def _to_step(hourly_kw: np.ndarray, hourly: LoadSeries, series: LoadSeries, hours: int) -> np.ndarray:
    """Spread hourly means over the series' own finer steps by the usual shape inside each hour of the day."""
    hourly_kw = hourly_kw[:hours]
    parts = 60 // series.step_min
    if parts == 1:
        return hourly_kw
    count = len(series) // parts
    inside = series.power_kw[: count * parts].reshape(count, parts)[-60 * DAY :]
    mean = inside.mean(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        ratio = inside / mean
    hour = np.asarray(series.index.hour)[: count * parts : parts][-60 * DAY :]
    shape = np.ones((24, parts))
    for value in range(24):
        rows = ratio[(hour == value) & np.isfinite(ratio).all(axis=1)]
        if len(rows) >= 5:
            median = np.median(rows, axis=0)
            shape[value] = median / median.mean() if median.mean() > 0 else 1.0
    next_hour = (int(series.end.hour) + np.arange(len(hourly_kw))) % 24
    return np.asarray((hourly_kw[:, None] * shape[next_hour]).ravel())
