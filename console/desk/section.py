"""The desk's pages: the queue, one's own conversations, a conversation live, and what an operator does in it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy import and_

from actions.handover.desk import TEXT_CHARS
from actions.handover.errors import HandoverError, UnknownCaseError
from actions.handover.records import OPEN, Case, Entry
from actions.handover.service import HandoverService
from actions.handover.tables import cases
from actions.requests.cues import is_attachment
from console.desk.live import events
from console.desk.texts import TEXTS
from console.forms import read_form
from console.section import Section
from console.web import audit, current_user, flash, in_thread, language, need, render, services, text

NAME = "desk"
_MISSED = 20
_CALLS = timedelta(days=1)


def desk_of(request: web.Request) -> HandoverService:
    """Return the desk; a console without one shows the page 503."""
    return need(services(request).handover, "the desk: city.yml has no handover section")


def _case_id(request: web.Request) -> int:
    return int(request.match_info["id"])


def event_text(request: web.Request, entry: Entry) -> str:
    """Say what happened; an event's text is a word, maybe with what it is about."""
    word, _, what = entry.text.partition(" ")
    what = what.partition(":")[2] or what
    return text(request, f"desk.event.{word}", who=entry.author, what=what)


def _who(request: web.Request, entry: Entry) -> str:
    if entry.kind == "operator":
        return entry.author
    return text(request, f"desk.who.{entry.kind}", name=entry.author)


def _said(line: Entry) -> str:
    """Return the words of a line; what channels write for a photo without any is said by the photo itself."""
    return "" if line.photos and is_attachment(line.text) else line.text


def _shown(request: web.Request, case_id: int, lines: list[Entry]) -> list[dict[str, Any]]:
    return [
        {
            "id": line.id,
            "kind": line.kind,
            "at": line.at,
            "who": "" if line.kind == "event" else _who(request, line),
            "text": event_text(request, line) if line.kind == "event" else _said(line),
            "photos": [_picture(case_id, photo, line.at) for photo in line.photos],
        }
        for line in lines
    ]


def _picture(case_id: int, photo_id: str, at: datetime) -> dict[str, Any]:
    """Return where a citizen's photo is shown to the desk, and when it came."""
    return {"url": f"/desk/{case_id}/photos/{photo_id}", "at": at}


def _sent_before(request: web.Request, case: Case, lines: list[Entry]) -> list[dict[str, Any]]:
    """Return the photos that wait in the conversation and stand in none of the lines."""
    requests = services(request).requests
    if requests is None or not case.conversation_id:
        return []
    said = {photo for line in lines for photo in line.photos}
    waiting = requests.store.photos(conversation_id=case.conversation_id)
    return [_picture(case.id, p.id, p.created_at) for p in waiting if p.id not in said]


def _lists(service: HandoverService, operator: str) -> dict[str, Any]:
    held = service.store.find(cases.c.state == OPEN, cases.c.opened_at)
    missed = service.store.find(cases.c.to_file.is_(True), cases.c.closed_at.desc(), limit=_MISSED)
    present = service.office.operators()
    phones = service.office.section.telephone_channels
    calls = and_(cases.c.channel.in_(phones), cases.c.created_at >= service.office.now() - _CALLS)
    return {
        "calls": service.store.find(calls, cases.c.id.desc(), limit=_MISSED),
        "queue": service.desk.queue(operator),
        "mine": [case for case in held if case.operator == operator],
        "others": [case for case in held if case.operator != operator],
        "missed": missed,
        "present": [there for there in present if not there.away],
        "away": any(there.away for there in present if there.name == operator),
        "figures": service.desk.figures(),
        "me": operator,
    }


def _about(service: HandoverService, case_id: int, operator: str, spoken: str) -> dict[str, Any]:
    case = service.store.get(case_id)
    section = service.office.section
    return {
        "case": case,
        "lines": service.desk.lines(case_id),
        "holds": case.state == OPEN and case.operator == operator,
        "canned": service.desk.canned(operator, case.language),
        "reasons": [(item.id, item.name.get(spoken)) for item in section.close_reasons],
        "teams": [(f"team:{team.id}", team.name.get(spoken)) for team in section.teams],
        "colleagues": [
            f"{there.name}"
            for there in service.office.operators()
            if there.name != operator and not there.away
        ],
        "team": next((team.name.get(spoken) for team in section.teams if team.id == case.team), case.team),
    }


async def show(request: web.Request) -> web.StreamResponse:
    """GET /desk and /desk/{id} → the lists, and one conversation."""
    service, me = desk_of(request), current_user(request).name
    values = await in_thread(_lists, service, me)
    about: dict[str, Any] = {"case": None}
    if "id" in request.match_info:
        try:
            about = await in_thread(_about, service, _case_id(request), me, language(request))
        except UnknownCaseError:
            raise web.HTTPNotFound from None
        about["earlier"] = await in_thread(_sent_before, request, about["case"], about["lines"])
        about["lines"] = _shown(request, about["case"].id, about["lines"])
    return render(request, "desk/desk.html", key=secrets.token_hex(8), limit=TEXT_CHARS, **values, **about)


async def lists(request: web.Request) -> web.StreamResponse:
    """GET /desk/lists → the lists alone, for the page that is open."""
    values = await in_thread(_lists, desk_of(request), current_user(request).name)
    chosen = request.query.get("case", "")
    return render(request, "desk/lists.html", chosen=int(chosen) if chosen.isdecimal() else 0, **values)


