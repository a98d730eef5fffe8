"""Everything the dialogue asks of the energy module: meters by building, profiles, forecasts, plans, outages."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from actions.energy.advice import Saving, find_savings
from actions.energy.anomalies import Finding, find_anomalies
from actions.energy.demo_meters import make_meter, sunshine, temperature
from actions.energy.errors import EnergyError, UnknownBuilding
from actions.energy.forecast import Forecast, forecast
from actions.energy.outages import Outage, load_outages, read_outages
from actions.energy.plant import Plant
from actions.energy.profile import Profile, fit_profile
from actions.energy.reading import read_file
from actions.energy.regrid import to_series
from actions.energy.rolling import Plan, make_plan
from actions.energy.series import LoadSeries
from actions.energy.settings import EnergySection
from actions.energy.site import Building, Site, load_site
from city.settings import Settings, module_section

T = TypeVar("T")
_ANALYSED_DAYS = 400
_HISTORY_FOR_FORECAST = 730


@dataclass(frozen=True)
class Analysis:
    """A building's meter with its baseline and findings."""

    building: Building
    series: LoadSeries
    profile: Profile
    findings: list[Finding]


class EnergyService:
    """Answers about the buildings of one site file.

    Args:
        site: what the site file says.
        section: the `energy:` section of `city.yml`.
        data_dir: where charts are written.
        clock: returns the aware present.

    Safe to use from several threads; results are kept until the meter is due to be read again.
    """

    def __init__(
        self, site: Site, section: EnergySection, data_dir: Path, clock: Callable[[], datetime] | None = None
    ) -> None:
        self.site, self.section, self.data_dir = site, section, data_dir
        self.zone = ZoneInfo(site.zone)
        self._clock = clock or (lambda: datetime.now(self.zone))
        self._kept: dict[tuple[str, ...], tuple[float, Any]] = {}
        self._lock = Lock()

    @classmethod
    def load(cls, settings: Settings, section: EnergySection | None = None) -> EnergyService:
        """Read the site file named in `city.yml`; raises `EnergyError` when it is wrong."""
        section = section or module_section(settings, "energy", EnergySection) or EnergySection()
        site = load_site(settings.path(section.site), settings.city.time_zone)
        return cls(site, section, settings.data)

    @property
    def now(self) -> datetime:
        """The present in the city's time zone."""
        return self._clock().astimezone(self.zone)

    def _keep(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        with self._lock:
            found = self._kept.get(key)
        if found is not None and time.monotonic() - found[0] < self.section.refresh_minutes * 60:
            value: T = found[1]
            return value
        value = make()
        with self._lock:
            self._kept[key] = (time.monotonic(), value)
            while len(self._kept) > 64:
                self._kept.pop(next(iter(self._kept)))
        return value

    def find_building(self, text: str) -> Building | None:
        """Return the building that a text names, the longest name first, or `None`."""
        low = text.lower()
        names = sorted(
            (
                (name.lower(), building)
                for building in self.site.buildings
                for name in (building.zh, building.en, *building.aliases, building.id.replace("_", " "))
            ),
            key=lambda item: -len(item[0]),
        )
        for name, building in names:
            pattern = rf"\b{re.escape(name)}" if name.isascii() else re.escape(name)
            if re.search(pattern, low):
                return building
        return None

    def building(self, id_: str) -> Building:
        """Return a building by its id; raises `UnknownBuilding`."""
        for building in self.site.buildings:
            if building.id == id_:
                return building
        raise UnknownBuilding(name=id_, known=", ".join(b.id for b in self.site.buildings))

    def unknown(self, name: str) -> UnknownBuilding:
        """Return the error for a building without a meter."""
        return UnknownBuilding(
            name=name,
            known=(
                "、".join(b.zh for b in self.site.buildings),
                ", ".join(b.en for b in self.site.buildings),
            ),
        )

    def series(self, building: Building) -> LoadSeries:
        """Return a building's meter; raises `EnergyError`."""
        return self._keep(("series", building.id), lambda: self._read(building))

    def _read(self, building: Building) -> LoadSeries:
        source = building.source
        if source.startswith("demo:"):
            return replace(make_meter(source[5:], self.now), name=building.zh)
        if source.startswith(("http://", "https://")):
            return to_series(_read_http(source, building), building.options, self.now, building.zh)
        return to_series(read_file(source, building.options), building.options, self.now, building.zh)

    def analysis(self, building: Building) -> Analysis:
        """Return baseline and findings of the last 400 days; raises `EnergyError`."""

        def make() -> Analysis:
            series = self.series(building)
            series = series.at(slice(max(0, len(series) - _ANALYSED_DAYS * series.per_day), None))
            profile = fit_profile(series, self.section.country)
            findings = find_anomalies(series, self.site.tariff, self.section.country, profile)
            return Analysis(building, series, profile, findings)

        return self._keep(("analysis", building.id), make)

    def savings(self, building: Building) -> list[Saving]:
        """Return ranked savings; raises `EnergyError`."""
        found = self.analysis(building)
        return find_savings(
            found.series,
            found.profile,
            found.findings,
            self.site.tariff,
            self.section.co2_kg_per_kwh,
            building.open_h,
            self.section.country,
        )

    def forecast(self, building: Building, hours: int) -> Forecast:
        """Forecast the hours after the meter's last value; raises `EnergyError`."""
        days = -(-hours // 24)

        def make() -> Forecast:
            series = self.series(building)
            series = series.at(slice(max(0, len(series) - _HISTORY_FOR_FORECAST * series.per_day), None))
            ahead = None
            if building.source.startswith("demo:"):
                ahead = self._demo_temperature(series, days * 24)
            return forecast(series, days * 24, self.section.country, ahead)

        return self._keep(("forecast", building.id, str(days), self.now.strftime("%Y%m%d%H")), make)

    def _demo_temperature(self, series: LoadSeries, hours: int) -> np.ndarray:
        first = series.end.floor("1h")
        stamps = pd.date_range(first, periods=hours, freq="1h")
        return np.array([temperature(stamp.date())[stamp.hour * 4 + 2] for stamp in stamps])

    def plan(self, building: Building, hours: int) -> tuple[Plan, Forecast, np.ndarray]:
        """Plan battery and PV on the forecast; returns (plan, forecast from midnight on, PV in kW).

        Raises:
            EnergyError.
        """
        tomorrow = pd.Timestamp(
            datetime.combine(self.now.date() + timedelta(days=1), datetime.min.time(), self.zone)
        )
        longer = self.forecast(building, hours + 24)
        keep = np.asarray((longer.index >= tomorrow) & (longer.index < tomorrow + pd.Timedelta(hours=hours)))
        day = replace(
            longer,
            index=longer.index[keep],
            p10_kw=longer.p10_kw[keep],
            p50_kw=longer.p50_kw[keep],
            p90_kw=longer.p90_kw[keep],
        )
        pv = np.zeros(len(day.index))
        if building.pv_kwp and building.source.startswith("demo:"):
            yields = {d: sunshine(d) for d in {stamp.date() for stamp in day.index}}
            pv = building.pv_kwp * np.array(
                [yields[s.date()][s.hour * 4 + s.minute // 15] for s in day.index]
            )
        plant = Plant(
            building.battery,
            import_limit_kw=building.import_limit_kw,
            export_limit_kw=building.export_limit_kw,
        )
        series = self.series(building)
        month = series.between(tomorrow.replace(day=1), tomorrow)
        peak = float(np.nanmax(month.power_kw, initial=0.0)) if len(month) else 0.0
        return make_plan(day, self.site.tariff, plant, pv, peak), day, pv

    def outages(self) -> list[Outage]:
        """Return the planned outages, read anew when due; raises `EnergyError`."""

        def make() -> list[Outage]:
            if isinstance(self.site.outages, Path):
                return load_outages(self.site.outages, self.zone, self.now)
            if self.site.outages:
                from actions.energy.ngsi import fetch

                return read_outages(
                    fetch(self.site.outages).decode("utf-8-sig"), self.zone, self.site.outages, self.now
                )
            return []

        return self._keep(("outages", self.now.strftime("%Y%m%d")), make)


def _read_http(url: str, building: Building) -> Any:
    """Read a CSV or NGSI-LD document at an address."""
    import tempfile

    from actions.energy.ngsi import fetch, read_ngsi

    body = fetch(url)
    if body.lstrip()[:1] in (b"[", b"{"):
        return read_ngsi(body, building.id, building.options)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "meter.csv"
        path.write_bytes(body)
        return read_file(path, building.options)


__all__ = ["Analysis", "EnergyError", "EnergyService"]
