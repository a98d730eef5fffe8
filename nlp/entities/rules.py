"""Entities with a form of their own: bus lines, crossings, telephone and request numbers, times."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from nlp.entities.numbers import ENGLISH_NUMBER, number
from nlp.entities.times import find_times


@dataclass(frozen=True)
class RuleMatch:
    """What a rule found at `[start, end)`: entity, value to work with, normal form, and how sure its form is."""

    entity: str
    start: int
    end: int
    value: str
    normal: str
    confidence: float


_PHONE = re.compile(
    r"(?<![\dA-Za-z-])(?:(?:\+|00)?86[- ]?)?1[3-9]\d(?:[- ]?\d{4}){2}(?![\d-])"
    r"|(?<![\dA-Za-z-])\(?0\d{2,3}\)?[- ]?\d{7,8}(?![\d-])"
    r"|(?<![\dA-Za-z])\+(?!86)\d(?:[- ]?\d){7,14}(?!\d)"
)
_REQUEST = re.compile(
    r"(?<![0-9A-Za-z])(?P<letters>[A-Za-z]{2,4})(?P<gap>[- ]?)(?P<year>20\d{2})[- ]?(?P<serial>\d{4,8})(?![-\d])"
    r"|(?<![0-9A-Za-z])(?P<short>[A-Za-z]{2,4})-(?P<shorter>\d{4,9})(?![-\d])"
    r"|(?<![\dA-Za-z])(?P<day>20\d{2}[01]\d[0-3]\d)[- ](?P<number>\d{4})(?!\d)"
    r"|(?:工单号?|编号|单号|受理号|request|case|ticket)\s?(?:number|no\.?|号|是|为|[:：#])?\s?(?P<plain>\d{5,12})(?![-\d])",
    re.IGNORECASE,
)
_CN = "[零一二两三四五六七八九十百]{1,4}"
# A street is "建设路"; a line's number stands right before 路, and no crossing, lamp or sign follows.
_LINE = re.compile(
    rf"(?P<metro>(?:地铁|轨道交通?)?\s?(?P<m>\d{{1,2}}|{_CN})\s?号线)"
    rf"|(?<![0-9A-Za-z零一二两三四五六七八九十百第])(?P<bus>(?P<k>[A-Za-z]{{0,2}}\d{{1,4}}|{_CN})\s?路)(?![口灯面边段标牌上])"
    r"|\b(?P<metro_en>(?:metro|subway) (?:line )?(?:no\.? ?|number )?(?P<me>\d{1,2}|one|two|three|four))\b"
    rf"|\b(?P<bus_en>(?:bus|route|line)(?: (?:no\.?|number))? ?(?P<be>[kK]?\d{{1,4}}|{ENGLISH_NUMBER}))"
    r"(?![\w:]|\s?(?:minutes?|hours?|days?|people|yuan|[ap]m)\b)"
    r"|\b(?:the |number |no\.? ?)(?P<plain>[kK]?\d{1,4})(?= (?:bus|buses|line)\b)",
    re.IGNORECASE,
)
_ROAD = "[\u4e00-\u9fff]{1,5}?(?:路|街|大道|大街|巷)"
_ROAD_EN = r"(?:[A-Z][A-Za-z]+ ){1,2}(?:Road|Rd|Street|St|Avenue|Ave|Lane|Boulevard)\.?"
_JOIN = r"\s*(?:和|与|跟|、|/|&|及|-)?\s*"


def find_phones(text: str) -> Iterator[RuleMatch]:
    """Yield telephone numbers; the normal form is `+86…` or the digits as dialled."""
    for match in _PHONE.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if match[0].startswith("+") or digits.startswith("0086"):
            normal = "+" + digits.removeprefix("00")
        elif len(digits) == 13 and digits.startswith("86"):
            normal = "+" + digits
        else:
            normal = "+86" + digits.removeprefix("0") if digits[0] in "01" else digits
        yield RuleMatch("phone", match.start(), match.end(), match[0], normal, 0.98)


def find_request_numbers(text: str) -> Iterator[RuleMatch]:
    """Yield numbers of service requests such as LC-2026-001234; the normal form is in capitals with hyphens."""
    for match in _REQUEST.finditer(text):
        start = match.start("plain") if match["plain"] else match.start()
        if match["letters"]:
            normal = f"{match['letters'].upper()}-{match['year']}-{match['serial']}"
        elif match["short"]:
            normal = f"{match['short'].upper()}-{match['shorter']}"
        else:
            normal = match["plain"] or f"{match['day']}-{match['number']}"
        yield RuleMatch("request_number", start, match.end(), normal, normal, 0.98)


def find_lines(text: str) -> Iterator[RuleMatch]:
    """Yield bus and metro lines; the value is the Chinese name, `12路` or `地铁1号线`."""
    for match in _LINE.finditer(text):
        metro = match["m"] or match["me"]
        raw = metro or match["k"] or match["be"] or match["plain"]
        name = (
            raw.upper()
            if not raw.isdigit() and raw.isascii() and number(raw) is None
            else str(number(raw) or "")
        )
        if not name or name == "0" or (match["bus"] and _no_line(text, match)):
            continue
        value = f"地铁{name}号线" if metro else f"{name}路"
        start = match.start("plain") if match["plain"] else match.start()
        while text[start].isspace():
            start += 1
        yield RuleMatch("line", start, match.end(), value, value, 0.9)


def line_value(surface: str) -> str | None:
    """Return the Chinese name of a line that is only called by its number ("12", "number 8"), or `None`."""
    match = re.fullmatch(
        rf"(?:\D*?\b)?(?P<n>[kK]?\d{{1,4}}|{ENGLISH_NUMBER})", surface.strip(), re.IGNORECASE
    )
    if match is None:
        return None
    value = number(match["n"])
    return f"{match['n'].upper() if value is None else value}路"


def _no_line(text: str, match: re.Match[str]) -> bool:
    """`一路` in `一路上` and `一路平安` is no line."""
    return match["k"] == "一" and not text[match.end() :].startswith(("公交", "车", "几", "到", "末", "首"))


def find_intersections(text: str) -> Iterator[RuleMatch]:
    """Yield crossings of two named streets, said as such (`…路口`, `corner of … and …`)."""
    for match in _CROSSING.finditer(text):
        names = [
            part for part in (match["a"], match["b"], match["c"], match["d"], match["e"], match["f"]) if part
        ]
        start = match.start("a") if match["a"] else match.start("c") if match["c"] else match.start("e")
        end = match.end() if match["a"] else match.end("d") if match["c"] else match.end("f")
        yield RuleMatch("intersection", start, end, text[start:end], " × ".join(sorted(names)), 0.85)


_CROSSING = re.compile(
    rf"(?<![和与])(?P<a>[\u4e00-\u9fff]{{2,4}}?(?:路|街|大道|大街|巷))口?{_JOIN}(?P<b>[\u4e00-\u9fff]{{2,4}}?(?:路|街|大道|大街|巷))(?:的)?(?:交叉路口|交叉口|交汇处|交界处|十字路口|路口|口)"
    rf"|(?:corner|intersection|junction|crossing) of (?P<c>{_ROAD_EN}|[A-Z]\w+)(?: and | & |/)(?P<d>{_ROAD_EN}|[A-Z]\w+)"
    rf"|(?P<e>{_ROAD_EN}) (?:and|&|at|/) (?P<f>{_ROAD_EN})(?= (?:intersection|junction|crossing|crossroads|corner|lights))"
)


def find_time_entities(text: str) -> Iterator[RuleMatch]:
    """Yield dates and times; the normal form is that of `nlp.entities.times`."""
    for match in find_times(text):
        sure = 0.8 if match.sure else 0.4
        yield RuleMatch("time", match.start, match.end, text[match.start : match.end], match.normal, sure)


RULES: dict[str, Callable[[str], Iterator[RuleMatch]]] = {
    "request_number": find_request_numbers,
    "phone": find_phones,
    "line": find_lines,
    "intersection": find_intersections,
    "time": find_time_entities,
}


def find_all(text: str, names: Sequence[str]) -> list[RuleMatch]:
    """Run the named rules over a prepared text; what a surer form covers is not found again."""
    found: list[RuleMatch] = []
    for name, rule in RULES.items():
        if name in names:
            found += [m for m in rule(text) if not any(m.start < f.end and f.start < m.end for f in found)]
    return found
