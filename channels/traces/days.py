"""The daily counts in memory: each day is read once and again only when its counts have changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from sqlalchemy import case, func, select
from sqlalchemy.engine import Engine

from channels.traces.tables import conversations, totals
from city.db import reading

# Every turn and every rating is counted under "turns" too, so these three sums tell whether a day has changed.
Mark = tuple[int, int, int]
DIMENSIONS = ("article", "confidence", "decision", "failing", "intent", "latency", "source", "turns")
_MOST_DAYS = 1_000
_AGAIN_S = 600.0
_LATE = timedelta(minutes=10)


@dataclass(frozen=True)
class Counts:
    """The rows of one dimension, as columns of the same length; names are numbers of `Names`, days places in a list."""

    day: np.ndarray
    channel: np.ndarray
    language: np.ndarray
    value: np.ndarray
    turns: np.ndarray
    amount: np.ndarray
    up: np.ndarray
    down: np.ndarray

    def by_day(self, name: str, days: int) -> list[float]:
        """Return the sum of a column for each of `days` days."""
        sums: list[float] = np.bincount(self.day, getattr(self, name), days).tolist()
        return sums

    def by_day_and(self, name: str, days: int) -> list[dict[int, int]]:
        """Return for each of `days` days the turns by a column of names."""
        numbers, place = np.unique(getattr(self, name), return_inverse=True)
        width = len(numbers)
        table = np.bincount(self.day * width + place, self.turns, days * width).reshape(days, width)
        return [
            {number: int(turns) for number, turns in zip(numbers.tolist(), row, strict=True) if turns}
            for row in table.tolist()
        ]


_COLUMNS = ("channel", "language", "value", "turns", "amount", "up", "down")
_Columns = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Day:
    """A day's columns by dimension: every row, and the same added up over channels and languages."""

    rows: Mapping[str, _Columns]
    summed: Mapping[str, _Columns]


class Names:
    """Numbers for names, so that columns of them can be compared and added up quickly."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []

    def number(self, name: str) -> int:
        """Return a name's number; a new name gets the next one."""
        found = self._numbers.get(name)
        if found is None:
            found = self._numbers[name] = len(self._names)
            self._names.append(name)
        return found

    def known(self, name: str) -> int:
        """Return a name's number, -1 when it was never counted."""
        return self._numbers.get(name, -1)

    def name(self, number: int) -> str:
        """Return the name of a number."""
        return self._names[number]


