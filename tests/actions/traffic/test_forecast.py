"""Forecasts and their backtest."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from actions.traffic.errors import ForecastError
from actions.traffic.forecast import FlowModel, backtest


def series(days: int = 35, noise: float = 40.0) -> pd.Series:
    index = pd.date_range("2026-01-05", periods=24 * days, freq="h", tz="Asia/Shanghai")
    rng = np.random.default_rng(3)
    base = 900 + 500 * np.sin((index.hour - 8) / 24 * 2 * np.pi) * (index.dayofweek < 5)
    deviation = np.zeros(len(index))
    for i in range(1, len(index)):
        deviation[i] = 0.85 * deviation[i - 1] + rng.normal() * noise
    return pd.Series(np.asarray(base) + deviation, index=index)


def test_models_beat_the_seasonal_naive_forecast() -> None:
    scores = {
        s.method: s
        for s in backtest(series(), horizon=6, folds=6, methods=("seasonal_naive", "base", "ridge"))
    }
    assert scores["ridge"].mae < scores["seasonal_naive"].mae
    assert scores["ridge"].mase < 1
    assert 0 < scores["ridge"].wape < 0.3
    assert scores["ridge"].coverage is not None and scores["ridge"].coverage > 0.5


def test_band_is_ordered_and_never_negative() -> None:
    data = series()
    model = FlowModel("ridge").fit(data)
    index = pd.date_range(data.index[-1] + pd.Timedelta(hours=1), periods=24, freq="h")
    made = model.predict(index)
    assert (made.p10 <= made.p50).all() and (made.p50 <= made.p90).all() and (made.p10 >= 0).all()


def test_gaps_and_duplicates_are_borne() -> None:
    data = series().drop(series().index[100:130])
    data = pd.concat([data, data.iloc[:5]])
    assert np.isfinite(FlowModel("base").fit(data).predict(data.index[-3:]).p50).all()


def test_too_little_history_and_unknown_method() -> None:
    with pytest.raises(ForecastError, match="two weeks"):
        FlowModel().fit(series(5))
    with pytest.raises(ForecastError, match="backtest"):
        backtest(series(10))
    with pytest.raises(ForecastError, match="unknown method"):
        FlowModel("magic")
