"""Settings that hold at once: the notice for publishers, hours, channels and retention for administrators."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from aiohttp import web

from channels.notice import KEY as NOTICE
from city.live import LiveSettings
from city.outbox import OutboxNotConfiguredError, get_outbox
from console.forms import Form, read_form
from console.keys import CONFIG
from console.section import Section
from console.settings.hours import DAYS, SPANS, read_hours, table_of
from console.settings.texts import TEXTS
from console.web import audit, can, current_user, flash, in_thread, need, render, requires, services, text

HOURS = "hours"
RETENTION = "retention"
NOTICE_CHARS = 500


def _live(request: web.Request) -> LiveSettings:
    return need(services(request).live, "run-time settings")


def _configured_hours(request: web.Request) -> list[dict[str, Any]]:
    desk = services(request).handover
    if desk is None:
        return []
    return [window.dict(by_alias=True) for window in desk.office.section.hours]


def _periods(request: web.Request) -> dict[str, int]:
    settings = services(request).settings
    kept = _live(request).get(RETENTION) or {}
    found = {"keep_days": 90, "totals_days": 730}
    if settings is not None:
        found = {"keep_days": settings.traces.keep_days, "totals_days": settings.traces.totals_days}
    return {**found, **kept}


def _outbox_counts() -> dict[str, int]:
    try:
        counts = get_outbox().counts()
    except OutboxNotConfiguredError:
        return {}
    return {"waiting": counts.get("waiting", 0), "dead": counts.get("dead", 0)}


def _notice_fields(request: web.Request) -> dict[str, Any]:
    value = _live(request).get(NOTICE) or {}
    until = value.get("until") or ""
    if until:
        until = datetime.fromisoformat(until).astimezone(request.app[CONFIG].zone).strftime("%Y-%m-%dT%H:%M")
    return {
        "zh": value.get("zh", ""),
        "en": value.get("en", ""),
        "urgent": bool(value.get("urgent")),
        "until": until,
    }


def _page(request: web.Request, status: int = 200, form: Form | None = None, part: str = "") -> web.Response:
    given, live = services(request), _live(request)
    switches = given.switches
    names = given.channels if switches is not None and can(request, "admin") else ()
    return render(
        request,
        "settings/settings.html",
        status,
        notice=_notice_fields(request),
        notice_read=live.read(NOTICE),
        form=form,
        part=part,
        days=[(day, text(request, f"settings.day.{day}")) for day in DAYS],
        spans=SPANS,
        hours=table_of(live.get(HOURS) or _configured_hours(request)),
        has_desk=given.handover is not None,
        channels=[(name, switches.enabled(name)) for name in names] if switches is not None else [],
        outbox=_outbox_counts(),
        periods=_periods(request),
        settings=given.settings,
    )


async def show(request: web.Request) -> web.StreamResponse:
    """GET /settings → everything that can be changed, and the city's data."""
    return await in_thread(_page, request)


async def set_notice(request: web.Request) -> web.StreamResponse:
    """POST /settings/notice → show a notice to all citizens, or take it down."""
    live, form = _live(request), await read_form(request)
    if form.value("do") == "remove":
        await _save_notice(request, live, None)
        await flash(request, text(request, "settings.notice_removed"))
        raise web.HTTPSeeOther("/settings")
    zh, en = form.text("notice_zh", limit=NOTICE_CHARS), form.text("notice_en", limit=NOTICE_CHARS)
    for name, value in (("notice_zh", zh), ("notice_en", en)):
        if not value:
            form.fail(name, "settings.both_languages")
    until = _moment(request, form)
    if form.errors:
        return await in_thread(_page, request, 422, form, "notice")
    shown = {"zh": zh, "en": en, "urgent": form.checked("urgent"), "until": until}
    await _save_notice(request, live, {"id": _notice_id(live, zh, en), **shown})
    await flash(request, text(request, "settings.notice_published"))
    raise web.HTTPSeeOther("/settings")


def _notice_id(live: LiveSettings, zh: str, en: str) -> str:
    """Return the id of the notice that stands with these words, else a new one: chats are told of it once more."""
    now = live.get(NOTICE) or {}
    same = now.get("id") and (now.get("zh"), now.get("en")) == (zh, en)
    return str(now["id"]) if same and not _over(now.get("until")) else uuid.uuid4().hex


def _over(until: str | None) -> bool:
    return bool(until) and datetime.fromisoformat(str(until)) <= datetime.now(timezone.utc)


def _moment(request: web.Request, form: Form) -> str:
    typed = form.text("until", limit=40)
    if not typed:
        return ""
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError:
        form.fail("until", "settings.moment")
        return ""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=request.app[CONFIG].zone)
    if moment <= datetime.now(timezone.utc):
        form.fail("until", "settings.past")
    return moment.astimezone(timezone.utc).isoformat()


async def _save_notice(request: web.Request, live: LiveSettings, value: dict[str, Any] | None) -> None:
    # A JSON null would read as "never set": an empty notice is what says that there is none.
    before = await in_thread(live.set, NOTICE, value or {}, current_user(request).name)
    await audit(request, "settings.notice", "notice", before=before or None, after=value)


@requires("admin")
async def set_hours(request: web.Request) -> web.StreamResponse:
    """POST /settings/hours → the desk's opening hours, in force at once."""
    live, form = _live(request), await read_form(request)
    windows = [] if form.value("do") == "reset" else read_hours(form)
    if form.errors:
        return await in_thread(_page, request, 422, form, "hours")
    before = await in_thread(live.set, HOURS, windows, current_user(request).name)
    await audit(request, "settings.hours", "desk", before=before, after=windows)
    await flash(request, text(request, "settings.hours_saved"))
    raise web.HTTPSeeOther("/settings")


@requires("admin")
async def switch_channel(request: web.Request) -> web.StreamResponse:
    """POST /settings/channels/{name} → switch a channel on or off."""
    given, form = services(request), await read_form(request)
    switches, name = need(given.switches, "channel switches"), request.match_info["name"]
    if name not in given.channels:
        raise web.HTTPNotFound
    wanted = form.choice("to", ("on", "off"))
    if form.errors:
        raise web.HTTPBadRequest
    before = await in_thread(switches.enabled, name)
    await in_thread(switches.set, name, wanted == "on", current_user(request).name)
    await audit(request, "settings.channel", name, before={"on": before}, after={"on": wanted == "on"})
    await flash(
        request, text(request, "settings.switched", name=name, state=text(request, f"settings.{wanted}"))
    )
    raise web.HTTPSeeOther("/settings")


@requires("admin")
async def set_retention(request: web.Request) -> web.StreamResponse:
    """POST /settings/retention → how long conversations and counts are kept."""
    live, form = _live(request), await read_form(request)
    value = {
        "keep_days": form.integer("keep_days", 1, 3650),
        "totals_days": form.integer("totals_days", 1, 7300),
    }
    if form.errors:
        return await in_thread(_page, request, 422, form, "retention")
    before = _periods(request)
    await in_thread(live.set, RETENTION, value, current_user(request).name)
    await audit(request, "settings.retention", "traces", before=before, after=value)
    await flash(request, text(request, "settings.retention_saved"))
    raise web.HTTPSeeOther("/settings")


def routes() -> list[web.RouteDef]:
    """Return the routes."""
    return [
        web.get("/settings", show),
        web.post("/settings/notice", set_notice),
        web.post("/settings/hours", set_hours),
        web.post("/settings/channels/{name}", switch_channel),
        web.post("/settings/retention", set_retention),
    ]


SECTION = Section(
    "settings", "publisher", routes, TEXTS, Path(__file__).parent, menu="/settings", about="about", order=75
)
