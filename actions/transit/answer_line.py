"""Answers about lines: route, stops, first and last vehicle, headway, fare; which line goes where."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from actions.transit import cues
from actions.transit import reply as words
from actions.transit.departures import boarding_rows, next_departures
from actions.transit.lines import Line
from actions.transit.network import (
    Incomplete,
    Turn,
    choose_line,
    goal_groups,
    members,
    unknown_place,
)
from actions.transit.parse import Mention
from actions.transit.patterns import Pattern, Service, lines_between, one_change, patterns, service
from actions.transit.state import Memory
from actions.transit.stops import Group, Target
from city.messages import Reply

STOPS_SHOWN = 60
_PERIOD = {
    "am": ("早高峰（7–9 时）", "7–9 h"),
    "day": ("白天（9–17 时）", "9–17 h"),
    "pm": ("晚高峰（17–19 时）", "17–19 h"),
    "evening": ("19 时以后", "after 19 h"),
}


def answer(turn: Turn) -> tuple[list[Reply], Memory]:
    """Return the replies and what to remember; raises `Incomplete` when something must be asked first."""
    query = turn.query
    named = [m.lines[0] for m in query.lines if len(m.lines) == 1]
    distinct = list({line.index: line for line in named}.values())
    if len(distinct) >= 2:
        return _meeting(turn, distinct[0], distinct[1])
    if query.lines or not (query.stop or query.to):
        line = choose_line(turn)
        if line is not None:
            place = query.to or query.stop
            return _calls_at(turn, line, place) if place is not None else about(turn, line)
    elif query.yes_no and not query.every_line and turn.memory.line and _leans(turn):
        line = turn.net.line(turn.memory.line)
        place = query.stop or query.to
        if line is not None and place is not None:
            return _calls_at(turn, line, place)
    if turn.memory.way and not (query.stop or query.to) and cues.FARE.search(query.text):
        return _fares(turn)
    waiting = turn.net.stops.group(turn.memory.to) if turn.memory.pending == "line" else None
    if query.stop is not None and query.to is None and waiting is not None:
        goal = Mention(waiting.name(turn.language), (Target("stop", waiting.index),))
        return _to_place(turn, query.stop, goal)
    if query.to is not None:
        return _to_place(turn, query.stop, query.to)
    if query.stop is not None:
        return _through(turn, query.stop)
    text = turn.both("您想了解哪条线路？", "Which line would you like to know about?")
    buttons = [(o.name(turn.language), turn.payload(o)) for o in turn.net.lines.lines]
    raise Incomplete(words.ask(text, buttons), turn.pending())


def _leans(turn: Turn) -> bool:
    return turn.dependent or cues.PRONOUN.search(turn.query.text) is not None


def _day(turn: Turn) -> date:
    when = turn.query.when
    if when and when.day:
        return when.day
    moment = when.moment if when and when.moment else turn.now
    return moment.astimezone(turn.net.feed.zone).date()


def _remember(turn: Turn, line: Line | None, stop: Group | None = None, to: Group | None = None) -> Memory:
    return turn.remember(
        line=turn.net.feed.routes[line.routes[0]].route_id if line else "",
        stop=stop.key if stop else turn.memory.stop,
        place="" if stop else turn.memory.place,
        to=to.key if to else "",
        kind="line",
    )


def about(turn: Turn, line: Line) -> tuple[list[Reply], Memory]:
    """Tell a line's route, its first and last vehicles, headway and fare."""
    feed, language, day = turn.net.feed, turn.language, _day(turn)
    today = patterns(feed, line, day)
    known = today or patterns(feed, line, None)
    called = line.name(language)
    first, last = feed.coverage()
    if not known:
        text = turn.both(f"时刻表里没有{called}的班次。", f"The timetable has no trips for {called}.")
        return [words.say(text)], _remember(turn, line)
    lines = []
    for n, pattern in enumerate(known):
        lines += _pattern_text(turn, pattern, service(feed, pattern, day) if today else None, number=n)
    if first <= day <= last:
        if not today:
            lines.append(
                turn.both(
                    f"{words.day_text(day, 'zh')}没有班次。", f"No service on {words.day_text(day, 'en')}."
                )
            )
    else:
        lines.append(words.expired_text(feed, day, language))
    fare = next((feed.fares[r] for r in line.routes if r in feed.fares), None)
    if fare:
        price = words.fare_text(fare, language)
        lines.append(turn.both(f"票价：{price}。", f"Fare: {price}."))
    lines.append(words.source_text(feed, [day] if today else [], language))
    stop = turn.net.stops.group(turn.memory.stop) if turn.memory.stop else None
    if stop is None or not turn.net.serves(line, stop):
        ends = {s for p in known for s in (p.stops[0],)}
        stop = next((g for g in turn.net.stops.groups if ends & set(g.members)), None)
    buttons = []
    if stop is not None:
        where = stop.name(language)
        title = turn.both(f"{where}的下一班", f"Next from {where}")
        buttons.append((title, words.question(language, line=called, stop=where)))
    return [words.say(f"{called}\n" + "\n".join(lines), buttons)], _remember(turn, line)


