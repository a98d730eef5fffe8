"""The section as the console sees it."""

from __future__ import annotations

from pathlib import Path

from console.nlu import model_pages, pages
from console.nlu.texts import TEXTS
from console.section import Section

SECTION = Section(
    name="nlu",
    role="viewer",
    routes=lambda: [*pages.routes(), *model_pages.routes()],
    texts=TEXTS,
    folder=Path(__file__).parent,
    menu="/nlu",
    about="intro",
    order=40,
)
