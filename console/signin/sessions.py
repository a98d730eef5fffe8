"""Starting a session, by password or by single sign-on, and the page that asks for it."""

from __future__ import annotations

from aiohttp import web

from console.keeping import local_path
from console.keys import AUDIT, CONFIG, SESSION
from console.security import SESSION_COOKIE, VISIT_COOKIE, set_cookie
from console.staff import StaffUser
from console.web import in_thread, render


def sign_in_page(
    request: web.Request,
    status: int = 200,
    *,
    problem: str = "",
    name: str = "",
    kept: str = "",
    minutes: int = 0,
) -> web.Response:
    """Return the sign-in page; `problem` is the key of what went wrong."""
    return render(
        request,
        "signin.html",
        status,
        next=local_path(request.query.get("next", "/")),
        kept=kept,
        name=name,
        problem=problem,
        fillings={"minutes": minutes} if minutes else {},
        oidc=request.app[CONFIG].oidc is not None,
    )


async def begin_session(request: web.Request, user: StaffUser) -> None:
    """Start a session of its own for a person who has proved who they are; an older one in this browser ends."""
    staff = request.app[CONFIG].staff
    old = request.cookies.get(SESSION_COOKIE, "")
    if old:
        await in_thread(staff.close_session, old)
    token = await in_thread(staff.open_session, user)
    request["console_token"] = token
    request[SESSION] = await in_thread(staff.session, token)
    await in_thread(request.app[AUDIT].add, user.name, user.role, "signin.in", user.name)


def give_session(request: web.Request, response: web.StreamResponse) -> None:
    """Hand the browser the session that `begin_session` started."""
    set_cookie(request, response, SESSION_COOKIE, request["console_token"])
    response.del_cookie(VISIT_COOKIE, path="/")
