"""How streets are and will be: congestion levels from live observations and from what is usual at that time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

from actions.traffic.catalogue import Street
from actions.traffic.errors import DataFileError, ForecastError
from actions.traffic.forecast import FlowModel
from actions.traffic.live import FlowObservation

LEVELS: tuple[tuple[float, str], ...] = ((0.75, "free"), (0.55, "slow"), (0.4, "jammed"), (0.0, "standstill"))
LIVE, STALE, FORECAST = "live", "stale", "forecast"


@dataclass(frozen=True)
class StreetState:
    """A street at a time. `basis` is "live", "stale" or "forecast"; speeds in km/h."""

    street: Street
    at: datetime
    speed_kmh: float
    low_kmh: float
    high_kmh: float
    volume_vph: float | None
    basis: str
    source: str

    @property
    def ratio(self) -> float:
        """Speed as a share of the free speed."""
        return self.speed_kmh / self.street.free_kmh

    @property
    def level(self) -> str:
        """ "free", "slow", "jammed" or "standstill"."""
        return level_of(self.ratio)


def level_of(ratio: float) -> str:
    """Return the congestion level of a speed given as a share of the free speed."""
    return next(level for limit, level in LEVELS if ratio >= limit)


def from_observation(street: Street, seen: FlowObservation) -> StreetState | None:
    """Return a street's state from an observation; `None` when neither speed nor volume tells it."""
    speed = seen.speed_kmh
    if speed is None and seen.volume_vph is not None:
        # Bureau of Public Roads (1964) with the street's capacity.
        speed = street.free_kmh / (1 + 0.9 * (seen.volume_vph / street.capacity_vph) ** 4)
    if speed is None:
        return None
    return StreetState(
        street,
        seen.observed_at,
        speed,
        speed,
        speed,
        seen.volume_vph,
        STALE if seen.stale else LIVE,
        seen.source,
    )


class StreetForecaster:
    """Forecasts speeds from a history `street,start,volume_vph,speed_kmh` (hourly).

    Args:
        streets: the streets by id.
        history: the CSV, gzipped or plain.
        zone: the city's time zone, for times without offset.

    Raises:
        DataFileError: the history cannot be read.
    """

    def __init__(self, streets: Mapping[str, Street], history: Path, zone: ZoneInfo) -> None:
        self._streets, self._zone = streets, zone
        try:
            table = pd.read_csv(history, encoding="utf-8-sig")
            times = pd.to_datetime(table["start"])
            if times.dt.tz is None:
                times = times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
            self._table = table.assign(start=times).dropna(subset=["start", "speed_kmh"])
            self._table["street"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataFileError(
                f"{history}：无法读取道路历史数据（{error}）。",
                f"{history}: the history of streets cannot be read ({error})",
            ) from None
        self._models: dict[str, FlowModel] = {}

    def forecast(self, street: Street, at: datetime, seen: FlowObservation | None = None) -> StreetState:
        """Return the street's expected state; a fresh observation bends the first hours.

        Raises:
            ForecastError: there is too little history of this street.
        """
        model = self._model(street.id)
        hour = pd.Timestamp(at.astimezone(self._zone)).floor("h")
        index, recent = pd.DatetimeIndex([hour]), None
        if seen is not None and seen.speed_kmh is not None and not seen.stale:
            origin = pd.Timestamp(seen.observed_at.astimezone(self._zone)).floor("h")
            if timedelta(0) < hour - origin <= timedelta(hours=24):
                index = pd.date_range(origin + pd.Timedelta(hours=1), hour, freq="h")
                recent = pd.Series([seen.speed_kmh], index=[origin])
        made = model.predict(index, recent)
        volume = self._volume(street.id, hour)
        p50, p10, p90 = (float(s.iloc[-1]) for s in (made.p50, made.p10, made.p90))
        return StreetState(street, at, p50, p10, p90, volume, FORECAST, "history")

    def day(self, street: Street, at: datetime, first_h: int = 6, last_h: int = 22) -> list[StreetState]:
        """Return the expected state for every hour of a day."""
        midnight = at.astimezone(self._zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return [self.forecast(street, midnight + timedelta(hours=h)) for h in range(first_h, last_h + 1)]

    def _model(self, street: str) -> FlowModel:
        if street not in self._models:
            rows = self._table[self._table["street"] == street]
            if rows.empty:
                raise ForecastError(f"{street}：没有历史数据。", f"{street}: no history of this street")
            series = pd.Series(rows["speed_kmh"].to_numpy(), index=pd.DatetimeIndex(rows["start"]))
            self._models[street] = FlowModel("ridge", 60, 24).fit(series)
        return self._models[street]

    def _volume(self, street: str, hour: pd.Timestamp) -> float | None:
        rows = self._table[self._table["street"] == street]
        same = rows[(rows["start"].dt.hour == hour.hour) & (rows["start"].dt.dayofweek == hour.dayofweek)]
        return float(same["volume_vph"].mean()) if len(same) else None
