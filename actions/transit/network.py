"""The loaded network and one turn of conversation about it: what was asked, what is remembered, what is missing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from rapidfuzz import fuzz

from actions.transit import reply as words
from actions.transit.lines import Line, LineIndex
from actions.transit.model import Feed
from actions.transit.parse import Mention, Parser, TransitQuery
from actions.transit.state import Memory
from actions.transit.stops import Group, StopIndex, Target
from actions.transit.text import fold
from city.messages import Reply

WALK_M = 1200.0
NEAR_STOP_M = 450.0


@dataclass
class Network:
    """A feed with its indexes."""

    feed: Feed
    lines: LineIndex
    stops: StopIndex
    parser: Parser

    def line(self, route_id: str) -> Line | None:
        """Return the line of a route_id kept from an earlier turn."""
        found = next((n for n, r in enumerate(self.feed.routes) if r.route_id == route_id), None)
        return self.lines.of_route[found] if found is not None else None

    def lines_at(self, group: Group) -> list[Line]:
        """Return the lines that call at a stop."""
        found = {self.lines.of_route[r].index for r in self.stops.routes_at[group.index]}
        return [self.lines.lines[n] for n in sorted(found)]

    def serves(self, line: Line, group: Group) -> bool:
        """Return whether the line calls at the stop."""
        return bool(set(self.stops.routes_at[group.index]) & set(line.routes))

    def groups_of(self, line: Line) -> list[int]:
        """Return the numbers of the stops of a line."""
        wanted = set(line.routes)
        return [n for n, routes in enumerate(self.stops.routes_at) if wanted & set(routes)]

    def busiest(self, only: Sequence[int] | None = None, limit: int = words.MAX_BUTTONS) -> list[Group]:
        """Return the stops with most lines."""
        numbers = range(len(self.stops.groups)) if only is None else only
        ranked = sorted(numbers, key=lambda n: (-len(self.stops.routes_at[n]), n))
        return [self.stops.groups[n] for n in ranked[:limit] if self.stops.routes_at[n]]


class Incomplete(Exception):
    """Something is missing or unknown: the reply that asks for it, and what to remember until it is said."""

    def __init__(self, reply: Reply, memory: Memory) -> None:
        super().__init__(reply.text)
        self.reply, self.memory = reply, memory


@dataclass(frozen=True)
class Outcome:
    """The replies of a turn and the state to hand in with the next one."""

    replies: tuple[Reply, ...]
    state: dict[str, Any]


@dataclass
class Turn:
    """One message being answered."""

    net: Network
    query: TransitQuery
    memory: Memory
    language: str
    now: datetime
    kind: str
    notes: list[str] = field(default_factory=list)

    @property
    def zh(self) -> bool:
        return self.language == "zh"

    @property
    def dependent(self) -> bool:
        """Whether the message leans on the one before it."""
        q = self.query
        return bool(self.memory.pending or q.elliptic or q.opposite or q.later or q.earlier)

    def both(self, zh: str, en: str) -> str:
        """Return the text of the turn's language."""
        return zh if self.zh else en

    def remember(self, **values: Any) -> Memory:
        """Return a fresh memory stamped with this moment."""
        return Memory(at=int(self.now.timestamp()), **values)

    def when_text(self) -> str:
        """Return the words about time in the message, for a button's question."""
        when = self.query.when
        if when is None or when.is_now:
            return self.memory.said_when if self.memory.pending else ""
        spans = sorted(set(when.spans))
        text = ("" if self.zh else " ").join(self.query.text[a:b].strip() for a, b in spans)
        return text if len(text) <= 40 else ""

    def pending(
        self, line: Line | None = None, group: Group | None = None, to: Group | None = None
    ) -> Memory:
        """Return what to remember while something is asked for."""
        return self.remember(
            line=self.net.feed.routes[line.routes[0]].route_id if line else "",
            stop=group.key if group else "",
            to=to.key if to else "",
            pending=self.kind,
            which=self.query.which or (self.memory.which if self.memory.pending else ""),
            said_when=self.when_text(),
        )

    def payload(self, line: Line | None = None, group: Group | None = None, *, code: bool = False) -> str:
        """Return the question that a button stands for, with what is known filled in."""
        name = group.name(self.language) if group else ""
        if self.kind == "stops":
            return self.both(f"{name}附近有哪些公交站？", f"Which stops are near {name}?")
        if self.kind == "line":
            called = line.name(self.language) if line else ""
            if called:
                return self.both(f"{called}的路线", f"Route of {called}")
            return self.both(f"哪些线路经过{name}？", f"Which lines serve {name}?")
        number = (group.codes[0] if group.codes else group.key) if group and code else ""
        to = self.query.to
        return words.question(
            self.language,
            line=line.name(self.language) if line else "",
            stop=name,
            code=number,
            to=to.said if to else "",
            which=self.query.which or (self.memory.which if self.memory.pending else ""),
            when=self.when_text(),
        )


