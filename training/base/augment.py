"""Noise for the student's input: typos, lost punctuation, traditional characters, mixed width and case.

The teacher always sees the clean sentence, so the student learns to embed the noisy one like it.
"""

from __future__ import annotations

import random
import re

import opencc

_PUNCTUATION = re.compile(r"[,.?!;:，。？！；：、…~～\"“”‘’（）()《》【】]+")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PARTICLES = ("啊", "呢", "吧", "呀", "哈", "哦")


class Noise:
    """Apply one or two random small damages to a sentence; seeded, so a run can be repeated."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self._traditional = opencc.OpenCC("s2t")
        self._simplified = opencc.OpenCC("t2s")

    def __call__(self, text: str, probability: float) -> str:
        """Return `text`, damaged with the given probability (0 to 1)."""
        if self.rng.random() >= probability or len(text) < 4:
            return text
        noisy = self._once(text)
        return self._once(noisy) if self.rng.random() < 0.25 else noisy

    def _once(self, text: str) -> str:
        draw = self.rng.random()
        if draw < 0.4:
            damaged = _PUNCTUATION.sub(" ", text).strip()
        elif draw < 0.6 and not text.isascii():
            damaged = str(self._traditional.convert(text))
        elif draw < 0.65 and not text.isascii():
            damaged = str(self._simplified.convert(text))
        elif draw < 0.72:
            damaged = self._tail(text)
        else:
            damaged = self._typo(text)
        return damaged or text

    def _tail(self, text: str) -> str:
        return text.upper() if text.isascii() else text.rstrip("。？！?!.") + self.rng.choice(_PARTICLES)

    def _typo(self, text: str) -> str:
        place = self.rng.randrange(1, len(text) - 1)
        kind = self.rng.randrange(4)
        if kind == 0:
            return text[:place] + text[place + 1 :]
        if kind == 1:
            return text[: place - 1] + text[place] + text[place - 1] + text[place + 1 :]
        if kind == 2:
            return text[:place] + text[place] + text[place:]
        letter = self.rng.choice(_LETTERS) if text[place].isascii() else self.rng.choice(text)
        return text[:place] + letter + text[place + 1 :]
