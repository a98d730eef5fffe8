"""The start page: what the signed-in person may open."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from console.home.texts import TEXTS
from console.section import Section
from console.web import render


async def start(request: web.Request) -> web.StreamResponse:
    """GET / → the sections as cards."""
    return render(request, "home/start.html")


def routes() -> list[web.RouteDef]:
    """Return the routes."""
    return [web.get("/", start)]


SECTION = Section("home", "viewer", routes, TEXTS, Path(__file__).parent, order=0)
