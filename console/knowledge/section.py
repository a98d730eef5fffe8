"""The knowledge section: its routes and place in the menu."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from console.knowledge import asking, editor, importing, listing, pages
from console.knowledge.texts import TEXTS
from console.section import Section


def routes() -> list[web.RouteDef]:
    """Return the routes."""
    return [
        web.get("/knowledge", listing.show),
        web.get("/knowledge/search", listing.search),
        web.get("/knowledge/ask", asking.page),
        web.post("/knowledge/ask", asking.ask),
        web.post("/knowledge/check", asking.check),
        web.post("/knowledge/preview", asking.show_preview),
        web.get("/knowledge/new", editor.new),
        web.post("/knowledge/new", editor.create),
        web.post("/knowledge/attach", editor.attach),
        web.get("/knowledge/files/{name}", editor.attachment),
        *importing.routes(),
        web.get("/knowledge/a/{id}", pages.show),
        web.get("/knowledge/a/{id}/edit", editor.edit),
        web.post("/knowledge/a/{id}/edit", editor.save),
        web.post("/knowledge/a/{id}/status", pages.set_status),
        web.post("/knowledge/a/{id}/rollback", pages.rollback),
        web.get("/knowledge/a/{id}/compare", pages.show_difference),
    ]


SECTION = Section(
    "knowledge", "viewer", routes, TEXTS, Path(__file__).parent, menu="/knowledge", about="about", order=10
)
