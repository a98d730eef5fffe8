"""From a citizen's words to a typed transit query. What was not said stays `None`, so that the dialogue asks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from actions.transit import cues
from actions.transit.errors import NaiveTimeError
from actions.transit.lines import LineIndex, LineMention
from actions.transit.stops import Match, StopIndex, Target
from actions.transit.text import fold, has_cjk
from actions.transit.times import When, read_when

SURE, PERHAPS = 88.0, 62.0


@dataclass(frozen=True)
class Mention:
    """A stop or landmark as said, and what it may be; `suggestions` when nothing fits well."""

    said: str
    targets: tuple[Target, ...] = ()
    suggestions: tuple[Target, ...] = ()

    @property
    def stops(self) -> tuple[int, ...]:
        """Numbers of the stop groups meant."""
        return tuple(t.index for t in self.targets if t.kind == "stop")

    @property
    def places(self) -> tuple[int, ...]:
        """Numbers of the landmarks meant."""
        return tuple(t.index for t in self.targets if t.kind == "place")


@dataclass(frozen=True)
class TransitQuery:
    """What a text asks for; fields are `None` or empty when it does not say."""

    text: str
    lines: tuple[LineMention, ...] = ()
    stop: Mention | None = None
    to: Mention | None = None
    others: tuple[Mention, ...] = ()
    when: When | None = None
    which: str | None = None
    opposite: bool = False
    later: bool = False
    earlier: bool = False
    every_line: bool = False
    elliptic: bool = False
    here: bool = False
    near: bool = False
    yes_no: bool = False
    change: bool = False
    position: tuple[float, float] | None = None


class Parser:
    """Parses texts about the lines, stops and landmarks of one city."""

    def __init__(self, lines: LineIndex, stops: StopIndex) -> None:
        self.lines, self.stops = lines, stops

    def parse(
        self, text: str, now: datetime, entities: Mapping[str, Sequence[str]] | None = None
    ) -> TransitQuery:
        """Return the query of a text.

        Args:
            text: what the citizen wrote, in any script.
            now: the present moment, aware, in the city's zone.
            entities: values found by the language model for line, stop, place, street and time.

        Raises:
            NaiveTimeError: `now` has no time zone.
        """
        if now.tzinfo is None:
            raise NaiveTimeError("now")
        entities = entities or {}
        folded = fold(text)
        code = cues.CODE.search(folded)
        by_code = self.stops.by_code(code["code"]) if code else None
        lined = _blank(folded, [code.span()]) if code and by_code else folded
        lines = self.lines.find(lined)
        names = [
            f
            for f in self.stops.find_in(folded)
            if not (f.end - f.start < 4 and folded[f.end : f.end + 1] == "区")
        ]
        # a name that holds a line ("12路总站") is the name; any other overlap is the line
        lines = [
            m
            for m in lines
            if not any(
                f.start <= m.start and m.end <= f.end and f.end - f.start > m.end - m.start for f in names
            )
        ]
        names = [f for f in names if all(f.end <= m.start or m.end <= f.start for m in lines)]
        spans = [(m.start, m.end) for m in lines] + [(f.start, f.end) for f in names]
        when = read_when(_blank(folded, spans), now)
        if when is None and entities.get("time"):
            when = read_when(fold(entities["time"][0]), now)
        if not lines:
            lines = self._entity_lines(folded, entities)
        roles = [
            (self._role(folded, f.start, f.end), Mention(folded[f.start : f.end], tuple(f.targets)))
            for f in names
        ]
        if by_code:
            roles.insert(0, ("stop", Mention(by_code.key, (Target("stop", by_code.index),))))
            roles = roles[:1] + [(r, m) for r, m in roles[1:] if by_code.index not in m.stops]
        rest = _blank(folded, spans + list(when.spans if when else ()))
        if not any(r in ("stop", "") for r, _ in roles):
            roles += self._unknown(folded, rest, entities, roles)
        stop, to, others = _assign(roles)
        left = re.sub(r"[\W_]|呢|那|站|的|the|and|about|what|from|路", "", rest)
        at = cues.PLACE_AT.search(folded)
        return TransitQuery(
            text=folded,
            lines=tuple(lines),
            stop=stop,
            to=to,
            others=tuple(others),
            when=when,
            which=_which(folded),
            opposite=bool(cues.OPPOSITE.search(folded)),
            later=bool(cues.LATER.search(folded)),
            earlier=bool(cues.EARLIER.search(folded)),
            every_line=bool(cues.EVERY.search(folded)),
            elliptic=bool(cues.ELLIPTIC.search(folded)) or len(left) <= 2,
            here=bool(cues.HERE.search(folded)),
            near=bool(cues.NEAR.search(folded)),
            yes_no=bool(cues.YES_NO.search(folded)),
            change=bool(cues.CHANGE.search(folded)),
            position=_position(at) if at else None,
        )

    def resolve(self, said: str) -> Mention:
        """Return what a name means: one sure meaning, several, or only suggestions."""
        folded = fold(said)
        found = self.stops.find_in(folded)
        if len(found) == 1 and found[0].end - found[0].start >= 0.6 * len(folded):
            return Mention(said, tuple(found[0].targets))
        matches = self.stops.search(folded)
        good = [m for m in matches if m.score >= SURE]
        if good:
            close = [m for m in good if m.score >= good[0].score - 4]
            return Mention(said, tuple(m.target for m in close))
        return Mention(said, (), tuple(_distinct(self.stops, [m for m in matches if m.score >= PERHAPS])[:4]))

    def _entity_lines(self, folded: str, entities: Mapping[str, Sequence[str]]) -> list[LineMention]:
        found = []
        for value in entities.get("line", ())[:4]:
            at = folded.find(fold(value))
            start, end = (at, at + len(fold(value))) if at >= 0 else (0, 0)
            lines = self.lines.by_name(value)
            if lines:
                found.append(LineMention(start, end, value, lines))
        return found

    def _unknown(
        self, folded: str, rest: str, entities: Mapping[str, Sequence[str]], known: list[tuple[str, Mention]]
    ) -> list[tuple[str, Mention]]:
        for kind in ("stop", "place", "street", "intersection"):
            for value in entities.get(kind, ())[:1]:
                said = fold(value)
                if any(said in m.said or m.said in said for _, m in known):
                    continue
                at = folded.find(said)
                role = self._role(folded, at, at + len(said)) if at >= 0 else ""
                return [(role or "stop", self.resolve(value))]
        for role, pattern in cues.UNKNOWN:
            match = pattern.search(rest)
            said = cues.POLITE.sub("", match["x"].strip()) if match else ""
            if (
                len(said) < 2
                or cues.NOT_NAMES.match(said)
                or (role == "to" and any(r == "to" for r, _ in known))
            ):
                continue
            mention = self.resolve(said)
            if mention.targets or mention.suggestions or has_cjk(said) or role != "stop":
                return [("stop" if role == "near" else role, mention)]
        for chunk in cues.FILLER.sub(" ", rest).split():
            if not known and cues.PLACELIKE.fullmatch(chunk) and not cues.NOT_NAMES.match(chunk):
                return [("stop", self.resolve(chunk.removesuffix("站")))]
        bare = re.sub(r"^[\s?!,。.]+|[\s?!,。.]+$", "", rest)
        if not known and 2 <= len(bare) <= 24 and not cues.NOT_NAMES.match(bare):
            mention = self.resolve(bare)
            if mention.targets:
                return [("stop", mention)]
        return []

    def _role(self, folded: str, start: int, end: int) -> str:
        before, after = folded[:start], folded[end:].lstrip()
        if cues.TO_AFTER.match(after):
            return "to"
        if cues.ARRIVAL.search(before) or cues.WHEN_GET.search(before):
            return "stop"
        if cues.TO_BEFORE.search(before) and not cues.NOT_TO.search(before):
            return "to"
        return (
            "stop"
            if cues.FROM_BEFORE.search(before) or re.match(r"站?(?:附近|周边|上车|出发)", after)
            else ""
        )


def _which(folded: str) -> str | None:
    for name, pattern in (
        ("both", cues.ENDS),
        ("last", cues.LAST),
        ("first", cues.FIRST),
        ("both", cues.BOTH),
    ):
        if pattern.search(folded):
            return name
    return None


def _blank(text: str, spans: Sequence[tuple[int, int]]) -> str:
    out = list(text)
    for start, end in spans:
        out[start:end] = " " * (end - start)
    return "".join(out)


def _position(match: re.Match[str]) -> tuple[float, float] | None:
    lat, lon = float(match["lat"]), float(match["lon"])
    return (lat, lon) if abs(lat) <= 90 and abs(lon) <= 180 else None


def _assign(roles: list[tuple[str, Mention]]) -> tuple[Mention | None, Mention | None, list[Mention]]:
    stop = next((m for r, m in roles if r == "stop"), None)
    to = next((m for r, m in roles if r == "to"), None)
    free = [m for r, m in roles if m is not stop and m is not to]
    if stop is None and free:
        stop = free.pop(0)
    elif to is None and stop is not None and free:
        to = free.pop(0)
    return stop, to, free


def _distinct(stops: StopIndex, matches: list[Match]) -> list[Target]:
    seen: dict[str, Target] = {}
    for match in matches:
        seen.setdefault(stops.name(match.target, "zh"), match.target)
    return list(seen.values())
