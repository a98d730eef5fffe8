"""Brings a text into the form the model reads, character for character, so that positions stay the citizen's own."""

from __future__ import annotations

import re
from functools import lru_cache

import opencc

MAX_CHARS = 2000
_HAN = re.compile("[\u3400-\u9fff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


@lru_cache(maxsize=1)
def _converter() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


def prepare(text: str) -> str:
    """Return the first 2,000 characters with half surrogate pairs replaced and traditional characters simplified.

    Every character of the result stands where it stood in `text`.
    """
    text = text[:MAX_CHARS]
    if _SURROGATE.search(text):
        text = _SURROGATE.sub("\ufffd", text)
    if _HAN.search(text):
        simplified = str(_converter().convert(text))
        if len(simplified) == len(text):
            return simplified
        # A phrase changed its length: convert each character alone.
        return "".join(_one(char) for char in text)
    return text


@lru_cache(maxsize=8192)
def _one(char: str) -> str:
    converted = str(_converter().convert(char))
    return converted if len(converted) == 1 else char
