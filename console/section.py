"""A section of the console: the plug-in contract.

A section is one package `console/<name>/`:

    console/<name>/section.py      SECTION = Section(name="<name>", role="viewer", routes=routes, texts=TEXTS, …)
    console/<name>/texts.py        TEXTS = {"title": ("知识", "Knowledge"), …}: key → (Chinese, English)
    console/<name>/templates/      Jinja2 files, rendered as "<name>/FILE.html"; they extend "base.html"
    console/<name>/static/         scripts and styles of its own, served as /static/<name>/FILE

and is named once in `console/sections.py`. What holds for every section:

- Paths start with `/<name>`. A handler is `async def handler(request: web.Request) -> web.StreamResponse`; the console
  lets nobody in who is not signed in with at least `role`. `@requires("publisher")` asks for more.
- The text key "title" of the catalogue names the section in the menu. Templates write `{{ t("<name>.key") }}` for their own
  texts and `{{ t("save") }}` for the console's (`console/texts.py`); `{placeholders}` are filled by keyword. Handlers
  write `text(request, "<name>.key")`.
- Every form that changes something is `method="post"` and holds `{{ csrf() }}`; htmx requests carry the token by
  themselves. `GET` changes nothing.
- No inline script or style: the content security policy forbids both. Use classes of `static/console.css`.
- `render(request, "<name>/list.html", rows=…)` answers with a page; a template that does not extend the layout is a part for htmx.
- `form = await read_form(request)`, then `form.text("title", required=True, limit=200)`, `form.choice(…)`,
  `form.date(…)`, …; when `form.errors` is not empty, render the page again with `form=form` and status 422: the macros
  in "macros.html" (`{% import "macros.html" as ui with context %}`) show what was typed and what is wrong with it.
- `await audit(request, "<name>.verb", target, before=…, after=…)` after each change; name the action in the catalogue as
  "audit.verb" (`<name>.audit.verb`).
- `await flash(request, text(request, "<name>.saved"))`, then `raise web.HTTPSeeOther("/<name>")`.
- `page_of(request, size)` gives limit and offset; `{{ ui.pages(page, more) }}` links the neighbours.
- Services of other rooms are in `services(request)`; what blocks runs in `await in_thread(function, …)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

Texts = Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Section:
    """One section of the console.

    Args:
        name: package name and first part of its paths.
        role: what everyone who opens any of its pages must at least be.
        routes: returns its routes; called once, when the console is made.
        texts: its catalogue, key → (Chinese, English); "title" names it in the menu.
        folder: the package's folder, with `templates/` and maybe `static/`.
        menu: where the menu entry leads; "" shows none.
        about: key of one sentence on what the section is for, shown on the start page; "" shows none.
        order: place in the menu, smaller first.
    """

    name: str
    role: str
    routes: Callable[[], Sequence[web.RouteDef]]
    texts: Texts
    folder: Path
    menu: str = ""
    about: str = ""
    order: int = 50
