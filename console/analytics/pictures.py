"""The page's charts, each with the table that holds the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from channels.traces.statistics import Figures
from console.analytics.report import Report
from console.charts import Series, bar_chart, line_chart, shown

Text = Callable[..., str]
_MOST_LINES = 5


@dataclass(frozen=True)
class Picture:
    """A chart and its table: `header`, then rows whose first cell names the row."""

    id: str
    title: str
    chart: Markup
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def pictures(report: Report, t: Text) -> list[Picture]:
    """Return the charts of a report; `t` gives the section's texts."""
    return [
        _over_time(
            report,
            t,
            "volume",
            "",
            [("turns", lambda f: f.turns), ("conversations", lambda f: f.conversations)],
        ),
        _over_time(
            report,
            t,
            "outcomes",
            "%",
            [
                ("answered", lambda f: f.answered),
                ("clarification", lambda f: f.clarification),
                ("abstention", lambda f: f.abstention),
                ("hand_over", lambda f: f.hand_over),
                ("errors", lambda f: f.errors),
            ],
        ),
        _over_time(
            report,
            t,
            "quality",
            "%",
            [
                ("containment", lambda f: f.containment),
                ("satisfaction", lambda f: f.satisfaction),
                ("confidence", lambda f: f.confidence),
            ],
        ),
        _over_time(report, t, "response", "ms", [("p50", lambda f: f.p50_ms), ("p95", lambda f: f.p95_ms)]),
        _mix(report, t, "languages", report.languages),
        _mix(report, t, "channels", report.channels),
        _bars(t, "intents", [(share.value, share.turns) for share in report.intents]),
        _bars(t, "sources", [(share.value, share.turns) for share in report.sources]),
    ]


def _over_time(
    report: Report,
    t: Text,
    name: str,
    unit: str,
    lines: Sequence[tuple[str, Callable[[Figures], float | None]]],
) -> Picture:
    series = [
        Series(t(f"analytics.{key}"), [value(figures) for figures in report.periods.values()])
        for key, value in lines
    ]
    days = list(report.periods)
    gist = "; ".join(f"{t(f'analytics.{key}')} {shown(value(report.whole), unit)}" for key, value in lines)
    return _lines(t, name, days, series, unit, gist)


def _mix(report: Report, t: Text, name: str, counts: Mapping[date, Mapping[str, int]]) -> Picture:
    overall = report.mix("language" if name == "languages" else "channel")
    names = [value for value, _ in overall[:_MOST_LINES]]
    series = []
    for value in names:
        shares: list[float | None] = []
        for day in counts.values():
            whole = sum(day.values())
            shares.append(day.get(value, 0) / whole if whole else None)
        series.append(Series(value, shares))
    gist = "; ".join(f"{value} {count}" for value, count in overall[:_MOST_LINES])
    return _lines(t, name, list(counts), series, "%", gist)


def _lines(
    t: Text, name: str, days: Sequence[date], series: Sequence[Series], unit: str, gist: str
) -> Picture:
    title = t(f"analytics.{name}")
    chart = line_chart(name, title, gist, [day.strftime("%m-%d") for day in days], series, unit)
    rows = [
        [day.isoformat(), *(shown(line.values[number], unit) for line in series)]
        for number, day in enumerate(days)
    ]
    return Picture(name, title, chart, [t("analytics.day"), *(line.name for line in series)], rows)


def _bars(t: Text, name: str, bars: Sequence[tuple[str, int]]) -> Picture:
    title = t(f"analytics.{name}")
    gist = "; ".join(f"{value} {count}" for value, count in bars[:5])
    chart = bar_chart(name, title, gist, [(value, float(count)) for value, count in bars])
    rows = [[value, shown(count)] for value, count in bars]
    return Picture(name, title, chart, [t(f"analytics.{name}"), t("analytics.turns")], rows)
