"""What people do to a sentence when they type in a hurry; used to train with and to measure with."""

from __future__ import annotations

import itertools
import random
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from pypinyin import lazy_pinyin

from nlp.entities.folding import HAN
from training.nlu.marked_text import MarkedText

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


@lru_cache(maxsize=1)
def _neighbours() -> dict[str, str]:
    near: dict[str, set[str]] = defaultdict(set)
    for row in _KEYS:
        for a, b in itertools.pairwise(row):
            near[a].add(b)
            near[b].add(a)
    for upper, lower in itertools.pairwise(_KEYS):
        for a, b in zip(upper, lower, strict=False):
            near[a].add(b)
            near[b].add(a)
    return {key: "".join(sorted(values)) for key, values in near.items()}


def typo(text: MarkedText, rng: random.Random) -> None:
    """Make one slip: letters swapped, lost, doubled or hit beside; of Chinese, one character lost or swapped."""
    chars = text.chars
    places = [
        i for i in range(1, len(chars) - 1) if chars[i].isalpha() and (chars[i - 1] + chars[i + 1]).strip()
    ]
    letters = [i for i in places if chars[i].isascii() and chars[i - 1].isascii() and chars[i - 1].isalpha()]
    han = [i for i in places if HAN.match(chars[i]) and text.owner[i] < 0]
    if letters and (not han or rng.random() < 0.5):
        at = rng.choice(letters)
        kind = rng.randrange(4)
        if kind == 0 and chars[at + 1].isalpha() and text.owner[at] == text.owner[at + 1]:
            chars[at], chars[at + 1] = chars[at + 1], chars[at]
        elif kind == 1:
            text.replace(at, at + 1, "", None)
        elif kind == 2:
            text.replace(at, at + 1, chars[at] * 2)
        else:
            text.replace(at, at + 1, rng.choice(_neighbours().get(chars[at].lower(), chars[at])))
    elif len(han) >= 3:
        at = rng.choice(han)
        if rng.random() < 0.5 and text.owner[at + 1] < 0:
            chars[at], chars[at + 1] = chars[at + 1], chars[at]
        else:
            text.replace(at, at + 1, "", None)


class Homophones:
    """Characters that sound alike, drawn from given texts so that only characters in use come up."""

    def __init__(self, texts: Iterable[str]) -> None:
        used = sorted({char for text in texts for char in text if HAN.match(char)})
        groups: dict[str, list[str]] = defaultdict(list)
        for char in used:
            groups[lazy_pinyin(char)[0]].append(char)
        self._of = {char: [c for c in group if c != char] for group in groups.values() for char in group}

    def apply(self, text: MarkedText, rng: random.Random) -> None:
        """Replace one or two characters by others of the same sound."""
        places = [i for i, char in enumerate(text.chars) if self._of.get(char)]
        for at in rng.sample(places, min(len(places), rng.choice((1, 1, 2)))):
            text.chars[at] = rng.choice(self._of[text.chars[at]])


def drop_punctuation(text: MarkedText) -> None:
    """Leave out all punctuation marks; between Latin words a space stays."""
    for at in range(len(text.chars) - 1, -1, -1):
        char = text.chars[at]
        if unicodedata.category(char).startswith("P") and text.owner[at] < 0:
            before = text.chars[at - 1] if at else ""
            after = text.chars[at + 1] if at + 1 < len(text.chars) else ""
            if before.isdigit() and after.isdigit():
                continue
            text.replace(at, at + 1, "", None)


def change_case(text: MarkedText, rng: random.Random) -> None:
    """Write Latin letters all small, all capital, or with capitals at words' beginnings."""
    how = rng.choice((str.lower, str.upper, str.title))
    changed = how("".join(text.chars))
    if len(changed) == len(text.chars):
        text.chars[:] = list(changed)
