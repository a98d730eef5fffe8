"""Handlers of signing in and out, the language, one's own account."""

from __future__ import annotations

import asyncio
import math

from aiohttp import web

from channels.limits import Rate, TokenBuckets
from console.forms import read_form
from console.i18n import LANGUAGES
from console.keeping import local_path, resume_page
from console.keys import CONFIG, session_of
from console.security import (
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    caller,
    set_cookie,
)
from console.signin import oidc
from console.signin.sessions import begin_session, give_session, sign_in_page
from console.staff import WeakPasswordError
from console.web import audit, current_user, flash, in_thread, render, requires, text

# Twenty tries at once and then one every six seconds per address; the account's own lock comes on top.
PER_ADDRESS = Rate(per_s=1 / 6, burst=20)
# A hash costs tens of megabytes and milliseconds: two at a time are enough for people, and a flood waits.
AT_ONCE = 2
_YEAR_S = 365 * 24 * 3600
BUCKETS = web.AppKey("console_signin_buckets", TokenBuckets)
HASHING = web.AppKey("console_signin_hashing", asyncio.Semaphore)


async def show(request: web.Request) -> web.StreamResponse:
    """GET /signin → the sign-in page."""
    if session_of(request) is not None:
        raise web.HTTPSeeOther(local_path(request.query.get("next", "/")))
    problem = "signin.signed_out" if "out" in request.query else ""
    return sign_in_page(request, problem=problem)


async def sign_in(request: web.Request) -> web.StreamResponse:
    """POST /signin → check the password, start a new session, go where the person wanted to go."""
    form = await read_form(request)
    name, kept = form.value("name").strip()[:200], form.value("kept")
    buckets, address = request.app[BUCKETS], caller(request)
    wait_s = buckets.wait_s(address)
    if wait_s:
        minutes = math.ceil(wait_s / 60)
        return sign_in_page(request, 429, problem="signin.locked", name=name, kept=kept, minutes=minutes)
    buckets.take(address)
    async with request.app[HASHING]:
        outcome = await in_thread(request.app[CONFIG].staff.check, name, form.value("password")[:1000])
    if outcome.user is None:
        if outcome.locked_s:
            minutes = math.ceil(outcome.locked_s / 60)
            return sign_in_page(request, 429, problem="signin.locked", name=name, kept=kept, minutes=minutes)
        return sign_in_page(request, 401, problem="signin.wrong", name=name, kept=kept)
    await begin_session(request, outcome.user)
    response: web.Response
    if kept:
        response = resume_page(request, kept)
    else:
        response = web.Response(status=303, headers={"Location": local_path(form.value("next", "/"))})
    give_session(request, response)
    return response


async def sign_out(request: web.Request) -> web.StreamResponse:
    """POST /signout → end the session."""
    session = session_of(request)
    if session is not None:
        await in_thread(request.app[CONFIG].staff.close_session, request.cookies.get(SESSION_COOKIE, ""))
        await audit(request, "signin.out", session.user.name)
    response = web.Response(status=303, headers={"Location": "/signin?out=1"})
    response.del_cookie(SESSION_COOKIE, path="/")
    return response


async def choose_language(request: web.Request) -> web.StreamResponse:
    """POST /language → show the console in another language from now on."""
    form = await read_form(request)
    chosen = form.value("to")
    response = web.Response(status=303, headers={"Location": local_path(form.value("next", "/"))})
    if chosen in LANGUAGES:
        set_cookie(request, response, LANGUAGE_COOKIE, chosen, max_age=_YEAR_S)
        session = session_of(request)
        if session is not None:
            await in_thread(request.app[CONFIG].staff.set_language, session.user.id, chosen)
    return response


@requires("viewer")
async def account(request: web.Request) -> web.StreamResponse:
    """GET /account → one's own account."""
    return render(request, "account.html", form=None)


@requires("viewer")
async def change_password(request: web.Request) -> web.StreamResponse:
    """POST /account → set a new password for oneself."""
    form, person = await read_form(request), current_user(request)
    staff = request.app[CONFIG].staff
    session = session_of(request)
    new = form.value("new")
    async with request.app[HASHING]:
        outcome = await in_thread(staff.check, person.name, form.value("old")[:1000])
        if outcome.user is None:
            form.fail("old", "account.wrong")
        if new != form.value("repeat"):
            form.fail("repeat", "account.differs")
        if not form.errors and session is not None:
            try:
                await in_thread(staff.set_password, person.name, new, keep_session=session.key)
            except WeakPasswordError:
                form.fail("new", "account.weak")
    if form.errors:
        return render(request, "account.html", 422, form=form)
    await audit(request, "users.password", person.name)
    await flash(request, text(request, "account.changed"))
    raise web.HTTPSeeOther("/account")


def routes() -> list[web.RouteDef]:
    """Return the routes."""
    return [
        web.get("/signin", show),
        web.post("/signin", sign_in),
        web.post("/signout", sign_out),
        web.post("/language", choose_language),
        web.get("/account", account),
        web.post("/account", change_password),
        *oidc.routes(),
    ]
