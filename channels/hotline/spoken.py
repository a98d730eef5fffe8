"""Turns a written reply into what a voice says: no Markdown, numbers in words, short parts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from num2words import num2words

from channels.hotline.numerals import cardinal, clock, spell
from city.messages import Reply

# About twenty seconds of speech: longer turns are not remembered by a listener.
PART_CHARS = {"zh": 90, "en": 260}
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_URL = re.compile(r"(?:https?://|www\.)[^\s，。；、）)]+", re.I)
_MARKS = re.compile(r"(\*\*|__|~~|`+|^#{1,6}\s+|^>\s?)", re.M)
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)、])\s+", re.M)
_CONTROL = re.compile(r"[\u0000-\u0008\u000b-\u001f\u007f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_EMOJI = re.compile(r"[\U0001F000-\U0001FAFF\u2600-\u27BF\uFE0F]")
_DASH = r"\s*[-–—~～至到]\s*"
_CLOCK = r"([01]?\d|2[0-4])[:：]([0-5]\d)"
_SENTENCE = re.compile(r"(?<=[。！？；!?;])\s*|(?<=[.])\s+(?=[A-Z0-9])|\n+")
_UNITS_ZH = (
    (r"公里/小时|km/h", "公里每小时"),
    (r"辆/小时", "辆每小时"),
    (r"元/小时", "元每小时"),
    (r"°C|℃", "摄氏度"),
    (r"m²|㎡", "平方米"),
    (r"kWh", "千瓦时"),
    (r"kW\b", "千瓦"),
)
_UNITS_EN = (
    (r"km/h", " kilometres per hour"),
    (r"s/veh", " seconds per vehicle"),
    (r"°C|℃", " degrees Celsius"),
    (r"m²|㎡", " square metres"),
    (r"(?<=\d)\s*km\b", " kilometres"),
    (r"(?<=\d)\s*m\b", " metres"),
    (r"(?<=\d)\s*min\b", " minutes"),
    (r"\bkWh\b", " kilowatt hours"),
    (r"\bkW\b", " kilowatts"),
    (r"\bext\.", "extension"),
    (r"\be\.g\.", "for example"),
    (r"\bi\.e\.", "that is"),
    (r"\betc\.", "and so on"),
    (r"\bNo\.(?=\s*\d)", "number"),
    (r"\bSt\.", "Street"),
    (r"\bRd\b\.?", "Road"),
    (r"\bAve\b\.?", "Avenue"),
    (r"&", " and "),
)
_MONTHS = "January February March April May June July August September October November December".split()


def speakable(text: str, language: str) -> str:
    """Return a text as it is to be spoken: numbers, times, dates, amounts and abbreviations in words.

    Args:
        text: plain text or simple Markdown.
        language: "zh" or "en", the language it is spoken in.
    """
    text = _CONTROL.sub("", _EMOJI.sub(" ", _LINK.sub(r"\1", text)))
    text = _BULLET.sub("", _MARKS.sub("", text))
    text = _URL.sub("市政府网站" if language == "zh" else "the city's website", text)
    for pattern, words in _UNITS_ZH if language == "zh" else _UNITS_EN:
        text = re.sub(pattern, words, text)
    text = _times(text, language)
    text = _dates(text, language)
    text = _numbers(text, language)
    text = re.sub(r"[|*_#<>\\^{}\[\]]", " ", text).replace(".m..", ".m.")
    return re.sub(r"[ \t]+", " ", text).strip()


def _times(text: str, language: str) -> str:
    to = "到" if language == "zh" else " to "

    def words(match: re.Match[str]) -> str:
        return clock(int(match[1]), int(match[2]), language)

    text = re.sub(rf"(?<![\d.]){_CLOCK}{_DASH}(?={_CLOCK})", lambda m: words(m) + to, text)
    return re.sub(rf"(?<![\d.]){_CLOCK}(?!\d|:\d)", words, text)


def _dates(text: str, language: str) -> str:
    zh = language == "zh"

    def iso(match: re.Match[str]) -> str:
        year, month, day = match[1], int(match[2]), int(match[3])
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return match[0]
        if zh:
            head = "".join("零一二三四五六七八九"[int(c)] for c in year) + "年" if year else ""
            return f"{head}{cardinal(str(month), 'zh')}月{cardinal(str(day), 'zh')}日"
        return f"{_MONTHS[month - 1]} {day}" + (f", {year}" if year else "")

    text = re.sub(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)", iso, text)
    text = re.sub(r"(?<![\d-])()(\d{2})-(\d{2})(?![\d-])", iso, text)
    if zh:
        text = re.sub(
            r"(\d{4})年", lambda m: "".join("零一二三四五六七八九"[int(c)] for c in m[1]) + "年", text
        )
    else:
        short = {name[:3]: name for name in _MONTHS}
        text = re.sub(
            r"\b(\d{1,2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b",
            lambda m: f"{short[m[2]]} {m[1]}",
            text,
        )
    return text


def _numbers(text: str, language: str) -> str:
    zh = language == "zh"
    # Request numbers and the like: letters and digits joined, or long digit strings, are read one by one.
    text = re.sub(
        r"(?<![A-Za-z0-9])(?=[A-Z0-9-]*\d)(?:[A-Z]{1,4}-)?\d{4,}(?:-[A-Z0-9]+)+(?![A-Za-z0-9])",
        lambda m: spell(m[0], language),
        text,
    )
    text = re.sub(
        r"(?<![\d.,])(?:12345|12356|1\d{2}|1\d{10}|0\d{2,3}-?\d{7,8}|\d{7,})(?![\d.,]*\d)(?!\s*(?:元|人|个|辆|次|条|年|天|米|公里|分|"
        r"yuan|people|metres|days|spaces|of |years|kilometres|minutes|percent|%))",
        lambda m: spell(m[0], language),
        text,
    )
    text = re.sub(r"((?:转|extension)\s*)(\d{1,3})(?!\d)", lambda m: m[1] + spell(m[2], language), text)
    # "K12": the letter stands by itself.
    text = re.sub(r"(?<=[A-Za-z])(?=\d)", " ", text)
    if not zh:
        text = re.sub(
            r"(?<![\w.])(\d{1,4})(?:st|nd|rd|th)\b",
            lambda m: str(num2words(int(m[1]), to="ordinal")).replace(",", ""),
            text,
        )
    if zh:
        text = re.sub(
            rf"(\d[\d,]*(?:\.\d+)?)%(?:{_DASH}(?=\d))?",
            lambda m: f"百分之{cardinal(m[1], 'zh')}" + ("到" if not m[0].endswith("%") else ""),
            text,
        )
        text = re.sub(r"(?<=\d)\s*[-–—~～]\s*(?=\d)", "到", text)
        text = re.sub(r"(?<![\d.])2(?=[个位次条辆天张处件])", "两", text)
    else:
        text = re.sub(r"(?<=\d)\s*%", " percent", text)
        text = re.sub(r"(?<=\d)\s*[-–—~～]\s*(?=\d)", " to ", text)
    return re.sub(r"[-−]?[0-9][0-9,]*(?:\.[0-9]+)?", lambda m: _amount(m[0], language), text)


def _amount(number: str, language: str) -> str:
    bare = number.rstrip(",")
    tail = number[len(bare) :]
    return cardinal(bare, language) + tail


def parts_of(replies: Sequence[Reply], language: str, part_chars: int | None = None) -> list[str]:
    """Return the spoken parts of an answer; the first is said at once, each further one after "say more".

    Args:
        replies: the written answer.
        language: "zh" or "en".
        part_chars: the most characters of a part; a longer sentence is a part of its own.
    """
    limit = part_chars or PART_CHARS["zh" if language == "zh" else "en"]
    parts: list[str] = []
    for reply in replies:
        current = ""
        for sentence in _sentences(reply.text):
            words = speakable(sentence, language)
            if not words:
                continue
            if not re.search(r"[。！？；!?;.:：，,]$", words):
                words += "。" if language == "zh" else "."
            if current and len(current) + len(words) > limit:
                parts.append(current)
                current = ""
            current = f"{current} {words}" if current and language != "zh" else current + words
        if current:
            parts.append(current)
    return parts


def _sentences(text: str) -> list[str]:
    return [piece.strip() for piece in _SENTENCE.split(_BULLET.sub("", text)) if piece and piece.strip()]
