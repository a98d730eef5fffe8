"""Figures over time from the anonymous daily counts: volume, mixes, rates, response times, and failing topics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.engine import Engine

from channels.traces.days import Counts, Day, Days, Names, Started, Starts, joined
from channels.traces.digest import ABSTAIN, ANSWER, CLARIFY, ERROR, HANDOFF
from channels.traces.store import LATENCY_MS
from channels.traces.tables import totals
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
        self._days, self._starts = Days(engine), Starts(engine)

    def of(self, scope: Scope) -> Slice:
        """Return the counts of a scope as they are now."""
        found = self._days.read(scope.first, scope.last)
        return Slice(scope, found, self._starts.read(scope.first, scope.last), self._days.names)

    def span(self) -> tuple[date, date] | None:
        """Return the first and the last day with a turn."""
        query = select(func.min(totals.c.day), func.max(totals.c.day)).where(totals.c.dimension == "turns")
        with reading(self.engine) as session:
            first, last = session.execute(query).one()
            return None if first is None else (first, last)


class Slice:
    """The counts of one scope, read once.

    Args:
        scope: which turns were counted.
        days: counts by day, as `Days.read` gives them.
        starts: conversations by the day they started.
        names: what the numbers in the columns mean.
    """

    def __init__(
        self,
        scope: Scope,
        days: Mapping[date, Day],
        starts: Mapping[date, Sequence[Started]],
        names: Names,
    ) -> None:
        self.scope = scope
        self._days, self._starts, self._names = days, starts, names

    def by_day(self) -> dict[date, Figures]:
        """Return the figures of each day, days without a turn included."""
        days = self.scope.days
        found = [Figures() for _ in days]
        turns, sure = self._counts("turns"), self._counts("confidence")
        sums = [turns.by_day(name, len(days)) for name in ("turns", "amount", "up", "down")]
        sums += [sure.by_day(name, len(days)) for name in ("turns", "amount")]
        decisions, buckets = (
            self._counts(dimension).by_day_and("value", len(days)) for dimension in ("decision", "latency")
        )
        name = self._names.name
        for place, figures in enumerate(found):
            number, figures.ms_sum, up, down, confident, figures.confidence_sum = (s[place] for s in sums)
            figures.turns, figures.up, figures.down = int(number), int(up), int(down)
            figures.confident = int(confident)
            figures.decisions = {name(value): turns for value, turns in decisions[place].items()}
            figures.buckets = {name(value): turns for value, turns in buckets[place].items()}
        by_day = dict(zip(days, found, strict=True))
        for day, started in self._starts.items():
            for part in started:
                if self.scope.channel in ("", part.channel) and self.scope.language in ("", part.language):
                    by_day[day].conversations += part.number
                    by_day[day].handed_over += part.handed_over
        return by_day

    def mixes(self) -> tuple[Mix, Mix]:
        """Return the turns per day by language, and by channel."""
        days, counts, name = self.scope.days, self._counts("turns"), self._names.name
        languages, channels = (
            {
                day: {name(number): turns for number, turns in row.items()}
                for day, row in zip(days, counts.by_day_and(column, len(days)), strict=True)
            }
            for column in ("language", "channel")
        )
        return languages, channels

    def top(self, dimension: str, limit: int = 20) -> list[Share]:
        """Return the most frequent values of a dimension: `intent`, `source`, `decision`, `article` or `failing`."""
        counts, name = self._counts(dimension), self._names.name
        turns = np.bincount(counts.value, counts.turns)
        order = sorted(np.flatnonzero(turns).tolist(), key=lambda value: (-turns[value], name(value)))[:limit]
        amount, up, down = (
            np.bincount(counts.value, getattr(counts, column)) for column in ("amount", "up", "down")
        )
        return [Share(name(v), int(turns[v]), float(amount[v]), int(up[v]), int(down[v])) for v in order]

    def failing(self, intents: Sequence[Share], limit: int = 20, at_least: int = 5) -> list[FailingTopic]:
        """Return the intents that most turns failed in, those with the most failures first.

        Args:
            intents: all intents of the scope, as `top("intent", …)` gives them.
            limit: at most so many.
            at_least: turns below which an intent tells nothing.
        """
        asked = {share.value: share for share in intents}
        found = [
            FailingTopic(share.value, asked[share.value].turns, share.turns, asked[share.value].down)
            for share in self.top("failing", ALL)
            if share.value in asked and asked[share.value].turns >= at_least
        ]
        return sorted(found, key=lambda topic: (-topic.failed, -topic.share, topic.intent))[:limit]

    def _counts(self, dimension: str) -> Counts:
        scope, known = self.scope, self._names.known
        # Mixes need the channels and languages of the turns; all else is smaller without.
        whole = dimension != "turns" and not scope.channel and not scope.language
        parts = []
        for day, counts in self._days.items():
            columns = (counts.summed if whole else counts.rows).get(dimension)
            if columns is not None:
                parts.append(((day - scope.first).days, columns))
        channel = known(scope.channel) if scope.channel else None
        language = known(scope.language) if scope.language else None
        return joined(parts, channel, language)


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
