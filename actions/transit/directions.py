"""Narrows departures to the direction asked for: towards a place, the opposite one, or the one of the turn before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from actions.transit import reply as words
from actions.transit.departures import boarding_rows
from actions.transit.lines import Line
from actions.transit.model import Ints
from actions.transit.network import Incomplete, Turn, goal_groups, members, unknown_place
from actions.transit.stops import Group
from actions.transit.text import key


def directed(turn: Turn, line: Line | None, group: Group, rows: Ints) -> tuple[Ints, int, str]:
    """Narrow rows to the direction asked for; return them with direction_id (-1 unknown) and the goal's key."""
    feed, query, memory = turn.net.feed, turn.query, turn.memory
    if query.to is not None:
        return _towards(turn, line, group, rows)
    same = line is not None and memory.line == feed.routes[line.routes[0]].route_id
    if query.opposite:
        return _opposite(turn, line, group, rows)
    if (turn.dependent and (same or memory.pending or not query.lines)) and memory.to:
        goal = turn.net.stops.group(memory.to)
        if goal and goal.index != group.index:
            kept = np.intersect1d(rows, boarding_rows(feed, group.members, to_stops=goal.members))
            if len(kept):
                return kept.astype(np.int32), _only_direction(turn, kept), goal.key
    if turn.dependent and same and memory.direction >= 0:
        kept = rows[feed.trip_direction[feed.row_trip[rows]] == memory.direction]
        if len(kept):
            return kept, memory.direction, ""
    return rows, _only_direction(turn, rows), ""


def _only_direction(turn: Turn, rows: Ints) -> int:
    found = np.unique(turn.net.feed.trip_direction[turn.net.feed.row_trip[rows]])
    return int(found[0]) if len(found) == 1 else -1


def _signs(turn: Turn, rows: Ints, language: str) -> dict[str, list[int]]:
    feed = turn.net.feed
    signs: dict[str, list[int]] = {}
    seen: dict[tuple[int, int, int], str] = {}
    for row in rows:
        trip = int(feed.row_trip[row])
        last = int(feed.row_stop[int(feed.trip_first[trip + 1]) - 1])
        mark = (int(feed.row_headsign[row]), int(feed.trip_headsign[trip]), last)
        if mark not in seen:
            seen[mark] = feed.headsign(int(row), language)
        signs.setdefault(seen[mark], []).append(int(row))
    return signs


def _towards(turn: Turn, line: Line | None, group: Group, rows: Ints) -> tuple[Ints, int, str]:
    feed, mention = turn.net.feed, turn.query.to
    assert mention is not None
    wanted = key(mention.said)
    goals = [g for g in goal_groups(turn, mention) if g.index != group.index]
    if goals:
        kept = boarding_rows(
            feed, group.members, routes=line.routes if line else None, to_stops=members(goals)
        )
        if len(kept):
            return kept, _only_direction(turn, kept), goals[0].key
    for language in ("zh", "en", ""):
        signed = [
            r
            for sign, some in _signs(turn, rows, language).items()
            if wanted and wanted in key(sign)
            for r in some
        ]
        if signed:
            kept = np.array(sorted(signed), dtype=np.int32)
            return kept, _only_direction(turn, kept), ""
    if not mention.targets:
        raise Incomplete(unknown_place(turn, mention, line), turn.pending(line, group))
    name = turn.net.stops.name(mention.targets[0], turn.language)
    here = group.name(turn.language)
    called = line.name(turn.language) if line else turn.both("公交", "bus")
    text = turn.both(
        f"没有从{here}直达{name}的{called}班次。", f"No {called} goes from {here} to {name} without a change."
    )
    button = (
        turn.both(f"从{here}去{name}坐什么车", f"How to get from {here} to {name}"),
        turn.both(f"从{here}到{name}坐几路车？", f"Which bus goes from {here} to {name}?"),
    )
    kept_line = feed.routes[line.routes[0]].route_id if line else ""
    raise Incomplete(
        words.say(text, [button]), turn.remember(line=kept_line, stop=group.key, kind="departures")
    )


def _opposite(turn: Turn, line: Line | None, group: Group, rows: Ints) -> tuple[Ints, int, str]:
    feed, memory = turn.net.feed, turn.memory
    directions = feed.trip_direction[feed.row_trip[rows]]
    if memory.direction >= 0:
        kept = rows[directions == 1 - memory.direction]
        if len(kept):
            return kept, 1 - memory.direction, ""
        sign = feed.headsign(int(rows[0]), turn.language)
        called = line.name(turn.language) if line else turn.both("这里的车", "The bus")
        here = group.name(turn.language)
        text = turn.both(
            f"{called}在{here}只有往{sign}的方向可乘。",
            f"{called} can be boarded at {here} only towards {sign}.",
        )
        raise Incomplete(words.say(text), replace(memory, at=int(turn.now.timestamp())))
    signs = sorted(_signs(turn, rows, turn.language))
    if len(signs) == 1:
        return rows, -1, ""
    text = turn.both("请问您要往哪个方向？", "Which direction do you want?")
    raise Incomplete(words.ask(text, sign_buttons(turn, line, group, signs)), turn.pending(line, group))


def sign_buttons(turn: Turn, line: Line | None, group: Group, signs: list[str]) -> list[tuple[str, str]]:
    called, here = line.name(turn.language) if line else "", group.name(turn.language)
    return [
        (turn.both(f"往{s}", f"To {s}"), words.question(turn.language, line=called, stop=here, to=s))
        for s in signs
    ]
