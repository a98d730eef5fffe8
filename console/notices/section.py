"""The notices' pages: the list, a form for a new one, cancelling, and taking a CAP file in."""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from actions.notices.errors import CapError, NoticeTextError, UnknownNoticeError
from actions.notices.records import ACTIVE, Notice
from actions.notices.service import TEXT_CHARS, TITLE_CHARS, Draft, NoticeService
from actions.notices.wording import text_of
from console.forms import Form, read_form
from console.notices.texts import TEXTS
from console.paging import page_of
from console.section import Section
from console.web import audit, current_user, flash, in_thread, language, need, render, services, text

NAME = "notices"
PAGE_SIZE = 30
MAX_HOURS = 24 * 90


def notices_of(request: web.Request) -> NoticeService:
    """Return the notices; a console without them shows the page 503."""
    return need(services(request).notices, "notices: city.yml has no notices section")


def state_of(notice: Notice, now: datetime) -> str:
    """Return the word for the state that a notice is in at a moment."""
    if notice.state != ACTIVE:
        return notice.state
    if notice.starts_at > now:
        return "planned"
    return "active" if notice.expires_at > now else "over"


def _rows(service: NoticeService, spoken: str, limit: int, offset: int) -> list[dict[str, Any]]:
    now = service.now()
    names = {item.id: item.name.get(spoken) for item in service.districts}
    return [
        {
            "notice": notice,
            "title": text_of(notice, spoken)[0]["title"],
            "state": state_of(notice, now),
            "reached": service.store.reached(notice.id),
            "where": [names.get(district, district) for district in notice.districts],
        }
        for notice in service.store.latest(limit, offset)
    ]


async def _page(request: web.Request, form: Form | None) -> web.Response:
    service, spoken, page = notices_of(request), language(request), page_of(request, PAGE_SIZE)
    rows = await in_thread(_rows, service, spoken, page.limit + 1, page.offset)
    channels = services(request).channels or ("web",)
    return render(
        request,
        "notices/list.html",
        422 if form is not None and form.errors else 200,
        rows=rows[: page.limit],
        more=len(rows) > page.limit,
        page=page,
        districts=[(item.id, item.name.get(spoken)) for item in service.districts],
        channels=channels,
        subscribers=await in_thread(service.store.subscribers),
        form=form,
        key=secrets.token_hex(8),
        limits={"title": TITLE_CHARS, "text": TEXT_CHARS, "hours": MAX_HOURS},
    )


async def show(request: web.Request) -> web.StreamResponse:
    """GET /notices → the list and the form."""
    return await _page(request, None)


async def publish(request: web.Request) -> web.StreamResponse:
    """POST /notices → publish a notice."""
    form, service = await read_form(request), notices_of(request)
    draft = Draft(
        title={code: form.text(f"title_{code}", required=True, limit=TITLE_CHARS) for code in ("zh", "en")},
        text={code: form.text(f"text_{code}", required=True, limit=TEXT_CHARS) for code in ("zh", "en")},
        districts=form.values("districts"),
        channels=form.values("channels"),
        hours=form.integer("hours", 1, MAX_HOURS),
        banner=form.checked("banner"),
    )
    author = current_user(request).name
    if not form.errors:
        try:
            made = await in_thread(service.publish, draft, author, f"form:{author}:{form.value('key')[:64]}")
        except NoticeTextError as error:
            form.fail(error.field, "notices.wrong", reason=error.text(language(request)))
    if form.errors:
        return await _page(request, form)
    await audit(request, "notices.publish", str(made.id), after={"texts": dict(made.texts)})
    await flash(request, text(request, "notices.published"))
    raise web.HTTPSeeOther("/notices")


async def cancel(request: web.Request) -> web.StreamResponse:
    """POST /notices/{id}/cancel → end a notice or an alert."""
    notice_id = int(request.match_info["id"])
    try:
        done = await in_thread(notices_of(request).cancel, notice_id, current_user(request).name)
    except UnknownNoticeError:
        raise web.HTTPNotFound from None
    if done:
        await audit(request, "notices.cancel", str(notice_id))
        await flash(request, text(request, "notices.cancelled"))
    else:
        await flash(request, text(request, "notices.was_over"), "note")
    raise web.HTTPSeeOther("/notices")


async def take_in(request: web.Request) -> web.StreamResponse:
    """POST /notices/cap → take in a CAP file."""
    form, service = await read_form(request), notices_of(request)
    upload = form.file("file", required=True)
    if upload is None or form.errors:
        return await _page(request, form)
    try:
        made = await in_thread(service.take_in, upload.content, author=current_user(request).name)
    except CapError as error:
        form.fail("file", "notices.wrong", reason=error.text(language(request)))
        return await _page(request, form)
    if made is None:
        await flash(request, text(request, "notices.known"), "note")
        raise web.HTTPSeeOther("/notices")
    await audit(request, "notices.take_in", str(made.id), after={"key": made.key})
    shown = text(request, f"notices.state.{state_of(made, service.now())}", why=made.why)
    await flash(request, text(request, "notices.taken", state=shown))
    raise web.HTTPSeeOther("/notices")


def routes() -> list[web.RouteDef]:
    """Return the routes."""
    return [
        web.get("/notices", show),
        web.post("/notices", publish),
        web.post("/notices/cap", take_in),
        web.post(r"/notices/{id:\d{1,15}}/cancel", cancel),
    ]


SECTION = Section(
    NAME, "publisher", routes, TEXTS, Path(__file__).parent, menu="/notices", about="about", order=18
)