def choose_line(turn: Turn, near: Sequence[Group] = ()) -> Line | None:
    """Return the line meant, `None` when none is named or remembered.

    Raises:
        Incomplete: the city has no such line, or the name fits several.
    """
    mentions = turn.query.lines
    if not mentions:
        carried = turn.dependent or not (turn.query.stop or turn.query.to)
        if carried and not turn.query.every_line and turn.memory.line:
            return turn.net.line(turn.memory.line)
        return None
    options = mentions[0].lines
    if not options:
        raise Incomplete(unknown_line(turn, mentions[0].said), turn.pending())
    if len(options) > 1 and near:
        options = tuple(o for o in options if any(turn.net.serves(o, g) for g in near)) or options
    if len(options) > 1:
        group = near[0] if len(near) == 1 else None
        said = mentions[0].said
        text = turn.both(
            f"“{said}”可能指几条线路，请选择：", f'"{said}" may be one of several lines. Which one?'
        )
        buttons = [(o.name(turn.language), turn.payload(o, group)) for o in options]
        raise Incomplete(words.ask(text, buttons), turn.pending(None, group))
    return options[0]


def unknown_line(turn: Turn, said: str) -> Reply:
    """Return the reply to a line that does not exist, with lines of the city to choose from."""
    near = sorted(turn.net.lines.lines, key=lambda o: (-_alike(o.token, said), o.index))
    text = turn.both(
        f"时刻表里没有“{said}”这条线路。您要查哪一条？",
        f'The timetable has no line "{said}". Which one do you mean?',
    )
    return words.ask(text, [(o.name(turn.language), turn.payload(o)) for o in near])


def _alike(token: str, said: str) -> float:
    return float(fuzz.ratio(token, re.sub(r"[^a-z0-9]", "", said)))


def mentioned_groups(turn: Turn, mention: Mention | None) -> list[Group]:
    """Return the stops that a mention names outright."""
    return [turn.net.stops.groups[n] for n in mention.stops] if mention else []


def choose_stop(turn: Turn, line: Line | None) -> Group:
    """Return the stop to leave from.

    Raises:
        Incomplete: none is known, the name fits several, or nothing near the landmark is served.
    """
    mention = turn.query.stop
    if mention is None:
        return _remembered_stop(turn, line)
    groups = mentioned_groups(turn, mention)
    if len(groups) > 1 and line:
        groups = [g for g in groups if turn.net.serves(line, g)] or groups
    if len(groups) == 1:
        return groups[0]
    if groups:
        twins = len({g.name(turn.language) for g in groups}) < len(groups)
        text = turn.both(
            f"有几个“{mention.said}”，请选择：", f'Several stops match "{mention.said}". Which one?'
        )
        buttons = [(_told_apart(turn, g, twins), turn.payload(line, g, code=twins)) for g in groups]
        raise Incomplete(words.ask(text, buttons), turn.pending(line))
    if mention.places:
        return _near_place(turn, line, mention.places[0])
    raise Incomplete(unknown_place(turn, mention, line), turn.pending(line))


def _told_apart(turn: Turn, group: Group, twins: bool) -> str:
    name = group.name(turn.language)
    if not twins:
        return name
    code = group.codes[0] if group.codes else group.key
    lines = turn.both("、", ", ").join(o.name(turn.language) for o in turn.net.lines_at(group)[:4])
    return turn.both(f"{name}（{code}）{lines}", f"{name} ({code}): {lines}")


