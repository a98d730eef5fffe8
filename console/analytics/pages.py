"""The pages of the section: the report and its export."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from aiohttp import web

from channels.traces.drift import Drift, drift
from channels.traces.reading import TraceReader
from channels.traces.statistics import Scope, Statistics
from console.analytics.pictures import pictures
from console.analytics.report import Report, daily_rows, failing_rows, make_report, read_scope, share_rows
from console.charts import shown
from console.conversations.query import read_day
from console.csv_export import csv_text
from console.state import per_app
from console.web import audit, in_thread, need, render, requires, services, text
from knowledge.service import KnowledgeService

EXPORT_ROLE = "editor"
_KEPT = 50
TABLES = ("days", "intents", "sources", "articles", "failing")


@dataclass(frozen=True)
class Figures:
    """What the pages read."""

    statistics: Statistics
    reader: TraceReader
    _warnings: dict[tuple[date, str], list[Drift]] = field(default_factory=dict)

    def report(self, scope: Scope, today: date) -> Report:
        """Return the report of a scope."""
        return make_report(self.statistics, scope, self.warnings(today, scope.channel))

    def warnings(self, today: date, channel: str) -> list[Drift]:
        """Return the day's warnings; they look at the days before, so once a day is enough."""
        key = (today, channel)
        if key not in self._warnings:
            if len(self._warnings) > _KEPT:
                self._warnings.clear()
            self._warnings[key] = drift(self.statistics, today, channel)
        return self._warnings[key]


def figures_of(request: web.Request) -> Figures:
    """Return this console's statistics; the page 503 when it runs without traces."""
    engine = need(services(request).traces, "traces").engine
    return per_app(request, Figures, lambda: Figures(Statistics(engine), TraceReader(engine)))


def _today(request: web.Request) -> date:
    settings = need(services(request).settings, "settings")
    return datetime.now(settings.zone).date()


def _report(request: web.Request) -> Report:
    query, today, figures = request.query, _today(request), figures_of(request)
    scope = read_scope(
        read_day(query.get("from", "")),
        read_day(query.get("to", "")),
        query.get("channel", "")[:32],
        query.get("language", "")[:16],
        today,
    )
    return figures.report(scope, today)


async def overview(request: web.Request) -> web.StreamResponse:
    """GET /analytics: the figures of a time, with filters."""
    reader = figures_of(request).reader

    def read() -> dict[str, Any]:
        report = _report(request)
        return {
            "report": report,
            "pictures": pictures(report, lambda key, **values: text(request, key, **values)),
            "channels": reader.values("channel"),
            "languages": reader.values("language"),
            "titles": _titles(services(request).knowledge, report),
        }

    today = _today(request)
    ranges = [
        (days, (today - timedelta(days=days - 1)).isoformat(), today.isoformat()) for days in (7, 30, 90, 365)
    ]
    return render(
        request,
        "analytics/overview.html",
        ranges=ranges,
        shown=shown,
        tables=TABLES,
        export_role=EXPORT_ROLE,
        **await in_thread(read),
    )


@requires(EXPORT_ROLE)
async def export(request: web.Request) -> web.StreamResponse:
    """GET /analytics/export.csv?table=…: the same figures as CSV."""
    table = request.query.get("table", "days")
    if table not in TABLES:
        raise web.HTTPNotFound
    report = await in_thread(_report, request)
    if table == "days":
        header, rows = daily_rows(report)
    elif table == "failing":
        header, rows = failing_rows(report.failing)
    else:
        header, rows = share_rows(getattr(report, table))
    scope = report.scope
    await audit(request, "analytics.export", table, after={"from": str(scope.first), "to": str(scope.last)})
    return web.Response(
        text=csv_text(header, rows),
        content_type="text/csv",
        charset="utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="chengda-{table}-{scope.first}-{scope.last}.csv"'
        },
    )


def _titles(knowledge: KnowledgeService | None, report: Report) -> dict[str, dict[str, str]]:
    """Return the titles of the top articles by language."""
    if knowledge is None:
        return {}
    snapshot = knowledge.index.snapshot
    found = {share.value: snapshot.find(share.value) for share in report.articles}
    return {name: dict(snapshot.facts(ref).titles) for name, ref in found.items() if ref is not None}


def routes() -> list[web.RouteDef]:
    """Return the section's routes."""
    return [web.get("/analytics", overview), web.get("/analytics/export.csv", export)]