def _pattern_text(turn: Turn, pattern: Pattern, runs: Service | None, *, number: int) -> list[str]:
    feed, language = turn.net.feed, turn.language
    names = [feed.stop_name(s, language) for s in pattern.stops]
    arrow = " → "
    count = len(names)
    head = turn.both(
        f"{names[0]}{arrow}{names[-1]}（{count} 站，约 {pattern.minutes} 分钟）",
        f"{names[0]}{arrow}{names[-1]} ({count} stops, about {pattern.minutes} min)",
    )
    out = [head]
    if number == 0:
        shown = names if count <= STOPS_SHOWN else [*names[: STOPS_SHOWN - 1], "…", names[-1]]
        out.append(turn.both("停靠：", "Stops: ") + arrow.join(shown))
    if runs is None:
        return out
    ends = [words.end_clock(d, language) for d in (runs.first, runs.last)]
    text = turn.both(
        f"首班 {ends[0]}，末班 {ends[1]}（起点站）。",
        f"First {ends[0]}, last {ends[1]} (from the first stop).",
    )
    gaps = [
        f"{_PERIOD[p][0 if turn.zh else 1]}{turn.both(f'{m} 分钟', f': {m} min')}"
        for p, m in runs.headways_min.items()
    ]
    if gaps:
        text += turn.both("间隔约：" + "、".join(gaps) + "。", " Headway " + ", ".join(gaps) + ".")
    out.append(text)
    return out


def _goal(turn: Turn, mention: Mention) -> list[Group]:
    groups = goal_groups(turn, mention)
    if not groups:
        raise Incomplete(unknown_place(turn, mention), turn.pending())
    return groups


def _calls_at(turn: Turn, line: Line, mention: Mention) -> tuple[list[Reply], Memory]:
    groups = _goal(turn, mention)
    served = [g for g in groups if turn.net.serves(line, g)]
    called, name = line.name(turn.language), turn.net.stops.name(mention.targets[0], turn.language)
    if served:
        group = served[0]
        here = group.name(turn.language)
        if here == name:
            text = turn.both(f"是的，{called}停靠{here}。", f"Yes, {called} stops at {here}.")
        else:
            text = turn.both(f"{called}停靠{name}附近的{here}。", f"{called} stops at {here}, near {name}.")
        payload = words.question(turn.language, line=called, stop=here)
        text += "\n" + words.source_text(turn.net.feed, [], turn.language)
        return [words.say(text, [(turn.both("下一班", "Next departure"), payload)])], _remember(
            turn, line, group
        )
    text = turn.both(f"{called}不停靠{name}。", f"{called} does not stop at {name}.")
    others = _names(turn, [o for g in groups for o in turn.net.lines_at(g)])
    if others:
        text += turn.both(f"经过那里的有：{others}。", f" Lines that do: {others}.")
    text += "\n" + words.source_text(turn.net.feed, [], turn.language)
    return [words.say(text)], _remember(turn, line, groups[0])


def _fares(turn: Turn) -> tuple[list[Reply], Memory]:
    """Tell what the direct lines of the way that was asked for cost."""
    net, feed = turn.net, turn.net.feed
    start, end = net.stops.group(turn.memory.stop), net.stops.group(turn.memory.to)
    direct = []
    if start is not None and end is not None:
        direct = lines_between(feed, net.stops, net.lines.of_route, members([start]), members([end]))
    rows = []
    for line in direct:
        fare = next((feed.fares[r] for r in line.routes if r in feed.fares), None)
        if fare:
            rows.append(
                f"{line.name(turn.language)}{turn.both('：', ': ')}{words.fare_text(fare, turn.language)}"
            )
    if not rows:
        text = turn.both("时刻表里没有这段路的票价。", "The timetable gives no fare for that way.")
        return [words.say(text)], replace(turn.memory, at=int(turn.now.timestamp()))
    text = "\n".join([turn.both("票价：", "Fares:"), *rows, words.source_text(feed, [], turn.language)])
    return [words.say(text)], replace(turn.memory, at=int(turn.now.timestamp()))


def _names(turn: Turn, lines: list[Line]) -> str:
    names = dict.fromkeys(o.name(turn.language) for o in sorted(lines, key=lambda o: o.index))
    return turn.both("、", ", ").join(list(names)[:14])


def _meeting(turn: Turn, a: Line, b: Line) -> tuple[list[Reply], Memory]:
    common = sorted(set(turn.net.groups_of(a)) & set(turn.net.groups_of(b)))
    names = turn.both("、", ", ").join(turn.net.stops.groups[n].name(turn.language) for n in common[:10])
    x, y = a.name(turn.language), b.name(turn.language)
    if common:
        text = turn.both(f"{x}和{y}可在这些站换乘：{names}。", f"Change between {x} and {y} at: {names}.")
    else:
        text = turn.both(f"{x}和{y}没有共同的站点。", f"{x} and {y} have no stop in common.")
    return [words.say(text + "\n" + words.source_text(turn.net.feed, [], turn.language))], _remember(turn, a)