class Days:
    """Reads daily counts; safe to share between threads, and right in every process that shares the database.

    Args:
        engine: the trace store's database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._kept: dict[date, tuple[Mark, Day]] = {}
        self.names = Names()

    def read(self, first: date, last: date) -> Mapping[date, Day]:
        """Return for each day in `[first, last]` that has any its counts, to be put into `joined`."""
        with self._lock:
            marks = self._marks(first, last)
            for day, mark in marks.items():
                kept = self._kept.get(day)
                if kept is None or kept[0] != mark:
                    self._kept[day] = (mark, self._load(day))
            found = {day: self._kept[day][1] for day in marks}
            if len(self._kept) > _MOST_DAYS:
                self._kept.clear()
            return found

    def _marks(self, first: date, last: date) -> dict[date, Mark]:
        sums = [func.sum(totals.c[name]) for name in ("turns", "up", "down")]
        query = (
            select(totals.c.day, *sums)
            .where(totals.c.dimension == "turns", totals.c.day >= first, totals.c.day <= last)
            .group_by(totals.c.day)
            .order_by(totals.c.day)
        )
        with reading(self._engine) as session:
            return {day: (int(n), int(up), int(down)) for day, n, up, down in session.execute(query)}

    def _load(self, day: date) -> Day:
        query = select(totals.c.dimension, *(totals.c[name] for name in _COLUMNS)).where(
            totals.c.dimension.in_(DIMENSIONS), totals.c.day == day
        )
        with reading(self._engine) as session:
            rows = session.connection().execute(query).fetchall()
        number = self.names.number
        found: dict[str, list[tuple[float, ...]]] = {}
        for dimension, channel, language, value, *counts in rows:
            found.setdefault(dimension, []).append(
                (number(channel), number(language), number(value), *counts)
            )
        columns = {dimension: _columns(mine) for dimension, mine in found.items()}
        return Day(columns, {dimension: _summed(mine) for dimension, mine in columns.items()})


def joined(parts: Sequence[tuple[int, _Columns]], channel: int | None, language: int | None) -> Counts:
    """Return the rows of several days as one.

    Args:
        parts: columns with the place of their day.
        channel: only rows of this channel; `None` means all.
        language: only rows of this language; `None` means all.
    """
    if not parts:
        parts = [(0, _columns([]))]
    days = np.concatenate([np.full(len(columns[0]), place) for place, columns in parts])
    whole = [np.concatenate(column) for column in zip(*(columns for _, columns in parts), strict=True)]
    if channel is not None or language is not None:
        wanted = np.ones(len(days), bool)
        for column, number in zip(whole, (channel, language), strict=False):
            if number is not None:
                wanted &= column == number
        days, whole = days[wanted], [column[wanted] for column in whole]
    return Counts(days, *whole)


def _columns(rows: Sequence[tuple[float, ...]]) -> _Columns:
    columns = zip(*rows, strict=True) if rows else ([] for _ in _COLUMNS)
    return tuple(
        np.asarray(column, float if name == "amount" else np.int64)
        for name, column in zip(_COLUMNS, columns, strict=True)
    )


def _summed(columns: _Columns) -> _Columns:
    """Return columns with one row for each value, over all channels and languages."""
    values, place = np.unique(columns[2], return_inverse=True)
    none = np.full(len(values), -1, np.int64)
    turns, amount, up, down = (np.bincount(place, column, len(values)) for column in columns[3:])
    return (none, none, values, turns.astype(np.int64), amount, up.astype(np.int64), down.astype(np.int64))


@dataclass(frozen=True)
class Started:
    """The conversations that started on a day on one channel in one language, and how many a person took over."""

    channel: str
    language: str
    number: int
    handed_over: int


class Starts:
    """Counts conversations by the day they started; what changed since the last look is counted anew.

    An erased conversation leaves the counts within `_AGAIN_S` seconds.

    Args:
        engine: the trace store's database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._days: dict[date, list[Started]] = {}
        self._seen: datetime | None = None
        self._whole_at = 0.0

    def read(self, first: date, last: date) -> Mapping[date, Sequence[Started]]:
        """Return the counts of the days in `[first, last]` that have any."""
        with self._lock:
            self._refresh()
            return {day: started for day, started in self._days.items() if first <= day <= last}

    def _refresh(self) -> None:
        table, whole = conversations, time.monotonic() - self._whole_at > _AGAIN_S
        with reading(self._engine) as session:
            newest = session.execute(select(func.max(table.c.last_at))).scalar()
            if newest is None or whole or self._seen is None:
                self._days, only = {}, None
                self._whole_at = time.monotonic()
            else:
                # Another process may write a turn a little after a later one is seen here.
                since = table.c.last_at >= self._seen - _LATE
                only = sorted(set(session.execute(select(table.c.started_day).where(since)).scalars()))
            self._seen = newest
            handed = func.sum(case((table.c.handed_over > 0, 1), else_=0))
            keys = (table.c.started_day, table.c.channel, table.c.language)
            query = select(*keys, func.count(), handed).group_by(*keys)
            if only is not None:
                query = query.where(table.c.started_day.in_(only))
            for day in only or ():
                self._days.pop(day, None)
            for day, channel, language, number, taken in session.execute(query):
                self._days.setdefault(day, []).append(Started(channel, language, number, int(taken or 0)))
