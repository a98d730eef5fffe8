"""The overview pages: traffic, energy and public opinion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web

from actions import energy, traffic
from actions.energy.errors import EnergyError, EnergyNotConfigured
from actions.traffic.errors import TrafficNotConfigured
from console.charts import Series, line_chart
from console.overview import opinion_pages, opinion_texts
from console.overview.energy import BuildingWeek, weeks_of
from console.overview.texts import TEXTS
from console.overview.traffic import course_of_day, forecasts_of, name_of, street_rows, works_now
from console.section import Section
from console.web import in_thread, language, render, text


async def show(request: web.Request) -> web.StreamResponse:
    """GET /overview → the traffic page."""
    raise web.HTTPSeeOther("/overview/traffic")


async def show_traffic(request: web.Request) -> web.StreamResponse:
    """GET /overview/traffic → streets, a day's course, car parks, roadworks."""
    try:
        service = traffic.get_service()
    except TrafficNotConfigured:
        return render(request, "overview/missing.html", tab="traffic")
    spoken, now = language(request), service.now()
    flows, live_error = await service.flows()
    parking, parking_error = await service.parking()
    ready = await in_thread(forecasts_of(service).get)
    rows = street_rows(service, flows, ready.value or {}, spoken)
    chosen = request.query.get("street", "")
    if chosen not in service.streets:
        chosen = rows[0].id if rows else ""
    course = await in_thread(course_of_day, service, chosen, now) if ready.value is not None else []
    car_parks = [
        (name_of(park.names, spoken), parking[park.id].free if park.id in parking else None, park.spaces)
        for park in service.car_parks.values()
    ]
    return render(
        request,
        "overview/traffic.html",
        tab="traffic",
        now=now,
        preparing=ready.value is None,
        rows=rows,
        chart=_speed_chart(request, chosen, {row.id: row.name for row in rows}, course),
        course=course,
        car_parks=car_parks,
        works=works_now(service, now, spoken),
        live_error=live_error or parking_error,
    )


def _speed_chart(request: web.Request, chosen: str, names: dict[str, str], course: Any) -> Any:
    if not course:
        return None
    low = min(speed for _, speed in course)
    return line_chart(
        "day",
        text(request, "overview.day_chart", street=names[chosen]),
        text(request, "overview.day_chart_desc", street=names[chosen], low=low),
        [label for label, _ in course],
        [Series(text(request, "overview.speed"), [speed for _, speed in course])],
    )


async def show_energy(request: web.Request) -> web.StreamResponse:
    """GET /overview/energy → the buildings' weeks, one in detail, and planned interruptions."""
    try:
        service = energy.get_service()
    except EnergyNotConfigured:
        return render(request, "overview/missing.html", tab="energy")
    ready = await in_thread(weeks_of(service).get)
    weeks = ready.value or []
    chosen = next((week for week in weeks if week.id == request.query.get("building")), None)
    chosen = chosen or (weeks[0] if weeks else None)
    problem, outages = "", []
    try:
        outages = await in_thread(service.outages)
    except EnergyError as error:
        problem = str(error)
    return render(
        request,
        "overview/energy.html",
        tab="energy",
        preparing=ready.value is None,
        weeks=weeks,
        chosen=chosen,
        chart=_load_chart(request, chosen) if chosen is not None else None,
        outages=outages,
        problem=problem,
    )


def _load_chart(request: web.Request, week: BuildingWeek) -> Any:
    if not week.course:
        return None
    name = week.names[0] if language(request) == "zh" else week.names[1]
    return line_chart(
        "load",
        text(request, "overview.load_chart", building=name),
        text(request, "overview.load_chart_desc", building=name, peak=round(week.peak_kw, 1)),
        [label for label, _ in week.course],
        [Series(text(request, "overview.power"), [power for _, power in week.course])],
    )


def routes() -> list[web.RouteDef]:
    """Return the routes."""
    return [
        web.get("/overview", show),
        web.get("/overview/traffic", show_traffic),
        web.get("/overview/energy", show_energy),
        *opinion_pages.routes(),
    ]


SECTION = Section(
    "overview",
    "viewer",
    routes,
    {**TEXTS, **opinion_texts.TEXTS},
    Path(__file__).parent,
    menu="/overview",
    about="about",
    order=60,
)
