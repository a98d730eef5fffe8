"""Numbers as they are spoken in Chinese and English."""

from __future__ import annotations

from num2words import num2words

_DIGITS = "零一二三四五六七八九"
_UNITS = ("", "十", "百", "千")
_GROUPS = ("", "万", "亿", "万亿")
# On the telephone "one" is yāo in Chinese digit strings: yī sounds like qī (seven).
_SPELLED_ZH = {**dict(zip("0123456789", _DIGITS, strict=True)), "1": "幺"}
_SPELLED_EN = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_LARGEST = 10**16


def spell(digits: str, language: str) -> str:
    """Return digits one by one, as telephone and request numbers are read; letters stay, apart."""
    if language == "zh":
        return "".join(
            _SPELLED_ZH.get(c, f" {c.upper()} " if c.isascii() and c.isalpha() else "") for c in digits
        ).strip()
    parts = [
        _SPELLED_EN[int(c)] if c.isdecimal() and c.isascii() else c.upper() for c in digits if c.isalnum()
    ]
    return " ".join(parts)


def cardinal(number: str, language: str) -> str:
    """Return an amount in words.

    Args:
        number: digits, with thousands separators, a decimal point and a sign or without.
        language: "zh" or "en".

    Raises:
        ValueError: the text is no number.
    """
    plain = number.replace(",", "").replace("，", "")
    sign = plain.startswith(("-", "−"))
    whole, _, decimals = plain.lstrip("+-−").partition(".")
    value = int(whole or "0")
    if decimals and not decimals.isdecimal():
        raise ValueError(f"{number!r} is no number")
    if value >= _LARGEST:
        return spell(whole, language)
    if language == "zh":
        text = _whole_zh(value)
        if decimals:
            text += "点" + "".join(_DIGITS[int(d)] for d in decimals)
        return ("负" if sign else "") + text
    text = str(num2words(value, lang="en")).replace(",", "")
    if decimals:
        text += " point " + " ".join(_SPELLED_EN[int(d)] for d in decimals)
    return ("minus " if sign else "") + text


def clock(hour: int, minute: int, language: str) -> str:
    """Return a time of day, 24 hours, in words: "九点三十分", "half past"-free English "nine thirty a.m."."""
    if language == "zh":
        rest = (
            "半"
            if minute == 30
            else ""
            if minute == 0
            else f"{'零' if minute < 10 else ''}{_whole_zh(minute)}分"
        )
        return f"{'两' if hour == 2 else _whole_zh(hour)}点{rest}"
    if hour == 24 or (hour, minute) == (0, 0):
        return "midnight"
    if (hour, minute) == (12, 0):
        return "noon"
    half = "a.m." if hour < 12 else "p.m."
    shown = cardinal(str(hour % 12 or 12), "en")
    rest = "" if minute == 0 else f" {'oh ' if minute < 10 else ''}{cardinal(str(minute), 'en')}"
    return f"{shown}{rest} {half}"


def _whole_zh(value: int) -> str:
    if value == 0:
        return "零"
    groups: list[tuple[int, int]] = []
    position = 0
    while value:
        value, group = divmod(value, 10_000)
        groups.append((position, group))
        position += 1
    text, gap = "", False
    for position, group in reversed(groups):
        if group == 0:
            gap = bool(text)
            continue
        if text and (gap or group < 1000):
            text += "零"
        text += _group_zh(group) + _GROUPS[position]
        gap = False
    return text[1:] if text.startswith("一十") else text


def _group_zh(group: int) -> str:
    text, gap = "", False
    for power in (3, 2, 1, 0):
        digit = group // 10**power % 10
        if digit == 0:
            gap = bool(text)
            continue
        text += ("零" if gap else "") + _DIGITS[digit] + _UNITS[power]
        gap = False
    return text