async def lines(request: web.Request) -> web.StreamResponse:
    """GET /desk/{id}/lines?after=N → later lines of a conversation, and the state that it is in."""
    after = request.query.get("after", "0")
    service = desk_of(request)
    try:
        case = await in_thread(service.store.get, _case_id(request))
    except UnknownCaseError:
        raise web.HTTPNotFound from None
    found = await in_thread(service.desk.lines, case.id, int(after) if after.isdecimal() else 0)
    response = render(request, "desk/lines.html", lines=_shown(request, case.id, found))
    response.headers["X-Case-State"] = f"{case.state} {case.operator or ''}".encode().hex()
    return response


async def photo(request: web.Request) -> web.StreamResponse:
    """GET /desk/{id}/photos/{photo} → a photo that the citizen of this conversation sent."""
    requests = need(services(request).requests, "the requests: city.yml has no requests section")
    wanted = request.match_info["photo"]
    try:
        case = await in_thread(desk_of(request).store.get, _case_id(request))
    except UnknownCaseError:
        raise web.HTTPNotFound from None
    theirs = await in_thread(requests.store.photo_from, case.conversation_id, wanted)
    path = requests.photos.path(wanted)
    if not case.conversation_id or theirs is None or path is None or not path.is_file():
        raise web.HTTPNotFound
    headers = {"Cache-Control": "private, no-store", "Content-Type": "image/jpeg"}
    return web.FileResponse(path, headers=headers)


async def _act(
    request: web.Request,
    verb: str,
    work: Callable[[HandoverService, int, str, Any], Any],
    leave: bool = False,
) -> web.StreamResponse:
    """Do one thing in a conversation; a script gets 204 or a plain refusal, a form the page again."""
    form, service, me = await read_form(request), desk_of(request), current_user(request).name
    case_id, by_script = _case_id(request), request.headers.get("X-Desk") == "1"
    try:
        await in_thread(work, service, case_id, me, form)
    except UnknownCaseError:
        raise web.HTTPNotFound from None
    except HandoverError as error:
        if by_script:
            return web.Response(status=409, text=error.text(language(request)))
        await flash(request, error.text(language(request)), "bad")
        raise web.HTTPSeeOther(f"/desk/{case_id}") from None
    await audit(request, f"desk.{verb}", str(case_id))
    if by_script:
        return web.Response(status=204)
    raise web.HTTPSeeOther("/desk" if leave else f"/desk/{case_id}")


async def claim(request: web.Request) -> web.StreamResponse:
    """POST /desk/{id}/claim → take a conversation."""
    return await _act(request, "claim", lambda service, case, me, form: service.desk.claim(case, me))


async def take_next(request: web.Request) -> web.StreamResponse:
    """POST /desk/next → take who waits longest."""
    service = desk_of(request)
    try:
        case: Case | None = await in_thread(service.desk.claim_next, current_user(request).name)
    except HandoverError as error:
        await flash(request, error.text(language(request)), "bad")
        raise web.HTTPSeeOther("/desk") from None
    if case is None:
        await flash(request, text(request, "desk.nobody_waits"), "note")
        raise web.HTTPSeeOther("/desk")
    await audit(request, "desk.claim", str(case.id))
    raise web.HTTPSeeOther(f"/desk/{case.id}")


async def reply(request: web.Request) -> web.StreamResponse:
    """POST /desk/{id}/reply → write to the citizen."""

    def work(service: HandoverService, case: int, me: str, form: Any) -> int:
        return service.desk.reply(case, me, form.value("text"), form.value("key")[:64] or None)

    return await _act(request, "reply", work)


async def note(request: web.Request) -> web.StreamResponse:
    """POST /desk/{id}/note → write for colleagues."""
    return await _act(
        request, "note", lambda service, case, me, form: service.desk.note(case, me, form.value("text"))
    )


async def transfer(request: web.Request) -> web.StreamResponse:
    """POST /desk/{id}/transfer → hand on to a colleague or a team."""

    def work(service: HandoverService, case: int, me: str, form: Any) -> Case:
        return service.desk.transfer(case, me, form.value("to"))

    return await _act(request, "transfer", work, leave=True)


async def give_back(request: web.Request) -> web.StreamResponse:
    """POST /desk/{id}/return → let the bot answer again."""
    return await _act(
        request, "give_back", lambda service, case, me, form: service.desk.give_back(case, me), leave=True
    )


async def close(request: web.Request) -> web.StreamResponse:
    """POST /desk/{id}/close → end a conversation with a reason."""

    def work(service: HandoverService, case: int, me: str, form: Any) -> Case:
        return service.desk.close(case, me, form.value("reason"))

    return await _act(request, "close", work, leave=True)


async def presence(request: web.Request) -> web.StreamResponse:
    """POST /desk/presence → step away, or come back."""
    form = await read_form(request)
    await in_thread(desk_of(request).desk.seen, current_user(request).name, form.value("away") == "1")
    raise web.HTTPSeeOther("/desk")


async def stream(request: web.Request) -> web.StreamResponse:
    """GET /desk/events → what changes, as it changes."""
    return await events(request, desk_of(request), current_user(request).name)


def routes() -> list[web.RouteDef]:
    """Return the routes."""
    one = r"/desk/{id:\d{1,15}}"
    return [
        web.get("/desk", show),
        web.get("/desk/lists", lists),
        web.get("/desk/events", stream),
        web.post("/desk/next", take_next),
        web.post("/desk/presence", presence),
        web.get(one, show),
        web.get(one + "/lines", lines),
        web.get(one + r"/photos/{photo:[\w-]+}", photo),
        web.post(one + "/claim", claim),
        web.post(one + "/reply", reply),
        web.post(one + "/note", note),
        web.post(one + "/transfer", transfer),
        web.post(one + "/return", give_back),
        web.post(one + "/close", close),
    ]


SECTION = Section(
    NAME, "operator", routes, TEXTS, Path(__file__).parent, menu="/desk", about="about", order=15
)
