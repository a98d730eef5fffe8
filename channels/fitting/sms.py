"""Segments of a text message: GSM 7-bit where every character is in its alphabet, else UCS-2 (3GPP TS 23.038)."""

from __future__ import annotations

import math
from dataclasses import dataclass

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = "^{}\\[~]|€\f"
# Typographic characters that would double the price of an English text, and their plain likes.
_PLAIN = str.maketrans(
    {"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "…": "...", "•": "*", "\u00a0": " "}
)


@dataclass(frozen=True)
class Segments:
    """How a text travels: `encoding` is gsm7 or ucs2, `count` the segments that are charged for."""

    encoding: str
    units: int
    count: int


def segments(text: str) -> Segments:
    """Count the segments of a text.

    One segment holds 160 septets or 70 UTF-16 units; a concatenated one 153 or 67, because of its header.
    """
    if all(character in _BASIC or character in _EXTENDED for character in text):
        units = sum(2 if character in _EXTENDED else 1 for character in text)
        return Segments("gsm7", units, 1 if units <= 160 else math.ceil(units / 153))
    units = len(text.encode("utf-16-le", "replace")) // 2
    return Segments("ucs2", units, 1 if units <= 70 else math.ceil(units / 67))


def thrifty(text: str) -> str:
    """Return the text with plain punctuation if that makes it GSM 7-bit, else unchanged."""
    plain = text.translate(_PLAIN)
    return plain if segments(plain).encoding == "gsm7" else text
