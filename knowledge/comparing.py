"""Says what differs between two versions of an article, field by field and word by word."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from knowledge.article import Article

# A Chinese character, a word, a line's end, or one other character.
_TOKEN = re.compile(r"[㐀-䶿一-鿿]|[^\W\d_㐀-䶿一-鿿]+|\d+|\n|[^\S\n]+|[^\w\s]|_")

# Longer texts are compared by the line: the time grows with the product of their lengths.
_WORD_BY_WORD = 9_000_000


@dataclass(frozen=True)
class Span:
    """A stretch of text: `same`, `removed` from the older or `added` by the newer version."""

    kind: str
    text: str


@dataclass(frozen=True)
class FieldChange:
    """One field that differs; `field` is named with its language, as `answer.zh`."""

    field: str
    before: str
    after: str
    spans: Sequence[Span]


def compare(before: Article, after: Article) -> list[FieldChange]:
    """Return the fields that differ, in the order of the article format; none when the texts are the same."""
    old, new = _flat(before), _flat(after)
    names = list(dict.fromkeys([*old, *new]))
    return [
        FieldChange(name, old.get(name, ""), new.get(name, ""), spans(old.get(name, ""), new.get(name, "")))
        for name in names
        if old.get(name, "") != new.get(name, "")
    ]


def spans(before: str, after: str) -> list[Span]:
    """Return how one text becomes the other; `same` and `removed` spans make the old one, `same` and `added` the new."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    if len(old) * len(new) > _WORD_BY_WORD:
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    found: list[Span] = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(Span("same", "".join(old[a:b])))
            continue
        if b > a:
            found.append(Span("removed", "".join(old[a:b])))
        if d > c:
            found.append(Span("added", "".join(new[c:d])))
    return found


def _flat(article: Article) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in article.content().items():
        if isinstance(value, Mapping):
            flat.update({f"{name}.{language}": _text(item) for language, item in sorted(value.items())})
        else:
            flat[name] = _text(value)
    return flat


def _text(value: Any) -> str:
    if value is None:
        return ""
    return "\n".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
