"""Made-up loads for the energy tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from actions.energy.columns import ReadOptions
from actions.energy.reading import read_file
from actions.energy.regrid import to_series
from actions.energy.series import LoadSeries, QualityReport
from actions.energy.tariff import Tariff

ZONE = "Asia/Shanghai"
TARIFF = Tariff.from_dict(
    {
        "demand_charge_per_kw_month": 38,
        "export_price": 0.3,
        "periods": [
            {"name": "peak", "price": 1.1, "hours": ["10:00-12:00", "14:00-19:00"]},
            {"name": "flat", "price": 0.68, "hours": ["08:00-10:00", "12:00-14:00", "19:00-24:00"]},
            {"name": "valley", "price": 0.34, "hours": ["00:00-08:00"]},
        ],
    }
)


def index(days: int, step_min: int = 60, start: str = "2025-03-03", zone: str = ZONE) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=days * 1440 // step_min, freq=f"{step_min}min", tz=zone)


def office(
    days: int, step_min: int = 60, seed: int = 1, noise: float = 0.03, start: str = "2025-03-03"
) -> LoadSeries:
    """An office: 40 kW at night, 160 kW on working days from 8 to 18."""
    stamps = index(days, step_min, start)
    hour = np.asarray(stamps.hour + stamps.minute / 60)
    work = np.asarray(stamps.weekday < 5)
    kw = 40 + 120 * ((hour >= 8) & (hour < 18) & work)
    kw = kw * np.random.default_rng(seed).normal(1, noise, len(stamps))
    return LoadSeries(
        "office", stamps, kw, np.zeros(len(kw), bool), None, QualityReport(len(kw), "kW", step_min)
    )


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def load(path: Path, **options: object) -> LoadSeries:
    given = ReadOptions(**options)  # type: ignore[arg-type]
    return to_series(read_file(path, given), given)


def rows(stamps: pd.DatetimeIndex, values: np.ndarray, header: str = "time,load_kw") -> str:
    lines = [header, *(f"{s:%Y-%m-%d %H:%M},{v:.4f}" for s, v in zip(stamps, values, strict=False))]
    return "\n".join(lines) + "\n"
