"""Charts of loads, forecasts and schedules as PNG files named by their content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from actions.energy.forecast import Forecast
from actions.energy.optimise import Schedule
from actions.energy.tariff import Tariff
from actions.pictures import date_axis, keep, labels_language, new_figure, to_png

_BLUE, _ORANGE, _GREY, _GREEN = "#1f5fa8", "#d9702b", "#8a94a3", "#2f8f5b"


def load_chart(
    index: pd.DatetimeIndex,
    power_kw: np.ndarray,
    expected_kw: np.ndarray | None,
    title: str,
    language: str,
    marks: list[tuple[pd.Timestamp, pd.Timestamp]] | None = None,
) -> bytes:
    """Draw measured against expected load, with findings shaded; returns PNG."""
    zh = labels_language(language) == "zh"

    def draw(axes: Any) -> None:
        wall = index.tz_localize(None)
        if expected_kw is not None:
            axes.plot(wall, expected_kw, color=_GREY, lw=1.4, ls="--", label="平时" if zh else "usual")
        axes.plot(wall, power_kw, color=_BLUE, lw=1.5, label="实测" if zh else "measured")
        for begin, end in marks or []:
            axes.axvspan(begin.tz_localize(None), end.tz_localize(None), color=_ORANGE, alpha=0.22, lw=0)

    return _draw(draw, title, "kW", language)


def forecast_chart(forecast: Forecast, title: str, language: str) -> bytes:
    """Draw the median and the band between p10 and p90; returns PNG."""
    zh = labels_language(language) == "zh"

    def draw(axes: Any) -> None:
        wall = forecast.index.tz_localize(None)
        band = "10%–90% 区间" if zh else "p10–p90"
        axes.fill_between(wall, forecast.p10_kw, forecast.p90_kw, color=_BLUE, alpha=0.18, lw=0, label=band)
        axes.plot(wall, forecast.p50_kw, color=_BLUE, lw=1.8, label="预测" if zh else "forecast")

    return _draw(draw, title, "kW", language)


def schedule_chart(
    schedule: Schedule, load_kw: np.ndarray, tariff: Tariff, title: str, language: str
) -> bytes:
    """Draw the grid exchange with and without the battery, and the battery; prices shade the background; PNG."""
    zh = labels_language(language) == "zh"

    def draw(axes: Any) -> None:
        wall = schedule.index.tz_localize(None)
        price = tariff.import_price(schedule.index)
        dear = price >= np.quantile(price, 0.75) if price.max() > price.min() else np.zeros(len(price), bool)
        top = max(float(np.max(load_kw)), float(np.max(schedule.grid_kw)), 1.0)
        axes.fill_between(
            wall,
            0,
            top * 1.05,
            where=dear,
            color=_ORANGE,
            alpha=0.10,
            lw=0,
            step="post",
            label="高价时段" if zh else "dear hours",
        )
        axes.plot(wall, load_kw, color=_GREY, lw=1.3, ls="--", label="不用电池" if zh else "without battery")
        axes.plot(wall, schedule.grid_kw, color=_BLUE, lw=1.6, label="从电网取电" if zh else "from the grid")
        run = schedule.charge_kw - schedule.discharge_kw
        axes.fill_between(
            wall,
            0,
            run,
            color=_GREEN,
            alpha=0.45,
            lw=0,
            step="post",
            label="电池充(+)放(−)" if zh else "battery charge(+)/discharge(−)",
        )

    return _draw(draw, title, "kW", language)


def save(png: bytes, data_dir: Path) -> str:
    """Write a chart below the data directory, and return the path it is served at."""
    return f"/charts/{keep(png, data_dir / 'charts').name}"


def _draw(paint: Callable[[Any], None], title: str, unit: str, language: str) -> bytes:
    figure = new_figure(8.4, 3.4)
    axes = figure.add_subplot(111)
    paint(axes)
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_ylabel(unit)
    date_axis(axes, language)
    axes.grid(alpha=0.25)
    axes.spines["top"].set_visible(False)
    axes.spines["right"].set_visible(False)
    axes.legend(frameon=False, fontsize=8.5, ncol=4, loc="upper left", bbox_to_anchor=(0, -0.1))
    axes.margins(x=0.01)
    return to_png(figure, bbox_inches="tight")
