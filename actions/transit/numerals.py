"""Small numbers written in Chinese or English words."""

from __future__ import annotations

import re

_DIGITS = {
    "零": 0,
    "〇": 0,
    "一": 1,
    "二": 2,
    "两": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
}
_UNITS = {"十": 10, "百": 100}
ZH_NUMBER = "[零〇一二两三四五六七八九十百]"
_EN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
).split()
EN_NUMBER = "(?:" + "|".join(sorted(_EN[1:], key=len, reverse=True)) + "|thirty|forty|fifty)"


def number(text: str) -> int | None:
    """Return the value of digits, Chinese numerals ("二十六", "一〇二") or an English word, or `None`."""
    if re.fullmatch(r"[0-9]{1,6}", text):
        return int(text)
    if text in _EN:
        return _EN.index(text)
    if text in ("thirty", "forty", "fifty"):
        return {"thirty": 30, "forty": 40, "fifty": 50}[text]
    if not text or any(c not in _DIGITS and c not in _UNITS for c in text) or len(text) > 7:
        return None
    if not any(c in _UNITS for c in text):
        return int("".join(str(_DIGITS[c]) for c in text))
    total, current = 0, 0
    for c in text:
        if c in _DIGITS:
            current = _DIGITS[c]
        else:
            total += (current or 1) * _UNITS[c]
            current = 0
    return total + current
