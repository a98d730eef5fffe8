"""Who may do what: sessions, roles, request tokens, headers, and pages for everything that goes wrong."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware
from yarl import URL

from channels.web.pages import preferred_language
from console import csrf
from console.config import ConsoleConfig
from console.forms import BadFormError, read_form
from console.i18n import LANGUAGES
from console.keeping import kept_form, resume_page
from console.keys import CONFIG, LANGUAGE, SESSION, VISIT, session_of
from console.rendering import render
from console.services import ServiceMissingError

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SESSION_COOKIE = "chengda_staff"
VISIT_COOKIE = "chengda_visit"
LANGUAGE_COOKIE = "chengda_lang"
PUBLIC = ("/signin", "/signout", "/language", "/static/", "/oidc/")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
    ),
    "Server": "Chengda",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def is_public(path: str) -> bool:
    """Return whether a path is open to people who are not signed in."""
    return any(path == prefix or (prefix.endswith("/") and path.startswith(prefix)) for prefix in PUBLIC)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on a response; pages are kept in no cache."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")


def over_tls(request: web.Request) -> bool:
    """Return whether the browser came by HTTPS, directly or by way of a trusted proxy."""
    if request.secure:
        return True
    return bool(
        request.headers.get("X-Forwarded-Proto", "").split(",")[0].strip() == "https"
        and _trusted(request.app[CONFIG], request.remote or "")
    )


def _trusted(config: ConsoleConfig, address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in ipaddress.ip_network(network, strict=False) for network in config.trusted_proxies)


def caller(request: web.Request) -> str:
    """Return the network address that limits count by, the last one that is no trusted proxy."""
    address = request.remote or "unknown"
    forwarded = [
        part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()
    ]
    while forwarded and _trusted(request.app[CONFIG], address):
        address = forwarded.pop()
    return address[:64]


def _on_this_machine(request: web.Request) -> bool:
    try:
        return ipaddress.ip_address(caller(request)).is_loopback
    except ValueError:
        return False


def set_cookie(
    request: web.Request, response: web.StreamResponse, name: str, value: str, *, max_age: int | None = None
) -> None:
    """Set a cookie that no script reads and no other site sends; over TLS it never leaves TLS."""
    response.set_cookie(
        name, value, max_age=max_age, path="/", httponly=True, samesite="Lax", secure=over_tls(request)
    )


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer everything that goes wrong with a page that says what to do."""
    request[LANGUAGE] = _language(request)
    request[VISIT] = request.cookies.get(VISIT_COOKIE) or secrets.token_urlsafe(16)
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _error_page(request, error.status)
    except BadFormError:
        return _error_page(request, 400)
    except ServiceMissingError as error:
        logger.warning("%s: %s", request.path, error)
        return _error_page(request, 503)
    except ConnectionResetError:
        raise
    except Exception:
        reference = secrets.token_hex(4)
        logger.exception("%s %s failed [%s]", request.method, request.match_info.route.resource, reference)
        return _error_page(request, 500, reference=reference)


def _error_page(request: web.Request, status: int, **values: Any) -> web.Response:
    known = {400, 403, 404, 405, 413, 429, 500, 503}
    key = f"error.{status if status in known else 400}"
    fillings = {"limit": request.app[CONFIG].body_bytes // 1024 // 1024, **values}
    part = request.headers.get("HX-Request") == "true"
    return render(request, "error_part.html" if part else "error.html", status, key=key, fillings=fillings)


def _language(request: web.Request) -> str:
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    first = request.app[CONFIG].default_language
    offered = (first, *(language for language in LANGUAGES if language != first))
    return preferred_language(request.headers.get("Accept-Language", ""), offered)


@web.middleware
async def safe_connection(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse other machines that come without TLS, unless the settings allow it."""
    if request.app[CONFIG].allow_plain_http or over_tls(request) or _on_this_machine(request):
        return await handler(request)
    return render(request, "error.html", 403, key="error.plain_http", fillings={})


@web.middleware
async def signed_in(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find the session; without one only the public paths are open, and what a form held is kept."""
    token = request.cookies.get(SESSION_COOKIE, "")
    session = None
    if token and not request.path.startswith("/static/"):
        session = await asyncio.to_thread(request.app[CONFIG].staff.session, token)
    request[SESSION] = session
    if session is not None:
        if session.user.language in LANGUAGES:
            request[LANGUAGE] = session.user.language
        await _take_flashes(request)
        return await handler(request)
    if is_public(request.path):
        response = await handler(request)
        if request.path == "/signin" and VISIT_COOKIE not in request.cookies and not response.prepared:
            set_cookie(request, response, VISIT_COOKIE, request[VISIT])
        return response
    return await _ask_to_sign_in(request)


async def _take_flashes(request: web.Request) -> None:
    session = session_of(request)
    wants_page = request.method == "GET" and request.headers.get("HX-Request") != "true"
    if session is None or not session.flashes or not wants_page or request.path.startswith("/static/"):
        return
    request["console_flashes"] = session.flashes
    await asyncio.to_thread(request.app[CONFIG].staff.set_flashes, session.key, [])


async def _ask_to_sign_in(request: web.Request) -> web.StreamResponse:
    if request.headers.get("HX-Request") == "true":
        return render(request, "ended_part.html", 401)
    if request.method in csrf.SAFE:
        raise web.HTTPSeeOther(URL("/signin").with_query(next=request.path_qs))
    kept = kept_form(request.path_qs, await read_form(request)) if csrf.from_this_site(request) else ""
    response = render(
        request,
        "signin.html",
        401,
        next=request.path_qs,
        kept=kept,
        name="",
        problem="signin.ended",
        fillings={},
        oidc=request.app[CONFIG].oidc is not None,
    )
    if VISIT_COOKIE not in request.cookies:
        set_cookie(request, response, VISIT_COOKIE, request[VISIT])
    return response


@web.middleware
async def request_tokens(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse changes that no page of this console asked for; text typed in an older session is offered again."""
    if request.method in csrf.SAFE:
        return await handler(request)
    if not csrf.from_this_site(request):
        raise web.HTTPForbidden
    sent = request.headers.get(csrf.HEADER)
    form = None
    if sent is None:
        form = await read_form(request)
        sent = form.value(csrf.FIELD)
    if csrf.token_fits(request, sent):
        return await handler(request)
    if form is None or session_of(request) is None or not sent:
        raise web.HTTPForbidden
    # The page was made in a session that has ended since; nothing is done before the person says so again.
    return resume_page(request, kept_form(request.path_qs, form), 403)


def middlewares() -> list[Middleware]:
    """Return the console's middlewares, outermost first."""
    return [errors, safe_connection, signed_in, request_tokens]
