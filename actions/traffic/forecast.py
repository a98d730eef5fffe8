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
        self._table = np.zeros((7, 24 * 60 // minutes))
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
        self._band = self._errors(series, week)
        self._fit(series)
        return self

    def _fit(self, series: pd.Series) -> None:
        frame = pd.DataFrame({"v": series.to_numpy(), "slot": _slots(series.index, self.minutes)})
        frame["dow"] = np.asarray(series.index.dayofweek)
        own = frame.groupby(["dow", "slot"])["v"].mean().unstack()
        common = frame.groupby([frame["dow"] >= 5, "slot"])["v"].median().unstack()
        grid = range(24 * 60 // self.minutes)
        own = own.reindex(index=range(7), columns=grid)
        kinds = common.reindex(index=[False, True], columns=grid).to_numpy()[[0, 0, 0, 0, 0, 1, 1]]
        self._table = np.where(np.isnan(kinds), own.to_numpy(), 0.5 * (kinds + own.fillna(0.0).to_numpy()))
        self._table = np.where(np.isnan(own.to_numpy()), kinds, self._table)
        base = self.base(series.index)
        self._scale = float(max(np.nanmean(base), 1e-6))
        self._deviations = (series - base).dropna()
        if self.method == "base":
            return
        x, y = self._training(series)
        self._model = (
            Ridge(alpha=3.0)
            if self.method == "ridge"
            else HistGradientBoostingRegressor(max_iter=60, max_depth=4, learning_rate=0.1)
        )
        # One thread: OpenMP threads that spin on a busy machine make boosting a hundred times slower.
        with threadpool_limits(limits=1):
            self._model.fit(x, y)

    def _errors(self, series: pd.Series, week: int) -> tuple[float, float]:
        """Return the band of relative errors over the last fifth, forecast by a model that has not seen it."""
        cut = max(int(len(series) * 0.8), min(2 * week, len(series) - week // 2))
        inner = FlowModel(self.method, self.minutes, self.horizon)
        inner._fit(series.iloc[:cut])
        tail = series.iloc[cut - max(LAGS) :]
        if self.method == "base":
            rest = ((tail - inner.base(tail.index)) / inner._relative(tail.index)).to_numpy()
        else:
            x, y = inner._training(tail)
            with threadpool_limits(limits=1):
                rest = y - inner._model.predict(x)
        low, high = np.nanquantile(rest, [0.1, 0.9])
        return min(float(low), 0.0), max(float(high), 0.0)

    def base(self, index: pd.DatetimeIndex) -> pd.Series:
        """Return the seasonal base: the mean of the day's own pattern and that of all workdays or all weekends."""
        table = self._table[np.asarray(index.dayofweek), _slots(index, self.minutes)]
        return pd.Series(table, index=index, dtype=float).ffill().bfill()

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
            fresh = len(known) and index[0] - known.index[-1] <= pd.Timedelta(days=1)
            if fresh:
                middle = base + pd.Series(
                    self._model.predict(self._features(known, index)), index=index
                ) * self._relative(index)
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

    def _features(self, deviations: pd.Series, index: pd.DatetimeIndex) -> np.ndarray:
        """Return recent deviations (as seen just before the first time), the lead, and the time of day."""
        last = deviations.loc[: index[0] - pd.Timedelta(minutes=1)].to_numpy()[-max(LAGS) :]
        scale = np.sqrt(self._scale)
        recent = np.array([last[-k] / scale if len(last) >= k else 0.0 for k in LAGS])
        return _rows(np.tile(recent, (len(index), 1)), np.arange(1, len(index) + 1), self.horizon, index)

    def _training(self, series: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        deviation = (series - self.base(series.index)).fillna(0.0)
        relative = self._relative(series.index).to_numpy()
        values, scale = deviation.to_numpy(), np.sqrt(self._scale)
        rows, targets = [], []
        for ahead in sorted({1, 2, 3, 6, 12, self.horizon} & set(range(1, self.horizon + 1))):
            t = np.arange(max(LAGS), len(values) - ahead + 1)
            recent = np.stack([values[t - k] / scale for k in LAGS], axis=1)
            rows.append(_rows(recent, np.full(len(t), ahead), self.horizon, series.index[t + ahead - 1]))
            targets.append(values[t + ahead - 1] / relative[t + ahead - 1])
        # In order of time, so that the last fifth is the latest part of the history.
        order = np.argsort(np.concatenate([np.arange(len(y)) for y in targets]), kind="stable")
        return np.concatenate(rows)[order], np.concatenate(targets)[order]


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
                inside.append(
                    (future.to_numpy() >= made.p10.to_numpy()) & (future.to_numpy() <= made.p90.to_numpy())
                )
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


def _rows(recent: np.ndarray, ahead: np.ndarray, horizon: int, index: pd.DatetimeIndex) -> np.ndarray:
    """Return features, shape (times, 2 * lags + 5)."""
    angle = 2 * np.pi * np.asarray(index.hour * 60 + index.minute) / 1440
    fade = np.exp(-ahead / max(1.0, horizon / 6))[:, None]
    rest = [
        recent.mean(axis=1),
        ahead / horizon,
        np.sin(angle),
        np.cos(angle),
        np.asarray(index.dayofweek >= 5),
    ]
    return np.column_stack([recent, recent * fade, *rest])
