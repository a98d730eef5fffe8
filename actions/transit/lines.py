"""Recognises lines in free text: "12路", "十二路", "K12", "bus 12", "地铁1号线", "Airport Express"."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from actions.transit.model import Feed
from actions.transit.numerals import EN_NUMBER, ZH_NUMBER, number
from actions.transit.text import Names, fold, has_cjk, key

_RAIL_WORDS = "地铁|轻轨|轨道交通|轨道|metro|subway|underground|mrt|tube"
_BUS_WORDS = "公交车|公交|巴士|大巴|bus"
_CODE = r"[a-z]{0,3}[0-9]{1,4}[a-z]{0,2}"
_NOT_TIME = r"(?!\s*(?::|:|点|时|am\b|pm\b|a\.m|p\.m|o'?clock|分钟|分|min|hour|小时|月|年|元|yuan|米|m\b|st\b|nd\b|th\b))"
_END = rf"(?![a-z0-9]){_NOT_TIME}(?![.:]\d)"
_ZH = re.compile(
    rf"(?:(?P<mode>{_RAIL_WORDS}|{_BUS_WORDS})\s*)?(?:第)?"
    rf"(?:(?<![a-z0-9])(?P<code>{_CODE})|(?<!{ZH_NUMBER})(?P<numeral>[a-z]?{ZH_NUMBER}{{1,5}}))\s*"
    r"(?P<unit>号线|路公交车|路公交|路巴士|路车|路(?![口灯段径])|线(?!下|上)|号(?:公交车?|巴士|地铁|车))"
)
_MODE_FIRST = re.compile(
    rf"(?P<mode>\b(?:metro|subway|bus|tram|train)|{_RAIL_WORDS}|{_BUS_WORDS})?\s*(?P<word>\b(?:line|route|no\.?|number)|#)?"
    rf"\s*(?:line|no\.?|number|#)?\s*(?<![a-z0-9.:])(?P<code>{_CODE}|{EN_NUMBER}){_END}(?P<after>\s*(?:bus|metro|train|line|路(?![口灯段径])|号线))?"
)
_NEXT = re.compile(
    rf"\b(?:the|a|next|last|first|nxt|take|catch|about|and|从|那|换)\s+(?P<code>[a-z]?[0-9]{{1,3}}[a-z]?){_END}"
)
_CODE_FIRST = re.compile(rf"(?<![a-z0-9.:])(?P<code>{_CODE})\s*(?P<mode>bus|metro|subway|train)\b")
_ALONE = re.compile(
    rf"\W*(?:and|那|what about|how about|wat about|换成|或者)?\W*(?P<code>{_CODE})\s*(?:呢|then|please|pls)?\W*"
)
_BEFORE_LINE = "坐乘等换搭的和或那班次有是趟查问请个从到赶"
_SAYINGS = re.compile("一路(?:上|顺|平安|走|小心|辛苦|同行)")
_RAIL = {1, 401, 402, 403, 404, 405, 12}


@dataclass(frozen=True)
class Line:
    """A line as citizens know it: one or more routes of the feed under one name."""

    index: int
    routes: tuple[int, ...]
    mode: str
    token: str
    names: dict[str, str]

    def name(self, language: str) -> str:
        """Return the name in `language`."""
        return self.names.get(language) or next(iter(self.names.values()))


@dataclass(frozen=True)
class LineMention:
    """A line named in a text: what it may be (nothing when the city has no such line), and how it was said."""

    start: int
    end: int
    said: str
    lines: tuple[Line, ...]


def mode_of(route_type: int) -> str:
    """Return "metro", "tram", "rail", "ferry" or "bus" for a GTFS route_type, basic or extended."""
    if route_type in _RAIL:
        return "metro"
    if route_type in (0, 5) or 900 <= route_type < 1000:
        return "tram"
    if route_type == 2 or 100 <= route_type < 200 or route_type in (400, 300):
        return "rail"
    if route_type == 4 or 1000 <= route_type < 1300:
        return "ferry"
    return "bus"


class LineIndex:
    """All lines of a feed."""

    def __init__(self, feed: Feed, languages: Sequence[str]) -> None:
        grouped: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        for n, route in enumerate(feed.routes):
            mode = mode_of(route.route_type)
            grouped[mode, key(route.short_name or route.long_name), route.agency].append(n)
        self.lines: list[Line] = []
        self.of_route: dict[int, Line] = {}
        self._tokens: dict[str, list[Line]] = defaultdict(list)
        self._names: Names[int] = Names()
        for (mode, _, _), routes in grouped.items():
            column = "route_short_name" if feed.routes[routes[0]].short_name else "route_long_name"
            raw = feed.routes[routes[0]].short_name or feed.routes[routes[0]].long_name
            texts = {lang: feed.route_name(routes[0], column, lang) for lang in languages}
            token = _token(raw)
            names = {lang: _display(text, token, mode, lang) for lang, text in texts.items()}
            line = Line(len(self.lines), tuple(routes), mode, token, names)
            self.lines.append(line)
            for route_index in routes:
                self.of_route[route_index] = line
            if token:
                self._tokens[token].append(line)
            for name in {raw, *texts.values(), *names.values()}:
                if not _token(name) or "(" in fold(name):
                    self._names.add(name, line.index)

    def by_name(self, name: str) -> tuple[Line, ...]:
        """Return the lines that a name alone, such as an entity's value, may mean."""
        folded = fold(name)
        mentions = self.find(folded)
        if mentions:
            return mentions[0].lines
        token = _token(folded) or folded
        return tuple(self._tokens.get(token, ()))

    def find(self, folded: str) -> list[LineMention]:
        """Return the lines named in a folded text, from the left; unknown ones have no `lines`."""
        found: list[LineMention] = []

        def free(start: int, end: int) -> bool:
            return all(end <= m.start or start >= m.end for m in found)

        found += [
            LineMention(h.start, h.end, folded[h.start : h.end], tuple(self.lines[n] for n in h.targets))
            for h in self._names.find(folded)
        ]
        sayings = [m.span() for m in _SAYINGS.finditer(folded)]
        for match in _ZH.finditer(folded):
            if free(*match.span()) and not any(a <= match.start() < b for a, b in sayings):
                self._zh(match, found)
        for match in _MODE_FIRST.finditer(folded):
            mode, word, after = match["mode"], match["word"], match["after"]
            if (
                (mode or word or after)
                and free(*match.span())
                and not (mode in (None, "train") and not word and not after)
            ):
                self._add(
                    found,
                    match,
                    match["code"],
                    mode or after or "",
                    sure=bool(word) or mode not in ("train", None),
                )
        for pattern in (_CODE_FIRST, _NEXT):
            for match in pattern.finditer(folded):
                if free(*match.span("code")):
                    mode = match["mode"] if pattern is _CODE_FIRST else ""
                    self._add(found, match, match["code"], mode, sure=False, group="code")
        for match in re.finditer(rf"(?<![a-z0-9.:])[a-z]{{1,2}}[0-9]{{1,3}}{_END}", folded):
            if free(*match.span()):
                self._add(found, match, match[0], "", sure=False)
        alone = _ALONE.fullmatch(folded)
        if alone and not found:
            self._add(found, alone, alone["code"], "", sure=False, group="code")
        return sorted(found, key=lambda m: m.start)

    def _zh(self, match: re.Match[str], found: list[LineMention]) -> None:
        mode, unit = match["mode"] or "", match["unit"]
        if unit.startswith("号线"):
            mode = mode or "号线"
        elif unit.startswith("路") or "公交" in unit or "巴士" in unit:
            mode = mode or "公交"
        if match["code"]:
            sure = unit != "线" and not unit.startswith("号车")
            self._add(found, match, match["code"], mode, sure=sure)
            return
        said = match["numeral"]
        head = said[0] if said[0].isascii() else ""
        value = number(said[len(head) :])
        before = match.string[: match.start()].rstrip()[-1:]
        street = len(said) == 1 and unit == "路" and has_cjk(before) and before not in _BEFORE_LINE
        if value is not None and not street:
            # "五一路" and "中山二路" are streets: a line written in words counts only when it exists
            self._add(found, match, f"{head}{value}", mode, sure=len(unit) > 1)

    def _add(
        self,
        found: list[LineMention],
        match: re.Match[str],
        code: str,
        mode: str,
        *,
        sure: bool,
        group: str | int = 0,
    ) -> None:
        value = number(code)
        token = str(value) if value is not None else code
        lines = self._choose(token, mode)
        if lines or sure:
            start, end = match.span(group)
            said = match[0].strip()
            start += len(folded_lead(match[group]))
            found.append(LineMention(start, end, said, lines))

    def _choose(self, token: str, mode: str) -> tuple[Line, ...]:
        lines = self._tokens.get(token, [])
        rail = bool(re.fullmatch(_RAIL_WORDS + "|train|号线", mode.strip()))
        road = bool(re.fullmatch(_BUS_WORDS + "|路", mode.strip()))
        if rail or road:
            same = [line for line in lines if (line.mode in ("metro", "rail", "tram")) == rail]
            if same or mode.strip() != "号线":
                return tuple(same)
        return tuple(lines)


