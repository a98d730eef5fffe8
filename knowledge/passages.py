"""Splits articles into the pieces that are searched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from knowledge.article import LANGUAGES, Article
from knowledge.text import has_han, plain

KINDS = ("title", "question", "passage")
# What the encoder reads at once: about 128 tokens.
_MAX_CHARS = {"zh": 130, "en": 480}
_HEADING = re.compile(r"^#{1,6}\s+(?P<text>.+?)\s*#*$", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[。！？；])|(?<=[.!?;])\s+")


@dataclass(frozen=True)
class Piece:
    """One searchable text of an article: its title, a phrasing, or a passage of the answer."""

    language: str
    kind: str
    position: int
    text: str


def pieces_of(article: Article) -> list[Piece]:
    """Return the searchable pieces of an article, in a fixed order."""
    pieces: list[Piece] = []
    for language in LANGUAGES:
        if article.title.get(language):
            pieces.append(Piece(language, "title", 0, article.title[language]))
        pieces += [
            Piece(language, "question", position, text)
            for position, text in enumerate(article.questions.get(language, ()))
        ]
        if article.answer.get(language):
            pieces += [
                Piece(language, "passage", position, text)
                for position, text in enumerate(split_passages(article.answer[language]))
            ]
    return pieces


def plain_lines(text: str) -> list[str]:
    """Return the lines of Markdown text that say something, without Markdown marks."""
    return [line for line in (plain(line) for line in text.splitlines()) if line]


def split_passages(text: str, limit: int = 0) -> list[str]:
    """Split Markdown text into passages at headings, paragraphs and sentences.

    Args:
        text: the Markdown text; a heading is put before every passage that stands below it.
        limit: longest passage in characters; 0 takes what suits the text's script.

    Returns:
        Passages without Markdown marks; none is empty, and only an endless sentence is longer than `limit`.
    """
    limit = limit or _MAX_CHARS["zh" if has_han(text) else "en"]
    passages: list[str] = []
    for heading, section in _sections(text):
        room = max(limit - len(heading) - 1, limit // 2)
        chunks = _pack(_units(section, room), room)
        passages += [f"{heading}: {chunk}" if heading else chunk for chunk in chunks]
    return passages


def _sections(text: str) -> Iterator[tuple[str, str]]:
    headings = list(_HEADING.finditer(text))
    yield "", text[: headings[0].start()] if headings else text
    for number, heading in enumerate(headings):
        end = headings[number + 1].start() if number + 1 < len(headings) else len(text)
        yield plain(heading["text"]), text[heading.end() : end]


def _units(section: str, room: int) -> Iterator[str]:
    """Yield paragraphs and list lines, those that are too long by the sentence, endless ones by the character."""
    for line in section.splitlines():
        line = plain(line)
        if len(line) <= room:
            if line:
                yield line
            continue
        for sentence in _SENTENCE_END.split(line):
            for start in range(0, len(sentence), room):
                if sentence[start : start + room].strip():
                    yield sentence[start : start + room].strip()


def _pack(units: Iterator[str], room: int) -> Iterator[str]:
    packed = ""
    for unit in units:
        if packed and len(packed) + 1 + len(unit) > room:
            yield packed
            packed = ""
        packed = f"{packed} {unit}" if packed else unit
    if packed:
        yield packed
