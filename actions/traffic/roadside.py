"""Answers for citizens about what stands beside the road: roadworks, closures and parking."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from actions.traffic.catalogue import CarPark, Roadworks
from actions.traffic.citizens import day_text, names_text, no_data, streets_in, unknown_road
from actions.traffic.live import ParkingObservation
from actions.traffic.names import find, find_district, find_intersections, find_places, find_streets, nearest
from actions.traffic.service import TrafficService
from actions.traffic.when import When, parse_when
from city.messages import Button, Reply


async def roadworks(service: TrafficService, text: str, language: str, when: When | None = None) -> Reply:
    """List works and closures on the streets and days asked about; `when` overrides the day that the text names."""
    zh = language == "zh"
    now = service.now()
    when = when or parse_when(text, now)
    first = last = when.at.date()
    if any(w in text.lower() for w in ("下周", "next week")):
        first = now.date() + timedelta(days=7 - now.weekday())
        last = first + timedelta(days=6)
    elif any(w in text.lower() for w in ("本周", "这周", "this week")):
        last = now.date() + timedelta(days=6 - now.weekday())
    streets, about = streets_in(service, text, language)
    wanted = {s.id for s in streets}
    found = [
        w
        for w in service.roadworks
        if w.begin <= last and w.end >= first and (not wanted or w.street in wanted)
    ]
    future = [w for w in service.roadworks if w.begin > last and w.street in wanted]
    span = (
        day_text(first, language)
        if first == last
        else (f"{first:%m-%d} 至 {last:%m-%d}" if zh else f"{first} to {last}")
    )
    source = (
        f"来源：施工登记（查询时间 {now:%m-%d %H:%M}）。"
        if zh
        else f"Source: register of roadworks, read {now:%d %b %H:%M}."
    )
    where = about or names_text(streets, language)
    unknown = unknown_road(service, text, bool(streets))
    if unknown:
        where = unknown
        found, future = [], []
    if not found:
        head = (
            f"{span}{where or '全市'}没有登记的施工或封路。"
            if zh
            else f"No roadworks or closures are registered for {where or 'the city'}, {span}."
        )
        more = [_works(w, language) for w in future]
        return Reply(
            "\n".join([head, *(["计划中：" if zh else "Planned:"] if more else []), *more, source]), "traffic"
        )
    head = (
        f"{span}{where or '全市'}有 {len(found)} 处施工或封路："
        if zh
        else f"{len(found)} works or closures for {where or 'the city'}, {span}:"
    )
    return Reply("\n".join([head, *(_works(w, language) for w in found), source]), "traffic")


async def parking(service: TrafficService, text: str, language: str, when: When | None = None) -> Reply:
    """List car parks with free spaces near what a question names, as they are now, whatever `when` says."""
    zh = language == "zh"
    if not service.car_parks:
        return no_data(language)
    seen, trouble = await service.parking()
    own = find(text, [(c.id, tuple(c.names.values())) for c in service.car_parks.values()])
    point, about = _point(service, text, language)
    lots: Sequence[tuple[CarPark, float | None]]
    if own:
        lots = [(service.car_parks[i], None) for i in own]
    elif point is not None:
        lots = nearest(*point, service.car_parks.values(), 3)
    else:
        ranked = sorted(service.car_parks.values(), key=lambda c: -(seen[c.id].free if c.id in seen else 0))
        lots = [(c, None) for c in ranked[:3]]
    lines = [_lot(c, seen.get(c.id), metres, language) for c, metres in lots]
    if own:
        head = ""
    elif about:
        head = f"{about}附近的停车场：" if zh else f"Car parks near {about}:"
    else:
        head = (
            "请告诉我您要去哪里，我可以查附近的停车场。目前空位较多的有："
            if zh
            else "Tell me where you are going and I'll look nearby. Most free spaces at the moment:"
        )
    buttons = (
        [
            Button(p.names[language], f"{p.names['zh']}附近停车场" if zh else f"parking near {p.names['en']}")
            for p in service.places[:3]
        ]
        if not own and not about
        else []
    )
    basis = _parking_basis([seen[c.id] for c, _ in lots if c.id in seen], language, trouble is not None)
    return Reply("\n".join([*([head] if head else []), *lines, basis]), "traffic", buttons=buttons)


def _point(service: TrafficService, text: str, language: str) -> tuple[tuple[float, float] | None, str]:
    places = find_places(text, service.places, service.streets)
    if places:
        return (places[-1].lat, places[-1].lon), places[-1].names[language]
    crossing = find_intersections(text, service.intersections, service.streets)
    if len(crossing) == 1:
        return (crossing[0].lat, crossing[0].lon), crossing[0].names[language]
    streets = find_streets(text, service.streets)
    if streets:
        return (streets[0].lat, streets[0].lon), streets[0].names[language]
    district = find_district(text)
    if district:
        inside = [s for s in service.streets.values() if s.district == district]
        if inside:
            return (inside[0].lat, inside[0].lon), streets_in(service, text, language)[1]
    return None, ""


def _lot(lot: CarPark, seen: ParkingObservation | None, metres: float | None, language: str) -> str:
    zh = language == "zh"
    away = (
        ""
        if metres is None
        else (f"，约 {round(metres, -1):.0f} 米" if zh else f", about {round(metres, -1):.0f} m away")
    )
    total = seen.total if seen and seen.total else lot.spaces
    if seen is None:
        free = f"共 {total} 个车位，空位未知" if zh else f"{total} spaces, free ones unknown"
    elif seen.free == 0:
        free = f"已满（共 {total} 个）" if zh else f"full ({total} spaces)"
    else:
        free = f"空位 {seen.free} / {total}" if zh else f"{seen.free} of {total} free"
    fee = lot.fees[language]
    return (
        f"- {lot.names[language]}：{free}{away}{'，' + fee if fee else ''}"
        if zh
        else f"- {lot.names[language]}: {free}{away}{'; ' + fee if fee else ''}"
    )


def _parking_basis(seen: Sequence[ParkingObservation], language: str, trouble: bool) -> str:
    zh = language == "zh"
    if not seen:
        return (
            ("实时空位暂不可用。" if trouble else "没有实时空位数据。")
            if zh
            else "Live free spaces are not available."
        )
    at, stale = min(o.observed_at for o in seen), any(o.stale for o in seen)
    demo = any(o.source == "demo" for o in seen)
    if zh:
        return (
            f"来源：{'演示数据' if demo else '停车场系统'}，观测时间 {at:%m-%d %H:%M}，"
            f"{'数据已过时，仅供参考' if stale else '实时'}。"
        )
    return (
        f"Source: {'demonstration data' if demo else 'car park systems'}, observed {at:%d %b %H:%M}, "
        f"{'out of date, for orientation only' if stale else 'live'}."
    )


def _works(works: Roadworks, language: str) -> str:
    zh = language == "zh"
    effect, detour = works.effects[language], works.detours[language]
    if zh:
        return f"- {works.titles['zh']}：{works.begin:%Y-%m-%d} 至 {works.end:%Y-%m-%d}，{effect}{'；' + detour if detour else ''}"
    return f"- {works.titles['en']}: {works.begin:%d %b %Y} to {works.end:%d %b %Y}, {effect}{'; ' + detour if detour else ''}"
