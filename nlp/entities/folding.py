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
    opens: list[bool] = []
    before, kinds_before = -1, 0
    for index, char in enumerate(text):
        folded = fold_char(char)
        if folded:
            kinds = _kinds(folded)
            # Neighbours of one kind are one word or one number.
            opens.append(not (kinds & kinds_before and before == index - 1))
            chars.append(folded)
            at.append(index)
            before, kinds_before = index, kinds
    closes = (*opens[1:], True) if opens else ()
    return Compact("".join(chars), tuple(at), tuple(opens), closes)


def compact_name(text: str) -> str:
    """Return only the folded letters and digits of a name."""
    return "".join(fold_char(char) for char in text)


@lru_cache(maxsize=1 << 16)
def _kinds(folded: str) -> int:
    """Return the kinds of a character as bits: 1 for ASCII, 2 for a number."""
    return folded.isascii() + 2 * (folded in _HAN_NUMBER or folded.isdigit())


def has_han(text: str) -> bool:
    """Return whether a text holds a Chinese character."""
    return HAN.search(text) is not None
