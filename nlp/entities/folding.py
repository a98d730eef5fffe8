"""Compact form of a text for name matching: letters and digits only, with the way back and the word boundaries."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_HAN_NUMBER = frozenset("零〇一二两三四五六七八九十百千")


@dataclass(frozen=True)
class Compact:
    """Folded letters and digits of a text.

    `at[i]` is where character i stands in the text; `opens[i]` tells whether a name may begin there and
    `closes[i]` whether one may end after it. Chinese has no word boundaries, but numbers have: neither "112路"
    nor "二十二路" holds a "12路" or "二路", and "carpark" holds no "park".
    """

    text: str
    at: tuple[int, ...]
    opens: tuple[bool, ...]
    closes: tuple[bool, ...]


@lru_cache(maxsize=1 << 16)
def fold_char(char: str) -> str:
    """Return one character in compatibility width and lower case, or "" when it is no letter or digit."""
    folded = unicodedata.normalize("NFKC", char).lower()
    folded = folded[0] if folded else ""
    return folded if folded.isalnum() else ""


def compact(text: str) -> Compact:
    """Return the compact form of a text."""
    chars: list[str] = []
    at: list[int] = []
    for index, char in enumerate(text):
        folded = fold_char(char)
        if folded:
            chars.append(folded)
            at.append(index)
    glued = [
        position + 1 < len(at)
        and at[position + 1] == at[position] + 1
        and _one_word(chars[position], chars[position + 1])
        for position in range(len(at))
    ]
    opens = tuple(position == 0 or not glued[position - 1] for position in range(len(at)))
    closes = tuple(not together for together in glued)
    return Compact("".join(chars), tuple(at), opens, closes)


def compact_name(text: str) -> str:
    """Return only the folded letters and digits of a name."""
    return "".join(fold_char(char) for char in text)


def _one_word(first: str, second: str) -> bool:
    if first.isascii() and second.isascii():
        return True
    numbers = _HAN_NUMBER
    return (first in numbers or first.isdigit()) and (second in numbers or second.isdigit())


def has_han(text: str) -> bool:
    """Return whether a text holds a Chinese character."""
    return HAN.search(text) is not None
