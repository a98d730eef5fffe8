"""The section as the console sees it."""

from __future__ import annotations

from pathlib import Path

from console.conversations.pages import routes
from console.conversations.texts import TEXTS
from console.section import Section

SECTION = Section(
    name="conversations",
    role="viewer",
    routes=routes,
    texts=TEXTS,
    folder=Path(__file__).parent,
    menu="/conversations",
    about="intro",
    order=30,
)