def _through(turn: Turn, mention: Mention) -> tuple[list[Reply], Memory]:
    groups = _goal(turn, mention)
    name = turn.net.stops.name(mention.targets[0], turn.language)
    lines = [
        f"{g.name(turn.language)}{turn.both('：', ': ')}{_names(turn, turn.net.lines_at(g))}"
        for g in groups[:6]
    ]
    title = turn.both(f"经过{name}的线路：", f"Lines that serve {name}:")
    text = "\n".join([title, *lines, words.source_text(turn.net.feed, [], turn.language)])
    where = groups[0].name(turn.language)
    button = (turn.both(f"{where}下一班", f"Next from {where}"), words.question(turn.language, stop=where))
    return [words.say(text, [button])], _remember(turn, None, groups[0])


def _to_place(turn: Turn, start: Mention | None, goal: Mention) -> tuple[list[Reply], Memory]:
    ends = _goal(turn, goal)
    name = turn.net.stops.name(goal.targets[0], turn.language)
    begins: list[Group] = []
    if start is not None:
        begins = _goal(turn, start)
    elif turn.dependent and turn.memory.stop:
        begins = [g for g in [turn.net.stops.group(turn.memory.stop)] if g is not None]
    if not begins:
        text = turn.both(f"到{name}可乘：", f"Lines to {name}:")
        rows = [
            f"{_names(turn, turn.net.lines_at(g))}{turn.both('（在', ' (get off at ')}{g.name(turn.language)}{turn.both('下车）', ')')}"
            for g in ends[:4]
        ]
        rows.append(
            turn.both(
                "告诉我您从哪里出发，我可以查直达班次。",
                "Tell me where you start and I will look for direct services.",
            )
        )
        text = "\n".join([text, *rows, words.source_text(turn.net.feed, [], turn.language)])
        memory = turn.remember(to=ends[0].key, kind="line", pending="line")
        return [words.say(text)], memory
    return _between(turn, begins, ends, name)


def _between(turn: Turn, begins: list[Group], ends: list[Group], name: str) -> tuple[list[Reply], Memory]:
    net, feed, day = turn.net, turn.net.feed, _day(turn)
    start, end = members(begins), members(ends)
    here = begins[0].name(turn.language)
    memory = _remember(turn, None, begins[0], ends[0])
    if start & end:
        text = turn.both(f"{here}就在{name}附近，可以步行。", f"{here} is next to {name}; you can walk.")
        return [words.say(text)], memory
    after = turn.query.when.moment if turn.query.when and turn.query.when.moment else turn.now
    direct = lines_between(feed, net.stops, net.lines.of_route, start, end)
    if direct:
        lines = [turn.both(f"从{here}到{name}的直达线路：", f"Direct lines from {here} to {name}:")]
        days, ranked = [], []
        for line in direct:
            rows = boarding_rows(feed, sorted(start), routes=line.routes, to_stops=end)
            found = next_departures(feed, rows, after, limit=1)
            ranked.append((found[0].epoch if found else 1 << 60, line, found))
        for _, line, found in sorted(ranked, key=lambda r: (r[0], r[1].index))[:6]:
            clock = words.clock(feed, found[0], turn.now, turn.language, countdown=True) if found else ""
            if found:
                days.append(found[0].service_day)
            no = turn.both("24 小时内没有班次", "nothing in the next 24 hours")
            lines.append(turn.both(f"{line.name('zh')}：下一班 {clock}" if found else f"{line.name('zh')}：{no}",
                                   f"{line.name('en')}: next {clock}" if found else f"{line.name('en')}: {no}"))  # fmt: skip
        return [words.say("\n".join([*lines, words.source_text(feed, days, turn.language)]))], memory
    first = [o for g in begins for o in net.lines_at(g)]
    second = [o for g in ends for o in net.lines_at(g)]
    route = one_change(feed, net.stops, first, second, start, end, day)
    if route is None:
        text = turn.both(
            f"时刻表里没有从{here}到{name}的直达或一次换乘线路。",
            f"The timetable has no line, nor a single change, from {here} to {name}.",
        )
    else:
        a, at, b = route
        change = net.stops.groups[at].name(turn.language)
        text = turn.both(
            f"从{here}到{name}没有直达。可乘{a.name('zh')}到{change}，换乘{b.name('zh')}。",
            f"There is no direct line from {here} to {name}. Take {a.name('en')} to {change}, then {b.name('en')}.",
        )
    days = [day] if np.any(feed.calendar.active(day)) else []
    return [words.say(text + "\n" + words.source_text(feed, days, turn.language))], memory
