"""Requests: list with filters, one with its history, change of state, assignment, notes, statistics, export."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

from aiohttp import web

from actions.requests import lifecycle
from actions.requests.catalogue import KINDS
from actions.requests.contacts import mask_contact
from actions.requests.errors import RequestsError, UnknownRequestError
from actions.requests.news import state_name
from actions.requests.records import Filter, Place, Request
from actions.requests.service import Detail, RequestService
from actions.requests.urgency import LEVELS
from actions.requests.wording import map_link
from console.csv_export import csv_text
from console.forms import Form, query_form, read_form
from console.keys import CONFIG
from console.paging import page_of
from console.requests.texts import TEXTS
from console.section import Section
from console.web import audit, current_user, flash, in_thread, language, need, render, services, text

EXPORTED = 20_000
RATES = ("response_rate", "resolution_rate", "satisfaction_rate", "on_time_rate")
COUNTS = ("total", "open", "overdue", "closed")


def _service(request: web.Request) -> RequestService:
    return need(services(request).requests, "requests")


def _midnight(request: web.Request, day: date | None) -> datetime | None:
    """Return a day's beginning in the city as UTC without an offset."""
    if day is None:
        return None
    local = datetime.combine(day, time(), request.app[CONFIG].zone)
    return local.astimezone(timezone.utc).replace(tzinfo=None)


def _filter(request: web.Request, form: Form, **changes: Any) -> Filter:
    until = form.day("until")
    state = form.value("state")
    return Filter(
        states=[state] if state in lifecycle.STATES else (),
        kind=form.value("kind"),
        category=form.value("category"),
        department=form.value("department"),
        urgency=form.value("urgency"),
        text=form.value("text").strip()[:200],
        overdue=True if form.checked("late") else None,
        needs_review=True if form.checked("review") else None,
        since=_midnight(request, form.day("since")),
        until=_midnight(request, until + timedelta(days=1) if until else None),
        **changes,
    )


def _options(request: web.Request) -> dict[str, Any]:
    service, lang = _service(request), language(request)
    catalogue = service.catalogue
    return {
        "states": [(s, b.get(lang)) for s, b in lifecycle.STATES.items()],
        "outcomes": [(o, b.get(lang)) for o, b in lifecycle.OUTCOMES.items()],
        "kinds": [(k, text(request, f"requests.kind.{k}")) for k in KINDS],
        "categories": [(c.id, c.name.get(lang)) for c in catalogue.categories.values()],
        "departments": [(d, b.get(lang)) for d, b in catalogue.departments.items()],
        "urgencies": [(level, catalogue.urgencies[level].name.get(lang)) for level in LEVELS],
    }


def _row(request: web.Request, item: Request) -> dict[str, Any]:
    service, lang = _service(request), language(request)
    return {
        "item": item,
        "category": service.catalogue.get(item.category).name.get(lang),
        "department": service.catalogue.department_name(item.department, lang),
        "state": state_name(item, lang),
        "urgency": service.catalogue.urgencies[item.urgency].name.get(lang),
        "late": item.overdue(service.now()),
        "percent": round(item.confidence * 100),
    }


async def show(request: web.Request) -> web.StreamResponse:
    """GET /requests → the requests that the filters let through, newest first."""
    form, page = query_form(request), page_of(request)
    wanted = _filter(request, form, offset=page.offset, limit=page.size)
    found, total = await in_thread(_service(request).list, wanted)
    return render(
        request,
        "requests/list.html",
        rows=[_row(request, item) for item in found],
        total=total,
        page=page,
        more=page.offset + len(found) < total,
        form=form,
        **_options(request),
    )


async def _detail(request: web.Request) -> Detail:
    try:
        return await in_thread(_service(request).detail, request.match_info["number"])
    except UnknownRequestError:
        raise web.HTTPNotFound from None


async def _page(
    request: web.Request,
    detail: Detail,
    form: Form | None = None,
    contact: str | None = None,
    problem: str = "",
) -> web.Response:
    item, service = detail.request, _service(request)
    place = Place(item.address, item.lat, item.lon)
    steps = [s for s in lifecycle.STATES if _may(item.state, s)]
    return render(
        request,
        "requests/detail.html",
        422 if form is not None or problem else 200,
        row=_row(request, item),
        item=item,
        history=detail.history,
        photos=detail.photos,
        contact=contact if contact is not None else mask_contact(item.contact),
        contact_hidden=contact is None and bool(item.contact),
        map_url=map_link(service, place),
        steps=[(s, lifecycle.STATES[s].get(language(request))) for s in steps],
        state_names={s: b.get(language(request)) for s, b in lifecycle.STATES.items()},
        form=form,
        problem=problem,
        **_options(request),
    )


def _may(old: str, new: str) -> bool:
    try:
        lifecycle.check(old, new, "resolved")
    except lifecycle.TransitionError:
        return False
    return True


async def one(request: web.Request) -> web.StreamResponse:
    """GET /requests/{number} → one request with its history and photos; the contact is masked."""
    return await _page(request, await _detail(request))


async def contact(request: web.Request) -> web.StreamResponse:
    """POST /requests/{number}/contact → the page with the contact in full; who looked is written down."""
    detail = await _detail(request)
    await audit(request, "requests.contact", detail.request.number)
    return await _page(request, detail, contact=detail.request.contact)


