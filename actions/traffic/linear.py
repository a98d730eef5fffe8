"""The simplest signal model: a line from traffic flow to green time, with its errors and an interval.

Reads a table `traffic_flow,signal_light_time`. The line is found by least squares, or by gradient descent on
the squared error with the mean absolute error reported after every epoch.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import stats

from actions.traffic.errors import FitError

FLOW, GREEN = "traffic_flow", "signal_light_time"
ALIASES = {
    FLOW: ("traffic_flow", "flow", "volume", "traffic", "车流量", "流量"),
    GREEN: ("signal_light_time", "green_s", "green", "light_time", "绿灯时长", "绿灯时间", "信号灯时间"),
}


@dataclass(frozen=True)
class Residuals:
    """Checks of the residuals; a p-value under 0.05 speaks against the assumption. `None`: too few rows."""

    normal_p: float | None
    equal_variance_p: float | None
    durbin_watson: float | None
    outliers: tuple[int, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing speaks against the line's interval."""
        tests = [p for p in (self.normal_p, self.equal_variance_p) if p is not None]
        return all(p >= 0.05 for p in tests) and not self.outliers


@dataclass(frozen=True)
class LinearModel:
    """A line green_s = intercept + slope * flow, and what is known of its errors.

    `epoch_mae_s` holds the mean absolute error after each epoch when it was trained by gradient descent.
    """

    slope: float
    intercept_s: float
    mae_s: float
    r2: float
    rows: int
    sigma_s: float
    mean_flow: float
    spread: float
    low_flow: float
    high_flow: float
    residuals: Residuals
    epoch_mae_s: tuple[float, ...] = field(default=())

    def predict(self, flow: float) -> float:
        """Return the green time in s for a flow; never negative."""
        return max(0.0, self.intercept_s + self.slope * flow)

    def interval(self, flow: float, confidence: float = 0.95) -> tuple[float, float]:
        """Return the prediction interval in s (Student's t); a single point when the line fits exactly."""
        if self.rows < 3:
            return -math.inf, math.inf
        half = (
            float(stats.t.ppf(0.5 + confidence / 2, self.rows - 2))
            * self.sigma_s
            * math.sqrt(1 + 1 / self.rows + (flow - self.mean_flow) ** 2 / self.spread)
        )
        centre = self.predict(flow)
        return max(0.0, centre - half), centre + half

    def extrapolates(self, flow: float) -> bool:
        """Return whether `flow` lies more than half the observed range outside it."""
        margin = 0.5 * (self.high_flow - self.low_flow)
        return not self.low_flow - margin <= flow <= self.high_flow + margin


def mean_absolute_error(predicted: Sequence[float], actual: Sequence[float]) -> float:
    """Return the mean of the absolute differences.

    Raises:
        FitError: the two differ in length, or are empty.
    """
    if len(predicted) != len(actual) or not len(actual):
        raise FitError(
            f"预测值 {len(predicted)} 个，实际值 {len(actual)} 个，数量必须相同且不为零。",
            f"{len(predicted)} predictions and {len(actual)} actual values; give as many of each, at least one",
        )
    return float(np.mean(np.abs(np.asarray(predicted, float) - np.asarray(actual, float))))


