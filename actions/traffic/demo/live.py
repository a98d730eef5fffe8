"""Live observations of the demo city: made up from the time of day, the same for the same minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import numpy as np

from actions.traffic.catalogue import CarPark
from actions.traffic.demo.streets import STREETS, day_shape
from actions.traffic.live import FlowObservation, ParkingObservation

SOURCE = "demo"


class DemoSource:
    """Acts like a live source; every observation has the source "demo".

    Args:
        car_parks: the city's car parks.
        now: the clock, aware.
    """

    def __init__(self, car_parks: Mapping[str, CarPark], now: Callable[[], datetime]) -> None:
        self._car_parks, self._now = car_parks, now

    def _observed_at(self) -> datetime:
        now = self._now()
        return now.replace(second=0, microsecond=0) - timedelta(minutes=now.minute % 5)

    async def flows(self) -> dict[str, FlowObservation]:
        """Return observations by street id."""
        when = self._observed_at()
        rng = np.random.default_rng(int(when.timestamp()) // 300)
        found = {}
        for street in STREETS:
            ratio = max(0.02, street.peak_ratio * day_shape(when, street.flavour) * (1 + rng.normal() * 0.06))
            speed = street.speed_kmh(ratio) * (1 + rng.normal() * 0.04)
            found[street.id] = FlowObservation(
                street.id, when, round(ratio * street.capacity_vph), round(speed, 1), None, SOURCE
            )
        return found

    async def parking(self) -> dict[str, ParkingObservation]:
        """Return free spaces by car park id."""
        when = self._observed_at()
        rng = np.random.default_rng(int(when.timestamp()) // 300 + 1)
        found = {}
        for car_park in self._car_parks.values():
            full = min(0.99, max(0.05, 0.25 + 0.65 * day_shape(when) + rng.normal() * 0.08))
            found[car_park.id] = ParkingObservation(
                car_park.id, when, round(car_park.spaces * (1 - full)), car_park.spaces, SOURCE
            )
        return found
