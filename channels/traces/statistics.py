"""Figures over time from the anonymous daily counts: volume, mixes, rates, response times, and failing topics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.engine import Engine

from channels.traces.digest import ABSTAIN, ANSWER, CLARIFY, ERROR, HANDOFF
from channels.traces.store import LATENCY_MS
from channels.traces.tables import conversations, totals
from city.db import reading

# Turns per day by language or channel.
Mix = dict[date, dict[str, int]]
ALL = 10_000


@dataclass(frozen=True)
class Scope:
    """Which turns to count: days of the city, both included; an empty channel or language means all."""

    first: date
    last: date
    channel: str = ""
    language: str = ""

    @property
    def days(self) -> list[date]:
        """All days of the scope."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


@dataclass
class Figures:
    """Counts of one day or of a whole scope, and the rates that follow. A rate is `None` when nothing was counted.

    `containment` is the share of conversations that no person had to take over, `abstention` the share of turns
    without an answer, `satisfaction` the share of thumbs up among all thumbs.
    """

    turns: int = 0
    conversations: int = 0
    handed_over: int = 0
    decisions: dict[str, int] = field(default_factory=dict)
    up: int = 0
    down: int = 0
    confidence_sum: float = 0.0
    confident: int = 0
    ms_sum: float = 0.0
    buckets: dict[str, int] = field(default_factory=dict)

    @property
    def containment(self) -> float | None:
        return 1 - self.handed_over / self.conversations if self.conversations else None

    @property
    def abstention(self) -> float | None:
        return self.share(ABSTAIN)

    @property
    def clarification(self) -> float | None:
        return self.share(CLARIFY)

    @property
    def hand_over(self) -> float | None:
        return self.share(HANDOFF)

    @property
    def errors(self) -> float | None:
        return self.share(ERROR)

    @property
    def answered(self) -> float | None:
        return self.share(ANSWER)

    @property
    def satisfaction(self) -> float | None:
        return self.up / (self.up + self.down) if self.up + self.down else None

    @property
    def confidence(self) -> float | None:
        return self.confidence_sum / self.confident if self.confident else None

    @property
    def p50_ms(self) -> float | None:
        return percentile_ms(self.buckets, 0.5)

    @property
    def p95_ms(self) -> float | None:
        return percentile_ms(self.buckets, 0.95)

    def share(self, decision: str) -> float | None:
        """Return the share of turns with a decision."""
        return self.decisions.get(decision, 0) / self.turns if self.turns else None

    def add(self, other: Figures) -> None:
        """Add another's counts."""
        for name in (
            "turns",
            "conversations",
            "handed_over",
            "up",
            "down",
            "confidence_sum",
            "confident",
            "ms_sum",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("decisions", "buckets"):
            mine = getattr(self, name)
            for key, value in getattr(other, name).items():
                mine[key] = mine.get(key, 0) + value


@dataclass(frozen=True)
class Share:
    """One value of a dimension: how many turns, and how citizens rated them; `amount` is the dimension's sum."""

    value: str
    turns: int
    amount: float
    up: int
    down: int


@dataclass(frozen=True)
class FailingTopic:
    """An intent with the turns that found no answer or needed a question back."""

    intent: str
    turns: int
    failed: int
    down: int

    @property
    def share(self) -> float:
        return self.failed / self.turns if self.turns else 0.0


class Statistics:
    """Computes figures; safe to share between threads.

    Args:
        engine: the trace store's database.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def by_day(self, scope: Scope) -> dict[date, Figures]:
        """Return the figures of each day, days without a turn included."""
        found = {day: Figures() for day in scope.days}
        for day, dimension, value, turns, amount, up, down in self._per_day(scope):
            figures = found[day]
            if dimension == "turns":
                figures.turns += turns
                figures.ms_sum += amount
                figures.up += up
                figures.down += down
            elif dimension == "decision":
                figures.decisions[value] = figures.decisions.get(value, 0) + turns
            elif dimension == "latency":
                figures.buckets[value] = figures.buckets.get(value, 0) + turns
            elif dimension == "confidence":
                figures.confident += turns
                figures.confidence_sum += amount
        for day, number, handed_over in self._conversations(scope):
            found[day].conversations += number
            found[day].handed_over += handed_over
        return found

    def mixes(self, scope: Scope) -> tuple[Mix, Mix]:
        """Return the turns per day by language, and by channel."""
        columns = (totals.c.day, totals.c.language, totals.c.channel)
        query = self._where(select(*columns, totals.c.turns), scope, totals.c.dimension == "turns")
        languages: Mix = {day: {} for day in scope.days}
        channels: Mix = {day: {} for day in scope.days}
        with reading(self.engine) as session:
            for day, language, channel, count in session.execute(query):
                languages[day][language] = languages[day].get(language, 0) + count
                channels[day][channel] = channels[day].get(channel, 0) + count
        return languages, channels

    def top(self, dimension: str, scope: Scope, limit: int = 20) -> list[Share]:
        """Return the most frequent values of a dimension: `intent`, `source`, `decision`, `article` or `failing`."""
        count = func.sum(totals.c.turns)
        columns = (totals.c.value, count, *(func.sum(totals.c[name]) for name in ("amount", "up", "down")))
        query = self._where(select(*columns), scope, totals.c.dimension == dimension)
        query = query.group_by(totals.c.value).order_by(count.desc(), totals.c.value).limit(limit)
        with reading(self.engine) as session:
            return [Share(v, int(n), float(a), int(u), int(d)) for v, n, a, u, d in session.execute(query)]

    def failing(
        self, scope: Scope, intents: Sequence[Share], limit: int = 20, at_least: int = 5
    ) -> list[FailingTopic]:
        """Return the intents that most turns failed in, those with the most failures first.

        Args:
            scope: which turns to count.
            intents: all intents of the scope, as `top("intent", …)` gives them.
            limit: at most so many.
            at_least: turns below which an intent tells nothing.
        """
        asked = {share.value: share for share in intents}
        found = [
            FailingTopic(share.value, asked[share.value].turns, share.turns, asked[share.value].down)
            for share in self.top("failing", scope, ALL)
            if share.value in asked and asked[share.value].turns >= at_least
        ]
        return sorted(found, key=lambda topic: (-topic.failed, -topic.share, topic.intent))[:limit]

    def span(self) -> tuple[date, date] | None:
        """Return the first and the last day with a turn."""
        query = select(func.min(totals.c.day), func.max(totals.c.day)).where(totals.c.dimension == "turns")
        with reading(self.engine) as session:
            first, last = session.execute(query).one()
            return None if first is None else (first, last)

    def _per_day(self, scope: Scope) -> list[tuple[Any, ...]]:
        wanted = ("turns", "decision", "latency", "confidence")
        columns = [totals.c.day, totals.c.dimension, totals.c.value]
        sums = [func.sum(totals.c[name]) for name in ("turns", "amount", "up", "down")]
        query = self._where(select(*columns, *sums), scope, totals.c.dimension.in_(wanted)).group_by(*columns)
        with reading(self.engine) as session:
            return [
                (day, dimension, value, int(n), float(amount), int(up), int(down))
                for day, dimension, value, n, amount, up, down in session.execute(query)
            ]

    def _conversations(self, scope: Scope) -> list[tuple[date, int, int]]:
        table = conversations
        handed = func.sum(case((table.c.handed_over > 0, 1), else_=0))
        query = select(table.c.started_day, func.count(), handed).where(
            table.c.started_day >= scope.first, table.c.started_day <= scope.last
        )
        for name in ("channel", "language"):
            if value := getattr(scope, name):
                query = query.where(table.c[name] == value)
        with reading(self.engine) as session:
            rows = session.execute(query.group_by(table.c.started_day))
            return [(day, int(number), int(handed_over or 0)) for day, number, handed_over in rows]

    def _where(self, query: Any, scope: Scope, condition: Any) -> Any:
        query = query.where(condition, totals.c.day >= scope.first, totals.c.day <= scope.last)
        for name in ("channel", "language"):
            if value := getattr(scope, name):
                query = query.where(totals.c[name] == value)
        return query


def percentile_ms(buckets: Mapping[str, int], share: float) -> float | None:
    """Return a percentile of response times, interpolated within its bucket of the histogram.

    Args:
        buckets: turns by the bucket's upper bound in ms, or "inf".
        share: 0.5 for the median.
    """
    total = sum(buckets.values())
    if not total:
        return None
    wanted, seen, low = share * total, 0, 0.0
    for bound in LATENCY_MS:
        inside = buckets.get(str(bound), 0)
        if inside and seen + inside >= wanted:
            return low + (bound - low) * max(0.0, (wanted - seen) / inside)
        seen += inside
        low = float(bound)
    return low


def total(days: Mapping[date, Figures] | Sequence[Figures]) -> Figures:
    """Return the figures of all days together."""
    whole = Figures()
    for figures in days.values() if isinstance(days, Mapping) else days:
        whole.add(figures)
    return whole


def by_week(days: Mapping[date, Figures]) -> dict[date, Figures]:
    """Return the figures of each week, by its Monday."""
    weeks: dict[date, Figures] = defaultdict(Figures)
    for day, figures in days.items():
        weeks[day - timedelta(days=day.weekday())].add(figures)
    return dict(weeks)
