"""Brings text into one form for matching: width, case, traditional characters, spaces; finds known names in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

import opencc
from pypinyin import lazy_pinyin

MAX_CHARS = 400
K = TypeVar("K", bound=Hashable)
_CJK = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


@lru_cache(maxsize=1)
def _converter() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


@lru_cache(maxsize=20_000)
def fold(text: str) -> str:
    """Return `text` in compatibility width, lower case and simplified characters, without control characters.

    Only the first `MAX_CHARS` characters count: a question about a bus is shorter.
    """
    text = unicodedata.normalize("NFKC", text[:MAX_CHARS])[:MAX_CHARS]
    kept = [" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C"]
    return str(_converter().convert("".join(kept).lower())).strip()


def has_cjk(text: str) -> bool:
    """Return whether `text` holds a Chinese character."""
    return _CJK.search(text) is not None


@dataclass(frozen=True)
class Compact:
    """Letters and digits of a folded text.

    `at[i]` is where character i stands in the folded text; `opens[i]` tells whether a name may start there and
    `closes[i]` whether one may end after it, so that "112" does not contain "12", nor "carpark" "park".
    """

    text: str
    at: tuple[int, ...]
    opens: tuple[bool, ...]
    closes: tuple[bool, ...]


def compact(folded: str) -> Compact:
    """Return the compact form of a folded text."""
    chars: list[str] = []
    at: list[int] = []
    for index, char in enumerate(folded):
        if char.isalnum():
            chars.append(char)
            at.append(index)
    opens, closes = [], []
    for n, char in enumerate(chars):
        before = folded[at[n] - 1] if at[n] else " "
        after = folded[at[n] + 1] if at[n] + 1 < len(folded) else " "
        opens.append(_breaks(before, char) and not (before in "'’" and char == "s"))
        closes.append(_breaks(after, char))
    return Compact("".join(chars), tuple(at), tuple(opens), tuple(closes))


def _breaks(outside: str, inside: str) -> bool:
    if not inside.isascii() or not outside.isascii():
        return True
    return not outside.isalnum()


@lru_cache(maxsize=20_000)
def key(text: str) -> str:
    """Return the compact key under which a name is looked up."""
    return compact(fold(text)).text


@lru_cache(maxsize=20_000)
def pinyin(text: str) -> str:
    """Return the toneless pinyin of a folded text, without spaces; Latin letters and digits stay."""
    return "".join(c for c in "".join(lazy_pinyin(text)).lower() if c.isalnum())


@dataclass(frozen=True)
class Found(Generic[K]):
    """A name found in a folded text, with what it may stand for."""

    start: int
    end: int
    targets: tuple[K, ...]


class Names(Generic[K]):
    """Finds known names in running text, longest first, with or without word boundaries."""

    def __init__(self) -> None:
        self._targets: dict[str, dict[K, int]] = {}
        self._lengths: dict[str, list[int]] = {}

    def add(self, name: str, target: K, rank: int = 0) -> None:
        """Add a name; a lower `rank` wins where two targets share it."""
        form = key(name)
        if len(form) < (2 if has_cjk(form) else 3):
            return
        ranks = self._targets.setdefault(form, {})
        ranks[target] = min(rank, ranks.get(target, rank))
        lengths = self._lengths.setdefault(form[0], [])
        if len(form) not in lengths:
            lengths.append(len(form))
            lengths.sort(reverse=True)

    def exact(self, name: str) -> tuple[K, ...]:
        """Return what exactly this name stands for."""
        return self._best(key(name))

    def _best(self, form: str) -> tuple[K, ...]:
        ranks = self._targets.get(form)
        if not ranks:
            return ()
        best = min(ranks.values())
        return tuple(t for t, r in ranks.items() if r == best)

    def find(self, folded: str) -> list[Found[K]]:
        """Return the names in a folded text, from the left, without overlaps."""
        form = compact(folded)
        found: list[Found[K]] = []
        n = 0
        while n < len(form.text):
            step = 1
            if form.opens[n]:
                for length in self._lengths.get(form.text[n], ()):
                    end = n + length
                    if end > len(form.text) or not form.closes[end - 1]:
                        continue
                    targets = self._best(form.text[n:end])
                    if targets:
                        found.append(Found(form.at[n], form.at[end - 1] + 1, targets))
                        step = length
                        break
            n += step
        return found

    def forms(self) -> Iterable[tuple[str, tuple[K, ...]]]:
        """Yield each key with its targets."""
        return ((form, self._best(form)) for form in self._targets)