def _remembered_stop(turn: Turn, line: Line | None) -> Group:
    memory = turn.memory
    if not turn.query.here:
        group = turn.net.stops.group(memory.stop) if memory.stop else None
        explicit_new_line = bool(turn.query.lines) and not turn.dependent
        if group and not (line and explicit_new_line and not turn.net.serves(line, group)):
            return group
        place = place_target(turn, memory.place)
        if place is not None and not (turn.query.to and not turn.dependent):
            return _near_place(turn, line, place.index)
    raise Incomplete(
        ask_stop(turn, line), turn.pending(line, to=next(iter(mentioned_groups(turn, turn.query.to)), None))
    )


def place_target(turn: Turn, name: str) -> Target | None:
    """Return the landmark of a name kept from an earlier turn."""
    if not name:
        return None
    wanted = fold(name)
    found = next((n for n, p in enumerate(turn.net.stops.places) if fold(p.zh or p.en) == wanted), None)
    return Target("place", found) if found is not None else None


def _near_place(turn: Turn, line: Line | None, number: int) -> Group:
    place = turn.net.stops.places[number]
    only = turn.net.groups_of(line) if line else None
    found = turn.net.stops.nearest(place.lat, place.lon, radius_m=WALK_M, limit=1, only=only)
    name = place.name(turn.language)
    if not found:
        what = line.name(turn.language) if line else turn.both("公交", "bus")
        limit = words.metres_text(WALK_M, turn.language)
        text = turn.both(
            f"{name}周围 {limit}内没有{what}的站点。", f"There is no {what} stop within {limit} of {name}."
        )
        buttons = [(n, turn.payload(line, g)) for n, g in _main_stops(turn, line)]
        raise Incomplete(
            words.ask(text + turn.both("您在哪一站上车？", " Which stop do you leave from?"), buttons),
            turn.pending(line),
        )
    group, metres = found[0]
    far = words.metres_text(metres, turn.language)
    turn.notes.append(
        turn.both(
            f"离{name}最近的站是{group.name('zh')}，直线约 {far}。",
            f"The nearest stop to {name} is {group.name('en')}, about {far} in a straight line.",
        )
    )
    return group


def _main_stops(turn: Turn, line: Line | None) -> list[tuple[str, Group]]:
    only = turn.net.groups_of(line) if line else None
    return [(g.name(turn.language), g) for g in turn.net.busiest(only)]


def ask_stop(turn: Turn, line: Line | None) -> Reply:
    """Return the question for the stop, with main stops as choices."""
    if line:
        name = line.name(turn.language)
        text = turn.both(f"请问您在哪一站乘坐{name}？", f"Which stop will you take {name} from?")
    else:
        text = turn.both("请问您在哪一站上车？", "Which stop do you leave from?")
    return words.ask(text, [(n, turn.payload(line, g)) for n, g in _main_stops(turn, line)])


def unknown_place(turn: Turn, mention: Mention, line: Line | None = None) -> Reply:
    """Return the reply to a name that nothing fits: near misses if any, else main stops."""
    stops = turn.net.stops
    if mention.suggestions:
        text = turn.both(
            f"没有找到“{mention.said}”。您要找的是：", f'I could not find "{mention.said}". Did you mean:'
        )
        buttons = []
        for target in mention.suggestions:
            name = stops.name(target, turn.language)
            stand_in = replace(stops.groups[0], names={turn.language: name})
            buttons.append((name, turn.payload(line, stand_in)))
        return words.ask(text, buttons)
    text = turn.both(
        f"没有找到“{mention.said}”这个站点或地点。请换个说法，例如附近的站名或地标：",
        f'I could not find a stop or place called "{mention.said}". Please name a nearby stop or landmark, such as:',
    )
    return words.ask(text, [(n, turn.payload(line, g)) for n, g in _main_stops(turn, line)])


def goal_groups(turn: Turn, mention: Mention) -> list[Group]:
    """Return the stops at which one gets off for a mention: those named, else those around the landmark."""
    groups = mentioned_groups(turn, mention)
    if groups:
        return groups
    for number in mention.places:
        place = turn.net.stops.places[number]
        near = turn.net.stops.nearest(place.lat, place.lon, radius_m=NEAR_STOP_M, limit=4)
        near = near or turn.net.stops.nearest(place.lat, place.lon, radius_m=WALK_M, limit=1)
        groups += [g for g, _ in near if g not in groups]
    return groups


def members(groups: Sequence[Group]) -> set[int]:
    """Return the stop indices of some stops."""
    return {m for g in groups for m in g.members}
