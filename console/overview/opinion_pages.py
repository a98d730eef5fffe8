"""The opinion pages: overview, one alarm, one topic, and what staff decide about them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from actions import opinion
from actions.opinion.errors import OpinionNotConfigured, UnknownAlarmError
from actions.opinion.model import AlarmView
from actions.opinion.service import OpinionService
from console.charts import Series, line_chart
from console.forms import Form, read_form
from console.overview.opinion import (
    HOURS,
    PERIODS,
    Point,
    alarm_page,
    districts_of,
    overview_page,
    topic_page,
)
from console.web import audit, current_user, flash, in_thread, language, render, requires, text

ACT_ROLE = "editor"
NOTE_CHARS, NAME_CHARS = 1_000, 80
_MOST_NUMBER = 2**31

Page = Callable[[web.Request, OpinionService], Awaitable[web.StreamResponse]]


def configured(page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Hand the opinion service to a page; without one, say so. What is not there is the page 404."""

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            service = opinion.get_service()
        except OpinionNotConfigured:
            return render(request, "overview/missing.html", tab="opinion")
        try:
            return await page(request, service)
        except UnknownAlarmError:
            raise web.HTTPNotFound from None

    return handler


@configured
async def show(request: web.Request, service: OpinionService) -> web.StreamResponse:
    """GET /overview/opinion → counts, alarms, topics, districts and the trend of a time."""
    spoken = language(request)
    days = next((n for n in PERIODS if str(n) == request.query.get("days")), PERIODS[1])
    districts = districts_of(service, spoken)
    district = request.query.get("district", "")
    names = dict(districts)
    district = district if district in names else ""
    closed = request.query.get("closed") == "1"
    page = await in_thread(overview_page, service, days, district, closed, spoken)
    title = text(
        request, "overview.opinion.trend", place=names.get(district) or text(request, "overview.city")
    )
    return render(
        request,
        "overview/opinion.html",
        tab="opinion",
        page=page,
        now=service.now(),
        days=days,
        periods=PERIODS,
        district=district,
        districts=districts,
        closed=closed,
        chart=trend_chart(request, title, page.trend),
    )


@configured
async def show_alarm(request: web.Request, service: OpinionService) -> web.StreamResponse:
    """GET /overview/opinion/alarms/{number} → why it was raised, its posts, and what people did."""
    return await _alarm(request, service, await _known_alarm(request, service))


async def _alarm(
    request: web.Request,
    service: OpinionService,
    alarm: AlarmView,
    form: Form | None = None,
    status: int = 200,
) -> web.Response:
    page = await in_thread(alarm_page, service, alarm.id, language(request))
    title = text(request, "overview.opinion.trend", place=page.row.label)
    return render(
        request,
        "overview/alarm.html",
        status,
        tab="opinion",
        page=page,
        alarm=page.row.view,
        row=page.row,
        seen=len(page.deeds),
        form=form,
        changed=status == 409,
        act_role=ACT_ROLE,
        chart=trend_chart(request, title, page.trend),
    )


@configured
async def show_topic(request: web.Request, service: OpinionService) -> web.StreamResponse:
    """GET /overview/opinion/topics/{number} → a topic's posts and its last week."""
    return await _topic(request, service)


async def _topic(
    request: web.Request, service: OpinionService, form: Form | None = None, status: int = 200
) -> web.Response:
    page = await in_thread(topic_page, service, _number(request), language(request))
    title = text(request, "overview.opinion.trend", place=page.topic.label[language(request)])
    return render(
        request,
        "overview/topic.html",
        status,
        tab="opinion",
        page=page,
        topic=page.topic,
        form=form,
        act_role=ACT_ROLE,
        hours=[(str(n), text(request, "overview.opinion.hours", count=n)) for n in HOURS],
        chart=trend_chart(request, title, page.trend),
    )


def trend_chart(request: web.Request, title: str, trend: Any) -> Any:
    """Return all and negative posts over time, `None` when there was none."""
    series: list[Point] = list(trend)
    posts = sum(point[1] for point in series)
    if not posts:
        return None
    negative = sum(point[2] for point in series)
    gist = text(request, "overview.opinion.trend_desc", posts=posts, negative=negative)
    lines = [
        Series(text(request, "overview.opinion.posts"), [point[1] for point in series]),
        Series(text(request, "overview.opinion.negative"), [point[2] for point in series]),
    ]
    return line_chart("opinion", title, gist, [point[0] for point in series], lines)


