"""What handlers of all sections use: rendering, the audit log, messages to the next page, threads."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiohttp import web

from console.keys import AUDIT, CATALOGUE, CONFIG, LANGUAGE, session_of
from console.rendering import render
from console.services import ServiceMissingError, Services
from console.staff import StaffUser, at_least

__all__ = [
    "ServiceMissingError",
    "audit",
    "can",
    "current_user",
    "flash",
    "in_thread",
    "is_htmx",
    "language",
    "need",
    "render",
    "requires",
    "services",
    "text",
]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")


def current_user(request: web.Request) -> StaffUser:
    """Return who is signed in.

    Raises:
        web.HTTPForbidden: nobody is.
    """
    session = session_of(request)
    if session is None:
        raise web.HTTPForbidden
    return session.user


def can(request: web.Request, role: str) -> bool:
    """Return whether the signed-in person has at least `role`."""
    session = session_of(request)
    return session is not None and at_least(session.user.role, role)


def requires(role: str) -> Callable[[Handler], Handler]:
    """Let only staff with at least `role` reach the decorated handler; others get the page 403."""

    def decorate(handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def guarded(request: web.Request) -> web.StreamResponse:
            if not can(request, role):
                raise web.HTTPForbidden
            return await handler(request)

        return guarded

    return decorate


def language(request: web.Request) -> str:
    """Return the language of the page, "zh" or "en"."""
    return str(request[LANGUAGE])


def text(request: web.Request, key: str, /, **values: object) -> str:
    """Return a text of the catalogues in the language of the page."""
    return request.app[CATALOGUE].get(key, language(request), **values)


def services(request: web.Request) -> Services:
    """Return what the other rooms offer."""
    return request.app[CONFIG].services


def need(service: T | None, name: str) -> T:
    """Return a service that a page cannot do without.

    Raises:
        ServiceMissingError: this console runs without it; the person sees the page 503.
    """
    if service is None:
        raise ServiceMissingError(f"the console runs without {name}")
    return service


async def in_thread(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run what blocks (the database, files, models) off the event loop."""
    return await asyncio.to_thread(function, *args, **kwargs)


async def audit(
    request: web.Request, action: str, target: str, *, before: Any = None, after: Any = None
) -> None:
    """Write down a change: the signed-in person, now, `action` as `section.verb`, and both states as JSON types."""
    person = current_user(request)
    await in_thread(
        request.app[AUDIT].add, person.name, person.role, action, target, before=before, after=after
    )


async def flash(request: web.Request, message: str, kind: str = "good") -> None:
    """Show a message on the next page; `kind` is "good", "bad" or "note"."""
    session = session_of(request)
    if session is not None:
        kept = [*session.flashes, {"kind": kind, "text": message}][-5:]
        await in_thread(request.app[CONFIG].staff.set_flashes, session.key, kept)


def is_htmx(request: web.Request) -> bool:
    """Return whether htmx asks for a part of a page."""
    return request.headers.get("HX-Request") == "true"