async def move(request: web.Request) -> web.StreamResponse:
    """POST /requests/{number}/state → change the state, and tell the citizen where wished."""
    form, detail = await read_form(request), await _detail(request)
    state = form.choice("state", lifecycle.STATES)
    outcome = form.choice("outcome", lifecycle.OUTCOMES, default="")
    note = form.text("note", limit=2000)
    if form.errors:
        return await _page(request, detail, form)
    item = detail.request
    try:
        changed = await in_thread(
            _service(request).change_state,
            item.number,
            state,
            current_user(request).name,
            outcome=outcome or None,
            note=note,
            tell=form.checked("tell"),
        )
    except RequestsError as error:
        return await _page(request, await _detail(request), problem=error.text(language(request)))
    await audit(
        request,
        "requests.state",
        item.number,
        before={"state": item.state},
        after={"state": changed.state, "outcome": changed.outcome},
    )
    shown = state_name(changed, language(request))
    await flash(request, text(request, "requests.moved", number=item.number, state=shown))
    raise web.HTTPSeeOther(f"/requests/{item.number}")


async def assign(request: web.Request) -> web.StreamResponse:
    """POST /requests/{number}/assign → give it to a department and a person, or correct its category."""
    form, detail = await read_form(request), await _detail(request)
    service, item = _service(request), detail.request
    category = form.choice("category", service.catalogue.categories, default=item.category)
    department = form.choice("department", service.catalogue.departments, default="")
    assignee = form.text("assignee", limit=120)
    if form.errors:
        return await _page(request, detail, form)
    try:
        changed = await in_thread(
            service.assign,
            item.number,
            current_user(request).name,
            department=department or None,
            assignee=assignee,
            category=category if category != item.category else None,
        )
    except RequestsError as error:
        return await _page(request, await _detail(request), problem=error.text(language(request)))
    names = ("department", "assignee", "category")
    await audit(
        request,
        "requests.assign",
        item.number,
        before={name: getattr(item, name) for name in names},
        after={name: getattr(changed, name) for name in names},
    )
    await flash(request, text(request, "requests.assigned", number=item.number))
    raise web.HTTPSeeOther(f"/requests/{item.number}")


async def note(request: web.Request) -> web.StreamResponse:
    """POST /requests/{number}/note → add a note, shown to the citizen only where wished."""
    form, detail = await read_form(request), await _detail(request)
    words = form.text("note_text", required=True, limit=2000)
    if form.errors:
        return await _page(request, detail, form)
    number, public = detail.request.number, form.checked("public")
    await in_thread(_service(request).note, number, current_user(request).name, words, public)
    await audit(request, "requests.note", number, after={"public": public})
    await flash(request, text(request, "requests.noted"))
    raise web.HTTPSeeOther(f"/requests/{number}")


async def photo(request: web.Request) -> web.StreamResponse:
    """GET /requests/{number}/photos/{id} → one of the request's photos."""
    detail, wanted = await _detail(request), request.match_info["id"]
    path = _service(request).photos.path(wanted)
    if path is None or wanted not in [p.id for p in detail.photos] or not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(
        path, headers={"Cache-Control": "private, no-store", "Content-Type": "image/jpeg"}
    )


async def statistics(request: web.Request) -> web.StreamResponse:
    """GET /requests/statistics → 响应率, 解决率, 满意率 and counts of a period."""
    form, service, lang = query_form(request), _service(request), language(request)
    wanted = _filter(request, form)
    figures = await in_thread(service.statistics, wanted.since, wanted.until)
    names = {
        "department": lambda key: service.catalogue.department_name(key, lang),
        "category": lambda key: service.catalogue.get(key).name.get(lang),
        "state": lambda key: lifecycle.STATES[key].get(lang),
        "urgency": lambda key: service.catalogue.urgencies[key].name.get(lang),
        "kind": lambda key: text(request, f"requests.kind.{key}"),
    }
    tables = [
        (text(request, f"requests.{field}"), [(name(key), n) for key, n in figures.by[field].items()])
        for field, name in names.items()
    ]
    return render(
        request,
        "requests/statistics.html",
        rates=[(name, getattr(figures, name)) for name in RATES],
        counts=[("all_requests" if name == "total" else name, getattr(figures, name)) for name in COUNTS],
        mean_h=figures.mean_resolve_h,
        tables=tables,
        form=form,
    )


async def export(request: web.Request) -> web.StreamResponse:
    """GET /requests/export.csv → the filtered requests without contacts, as CSV."""
    wanted = _filter(request, query_form(request), limit=EXPORTED)
    found, _ = await in_thread(_service(request).list, wanted)
    names = (
        "number kind category department urgency state outcome address district lat lon description channel "
        "created_at respond_due resolve_due responded_at resolved_at closed_at reopened rating solved"
    ).split()
    body = csv_text(names, ([getattr(item, name) for name in names] for item in found))
    headers = {"Content-Disposition": 'attachment; filename="requests.csv"'}
    return web.Response(text=body, content_type="text/csv", charset="utf-8", headers=headers)


def routes() -> list[web.RouteDef]:
    """Return the routes."""
    here = r"/requests/{number:[A-Z]{2,4}-\d{4}-\d{8}}"
    return [
        web.get("/requests", show),
        web.get("/requests/statistics", statistics),
        web.get("/requests/export.csv", export),
        web.get(here, one),
        web.get(here + r"/photos/{id:[\w-]+}", photo),
        web.post(here + "/contact", contact),
        web.post(here + "/state", move),
        web.post(here + "/assign", assign),
        web.post(here + "/note", note),
    ]


SECTION = Section(
    "requests", "operator", routes, TEXTS, Path(__file__).parent, menu="/requests", about="about", order=30
)
