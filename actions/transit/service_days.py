"""Which services run on which day (GTFS calendar.txt and calendar_dates.txt), and when a service day begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400


@lru_cache(maxsize=4096)
def service_day_start(day: date, zone: ZoneInfo) -> int:
    """Return the POSIX second from which a service day's times count: noon minus 12 h (GTFS, "Time").

    On days when the clocks change this is not midnight.
    """
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=zone).timestamp()) - DAY_S // 2


@dataclass
class ServiceCalendar:
    """Services by index.

    Args:
        ids: service_id of each service.
        weekdays: bit 0 Monday … bit 6 Sunday, one integer per service; 0 when calendar.txt has none.
        start, end: first and last day of the weekly pattern as proleptic ordinals; end < start when none.
        added, removed: {service index: ordinals} of calendar_dates.txt.
    """

    ids: list[str]
    weekdays: list[int]
    start: list[int]
    end: list[int]
    added: dict[int, list[int]] = field(default_factory=dict)
    removed: dict[int, list[int]] = field(default_factory=dict)
    _cache: dict[int, NDArray[np.bool_]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._added = _by_day(self.added)
        self._removed = _by_day(self.removed)
        self._bits = np.asarray(self.weekdays, dtype=np.int32)
        self._start = np.asarray(self.start, dtype=np.int32)
        self._end = np.asarray(self.end, dtype=np.int32)

    def active(self, day: date) -> NDArray[np.bool_]:
        """Return, for each service, whether it runs on `day` (read-only array)."""
        ordinal = day.toordinal()
        known = self._cache.get(ordinal)
        if known is not None:
            return known
        bit = 1 << day.weekday()
        mask = (self._start <= ordinal) & (ordinal <= self._end) & ((self._bits & bit) != 0)
        mask[self._removed.get(ordinal, [])] = False
        mask[self._added.get(ordinal, [])] = True
        mask.setflags(write=False)
        if len(self._cache) > 512:
            self._cache.clear()
        self._cache[ordinal] = mask
        return mask

    def span(self) -> tuple[date, date] | None:
        """Return the first and last day on which anything can run, or `None`."""
        weekly = [(s, e) for s, e, w in zip(self.start, self.end, self.weekdays, strict=True) if w and e >= s]
        firsts, lasts = [s for s, _ in weekly], [e for _, e in weekly]
        days = [d for some in self.added.values() for d in some]
        if not firsts and not days:
            return None
        return date.fromordinal(min(firsts + days)), date.fromordinal(max(lasts + days))

    def runs_ever(self, service: int) -> bool:
        """Return whether the service runs on any day."""
        if self.added.get(service):
            return True
        first, last = self.start[service], self.end[service]
        gone = set(self.removed.get(service, ()))
        bits = self.weekdays[service]
        return any(
            bits >> (date.fromordinal(d).weekday()) & 1 and d not in gone
            for d in range(first, min(last, first + 7 + len(gone) * 7) + 1)
        )

    def differs_from_week(self, day: date) -> bool:
        """Return whether calendar_dates.txt changes the pattern of `day` (a public holiday, say)."""
        return day.toordinal() in self._added or day.toordinal() in self._removed


def _by_day(by_service: dict[int, list[int]]) -> dict[int, list[int]]:
    days: dict[int, list[int]] = {}
    for service, ordinals in by_service.items():
        for ordinal in ordinals:
            days.setdefault(ordinal, []).append(service)
    return days


def days_around(moment: datetime, zone: ZoneInfo, back: int, ahead: int) -> list[date]:
    """Return the service days from `back` days before the local day of `moment` to `ahead` days after."""
    today = moment.astimezone(zone).date()
    return [today + timedelta(days=n) for n in range(-back, ahead + 1)]
