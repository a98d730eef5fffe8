"""When people are at the desk: windows per weekday in the city's zone, holidays and make-up workdays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

from actions.handover.settings import WindowSection, clock

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LOOK_AHEAD_DAYS = 60


@lru_cache(maxsize=32)
def _calendar(country: str, year: int) -> tuple[frozenset[date], frozenset[date]]:
    """Return a year's public holidays, and its weekend days that are worked in exchange."""
    import holidays

    found = holidays.country_holidays(country, years=year)
    worked = frozenset(day for day in getattr(found, "weekend_workdays", ()) if day.year == year)
    return frozenset(day for day in found if day.year == year), worked


class Hours:
    """Answers whether the desk is open, and when it opens.

    Args:
        windows: the hours per kind of day.
        zone: the city's time zone.
        country: ISO 3166 code whose public holidays count as `holiday`; "" knows none.
        closed: further days without service.
        opened: holidays on which the weekday's usual hours hold.
    """

    def __init__(
        self,
        windows: Sequence[WindowSection],
        zone: ZoneInfo,
        country: str = "",
        closed: Iterable[date] = (),
        opened: Iterable[date] = (),
    ) -> None:
        self._windows = tuple(windows)
        self._zone = zone
        self._country = country
        self._closed = frozenset(closed)
        self._opened = frozenset(opened)

    def day_kind(self, day: date) -> str | None:
        """Return the window name that holds on a day: a weekday, "holiday", or `None` when closed.

        A weekend day worked in exchange for a holiday counts as a Monday.
        """
        if day in self._closed:
            return None
        if self._country and day not in self._opened:
            public, worked = _calendar(self._country, day.year)
            if day in public:
                return "holiday"
            if day in worked:
                return "mon"
        return _DAYS[day.weekday()]

    def spans(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """Yield the opening spans that begin on a day, as moments in UTC."""
        kind = self.day_kind(day)
        for window in self._windows:
            if kind not in window.days:
                continue
            begin, _ = clock(window.begin)
            end, later = clock(window.end)
            if not later and end <= begin:
                later = 1
            first = datetime.combine(day, begin, self._zone)
            last = datetime.combine(day + timedelta(days=later), end, self._zone)
            yield first.astimezone(timezone.utc), last.astimezone(timezone.utc)

    def is_open(self, moment: datetime) -> bool:
        """Return whether somebody should be there at a moment (UTC when it has no zone)."""
        moment = _aware(moment)
        today = moment.astimezone(self._zone).date()
        return any(
            begin <= moment < end
            for day in (today - timedelta(days=1), today)
            for begin, end in self.spans(day)
        )

    def next_opening(self, moment: datetime) -> datetime | None:
        """Return when the desk opens next after a moment, in the city's zone; `None` within 60 days never."""
        moment = _aware(moment)
        today = moment.astimezone(self._zone).date()
        for ahead in range(_LOOK_AHEAD_DAYS):
            begins = [begin for begin, _ in self.spans(today + timedelta(days=ahead)) if begin > moment]
            if begins:
                return min(begins).astimezone(self._zone)
        return None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