def read_flow_table(path: Path | str) -> tuple[list[float], list[float]]:
    """Read flows and green times from a CSV with a header.

    Raises:
        FitError: the file is missing, a column is missing, there are no rows, or a value is no number or negative.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise FitError(
            f"{path}：找不到该文件，请检查路径。", f"{path}: no such file; check the path"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise FitError(
            f"{path}：无法按 UTF-8 读取（{error}）。", f"{path}: cannot be read as UTF-8 ({error})"
        ) from None
    reader = csv.DictReader(text.splitlines())
    names = {name.strip().lower(): name for name in reader.fieldnames or []}
    columns = {}
    for key, aliases in ALIASES.items():
        column = next((names[a] for a in aliases if a in names), None)
        if column is None:
            raise FitError(
                f"{path} 第 1 行：缺少列 {key}，请在表头写上 {FLOW},{GREEN}。",
                f"{path} line 1: column {key} is missing; the header must be {FLOW},{GREEN}",
            )
        columns[key] = column
    flows: list[float] = []
    greens: list[float] = []
    for row in reader:
        line = reader.line_num
        for key, into in ((FLOW, flows), (GREEN, greens)):
            raw = (row.get(columns[key]) or "").strip()
            try:
                value = float(raw)
            except ValueError:
                value = math.nan
            if not math.isfinite(value) or value < 0:
                raise FitError(
                    f"{path} 第 {line} 行：{key} 的值 {raw!r} 不是非负数，请改正。",
                    f"{path} line {line}: {key} is {raw!r}, expected a number of 0 or more; correct it",
                    line=line,
                )
            into.append(value)
    if not flows:
        raise FitError(
            f"{path}：表头之后没有数据行，请补充数据。", f"{path}: has no rows below the header; add some"
        )
    return flows, greens


def fit_least_squares(flows: Sequence[float], greens_s: Sequence[float]) -> LinearModel:
    """Fit the line by ordinary least squares.

    Raises:
        FitError: fewer than two different flows.
    """
    x, y = _checked(flows, greens_s)
    slope, intercept = np.polyfit(x, y, 1) if len(x) > 2 else _through_two(x, y)
    return _model(x, y, float(slope), float(intercept))


def fit_gradient_descent(
    flows: Sequence[float], greens_s: Sequence[float], epochs: int = 200, rate: float = 0.1
) -> LinearModel:
    """Fit the line by gradient descent on the standardised table; `epoch_mae_s` has one entry per epoch.

    Raises:
        FitError: fewer than two different flows, no epochs, or a learning rate that diverges.
    """
    if epochs < 1 or not 0 < rate < 1:
        raise FitError(
            f"轮数 {epochs} 须不小于 1，学习率 {rate} 须在 0 与 1 之间。",
            f"epochs {epochs} must be 1 or more and the rate {rate} between 0 and 1",
        )
    x, y = _checked(flows, greens_s)
    mean, scale = x.mean(), x.std()
    z = (x - mean) / scale
    weight = bias = 0.0
    history = []
    for _ in range(epochs):
        error = weight * z + bias - y
        weight -= rate * 2 * float(np.mean(error * z))
        bias -= rate * 2 * float(np.mean(error))
        history.append(float(np.mean(np.abs(weight * z + bias - y))))
    slope = weight / scale
    model = _model(x, y, slope, bias - slope * mean)
    return LinearModel(**{**model.__dict__, "epoch_mae_s": tuple(history)})


def _checked(flows: Sequence[float], greens_s: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(flows, float), np.asarray(greens_s, float)
    if len(x) != len(y) or len(np.unique(x)) < 2:
        raise FitError(
            f"只有 {len(np.unique(x))} 种不同的流量，至少需要 2 种，请补充数据。",
            f"only {len(np.unique(x))} different flows; give at least 2 rows with different flows",
        )
    return x, y


def _through_two(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    slope = (y[1] - y[0]) / (x[1] - x[0])
    return float(slope), float(y[0] - slope * x[0])


def _model(x: np.ndarray, y: np.ndarray, slope: float, intercept: float) -> LinearModel:
    scale = max(1.0, float(np.max(np.abs(y))))
    # What is left of rounding is no intercept and no error.
    intercept = 0.0 if abs(intercept) < 1e-9 * scale else intercept
    error = y - (intercept + slope * x)
    error[np.abs(error) < 1e-9 * scale] = 0.0
    total = float(np.sum((y - y.mean()) ** 2))
    sigma = math.sqrt(float(np.sum(error**2)) / (len(x) - 2)) if len(x) > 2 else 0.0
    return LinearModel(
        slope,
        intercept,
        float(np.mean(np.abs(error))),
        1.0 - float(np.sum(error**2)) / total if total > 0 else 1.0,
        len(x),
        sigma,
        float(x.mean()),
        float(np.sum((x - x.mean()) ** 2)),
        float(x.min()),
        float(x.max()),
        _residuals(x, error, sigma),
    )


def _residuals(x: np.ndarray, error: np.ndarray, sigma: float) -> Residuals:
    if len(x) < 8 or sigma < 1e-6 * max(1.0, float(np.max(np.abs(x)))):
        return Residuals(None, None, None, ())
    normal = float(stats.shapiro(error).pvalue) if len(x) <= 5000 else None
    # Breusch-Pagan: do squared residuals depend on the flow?
    squared = error**2 / np.mean(error**2)
    r = float(np.corrcoef(x, squared)[0, 1])
    equal = float(stats.chi2.sf(len(x) * r * r, 1))
    ordered = error[np.argsort(x, kind="stable")]
    watson = float(np.sum(np.diff(ordered) ** 2) / np.sum(ordered**2))
    outliers = tuple(int(i) for i in np.flatnonzero(np.abs(error) > 3.5 * sigma))
    return Residuals(normal, equal, watson, outliers)
