"""The staff console as one aiohttp application."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from channels.limits import TokenBuckets
from console import csrf, downloads, security, signin
from console.config import ConsoleConfig
from console.i18n import Catalogue
from console.keys import AUDIT, CATALOGUE, CONFIG
from console.rendering import ENVIRONMENT, make_environment
from console.section import Section
from console.sections import SECTIONS
from console.staff import AuditLog
from console.texts import TEXTS
from console.web import requires

STATIC = Path(__file__).parent / "static"


class SectionError(ValueError):
    """A section breaks the contract of `console.section`; the message names it and the mend."""


def create_console(config: ConsoleConfig) -> web.Application:
    """Return the console.

    Args:
        config: accounts, services and settings; `sections` left empty takes all of `console.sections`.

    Raises:
        SectionError: a section's route does not start with its name, or two sections share a name.
    """
    config = config if config.sections else replace(config, sections=SECTIONS)
    app = web.Application(client_max_size=config.body_bytes, middlewares=security.middlewares())
    app[CONFIG] = config
    app[CATALOGUE] = Catalogue({**TEXTS, **signin.TEXTS}, config.sections)
    app[AUDIT] = AuditLog(config.staff.engine)
    app[ENVIRONMENT] = make_environment(config)
    app[csrf.SECRET] = config.staff.secret("csrf").encode()
    app[signin.BUCKETS] = TokenBuckets(signin.PER_ADDRESS)
    app[signin.HASHING] = asyncio.Semaphore(signin.AT_ONCE)
    app.add_routes([*signin.routes(), *downloads.routes()])
    app.router.add_get(r"/static/{name:[\w.-]+}", _asset(STATIC))
    names: set[str] = set()
    for section in config.sections:
        if section.name in names:
            raise SectionError(f"console section {section.name!r} is listed twice in console/sections.py")
        names.add(section.name)
        app.add_routes(_guarded(section))
        if (section.folder / "static").is_dir():
            app.router.add_get(rf"/static/{section.name}/{{name:[\w.-]+}}", _asset(section.folder / "static"))
    app.on_response_prepare.append(security.add_headers)
    return app


def _guarded(section: Section) -> Sequence[web.RouteDef]:
    guarded = []
    for route in section.routes():
        home = section.name == "home" and route.path == "/"
        if not home and route.path.split("/")[1] != section.name:
            raise SectionError(
                f"console section {section.name!r}: its route {route.path} must start with /{section.name}"
            )
        handler = requires(section.role)(route.handler)
        guarded.append(web.RouteDef(route.method, route.path, handler, dict(route.kwargs)))
    return guarded


def _asset(folder: Path) -> security.Handler:
    """Return the handler of one folder's files; browsers ask each time whether one has changed."""

    async def handler(request: web.Request, folder: Path) -> web.StreamResponse:
        path = (folder / request.match_info["name"]).resolve()
        if path.parent != folder.resolve() or not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path, headers={"Cache-Control": "no-cache"})

    return functools.partial(handler, folder=folder)
