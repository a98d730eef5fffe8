"""Answers "when does it leave?": next, later, earlier, first and last departures."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import groupby

from actions.transit import reply as words
from actions.transit.answer_line import about
from actions.transit.departures import (
    Departure,
    boarding_rows,
    first_and_last,
    next_departures,
    next_running_day,
    on_service_day,
)
from actions.transit.directions import directed, sign_buttons
from actions.transit.lines import Line
from actions.transit.model import Ints
from actions.transit.network import (
    WALK_M,
    Turn,
    choose_line,
    choose_stop,
    mentioned_groups,
)
from actions.transit.state import Memory
from actions.transit.stops import Group
from actions.transit.times import read_when
from city.messages import Reply

EACH, LINES_SHOWN, SHOWN = 3, 8, 60


def answer(turn: Turn) -> tuple[list[Reply], Memory]:
    """Return the replies and what to remember; raises `Incomplete` when something must be asked first."""
    if turn.memory.pending == "departures":
        turn = _resumed(turn)
    near = mentioned_groups(turn, turn.query.stop)
    if not near and turn.memory.stop:
        carried = turn.net.stops.group(turn.memory.stop)
        near = [carried] if carried else []
    line = choose_line(turn, near)
    if (
        line
        and turn.query.which
        and not (turn.query.stop or turn.query.here or turn.memory.stop or turn.memory.place)
    ):
        # The first and last vehicles at the ends of the line are known; a stop that is named next is looked up.
        return about(turn, line)[0], turn.pending(line)
    group = choose_stop(turn, line)
    rows = boarding_rows(turn.net.feed, group.members, routes=line.routes if line else None)
    if line and not turn.net.serves(line, group):
        return _not_served(turn, line, group)
    if not len(rows):
        return _no_boarding(turn, line, group)
    rows, direction, to = directed(turn, line, group, rows)
    which, day = _which_day(turn, rows)
    if which:
        return _ends(turn, line, group, rows, which, day, direction, to)
    return _next(turn, line, group, rows, direction, to)


def _resumed(turn: Turn) -> Turn:
    """Return the turn with what an earlier, incomplete question had already said."""
    query, memory = turn.query, turn.memory
    if query.when is None and memory.said_when:
        query = replace(query, when=read_when(memory.said_when, turn.now))
    if query.which is None and memory.which:
        query = replace(query, which=memory.which)
    return replace(turn, query=query)


def _which_day(turn: Turn, rows: Ints) -> tuple[str, date]:
    """Return which end of the day is asked for ("" for the next departures) and the service day."""
    feed, query = turn.net.feed, turn.query
    today = turn.now.astimezone(feed.zone).date()
    which = query.which or (
        "both" if query.when and query.when.moment is None and query.when.day != today else ""
    )
    day = query.when.day if query.when else None
    if day is None and query.when and query.when.moment and not query.when.is_now:
        day = query.when.moment.date()
    if day is None:
        day = today
        if which == "last" and feed.look_back_days and turn.now.hour < 12:
            # past midnight, "the last bus" is that of the night still running
            ends = first_and_last(feed, rows, today - timedelta(days=1))
            if ends and ends[1].epoch >= turn.now.timestamp():
                day = today - timedelta(days=1)
    return which, day


def _covered(turn: Turn, day: date) -> bool:
    first, last = turn.net.feed.coverage()
    return first <= day <= last


def _title(turn: Turn, line: Line | None, group: Group, zh: str, en: str) -> str:
    here = group.name(turn.language)
    if line:
        return turn.both(
            f"{line.name('zh')} 在 {here}{zh}（计划时刻）：",
            f"{en} of {line.name('en')} from {here} (scheduled):",
        )
    return turn.both(f"{here}{zh}（计划时刻）：", f"{en} from {here} (scheduled):")


def _finish(turn: Turn, lines: list[str], days: list[date]) -> str:
    return "\n".join([*turn.notes, *lines, words.source_text(turn.net.feed, days, turn.language)])


def _memory(
    turn: Turn,
    line: Line | None,
    group: Group,
    shown: list[Departure],
    direction: int,
    to: str,
    which: str = "",
) -> Memory:
    feed = turn.net.feed
    tails: dict[str, int] = {}
    for departure in shown:
        sign = feed.headsign(departure.row, "")
        tails[sign] = max(tails.get(sign, 0), departure.epoch)
    place = turn.query.stop.places if turn.query.stop and not turn.query.stop.stops else ()
    return turn.remember(
        line=feed.routes[line.routes[0]].route_id if line else "",
        stop=group.key,
        place=turn.net.stops.places[place[0]].zh if place else "",
        to=to,
        direction=direction,
        first=min((d.epoch for d in shown), default=0),
        last=min(tails.values(), default=0),
        kind="departures",
        which=which,
    )


def _next(
    turn: Turn, line: Line | None, group: Group, rows: Ints, direction: int, to: str
) -> tuple[list[Reply], Memory]:
    feed, query, memory = turn.net.feed, turn.query, turn.memory
    after = query.when.moment if query.when and query.when.moment else turn.now
    if query.later and memory.last:
        after = datetime.fromtimestamp(memory.last + 1, tz=turn.now.tzinfo)
    if query.earlier and memory.first:
        found = _before(turn, rows, memory.first)
        title = (" 的更早班次", "Earlier departures")
    else:
        found = _once_each(turn, next_departures(feed, rows, after, limit=SHOWN))
        title = (
            (" 的后续班次", "Later departures")
            if query.later and memory.last
            else (
                " 的下一班" if after <= turn.now else f" {after:%H:%M} 之后的班次",
                "Next departures" if after <= turn.now else f"Departures after {after:%H:%M}",
            )
        )
    local = after.astimezone(feed.zone).date()
    if not found:
        if not _covered(turn, local):
            text = "\n".join([*turn.notes, words.expired_text(feed, local, turn.language)])
            return [words.say(text)], _memory(turn, line, group, [], direction, to)
        return _nothing(turn, line, group, rows, local, direction, to)
    if line:
        shown = [d for _, some in _sorted_by_sign(turn, found) for d in some[:EACH]]
        lines = words.by_headsign(feed, found, turn.now, turn.language, EACH)
    else:
        of_route = turn.net.lines.of_route
        lines, shown = words.by_line(feed, of_route, found, turn.now, turn.language, LINES_SHOWN)
    signs = list(dict.fromkeys(feed.headsign(d.row, turn.language) for d in found))
    buttons = sign_buttons(turn, line, group, signs) if line and 1 < len(signs) <= 4 else []
    if line and len(signs) == 1:
        last = words.question(
            turn.language,
            line=line.name(turn.language),
            stop=group.name(turn.language),
            to=signs[0],
            which="last",
        )
        buttons = [(turn.both("末班车", "Last one"), last)]
    text = _finish(turn, [_title(turn, line, group, *title), *lines], [d.service_day for d in shown])
    return [words.say(text, buttons)], _memory(turn, line, group, shown, direction, to)


def _sorted_by_sign(turn: Turn, found: list[Departure]) -> list[tuple[str, list[Departure]]]:
    def sign(d: Departure) -> str:
        return turn.net.feed.headsign(d.row, "")

    return [(s, list(some)) for s, some in groupby(sorted(found, key=lambda d: (sign(d), d.epoch)), key=sign)]


def _before(turn: Turn, rows: Ints, first: int) -> list[Departure]:
    start = datetime.fromtimestamp(first - 3 * 3600, tz=turn.now.tzinfo)
    earlier = _once_each(turn, next_departures(turn.net.feed, rows, start, within_s=3 * 3600 - 1))
    kept = [d for _, some in _sorted_by_sign(turn, earlier) for d in some[-EACH:]]
    return sorted(kept, key=lambda d: d.epoch)


def _once_each(turn: Turn, found: list[Departure]) -> list[Departure]:
    """Keep one departure of a vehicle that calls twice at neighbouring poles within ten minutes."""
    feed, kept = turn.net.feed, []
    seen: dict[tuple[int, int], int] = {}
    for departure in found:
        run = (departure.trip, departure.epoch - int(feed.row_depart[departure.row]))
        if departure.epoch - seen.get(run, -601) > 600:
            kept.append(departure)
        seen[run] = departure.epoch
    return kept


def _nothing(
    turn: Turn, line: Line | None, group: Group, rows: Ints, local: date, direction: int, to: str
) -> tuple[list[Reply], Memory]:
    feed = turn.net.feed
    text = turn.both("未来 24 小时内没有班次。", "No departures in the next 24 hours.")
    day = next_running_day(feed, rows, local)
    found = on_service_day(feed, rows, day) if day and _covered(turn, day) else []
    lines = [_title(turn, line, group, " 的下一班", "Next departures"), text]
    if found:
        first = words.clock(feed, found[0], turn.now, turn.language, countdown=False)
        lines.append(turn.both(f"之后最早的一班：{first}。", f"The earliest after that: {first}."))
    shown = found[:1]
    text = _finish(turn, lines, [d.service_day for d in shown])
    return [words.say(text)], _memory(turn, line, group, shown, direction, to)


def _ends(
    turn: Turn, line: Line | None, group: Group, rows: Ints, which: str, day: date, direction: int, to: str
) -> tuple[list[Reply], Memory]:
    feed = turn.net.feed
    if not _covered(turn, day):
        text = "\n".join([*turn.notes, words.expired_text(feed, day, turn.language)])
        return [words.say(text)], _memory(turn, line, group, [], direction, to)
    found = on_service_day(feed, rows, day)
    zh = {"first": " 的首班车", "last": " 的末班车", "both": " 的首末班车"}[which]
    en = {"first": "First departures", "last": "Last departures", "both": "First and last departures"}[which]
    lines = [_title(turn, line, group, zh, en)]
    if not found:
        lines.append(
            turn.both(f"{words.day_text(day, 'zh')}没有班次。", f"No service on {words.day_text(day, 'en')}.")
        )
        text = _finish(turn, lines, [day])
        return [words.say(text)], _memory(turn, line, group, [], direction, to, which)
    shown: list[Departure] = []
    gone = False
    for _, some in _sorted_by_sign(turn, found):
        ends = [some[0]] if which == "first" else [some[-1]] if which == "last" else [some[0], some[-1]]
        shown += ends
        times = [words.end_clock(d, turn.language) for d in ends]
        past = which == "last" and ends[0].epoch < turn.now.timestamp()
        gone |= past
        note = turn.both("（已开出）", " (already left)") if past else ""
        sign = feed.headsign(ends[0].row, turn.language)
        called = "" if line else turn.net.lines.of_route[ends[0].route].name(turn.language)
        times_text = turn.both(" – ", "–").join(times)
        lines.append(
            turn.both(
                f"{called}往 {sign}：{times_text}{note}",
                f"{called + ' to' if called else 'To'} {sign}: {times_text}{note}",
            )
        )
    if gone:
        again = next_departures(feed, rows, turn.now, limit=1)
        if again:
            clock = words.clock(feed, again[0], turn.now, turn.language, countdown=False)
            lines.append(
                turn.both(f"接下来最早的一班：{clock}。", f"The next departure after that: {clock}.")
            )
    text = _finish(turn, lines[:14], [day])
    return [words.say(text)], _memory(turn, line, group, shown, direction, to, which)


def _not_served(turn: Turn, line: Line, group: Group) -> tuple[list[Reply], Memory]:
    called, here = line.name(turn.language), group.name(turn.language)
    buttons: list[tuple[str, str]] = []
    text = turn.both(f"{called}不停靠{here}。", f"{called} does not stop at {here}.")
    if group.placed:
        only = turn.net.groups_of(line)
        for other, metres in turn.net.stops.nearest(
            group.lat, group.lon, radius_m=WALK_M, limit=2, only=only
        ):
            far = words.metres_text(metres, turn.language)
            name = other.name(turn.language)
            buttons.append(
                (turn.both(f"{name}（约 {far}）", f"{name} (about {far})"), turn.payload(line, other))
            )
    if buttons:
        text += turn.both("附近有它的站点：", " It does stop nearby:")
    here_lines = turn.net.lines_at(group)
    if here_lines:
        names = turn.both("、", ", ").join(o.name(turn.language) for o in here_lines[:10])
        text += turn.both(f"\n{here}有：{names}。", f"\nLines at {here}: {names}.")
    return [words.ask(text, buttons) if buttons else words.say(text)], turn.pending(line, group)


def _no_boarding(turn: Turn, line: Line | None, group: Group) -> tuple[list[Reply], Memory]:
    here = group.name(turn.language)
    called = line.name(turn.language) if line else turn.both("任何线路", "any line")
    text = turn.both(
        f"在{here}不能上{called}的车（终点站或只下客）。",
        f"One cannot board {called} at {here}: it ends there or only sets down.",
    )
    return [words.say(text)], _memory(turn, line, group, [], -1, "")
