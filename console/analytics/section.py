"""The section as the console sees it."""

from __future__ import annotations

from pathlib import Path

from console.analytics.pages import routes
from console.analytics.texts import TEXTS
from console.section import Section

SECTION = Section(
    name="analytics",
    role="viewer",
    routes=routes,
    texts=TEXTS,
    folder=Path(__file__).parent,
    menu="/analytics",
    about="intro",
    order=50,
)
