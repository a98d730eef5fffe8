"""Answers "which stops are near here?"."""

from __future__ import annotations

from actions.transit import reply as words
from actions.transit.network import Incomplete, Turn, place_target, unknown_place
from actions.transit.state import Memory
from actions.transit.stops import Group, Target
from city.messages import Reply

RADIUS_M, WIDER_M, SHOWN = 800.0, 3000.0, 6


def answer(turn: Turn) -> tuple[list[Reply], Memory]:
    """Return the replies and what to remember; raises `Incomplete` when the place must be asked for."""
    name, position, target = _where(turn)
    stops = turn.net.stops
    only = None
    if turn.query.lines and len(turn.query.lines[0].lines) == 1:
        only = turn.net.groups_of(turn.query.lines[0].lines[0])
    elif _metro(turn):
        rail = [line for line in turn.net.lines.lines if line.mode in ("metro", "rail", "tram")]
        only = sorted({n for line in rail for n in turn.net.groups_of(line)})
    radius = RADIUS_M
    found = stops.nearest(*position, radius_m=RADIUS_M, limit=SHOWN, only=only)
    if not found:
        radius = WIDER_M
        found = stops.nearest(*position, radius_m=WIDER_M, limit=3, only=only)
    memory = _memory(turn, target)
    if not found:
        limit = words.metres_text(WIDER_M, turn.language)
        text = turn.both(f"{name}周围 {limit}内没有站点。", f"There is no stop within {limit} of {name}.")
        return [words.say(text + "\n" + _source(turn))], memory
    limit = words.metres_text(radius, turn.language)
    if radius == RADIUS_M:
        lines = [turn.both(f"{name}附近 {limit}内的站点：", f"Stops within {limit} of {name}:")]
    else:
        lines = [
            turn.both(
                f"{name} {words.metres_text(RADIUS_M, 'zh')}内没有站点，较近的有：",
                f"No stop within {words.metres_text(RADIUS_M, 'en')} of {name}; the nearest ones:",
            )
        ]
    for number, (group, metres) in enumerate(found, start=1):
        far = words.metres_text(metres, turn.language)
        served = turn.both("、", ", ").join(line.name(turn.language) for line in turn.net.lines_at(group))
        served = served or turn.both("暂无线路", "no lines")
        lines.append(
            turn.both(
                f"{number}. {group.name('zh')}（约 {far}）：{served}",
                f"{number}. {group.name('en')} (about {far}): {served}",
            )
        )
    lines.append(_source(turn))
    buttons = [
        (
            turn.both(f"{g.name('zh')}下一班", f"Next from {g.name('en')}"),
            words.question(turn.language, stop=g.name(turn.language)),
        )
        for g, _ in found[:3]
    ]
    return [words.say("\n".join(lines), buttons)], memory


def _metro(turn: Turn) -> bool:
    text = turn.query.text
    return any(w in text for w in ("地铁", "metro", "subway", "轻轨")) and not any(
        w in text for w in ("公交", "bus")
    )


def _source(turn: Turn) -> str:
    publisher = turn.net.feed.publisher_name(turn.language)
    return turn.both(
        f"来源：{publisher}站点数据；距离为直线距离。",
        f"Source: {publisher} stop data; distances are straight lines.",
    )


def _memory(turn: Turn, target: Target | None) -> Memory:
    if target is None:
        return turn.remember(kind="stops")
    if target.kind == "stop":
        return turn.remember(kind="stops", stop=turn.net.stops.groups[target.index].key)
    place = turn.net.stops.places[target.index]
    return turn.remember(kind="stops", place=place.zh or place.en)


def _where(turn: Turn) -> tuple[str, tuple[float, float], Target | None]:
    """Return the name, position in degrees and target asked about."""
    stops, query = turn.net.stops, turn.query
    if query.position:
        return f"({query.position[0]:g}, {query.position[1]:g})", query.position, None
    mentions = [m for m in (query.stop, query.to, *query.others) if m is not None]
    known = [m for m in mentions if m.targets]
    if len(known) > 1 and query.stop is not None and query.others + ((query.to,) if query.to else ()):
        distinct = {stops.name(m.targets[0], turn.language): m for m in known}
        if len(distinct) > 1:
            text = turn.both("您想查哪个地点附近的站点？", "Near which of these places?")
            buttons = [
                (n, turn.both(f"{n}附近有哪些公交站？", f"Which stops are near {n}?")) for n in distinct
            ]
            raise Incomplete(words.ask(text, buttons), turn.pending())
    if known:
        return _settle(turn, known[0].targets)
    if mentions:
        raise Incomplete(unknown_place(turn, mentions[0]), turn.pending())
    if not query.here:
        group = stops.group(turn.memory.stop) if turn.memory.stop else None
        target = Target("stop", group.index) if group else place_target(turn, turn.memory.place)
        if target is not None and stops.position(target) is not None:
            return _settle(turn, (target,))
    text = turn.both(
        "请告诉我您附近的地标、路名或站名，我来查周边的站点。",
        "Tell me a landmark, street or stop near you and I will look for stops around it.",
    )
    named: list[tuple[str, str]] = []
    for place in stops.places[: words.MAX_BUTTONS]:
        n = place.name(turn.language)
        named.append((n, turn.both(f"{n}附近有哪些公交站？", f"Which stops are near {n}?")))
    named = named or [(g.name(turn.language), turn.payload(None, g)) for g in turn.net.busiest()]
    raise Incomplete(words.ask(text, named), turn.pending())


def _settle(turn: Turn, targets: tuple[Target, ...]) -> tuple[str, tuple[float, float], Target | None]:
    stops = turn.net.stops
    places = [t for t in targets if t.kind == "place"]
    groups = [t for t in targets if t.kind == "stop"]
    best = places or groups
    if len(best) > 1:
        chosen = [stops.groups[t.index] for t in groups] if not places else []
        if chosen:
            raise Incomplete(_which_stop(turn, chosen), turn.pending())
        text = turn.both("您指的是哪一个？", "Which one do you mean?")
        names = dict.fromkeys(stops.name(t, turn.language) for t in best)
        if len(names) > 1:
            buttons = [(n, turn.both(f"{n}附近有哪些公交站？", f"Which stops are near {n}?")) for n in names]
            raise Incomplete(words.ask(text, buttons), turn.pending())
    for target in (*best, *groups):
        position = stops.position(target)
        if position is not None:
            return stops.name(target, turn.language), position, (groups or [target])[0]
    name = stops.name(best[0], turn.language)
    text = turn.both(f"时刻表没有给出{name}的位置。", f"The timetable does not say where {name} is.")
    raise Incomplete(words.say(text), turn.remember(kind="stops"))


def _which_stop(turn: Turn, groups: list[Group]) -> Reply:
    text = turn.both("有几个同名站点，请选择：", "Several stops have that name. Which one?")
    buttons = []
    for group in groups:
        code = group.codes[0] if group.codes else group.key
        name = group.name(turn.language)
        payload = turn.both(
            f"{name}（站点{code}）附近有哪些公交站？", f"Which stops are near {name} (stop {code})?"
        )
        lines = turn.both("、", ", ").join(line.name(turn.language) for line in turn.net.lines_at(group)[:4])
        buttons.append((f"{name} ({code}) {lines}".strip(), payload))
    return words.ask(text, buttons)
