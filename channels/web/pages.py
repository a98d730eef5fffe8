"""The chat page, the embed script and their files."""

from __future__ import annotations

import html
import json
from pathlib import Path

from aiohttp import web

from channels.config import GatewayConfig
from channels.notice import Notice
from channels.web.keys import CONFIG, NOTICES

STATIC = Path(__file__).parent / "static"


def preferred_language(accept_language: str, offered: tuple[str, ...]) -> str:
    """Return the offered language that `Accept-Language` prefers (RFC 9110, section 12.5.4)."""
    wishes: list[tuple[float, int, str]] = []
    for position, part in enumerate(accept_language.split(",")[:20]):
        tag, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight or 1)
        except ValueError:
            continue
        wishes.append((-quality, position, tag.split("-")[0].lower()))
    for _, _, tag in sorted(wishes):
        if tag in offered:
            return tag
    return offered[0]


def page_settings(config: GatewayConfig, notice: Notice | None) -> dict[str, object]:
    """Return what the page's script needs to know."""
    return {
        "city": config.city_name.to_dict(),
        "assistant": config.assistant_name.to_dict(),
        "languages": list(config.languages),
        "emergency": [{"number": n.number, "zh": n.zh, "en": n.en} for n in config.emergency_numbers],
        "contact": config.contact
        and {"number": config.contact.number, "zh": config.contact.zh, "en": config.contact.en},
        "notice": notice and notice.to_dict(),
        "alerts": config.alerts,
        "suggestions": [suggestion.to_dict() for suggestion in config.suggestions],
        "textLimit": config.limits.text_chars,
        "commentLimit": config.limits.comment_chars,
    }


def render_page(config: GatewayConfig, language: str, notice: Notice | None = None) -> str:
    """Return the chat page; city names and numbers are escaped, settings stand in a JSON data block."""
    # `<` must not end the data block early (HTML standard, section 4.12.1.3).
    settings = json.dumps(page_settings(config, notice), ensure_ascii=False).replace("<", "\\u003c")
    city = getattr(config.city_name, language)
    assistant = getattr(config.assistant_name, language)
    separator = "" if language == "zh" else " "
    numbers = "".join(
        f'<li><a href="tel:{html.escape(n.number)}">{html.escape(n.number)}</a> '
        f'<span lang="zh-CN">{html.escape(n.zh)}</span> <span lang="en">{html.escape(n.en)}</span></li>'
        for n in config.emergency_numbers
    )
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    return (
        page.replace("{{lang}}", "zh-CN" if language == "zh" else language)
        .replace("{{title}}", html.escape(f"{city}{separator}{assistant}"))
        .replace("{{numbers}}", numbers)
        .replace("{{settings}}", settings)
    )


async def index(request: web.Request) -> web.Response:
    """GET / → the chat page in the language of `?lang=` or the browser."""
    config = request.app[CONFIG]
    offered = tuple(config.languages)
    asked = request.query.get("lang", "")[:2]
    language = (
        asked if asked in offered else preferred_language(request.headers.get("Accept-Language", ""), offered)
    )
    return web.Response(
        text=render_page(config, language, request.app[NOTICES].current()),
        content_type="text/html",
        headers={"Cache-Control": "no-cache", "Vary": "Accept-Language"},
    )


async def widget(request: web.Request) -> web.StreamResponse:
    """GET /widget.js → the one-line embed."""
    return web.FileResponse(
        STATIC / "widget.js",
        headers={"Content-Type": "text/javascript; charset=utf-8", "Cache-Control": "no-cache"},
    )


async def asset(request: web.Request) -> web.StreamResponse:
    """GET /static/{name} → one of the page's files, revalidated on each visit."""
    path = (STATIC / request.match_info["name"]).resolve()
    if path.parent != STATIC.resolve() or not path.is_file() or path.suffix == ".html":
        raise web.HTTPNotFound
    return web.FileResponse(path, headers={"Cache-Control": "no-cache"})


async def chart(request: web.Request) -> web.StreamResponse:
    """GET /charts/{name} → a picture that a reply named; its name is a hash that cannot be guessed."""
    path = _named_file(request.app[CONFIG].charts, request.match_info["name"])
    return web.FileResponse(path, headers={"Cache-Control": "private, max-age=86400"})


async def export(request: web.Request) -> web.StreamResponse:
    """GET /exports/{name} → a file that a reply named, to save; its name cannot be guessed.

    Where a staff console runs, staff fetch it there with their session.
    """
    name, console = request.match_info["name"], request.app[CONFIG].exports_at
    if console:
        raise web.HTTPSeeOther(f"{console.rstrip('/')}/exports/{name}")
    path = _named_file(request.app[CONFIG].exports, name)
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
    return web.FileResponse(path, headers=headers)


async def attachment(request: web.Request) -> web.StreamResponse:
    """GET /files/{name} → an attachment of an article, to save; its name is the hash of its content."""
    name = request.match_info["name"]
    path = _named_file(request.app[CONFIG].files, name)
    headers = {
        "Cache-Control": "public, max-age=86400",
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return web.FileResponse(path, headers=headers)


def _named_file(folder: Path | None, name: str) -> Path:
    if folder is None:
        raise web.HTTPNotFound
    path = (folder / name).resolve()
    if path.parent != folder.resolve() or not path.is_file():
        raise web.HTTPNotFound
    return path


def routes() -> list[web.RouteDef]:
    """Return the pages' routes."""
    return [
        web.get("/", index),
        web.get("/widget.js", widget),
        web.get(r"/static/{name:[\w.-]+}", asset),
        web.get(r"/charts/{name:[\w-]+\.(?:png|svg)}", chart),
        web.get(r"/files/{name:[0-9a-f]+\.(?:pdf|docx|xlsx|png|jpg)}", attachment),
        web.get(r"/exports/{name:[\w-]+\.(?:csv|json)}", export),
    ]
