"""What a person had typed when the session ended: kept in the browser over the sign-in, then offered again."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from console.csrf import FIELD
from console.forms import Form
from console.rendering import render


def local_path(path: str) -> str:
    """Return `path` when it leads to a page of this console, else "/"."""
    parts = urlsplit(path)
    plain = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if plain and not parts.scheme and not parts.netloc else "/"


def kept_form(path: str, form: Form) -> str:
    """Return a form's text fields and its address as JSON; uploaded files are not kept."""
    fields = [[name, value] for name, value in form.items() if name != FIELD]
    return json.dumps({"path": path, "fields": fields}, ensure_ascii=False)


def read_kept(kept: str) -> tuple[str, list[tuple[str, str]]] | None:
    """Return address and fields of a kept form, `None` when `kept` is none."""
    try:
        data: Any = json.loads(kept)
        fields = [(str(name), str(value)) for name, value in data["fields"]]
        return local_path(str(data["path"])), fields
    except (ValueError, TypeError, KeyError):
        return None


def resume_page(request: web.Request, kept: str, status: int = 200) -> web.Response:
    """Return the page that shows what was typed and sends it again when asked to."""
    read = read_kept(kept)
    if read is None:
        raise web.HTTPSeeOther("/")
    path, fields = read
    return render(request, "resume.html", status, action=path, fields=fields)
