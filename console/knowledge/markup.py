"""Answers as citizens will see them: Markdown without HTML, cleaned once more before it is shown."""

from __future__ import annotations

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table")
_TAGS = {
    "a", "p", "br", "strong", "em", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "code", "pre",
    "table", "thead", "tbody", "tr", "th", "td", "hr",
}  # fmt: skip
_SCHEMES = {"http", "https", "mailto", "tel"}


def preview(text: str) -> Markup:
    """Return an answer's Markdown as HTML of a few harmless tags; attachments lead to the console's copy."""
    html = nh3.clean(
        _MARKDOWN.render(text),
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer",
    )
    return Markup(html.replace('href="/files/', 'href="/knowledge/files/'))
