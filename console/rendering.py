"""Pages from Jinja2 templates; everything put into one is escaped."""

from __future__ import annotations

from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from aiohttp import web
from markupsafe import Markup

from console.config import ConsoleConfig
from console.csrf import FIELD, csrf_token
from console.keys import CATALOGUE, CONFIG, LANGUAGE, session_of
from console.paging import address_of_page
from console.section import Section
from console.staff import at_least

TEMPLATES = Path(__file__).parent / "templates"
ENVIRONMENT = web.AppKey("console_templates", jinja2.Environment)


def make_environment(config: ConsoleConfig) -> jinja2.Environment:
    """Return the templates' environment: the layout's folder, and each section's under its name."""
    own = {section.name: jinja2.FileSystemLoader(section.folder / "templates") for section in config.sections}
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PrefixLoader(own), jinja2.FileSystemLoader(TEMPLATES)]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=400,
    )
    environment.filters["when"] = _when(config.zone)
    environment.filters["day"] = _day(config.zone)
    return environment


def _when(zone: ZoneInfo) -> Any:
    def shown(moment: datetime | None) -> str:
        """Show a moment, UTC when it has no zone, in the city's time."""
        if moment is None:
            return "–"
        aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return aware.astimezone(zone).strftime("%Y-%m-%d %H:%M")

    return shown


def _day(zone: ZoneInfo) -> Any:
    shown_moment = _when(zone)

    def shown(day: date | datetime | None) -> str:
        """Show a day."""
        if isinstance(day, datetime) or day is None:
            return str(shown_moment(day))[:10]
        return day.isoformat()

    return shown


def menu(request: web.Request) -> list[tuple[Section, bool]]:
    """Return the sections that the signed-in person may open, each with whether it is the present one."""
    session = session_of(request)
    if session is None:
        return []
    here = request.path.split("/")[1]
    chosen = [
        section
        for section in request.app[CONFIG].sections
        if section.menu and at_least(session.user.role, section.role)
    ]
    return [(section, section.name == here) for section in sorted(chosen, key=lambda item: item.order)]


def render(request: web.Request, template: str, status: int = 200, **values: Any) -> web.Response:
    """Return a page.

    Args:
        template: `<section>/FILE.html`, or a file of the console's own.
        status: HTTP status.
        values: what the template shows.
    """
    app, language = request.app, str(request[LANGUAGE])
    catalogue, session = app[CATALOGUE], session_of(request)
    token = csrf_token(request)

    def t(key: str, /, **fillings: object) -> str:
        return catalogue.get(key, language, **fillings)

    def can(role: str) -> bool:
        return session is not None and at_least(session.user.role, role)

    page = app[ENVIRONMENT].get_template(template)
    body = page.render(
        t=t,
        can=can,
        lang=language,
        other_lang="en" if language == "zh" else "zh",
        csrf=lambda: Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, token),
        csrf_token=token,
        user=session.user if session else None,
        flashes=list(request.pop("console_flashes", ())),
        menu=menu(request),
        city=app[CONFIG].city[1 if language == "en" else 0],
        path=request.path,
        page_address=lambda number: address_of_page(request, number),
        query=request.query,
        query_string=request.rel_url.raw_query_string,
        request_path=request.path_qs,
        citizen_url=app[CONFIG].citizen_url,
        **values,
    )
    return web.Response(text=body, status=status, content_type="text/html")
