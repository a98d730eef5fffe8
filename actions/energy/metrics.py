"""Measures of forecast error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_LEAST_FOR_MAPE = 0.1


@dataclass(frozen=True)
class Errors:
    """Errors of a forecast; `None` where a measure has no meaning.

    `wape` is Σ|e| / Σ|y|; `mase` scales by the seasonal naive error on the training part (Hyndman & Koehler 2006);
    `mape` is left out when the load comes near zero.
    """

    mae_kw: float
    rmse_kw: float
    wape: float | None
    mase: float | None
    mape: float | None
    pinball_kw: float | None = None
    coverage_80: float | None = None


def errors(
    actual: np.ndarray,
    predicted: np.ndarray,
    naive_mae: float | None = None,
    low: np.ndarray | None = None,
    high: np.ndarray | None = None,
) -> Errors:
    """Return the errors over the steps known in both.

    Args:
        actual, predicted: kW, any equal shape.
        naive_mae: seasonal naive MAE on the training part, for MASE.
        low, high: p10 and p90, for pinball loss and coverage.
    """
    known = np.isfinite(actual) & np.isfinite(predicted)
    y, p = actual[known], predicted[known]
    if not len(y):
        return Errors(np.nan, np.nan, None, None, None)
    error = np.abs(y - p)
    total = float(np.abs(y).sum())
    near_zero = np.abs(y).min() < _LEAST_FOR_MAPE * np.abs(y).mean() or (y <= 0).any()
    loss = cover = None
    if low is not None and high is not None:
        bands = {0.1: low[known], 0.5: p, 0.9: high[known]}
        loss = float(np.mean([pinball(y, band, share) for share, band in bands.items()]))
        cover = float(np.mean((y >= low[known]) & (y <= high[known])))
    return Errors(
        mae_kw=float(error.mean()),
        rmse_kw=float(np.sqrt((error**2).mean())),
        wape=float(error.sum() / total) if total > 0 else None,
        mase=float(error.mean() / naive_mae) if naive_mae else None,
        mape=None if near_zero else float((error / np.abs(y)).mean()),
        pinball_kw=loss,
        coverage_80=cover,
    )


def pinball(actual: np.ndarray, predicted: np.ndarray, share: float) -> float:
    """Return the mean pinball loss of a quantile forecast in kW."""
    error = actual - predicted
    return float(np.mean(np.maximum(share * error, (share - 1) * error)))
