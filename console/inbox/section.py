"""The section as the console sees it."""

from __future__ import annotations

from pathlib import Path

from console.inbox.pages import routes
from console.inbox.texts import TEXTS
from console.section import Section

SECTION = Section(
    name="inbox",
    role="viewer",
    routes=routes,
    texts=TEXTS,
    folder=Path(__file__).parent,
    menu="/inbox",
    about="intro",
    order=20,
)
