"""What the energy page shows: each building's week against the one before, findings, a week's load."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from actions.energy.errors import EnergyError
from actions.energy.service import EnergyService
from console.prepared import Prepared, Ready

_FINDINGS_DAYS = 30


@dataclass(frozen=True)
class BuildingWeek:
    """One building: energies in kWh, powers in kW, the hourly course, findings of 30 days; or why there is none."""

    id: str
    names: tuple[str, str]
    week_kwh: float = 0.0
    before_kwh: float = 0.0
    peak_kw: float = 0.0
    course: tuple[tuple[str, float | None], ...] = ()
    findings: tuple[dict[str, Any], ...] = ()
    error: str = ""

    @property
    def change(self) -> float | None:
        """Change against the week before, as a share of 1."""
        return self.week_kwh / self.before_kwh - 1 if self.before_kwh else None


class EnergyWeeks:
    """The buildings' weeks, computed in the background once an hour because baselines take seconds."""

    def __init__(self, service: EnergyService) -> None:
        self.service = service
        self._prepared = Prepared(self._compute, lambda: service.now.strftime("%Y%m%d%H"), wait_s=0.1)

    def get(self) -> Ready[list[BuildingWeek]]:
        """Return what was last computed."""
        return self._prepared.get()

    def _compute(self) -> list[BuildingWeek]:
        return [week_of(self.service, building.id) for building in self.service.site.buildings]


def week_of(service: EnergyService, building_id: str) -> BuildingWeek:
    """Return a building's week; an error of its meter is told in the row, and the others stay."""
    building = service.building(building_id)
    names = (building.zh, building.en)
    try:
        found = service.analysis(building)
    except EnergyError as error:
        return BuildingWeek(building.id, names, error=str(error))
    series = found.series
    week = series.between(series.end - pd.Timedelta(days=7), series.end)
    before = series.between(series.end - pd.Timedelta(days=14), series.end - pd.Timedelta(days=7))
    hourly = pd.Series(week.power_kw, index=week.index).resample("1h").mean()
    recent = [item for item in found.findings if item.end > series.end - pd.Timedelta(days=_FINDINGS_DAYS)]
    return BuildingWeek(
        building.id,
        names,
        week_kwh=float(np.nansum(week.energy_kwh)),
        before_kwh=float(np.nansum(before.energy_kwh)),
        peak_kw=float(np.nanmax(week.power_kw, initial=0.0)),
        course=tuple(
            (f"{stamp:%m-%d %H:%M}", None if np.isnan(value) else round(float(value), 1))
            for stamp, value in hourly.items()
        ),
        findings=tuple(
            {"kind": item.kind, "start": item.start, "end": item.end, "excess_kwh": item.excess_kwh}
            for item in sorted(recent, key=lambda item: item.start, reverse=True)
        ),
    )


_lock = threading.Lock()
_weeks: EnergyWeeks | None = None


def weeks_of(service: EnergyService) -> EnergyWeeks:
    """Return the weeks of the service that answers now."""
    global _weeks
    with _lock:
        if _weeks is None or _weeks.service is not service:
            _weeks = EnergyWeeks(service)
        return _weeks
