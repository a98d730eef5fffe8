"""Everything the traffic answers stand on, loaded from the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from actions.traffic.catalogue import (
    CarPark,
    Intersection,
    Place,
    Roadworks,
    Street,
    read_car_parks,
    read_intersections,
    read_places,
    read_roadworks,
    read_streets,
)
from actions.traffic.counts import read_counts
from actions.traffic.demo.live import DemoSource
from actions.traffic.errors import LiveSourceError
from actions.traffic.live import FlowObservation, HttpSource, LiveSource, ParkingObservation
from actions.traffic.settings import TrafficSection
from actions.traffic.signals import SignalDesk
from actions.traffic.streets import StreetForecaster
from city.jobs import Jobs


class TrafficService:
    """The city's traffic: lists, forecasts, live source and the signal desk.

    Args:
        section: the settings.
        path: makes a path of the settings absolute.
        zone: the city's time zone.
        data: the data directory.
        now: the clock, aware; for tests.

    Raises:
        DataFileError, CountsError: a file cannot be used.
    """

    def __init__(
        self,
        section: TrafficSection,
        path: Callable[[Path], Path],
        zone: ZoneInfo,
        data: Path,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.section, self.zone, self.data = section, zone, data
        self.now = now or (lambda: datetime.now(zone))
        self.intersections: dict[str, Intersection] = read_intersections(path(section.intersections))
        self.streets: Mapping[str, Street] = read_streets(path(section.streets)) if section.streets else {}
        self.car_parks: Mapping[str, CarPark] = (
            read_car_parks(path(section.parking)) if section.parking else {}
        )
        self.roadworks: Sequence[Roadworks] = (
            read_roadworks(path(section.roadworks)) if section.roadworks else ()
        )
        self.places: Sequence[Place] = read_places(path(section.places)) if section.places else ()
        self.forecaster = (
            StreetForecaster(self.streets, path(section.street_history), zone)
            if section.street_history
            else None
        )
        self.live: LiveSource | None = self._live()
        self._counts_path = path(section.counts)
        self._network = path(section.network) if section.network else None
        self._desk: SignalDesk | None = None

    @property
    def desk(self) -> SignalDesk:
        """The signal desk; counts are read when it is first needed."""
        if self._desk is None:
            lanes = {
                (i.id, g.id): g.lanes
                for i in self.intersections.values()
                if i.junction
                for g in i.junction.groups
            }
            counts = read_counts(self._counts_path, self.zone, lanes)
            jobs = Jobs(self.data / "jobs")
            self._desk = SignalDesk(self.section, self.intersections, counts, self._network, jobs, self.data)
        return self._desk

    @property
    def charts(self) -> Path:
        """Folder of pictures; `/charts/<name>` serves it."""
        return self.data / "charts"

    async def flows(self) -> tuple[dict[str, FlowObservation], LiveSourceError | None]:
        """Return live observations by street, and why there are none."""
        if self.live is None:
            return {}, None
        try:
            return await self.live.flows(), None
        except LiveSourceError as error:
            return {}, error

    async def parking(self) -> tuple[dict[str, ParkingObservation], LiveSourceError | None]:
        """Return free spaces by car park, and why there are none."""
        if self.live is None:
            return {}, None
        try:
            return await self.live.parking(), None
        except LiveSourceError as error:
            return {}, error

    def _live(self) -> LiveSource | None:
        kind = self.section.live.kind
        if kind == "none":
            return None
        if kind == "demo":
            return DemoSource(self.car_parks, self.now)
        return HttpSource(self.section.live, self.now)
