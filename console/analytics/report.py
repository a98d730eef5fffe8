"""The figures of a page, and the same as tables for export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from channels.traces.digest import DECISIONS
from channels.traces.drift import Drift
from channels.traces.statistics import ALL, FailingTopic, Figures, Scope, Share, Statistics, by_week, total

MOST_DAYS = 400
# A longer time is shown in weeks, so that a chart and its table stay readable.
DAILY = 45
TOP = 15


@dataclass(frozen=True)
class Report:
    """Everything that the analytics page shows of a scope. `periods` are days, or weeks by their Mondays."""

    scope: Scope
    weekly: bool
    whole: Figures
    days: Mapping[date, Figures]
    periods: Mapping[date, Figures]
    languages: Mapping[date, Mapping[str, int]]
    channels: Mapping[date, Mapping[str, int]]
    intents: Sequence[Share]
    sources: Sequence[Share]
    articles: Sequence[Share]
    failing: Sequence[FailingTopic]
    warnings: Sequence[Drift]

    def mix(self, name: str) -> list[tuple[str, int]]:
        """Return the turns by language or channel over the whole scope, the most frequent first."""
        counts: Counter[str] = Counter()
        for day in (self.languages if name == "language" else self.channels).values():
            counts.update(day)
        return counts.most_common()


def make_report(statistics: Statistics, scope: Scope, warnings: Sequence[Drift] = ()) -> Report:
    """Return the report of a scope, with the warnings to show beside it."""
    counted = statistics.of(scope)
    days = counted.by_day()
    weekly = len(days) > DAILY
    languages, channels = counted.mixes()
    intents = counted.top("intent", ALL)
    return Report(
        scope=scope,
        weekly=weekly,
        whole=total(days),
        days=days,
        periods=by_week(days) if weekly else days,
        languages=_weeks(languages) if weekly else languages,
        channels=_weeks(channels) if weekly else channels,
        intents=intents[:TOP],
        sources=counted.top("source", TOP),
        articles=counted.top("article", TOP),
        failing=counted.failing(intents, TOP),
        warnings=warnings,
    )


def read_scope(first: date | None, last: date | None, channel: str, language: str, today: date) -> Scope:
    """Return a scope: the last thirty days where nothing is said, at most `MOST_DAYS`, in the right order."""
    last = min(last or today, today + timedelta(days=1))
    first = first or last - timedelta(days=29)
    if first > last:
        first, last = last, first
    return Scope(max(first, last - timedelta(days=MOST_DAYS - 1)), last, channel, language)


def daily_rows(report: Report) -> tuple[list[str], list[list[object]]]:
    """Return header and rows of the daily figures for export, one row a day."""
    header = [
        "day",
        "turns",
        "conversations",
        *DECISIONS,
        "containment",
        "satisfaction",
        "thumbs_up",
        "thumbs_down",
        "mean_confidence",
        "p50_ms",
        "p95_ms",
    ]
    rows: list[list[object]] = [
        [
            day.isoformat(),
            figures.turns,
            figures.conversations,
            *(figures.decisions.get(name, 0) for name in DECISIONS),
            figures.containment,
            figures.satisfaction,
            figures.up,
            figures.down,
            figures.confidence,
            figures.p50_ms,
            figures.p95_ms,
        ]
        for day, figures in report.days.items()
    ]
    return header, rows


def share_rows(shares: Sequence[Share]) -> tuple[list[str], list[list[object]]]:
    """Return header and rows of a dimension for export."""
    return ["value", "turns", "thumbs_up", "thumbs_down"], [[s.value, s.turns, s.up, s.down] for s in shares]


def failing_rows(topics: Sequence[FailingTopic]) -> tuple[list[str], list[list[object]]]:
    """Return header and rows of the failing topics for export."""
    rows: list[list[object]] = [[t.intent, t.turns, t.failed, t.share, t.down] for t in topics]
    return ["intent", "turns", "failed", "share", "thumbs_down"], rows


def _weeks(days: Mapping[date, Mapping[str, int]]) -> dict[date, dict[str, int]]:
    weeks: dict[date, Counter[str]] = {}
    for day, counts in days.items():
        weeks.setdefault(day - timedelta(days=day.weekday()), Counter()).update(counts)
    return {week: dict(counts) for week, counts in weeks.items()}
