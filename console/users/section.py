"""Accounts: list, add, role, password, close and reopen; administrators only."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from console.forms import Form, read_form
from console.keys import CONFIG
from console.section import Section
from console.staff import (
    ROLES,
    LastAdminError,
    StaffError,
    StaffStore,
    StaffUser,
    UnknownUserError,
    UserExistsError,
    WeakPasswordError,
    make_password,
)
from console.staff.clock import utc_now
from console.users.texts import TEXTS
from console.web import audit, flash, in_thread, render, text


def _staff(request: web.Request) -> StaffStore:
    return request.app[CONFIG].staff


async def _find(request: web.Request) -> StaffUser:
    try:
        return await in_thread(_staff(request).find, request.match_info["name"])
    except UnknownUserError:
        raise web.HTTPNotFound from None


async def _page(request: web.Request, form: Form | None) -> web.Response:
    return render(
        request,
        "users/list.html",
        422 if form else 200,
        users=await in_thread(_staff(request).users),
        roles=[(role, text(request, f"role.{role}")) for role in ROLES],
        now=utc_now(),
        form=form,
    )


async def show(request: web.Request) -> web.StreamResponse:
    """GET /users → all accounts and the form to add one."""
    return await _page(request, None)


async def add(request: web.Request) -> web.StreamResponse:
    """POST /users → add an account; a password that was made for it is shown in this answer only."""
    form = await read_form(request)
    name = form.text("name", required=True, limit=64)
    role = form.choice("role", ROLES)
    typed = form.value("password")
    password = typed or make_password()
    if not form.errors:
        try:
            user = await in_thread(_staff(request).add, name, role, password)
        except UserExistsError:
            form.fail("name", "users.exists")
        except WeakPasswordError:
            form.fail("password", "account.weak")
        except StaffError:
            form.fail("name", "users.bad_name")
    if form.errors:
        return await _page(request, form)
    await audit(request, "users.add", user.name, after={"role": role})
    if not typed:
        return render(request, "users/password.html", name=user.name, password=password)
    await flash(request, text(request, "users.added", name=user.name))
    raise web.HTTPSeeOther("/users")


async def set_role(request: web.Request) -> web.StreamResponse:
    """POST /users/{name}/role → give another role."""
    form = await read_form(request)
    role = form.choice("role", ROLES)
    if form.errors:
        raise web.HTTPBadRequest
    before = await _find(request)
    try:
        await in_thread(_staff(request).set_role, before.name, role)
    except LastAdminError:
        await flash(request, text(request, "users.last_admin"), "bad")
        raise web.HTTPSeeOther("/users") from None
    await audit(request, "users.role", before.name, before={"role": before.role}, after={"role": role})
    shown = text(request, f"role.{role}")
    await flash(request, text(request, "users.role_changed", name=before.name, role=shown))
    raise web.HTTPSeeOther("/users")


async def reset_password(request: web.Request) -> web.StreamResponse:
    """POST /users/{name}/password → make a new password and show it in this answer only."""
    user, password = await _find(request), make_password()
    await in_thread(_staff(request).set_password, user.name, password)
    await audit(request, "users.password", user.name)
    return render(request, "users/password.html", name=user.name, password=password)


async def set_disabled(request: web.Request) -> web.StreamResponse:
    """POST /users/{name}/disable and /enable → close or reopen an account."""
    user = await _find(request)
    disabled = request.path.endswith("/disable")
    try:
        await in_thread(_staff(request).set_disabled, user.name, disabled)
    except LastAdminError:
        await flash(request, text(request, "users.last_admin"), "bad")
        raise web.HTTPSeeOther("/users") from None
    verb = "disable" if disabled else "enable"
    await audit(
        request,
        f"users.{verb}",
        user.name,
        before={"disabled": user.disabled},
        after={"disabled": disabled},
    )
    await flash(request, text(request, f"users.is_{verb}d", name=user.name))
    raise web.HTTPSeeOther("/users")


def routes() -> list[web.RouteDef]:
    """Return the routes."""
    return [
        web.get("/users", show),
        web.post("/users", add),
        web.post("/users/{name}/role", set_role),
        web.post("/users/{name}/password", reset_password),
        web.post("/users/{name}/disable", set_disabled),
        web.post("/users/{name}/enable", set_disabled),
    ]


SECTION = Section(
    "users", "admin", routes, TEXTS, Path(__file__).parent, menu="/users", about="about", order=80
)
