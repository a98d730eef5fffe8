"""The audit log: filtered, page by page, and as CSV; administrators only."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

from aiohttp import web

from console.audit.texts import TEXTS
from console.forms import query_form
from console.keys import AUDIT, CATALOGUE, CONFIG
from console.paging import page_of
from console.section import Section
from console.web import in_thread, language, render

_EXPORTED = 100_000


def _filters(request: web.Request) -> dict[str, Any]:
    form, zone = query_form(request), request.app[CONFIG].zone

    def start(day: Any) -> datetime:
        local = datetime.combine(day, time(), zone)
        return local.astimezone(timezone.utc).replace(tzinfo=None)

    since, until = form.day("since"), form.day("until")
    return {
        "user": form.value("user").strip(),
        "action": form.value("action").strip(),
        "target": form.value("target").strip(),
        "since": start(since) if since else None,
        "until": start(until + timedelta(days=1)) if until else None,
    }


def name_of_action(request: web.Request, action: str) -> str:
    """Return an action in the reader's words: `section.verb` is named `section.audit.verb` in the catalogue."""
    catalogue = request.app[CATALOGUE]
    section, _, verb = action.partition(".")
    for key in (f"{section}.audit.{verb}", f"audit.{action}"):
        if key in catalogue:
            return catalogue.get(key, language(request))
    return action


async def show(request: web.Request) -> web.StreamResponse:
    """GET /audit → the entries, newest first."""
    page, log = page_of(request), request.app[AUDIT]
    entries = await in_thread(log.entries, **_filters(request), limit=page.size + 1, offset=page.offset)
    actions = [(action, name_of_action(request, action)) for action in await in_thread(log.actions)]
    return render(
        request,
        "audit/list.html",
        entries=[
            (entry, name_of_action(request, entry.action), _shown(entry.before), _shown(entry.after))
            for entry in entries[: page.size]
        ],
        more=len(entries) > page.size,
        page=page,
        actions=actions,
        form=query_form(request),
    )


def _shown(state: Any) -> str:
    return "" if state is None else json.dumps(state, ensure_ascii=False, indent=1)


def spreadsheet_safe(value: object) -> str:
    """Return a cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    cell = str(value)
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell


async def export(request: web.Request) -> web.StreamResponse:
    """GET /audit/export.csv → the filtered entries as a file."""
    entries = await in_thread(request.app[AUDIT].entries, **_filters(request), limit=_EXPORTED)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["at_utc", "user", "role", "action", "target", "before", "after"])
    for entry in entries:
        cells = (entry.user, entry.role, entry.action, entry.target)
        states = (
            json.dumps(state, ensure_ascii=False) if state is not None else ""
            for state in (entry.before, entry.after)
        )
        writer.writerow([entry.at.isoformat(), *(spreadsheet_safe(cell) for cell in (*cells, *states))])
    return web.Response(
        body=out.getvalue().encode("utf-8-sig"),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": 'attachment; filename="audit.csv"'},
    )


def routes() -> list[web.RouteDef]:
    """Return the routes."""
    return [web.get("/audit", show), web.get("/audit/export.csv", export)]


SECTION = Section(
    "audit", "admin", routes, TEXTS, Path(__file__).parent, menu="/audit", about="about", order=85
)
