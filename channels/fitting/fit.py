"""From replies to the messages of a platform; the same input always gives the same messages."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urljoin

from channels.fitting.markdown import DIALECTS, Block, Dialect, blocks
from channels.fitting.shape import Shape
from channels.fitting.split import split_text
from city.messages import Button, Citation, Reply

_WORDS = {
    "zh": {
        "choose": "回复数字选择：",
        "sources": "来源：",
        "picture": "图片：",
        "more": "……（内容较长，其余略）",
    },
    "en": {
        "choose": "Reply with a number:",
        "sources": "Source: ",
        "picture": "Picture: ",
        "more": "… (shortened)",
    },
}


@dataclass(frozen=True)
class Part:
    """One message of the platform: a text with native buttons, or a picture by its address."""

    text: str
    buttons: tuple[Button, ...] = ()
    image: str | None = None


def fit(
    replies: Sequence[Reply],
    shape: Shape,
    *,
    language: str = "zh",
    message_id: str = "",
    public_url: str = "",
) -> list[Part]:
    """Return the messages that replies become on a platform.

    Args:
        replies: what is to be said.
        shape: what the platform can show.
        language: of the few words added here ("Reply with a number").
        message_id: names the message in the history, so that a short payload can stand for a long one.
        public_url: where the gateway is reached from outside; makes links and pictures absolute.
    """
    words = _WORDS["zh" if language == "zh" else "en"]
    dialect = DIALECTS[shape.dialect]
    parts: list[Part] = []
    number = index = 0
    for reply in replies:
        found = blocks(reply.text, dialect)
        found += _sources(reply.citations, words["sources"], dialect, public_url)
        image = absolute(reply.image, public_url)
        if image and not shape.images:
            found.append(_labelled(words["picture"], image, dialect))
        native: tuple[Button, ...] = ()
        if reply.buttons and is_numbered(reply, shape):
            found.append(_numbered(reply.buttons, number, words["choose"], dialect))
            number += len(reply.buttons)
        elif reply.buttons:
            native = tuple(
                _native(button, shape, message_id, index + n) for n, button in enumerate(reply.buttons)
            )
        index += len(reply.buttons)
        texts = _pack(found, shape)
        if len(texts) > shape.max_parts:
            texts = texts[: shape.max_parts]
            texts[-1] = _with_room(texts[-1], words["more"], shape)
        if image and shape.images:
            parts.append(Part("", image=image))
        parts.extend(Part(text) for text in texts[:-1])
        if texts:
            parts.append(Part(texts[-1], native))
    return parts


def is_numbered(reply: Reply, shape: Shape) -> bool:
    """Return whether a reply's buttons become numbered choices on a platform."""
    return len(reply.buttons) > shape.buttons


def short_payload(message_id: str, index: int) -> str:
    """Return the payload that stands for the `index`-th button (from 0) of a message in the history."""
    return f"~{index + 1}@{hashlib.sha1(message_id.encode(), usedforsecurity=False).hexdigest()[:8]}"


def absolute(url: str | None, public_url: str) -> str | None:
    """Return an address as seen from outside; `None` where there is none that works there."""
    if not url or url.startswith(("http://", "https://")):
        return url or None
    return urljoin(public_url.rstrip("/") + "/", url.lstrip("/")) if public_url else None


def shorten(title: str, limit: int) -> str:
    """Return a title of at most `limit` characters."""
    return title if len(title) <= limit else title[: limit - 1].rstrip() + "…"


def _native(button: Button, shape: Shape, message_id: str, index: int) -> Button:
    payload = button.payload
    if len(payload.encode("utf-8", "replace")) > shape.payload_limit or payload.startswith("~"):
        payload = short_payload(message_id, index)
    return Button(shorten(button.title, shape.title_limit), payload)


def _numbered(buttons: Sequence[Button], start: int, heading: str, dialect: Dialect) -> Block:
    lines = [f"{start + n}. {button.title}" for n, button in enumerate(buttons, 1)]
    return Block(dialect.escape("\n".join([heading, *lines])), "\n".join([heading, *lines]))


def _labelled(label: str, url: str, dialect: Dialect) -> Block:
    return Block(dialect.escape(label) + dialect.link(dialect.escape(url), url), label + url)


def _sources(citations: Sequence[Citation], label: str, dialect: Dialect, public_url: str) -> list[Block]:
    found: list[Block] = []
    for citation in citations:
        url = absolute(citation.url, public_url)
        title = dialect.escape(citation.title)
        text = dialect.escape(label) + (dialect.link(title, url) if url else title)
        plain = f"{label}{citation.title}" + (f" {url}" if url else "")
        found.append(Block(text, plain, tight=bool(found)))
    return found


def _pack(found: Sequence[Block], shape: Shape) -> list[str]:
    """Join blocks into texts within the limit; a block that is too long alone is split as plain text."""
    escape = DIALECTS[shape.dialect].escape
    texts: list[str] = []
    current = ""
    for block in found:
        joint = ("\n" if block.tight else "\n\n") if current else ""
        if shape.unit.count(current + joint + block.text) <= shape.limit:
            current += joint + block.text
            continue
        if current:
            texts.append(current)
            current = ""
        if shape.unit.count(block.text) <= shape.limit:
            current = block.text
            continue
        pieces = _escaped_pieces(block.plain, shape, escape)
        texts.extend(pieces[:-1])
        current = pieces[-1] if pieces else ""
    return [text for text in [*texts, current] if text.strip()]


def _escaped_pieces(plain: str, shape: Shape, escape: object) -> list[str]:
    """Split plain text so that each piece fits once its markup characters are escaped."""
    assert callable(escape)
    limit = shape.limit
    while True:
        pieces = [str(escape(piece)) for piece in split_text(plain, limit, shape.unit)]
        if limit <= 16 or all(shape.unit.count(piece) <= shape.limit for piece in pieces):
            return pieces
        limit = limit * 3 // 4


def _with_room(text: str, ending: str, shape: Shape) -> str:
    escape = DIALECTS[shape.dialect].escape
    room = shape.limit - shape.unit.count(escape(ending))
    if shape.unit.count(text) > room:
        pieces = split_text(text, max(room, 1), shape.unit)
        text = pieces[0] if pieces else ""
    return text + escape(ending)
