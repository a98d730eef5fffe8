"""The demo city's streets: names, size and how full they get; and the shape of a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

# Share of the peak by hour of the day, linear in between.
_WORKDAY = (6, 4, 3, 3, 5, 14, 38, 85, 100, 74, 60, 58, 60, 58, 60, 66, 78, 98, 95, 66, 48, 38, 24, 12)
_WEEKEND = (9, 6, 4, 3, 4, 8, 16, 28, 42, 56, 66, 68, 64, 62, 64, 66, 68, 68, 62, 54, 46, 36, 24, 14)


@dataclass(frozen=True)
class DemoStreet:
    """One street; `peak_ratio` is its volume over capacity in the workday peak."""

    id: str
    capacity_vph: float
    free_kmh: float
    peak_ratio: float
    flavour: str = "all"

    def speed_kmh(self, ratio: float) -> float:
        """Return the mean speed by the function of the Bureau of Public Roads (1964), alpha 0.9, beta 4."""
        return self.free_kmh / (1 + 0.9 * ratio**4)


STREETS = (
    DemoStreet("renmin", 3200, 50, 0.98),
    DemoStreet("jiefang", 2600, 45, 1.02),
    DemoStreet("wenhua", 1800, 40, 0.82),
    DemoStreet("binhe", 2400, 50, 0.78, "leisure"),
    DemoStreet("zhanqian", 2000, 40, 0.95),
    DemoStreet("keji", 3600, 60, 0.9),
    DemoStreet("gangkou", 3600, 60, 0.72),
    DemoStreet("xishan", 1800, 45, 0.66, "leisure"),
    DemoStreet("donghu", 2000, 45, 0.74, "leisure"),
    DemoStreet("xuefu", 1800, 40, 0.88),
    DemoStreet("jianshe", 2000, 45, 0.8),
    DemoStreet("heping", 1600, 40, 0.76),
)


def day_shape(when: datetime, flavour: str = "all") -> float:
    """Return the flow at a local time as a share of the workday peak."""
    table = _WEEKEND if when.weekday() >= 5 else _WORKDAY
    hour = when.hour + when.minute / 60
    value = float(np.interp(hour, range(25), [*table, table[0]])) / 100
    if flavour == "leisure" and when.weekday() >= 5:
        value *= 1.35
    return value