@requires(ACT_ROLE)
@configured
async def decide(request: web.Request, service: OpinionService) -> web.StreamResponse:
    """POST /overview/opinion/alarms/{number}/{deed} → acknowledge, hand over or close an alarm.

    When somebody else acted since the page was shown, nothing is changed and both are told.
    """
    deed, form, alarm = (
        request.match_info["deed"],
        await read_form(request),
        await _known_alarm(request, service),
    )
    note = form.text("note", limit=NOTE_CHARS)
    to = form.text("to", required=True, limit=NAME_CHARS) if deed == "hand_over" else ""
    if form.errors:
        return await _alarm(request, service, alarm, form, 422)
    deeds = await in_thread(service.queries.deeds, alarm_id=alarm.id)
    if form.value("seen") != str(len(deeds)):
        return await _alarm(request, service, alarm, form, 409)
    by = current_user(request).name
    if deed == "hand_over":
        after = await in_thread(service.hand_over, alarm.id, by, to, note)
    elif deed == "close":
        after = await in_thread(service.close_alarm, alarm.id, by, note)
    else:
        after = await in_thread(service.acknowledge, alarm.id, by, note)
    await audit(
        request,
        f"overview.{deed}",
        f"#{alarm.id} {alarm.label['zh']}",
        before={"state": alarm.state, "owner": alarm.owner["zh"]},
        after={"state": after.state, "owner": after.owner["zh"], "note": note},
    )
    await flash(request, text(request, f"overview.opinion.done.{deed}", number=alarm.id))
    raise web.HTTPSeeOther(f"/overview/opinion/alarms/{alarm.id}")


@requires(ACT_ROLE)
@configured
async def mute(request: web.Request, service: OpinionService) -> web.StreamResponse:
    """POST /overview/opinion/topics/{number}/mute → its posts are kept but raise no alarm for a while."""
    form, topic = await read_form(request), await in_thread(service.queries.topic, _number(request))
    hours = form.choice("hours", [str(n) for n in HOURS])
    if form.errors:
        return await _topic(request, service, form, 422)
    until = await in_thread(service.mute, topic.id, current_user(request).name, float(hours))
    shown = f"{until.astimezone(service.zone):%Y-%m-%d %H:%M}"
    await audit(
        request, "overview.mute", f"#{topic.id} {topic.label['zh']}", after={"until": until.isoformat()}
    )
    await flash(request, text(request, "overview.opinion.done.mute", number=topic.id, until=shown))
    raise web.HTTPSeeOther(f"/overview/opinion/topics/{topic.id}")


@requires(ACT_ROLE)
@configured
async def unmute(request: web.Request, service: OpinionService) -> web.StreamResponse:
    """POST /overview/opinion/topics/{number}/unmute → it raises alarms again."""
    topic = await in_thread(service.queries.topic, _number(request))
    await in_thread(service.unmute, topic.id, current_user(request).name)
    before = {"until": topic.muted_until.isoformat()} if topic.muted_until else None
    await audit(request, "overview.unmute", f"#{topic.id} {topic.label['zh']}", before=before)
    await flash(request, text(request, "overview.opinion.done.unmute", number=topic.id))
    raise web.HTTPSeeOther(f"/overview/opinion/topics/{topic.id}")


def _number(request: web.Request) -> int:
    number = int(request.match_info["number"])
    if number >= _MOST_NUMBER:
        raise web.HTTPNotFound
    return number


async def _known_alarm(request: web.Request, service: OpinionService) -> AlarmView:
    return await in_thread(service.queries.alarm, _number(request))


def routes() -> list[web.RouteDef]:
    """Return the routes."""
    alarm, topic = (
        r"/overview/opinion/alarms/{number:\d{1,10}}",
        r"/overview/opinion/topics/{number:\d{1,10}}",
    )
    return [
        web.get("/overview/opinion", show),
        web.get(alarm, show_alarm),
        web.post(alarm + "/{deed:acknowledge|hand_over|close}", decide),
        web.get(topic, show_topic),
        web.post(topic + "/mute", mute),
        web.post(topic + "/unmute", unmute),
    ]
