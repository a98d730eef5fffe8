"""Splitting long texts at sentences, never inside one where it can be helped."""

from __future__ import annotations

import re

from channels.fitting.shape import Unit

# After the closing mark of a sentence in Chinese or English, with its quotation mark or bracket.
_SENTENCE = re.compile(
    r"(?<=[。！？!?；;…\n])(?![”’」』）)\]]|[。！？!?…])|(?<=[.!?][\s])|(?<=[。！？][”’」』）])"
)
_CLAUSE = re.compile(r"(?<=[，,、：:])|(?<=\s)")


def split_text(text: str, limit: int, unit: Unit = Unit.CHARACTERS) -> list[str]:
    """Return pieces of at most `limit` units whose joined text is `text` but for the space at the joints.

    Cuts at line ends and sentences; at clauses where a sentence is longer than a piece; within a word only
    where nothing else is left, never inside a surrogate pair or a joined emoji.
    """
    text = text.strip()
    if unit.count(text) <= limit:
        return [text] if text else []
    pieces: list[str] = []
    current = ""
    for part in _parts(text, limit, unit):
        if current and unit.count((current + part).rstrip()) > limit:
            pieces.append(current.strip())
            current = ""
        current += part
    pieces.append(current.strip())
    return [piece for piece in pieces if piece]


def _parts(text: str, limit: int, unit: Unit) -> list[str]:
    parts: list[str] = []
    for sentence in filter(None, _SENTENCE.split(text)):
        if unit.count(sentence.strip()) <= limit:
            parts.append(sentence)
            continue
        for clause in filter(None, _CLAUSE.split(sentence)):
            parts.extend([clause] if unit.count(clause.strip()) <= limit else _hard(clause, limit, unit))
    return parts


def _hard(text: str, limit: int, unit: Unit) -> list[str]:
    pieces, current = [], ""
    for cluster in _clusters(text):
        if current and unit.count(current + cluster) > limit:
            pieces.append(current)
            current = ""
        current += cluster
    return [*pieces, current]


def _clusters(text: str) -> list[str]:
    """Return the text in units that may be parted: a base with its marks, variation selectors and joiners."""
    return re.findall(
        r".(?:[\u0300-\u036f\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff]|\u200d.)*", text, re.DOTALL
    )
