"""Flow forecasts: a seasonal base by time of week, a model of deviations from it, and a p10–p90 band.

The base is the median by time of day and kind of day. Deviations are forecast from recent deviations by Ridge or by
gradient boosting; the band comes from the residuals of the last part of the history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from actions.traffic.errors import ForecastError

LAGS = (1, 2, 3, 4)
METHODS = ("seasonal_naive", "base", "ridge", "boosting")


@dataclass(frozen=True)
class Forecast:
    """Expected values with a band in which eight of ten should lie, indexed by time."""

    p50: pd.Series
    p10: pd.Series
    p90: pd.Series
    method: str


@dataclass(frozen=True)
class Score:
    """Errors of a method in a backtest. MASE is relative to the seasonal naive forecast (same time last week)."""

    method: str
    mae: float
    wape: float
    mase: float
    coverage: float | None
    points: int


class FlowModel:
    """Forecasts one series.

    Args:
        method: "base", "ridge" or "boosting".
        minutes: interval of the series.
        horizon: how many intervals ahead are forecast at most.
    """

    def __init__(self, method: str = "ridge", minutes: int = 60, horizon: int = 24) -> None:
        if method not in {"base", "ridge", "boosting"}:
            raise ForecastError(
                f"未知的预测方法 {method!r}。", f"unknown method {method!r}; use base, ridge or boosting"
            )
        self.method, self.minutes, self.horizon = method, minutes, horizon
        self._base: dict[tuple[bool, int], float] = {}
        self._days: dict[tuple[int, int], float] = {}
        self._model: Any = None
        self._scale = 1.0
        self._band = (0.0, 0.0)
        self._deviations = pd.Series(dtype=float)

    def fit(self, series: pd.Series) -> FlowModel:
        """Learn from a series with a `DatetimeIndex`.

        Raises:
            ForecastError: less than two weeks of history, or nothing but gaps.
        """
        series = clean(series, self.minutes)
        week = 7 * 24 * 60 // self.minutes
        if series.notna().sum() < 2 * week * 0.8:
            raise ForecastError(
                f"历史数据只有 {series.notna().sum()} 个时段，至少需要两周。",
                f"only {series.notna().sum()} intervals of history; at least two weeks are needed",
            )
        slots = _slots(series.index, self.minutes)
        kind = np.asarray(series.index.dayofweek >= 5)
        frame = pd.DataFrame({"v": series.to_numpy(), "slot": slots, "weekend": kind, "dow": series.index.dayofweek})
        self._base = {(bool(w), int(s)): float(v) for (w, s), v in frame.groupby(["weekend", "slot"])["v"].median().items()}
        self._days = {(int(d), int(s)): float(v) for (d, s), v in frame.groupby(["dow", "slot"])["v"].mean().items()}
        base = self.base(series.index)
        self._scale = float(max(np.nanmean(base), 1e-6))
        self._deviations = (series - base).dropna()
        if self.method != "base":
            x, y = self._training(series)
            self._model = (
                Ridge(alpha=3.0)
                if self.method == "ridge"
                else HistGradientBoostingRegressor(max_iter=60, max_depth=4, learning_rate=0.1)
            )
            cut = int(len(y) * 0.8)
            # One thread: OpenMP threads that spin on a busy machine make boosting a hundred times slower.
            with threadpool_limits(limits=1):
                self._model.fit(x[:cut], y[:cut])
                rest = y[cut:] - self._model.predict(x[cut:])
                self._model.fit(x, y)
        else:
            rest = (self._deviations / self._relative(self._deviations.index)).to_numpy()
        self._band = (float(np.quantile(rest, 0.1)), float(np.quantile(rest, 0.9)))
        return self

    def base(self, index: pd.DatetimeIndex) -> pd.Series:
        """Return the seasonal base; half of it by the day of the week, half by workday or weekend."""
        values = []
        for dow, slot in zip(index.dayofweek, _slots(index, self.minutes), strict=True):
            common = self._base.get((bool(dow >= 5), int(slot)), np.nan)
            own = self._days.get((int(dow), int(slot)), common)
            values.append(0.5 * (common + own) if np.isfinite(common) and np.isfinite(own) else own)
        return pd.Series(values, index=index, dtype=float).ffill().bfill()

    def predict(self, index: pd.DatetimeIndex, recent: pd.Series | None = None) -> Forecast:
        """Forecast the times of `index`.

        Args:
            index: future times, in steps of `minutes`.
            recent: the latest observations; by default the end of the history. Older than a day, they are ignored.
        """
        base = self.base(index)
        middle = base.copy()
        if self.method != "base" and self._model is not None:
            known = self._deviations
            if recent is not None and len(recent):
                recent = clean(recent, self.minutes).dropna()
                known = pd.concat([known, recent - self.base(recent.index)])
                known = known[~known.index.duplicated(keep="last")].sort_index()
            rows = [self._features(known, index[0], when, i + 1) for i, when in enumerate(index)]
            fresh = len(known) and index[0] - known.index[-1] <= pd.Timedelta(days=1)
            if fresh:
                middle = base + pd.Series(self._model.predict(np.asarray(rows)), index=index) * self._relative(index)
        middle = middle.clip(lower=0.0)
        width = self._relative(index)
        return Forecast(
            middle,
            (middle + self._band[0] * width).clip(lower=0.0),
            (middle + self._band[1] * width).clip(lower=0.0),
            self.method,
        )

    def _relative(self, index: pd.DatetimeIndex) -> pd.Series:
        """Return the size of the base by time, so that errors scale with the flow."""
        return np.sqrt(self.base(index).clip(lower=0.02 * self._scale))

    def _features(self, deviations: pd.Series, origin: pd.Timestamp, when: pd.Timestamp, ahead: int) -> list[float]:
        """Return recent deviations (as seen just before `origin`), the lead, and the time of day."""
        last = deviations.loc[: origin - pd.Timedelta(minutes=1)].iloc[-max(LAGS) :]
        scale = np.sqrt(self._scale)
        values = [float(last.iloc[-k]) / scale if len(last) >= k else 0.0 for k in LAGS]
        return _row(values, ahead, self.horizon, when)

    def _training(self, series: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        deviation = (series - self.base(series.index)).fillna(0.0)
        relative = self._relative(series.index).to_numpy()
        values, scale = deviation.to_numpy(), np.sqrt(self._scale)
        rows, targets = [], []
        aheads = sorted({1, 2, 3, 4, 6, 8, 12, 18, self.horizon} & set(range(1, self.horizon + 1)))
        for ahead in aheads:
            for t in range(max(LAGS), len(values) - ahead + 1, max(1, len(aheads) // 3)):
                recent = [float(values[t - k]) / scale for k in LAGS]
                rows.append(_row(recent, ahead, self.horizon, series.index[t + ahead - 1]))
                targets.append(values[t + ahead - 1] / relative[t + ahead - 1])
        return np.asarray(rows), np.asarray(targets)


def clean(series: pd.Series, minutes: int) -> pd.Series:
    """Return the series on a regular grid in time, duplicates averaged, gaps as NaN."""
    series = series.astype(float).groupby(level=0).mean().sort_index()
    return series.resample(f"{minutes}min").mean()


def backtest(
    series: pd.Series,
    minutes: int = 60,
    horizon: int = 24,
    folds: int = 5,
    methods: Sequence[str] = METHODS,
) -> list[Score]:
    """Forecast the last `folds` stretches of `horizon` intervals, each from what came before it.

    Args:
        series: flow by time.
        minutes: interval of the series.
        horizon: intervals per fold.
        folds: number of folds.
        methods: which of `METHODS`.

    Returns:
        One score for each method: MAE in the series' unit, WAPE and coverage as shares, MASE.

    Raises:
        ForecastError: there is too little history.
    """
    series = clean(series, minutes)
    week = 7 * 24 * 60 // minutes
    if len(series) < 2 * week + folds * horizon:
        raise ForecastError(
            f"历史数据只有 {len(series)} 个时段，回测至少需要 {2 * week + folds * horizon} 个。",
            f"only {len(series)} intervals of history; a backtest needs {2 * week + folds * horizon}",
        )
    scores = []
    seasonal = series.to_numpy()[week:] - series.to_numpy()[:-week]
    unit = float(np.nanmean(np.abs(seasonal)))
    for method in methods:
        errors, inside, actual_sum = [], [], 0.0
        for fold in range(folds, 0, -1):
            cut = len(series) - fold * horizon
            past, future = series.iloc[:cut], series.iloc[cut : cut + horizon]
            if method == "seasonal_naive":
                guess = series.iloc[cut - week : cut - week + horizon].to_numpy()
            else:
                made = FlowModel(method, minutes, horizon).fit(past).predict(future.index)
                guess = made.p50.to_numpy()
                inside.append((future.to_numpy() >= made.p10.to_numpy()) & (future.to_numpy() <= made.p90.to_numpy()))
            errors.append(np.abs(future.to_numpy() - guess))
            actual_sum += float(np.nansum(np.abs(future.to_numpy())))
        error = np.concatenate(errors)
        mae = float(np.nanmean(error))
        scores.append(
            Score(
                method,
                mae,
                float(np.nansum(error)) / actual_sum if actual_sum else 0.0,
                mae / unit if unit else 0.0,
                float(np.mean(np.concatenate(inside))) if inside else None,
                int(np.isfinite(error).sum()),
            )
        )
    return scores


def _slots(index: pd.DatetimeIndex, minutes: int) -> np.ndarray:
    return np.asarray((index.hour * 60 + index.minute) // minutes)


def _row(recent: list[float], ahead: int, horizon: int, when: pd.Timestamp) -> list[float]:
    angle = 2 * np.pi * (when.hour * 60 + when.minute) / 1440
    fade = np.exp(-ahead / max(1.0, horizon / 6))
    return [
        *recent,
        *(value * fade for value in recent),
        float(np.mean(recent)),
        ahead / horizon,
        float(np.sin(angle)),
        float(np.cos(angle)),
        float(when.dayofweek >= 5),
    ]