def folded_lead(text: str) -> str:
    """Return the blanks that `text` begins with."""
    return text[: len(text) - len(text.lstrip())]


def _token(name: str) -> str:
    """Return the code of a line name: "12" of "12路" and "Line 12", "k12" of "K12路 (夜班)", "" when it has none."""
    folded = re.sub(r"\s*[((].*?[))]", "", fold(name))
    pattern = rf"(?:{_RAIL_WORDS}|{_BUS_WORDS}|line|route|no\.?|\s)*(?P<code>[a-z]{{0,3}}\d{{1,4}}[a-z]{{0,2}})\s*(?:号线|路|线)?"
    match = re.fullmatch(pattern, folded)
    if not match:
        return ""
    code = match["code"]
    return str(int(code)) if code.isdigit() else code


def _display(name: str, token: str, mode: str, language: str) -> str:
    """Return how a line is called: bare codes get their word ("110" is "110路" or "Bus 110")."""
    if not token or not re.fullmatch("0*" + re.escape(token), key(name)):
        return name
    if mode == "bus":
        return f"{name}路" if language == "zh" else f"Bus {name}"
    if mode == "metro" and token.isdigit():
        return f"地铁{name}号线" if language == "zh" else f"Metro Line {name}"
    return f"{name}线" if language == "zh" else f"Line {name}"
