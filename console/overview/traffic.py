"""What the traffic page shows: streets now and in an hour, a day's course, car parks, roadworks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from actions.traffic.errors import TrafficError
from actions.traffic.live import FlowObservation
from actions.traffic.service import TrafficService
from actions.traffic.streets import StreetState, from_observation
from console.prepared import Prepared, Ready

logger = logging.getLogger(__name__)
FIRST_H, LAST_H = 6, 22

Expected = tuple[StreetState | None, StreetState | None]


@dataclass(frozen=True)
class StreetRow:
    """A street now and in an hour; `None` where neither observation nor history tells it."""

    id: str
    name: str
    now: StreetState | None
    later: StreetState | None


class StreetForecasts:
    """The streets' expected states now and in an hour, computed in the background: models take seconds to fit."""

    def __init__(self, service: TrafficService) -> None:
        self.service = service
        self._prepared = Prepared(self._compute, self._period, wait_s=0.1)

    def get(self) -> Ready[dict[str, Expected]]:
        """Return what was last computed, by street."""
        return self._prepared.get()

    def _period(self) -> str:
        now = self.service.now()
        return f"{now:%Y%m%d%H}{now.minute // 10}"

    def _compute(self) -> dict[str, Expected]:
        now = self.service.now()
        later = now + timedelta(hours=1)
        return {
            street: (_expected(self.service, street, now), _expected(self.service, street, later))
            for street in self.service.streets
        }


def street_rows(
    service: TrafficService,
    flows: Mapping[str, FlowObservation],
    expected: Mapping[str, Expected],
    language: str,
) -> list[StreetRow]:
    """Return one row per street, the slowest first; what is seen on the street counts before what is expected."""
    rows = []
    for street in service.streets.values():
        seen = flows.get(street.id)
        now, later = expected.get(street.id, (None, None))
        state = from_observation(street, seen) if seen is not None else None
        rows.append(StreetRow(street.id, name_of(street.names, language), state or now, later))
    return sorted(rows, key=lambda row: row.now.ratio if row.now is not None else 9.0)


def _expected(service: TrafficService, street: str, at: datetime) -> StreetState | None:
    if service.forecaster is None:
        return None
    try:
        return service.forecaster.forecast(service.streets[street], at)
    except TrafficError as error:
        logger.info("no forecast: %s", error)
        return None


def course_of_day(service: TrafficService, street: str, now: datetime) -> list[tuple[str, float]]:
    """Return the expected speed in km/h of a street for every hour of today, [] where there is no history."""
    if service.forecaster is None or street not in service.streets:
        return []
    try:
        states = service.forecaster.day(service.streets[street], now, FIRST_H, LAST_H)
    except TrafficError as error:
        logger.info("no forecast: %s", error)
        return []
    return [(f"{state.at:%H:%M}", round(state.speed_kmh, 1)) for state in states]


def works_now(service: TrafficService, now: datetime, language: str) -> list[dict[str, Any]]:
    """Return the roadworks that are under way or begin within two weeks."""
    today = now.date()
    return [
        {
            "title": name_of(works.titles, language),
            "begin": works.begin,
            "end": works.end,
            "effect": name_of(works.effects, language),
        }
        for works in sorted(service.roadworks, key=lambda item: item.begin)
        if works.end >= today and works.begin <= today + timedelta(days=14)
    ]


def name_of(names: Mapping[str, str], language: str) -> str:
    """Return a name in `language`, or in whatever language there is one."""
    return names.get(language) or next(iter(names.values()), "")


_lock = threading.Lock()
_forecasts: StreetForecasts | None = None


def forecasts_of(service: TrafficService) -> StreetForecasts:
    """Return the forecasts of the service that answers now."""
    global _forecasts
    with _lock:
        if _forecasts is None or _forecasts.service is not service:
            _forecasts = StreetForecasts(service)
        return _forecasts
