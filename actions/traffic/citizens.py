"""Answers for citizens: how the road is and will be, when to drive, roadworks, parking."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from actions.traffic.catalogue import Street
from actions.traffic.errors import ForecastError
from actions.traffic.names import DISTRICTS, find_district, find_places, find_streets, nearest
from actions.traffic.service import TrafficService
from actions.traffic.streets import FORECAST, LIVE, StreetState, from_observation
from actions.traffic.when import When, parse_when
from city.messages import Reply

LEVEL_TEXT = {
    "free": ("畅通", "flowing freely"),
    "slow": ("缓行", "slow"),
    "jammed": ("拥堵", "congested"),
    "standstill": ("严重拥堵", "heavily congested"),
}
MOST = 5


async def traffic_status(
    service: TrafficService, text: str, language: str, when: When | None = None
) -> Reply:
    """Say how the streets named in a question are at `when`, by default the time that the question names."""
    zh = language == "zh"
    when = when or parse_when(text, service.now())
    streets, about = streets_in(service, text, language)
    if not service.streets:
        return no_data(language)
    unknown = unknown_road(service, text, bool(streets))
    if unknown:
        return Reply(
            f"没有“{unknown}”的路况数据。可查询的道路有：{names_text(service.streets.values(), 'zh')}。"
            if zh
            else f"There is no traffic data for {unknown}. Roads on file: {names_text(service.streets.values(), 'en')}.",
            "traffic",
        )
    asked = streets or list(service.streets.values())
    states, trouble = await states_at(service, asked, when)
    if not states:
        return no_data(language, trouble)
    whole_city = not streets
    states.sort(key=lambda s: s.ratio)
    lines = [_line(s, language) for s in (states[:MOST] if whole_city or about else states)]
    if whole_city:
        jammed = sum(s.level in {"jammed", "standstill"} for s in states)
        head = (
            f"全市 {len(states)} 条监测道路中 {jammed} 条拥堵，最慢的是："
            if zh
            else f"{jammed} of {len(states)} monitored roads are congested; the slowest are:"
        )
    elif about:
        head = f"{about}周边道路：" if zh else f"Roads around {about}:"
    else:
        head = ""
    text_out = "\n".join(
        [*([head] if head else []), *(f"- {line}" if len(lines) > 1 or head else line for line in lines)]
    )
    return Reply(f"{text_out}\n{_basis(states, language, trouble)}", "traffic")


async def best_time(service: TrafficService, text: str, language: str, when: When | None = None) -> Reply:
    """Say when the streets named in a question, or around the place named, are least congested on the day of `when`."""
    zh = language == "zh"
    if service.forecaster is None or not service.streets:
        return no_data(language)
    when = when or parse_when(text, service.now())
    streets, about = streets_in(service, text, language)
    asked = streets or sorted(service.streets.values(), key=lambda s: -s.capacity_vph)[:6]
    try:
        days = await asyncio.to_thread(
            lambda: [service.forecaster.day(street, when.at) for street in asked]  # type: ignore[union-attr]
        )
    except ForecastError:
        return no_data(language)
    ratio: dict[int, float] = {}
    for number in range(len(days[0])):
        ratio[days[0][number].at.hour] = sum(day[number].ratio for day in days) / len(days)
    today = when.at.date() == service.now().date()
    hours = {h: r for h, r in ratio.items() if not today or h >= service.now().hour}
    if len(hours) < 3:
        when = When(when.at + timedelta(days=1), False, True)
        hours, today = ratio, False
    good = _runs([h for h, r in hours.items() if r >= max(hours.values()) - 0.05 and 6 <= h <= 21])[:3]
    bad = _runs([h for h, r in hours.items() if r <= min(hours.values()) + 0.05])[:2]
    name = names_text(asked, language) if streets and not about else ("主要道路" if zh else "main roads")
    if about:
        name = f"{about}周边道路" if zh else f"the roads around {about}"
    day = day_text(when.at.date(), language)
    if zh:
        return Reply(
            f"{day}开车走{name}，建议 {_spans(good)} 出发，最顺畅；"
            f"尽量避开 {_spans(bad)}（预计车速只有畅通时的 {min(hours.values()):.0%}）。\n"
            f"来源：历史同期数据的预测，非实时路况。",
            "traffic",
        )
    return Reply(
        f"{day}, the best time to drive on {name} is {_spans(good)}. Avoid {_spans(bad)}: expected speeds are only "
        f"{min(hours.values()):.0%} of free flow.\nSource: forecast from past weeks, not live traffic.",
        "traffic",
    )


async def states_at(
    service: TrafficService, streets: Sequence[Street], when: When
) -> tuple[list[StreetState], bool]:
    """Return the states of streets, and whether the live source was in trouble."""
    seen, error = await service.flows()
    soon = when.now or abs(when.at - service.now()) <= timedelta(minutes=10)
    found: list[StreetState] = []
    ahead: list[Street] = []
    for street in streets:
        state = from_observation(street, seen[street.id]) if soon and street.id in seen else None
        if state is not None:
            found.append(state)
        else:
            ahead.append(street)
    if ahead and service.forecaster is not None:
        forecaster = service.forecaster

        def forecasts() -> list[StreetState]:
            made = []
            for street in ahead:
                try:
                    made.append(forecaster.forecast(street, when.at, seen.get(street.id)))
                except ForecastError:
                    continue
            return made

        found += await asyncio.to_thread(forecasts)
    return found, error is not None and soon


def streets_in(service: TrafficService, text: str, language: str) -> tuple[list[Street], str]:
    """Return the streets a question is about, and the name of the place or district through which it is."""
    streets = find_streets(text, service.streets)
    if streets:
        return streets, ""
    places = find_places(text, service.places, service.streets)
    if places:
        place = places[-1]
        return [s for s, _ in nearest(place.lat, place.lon, service.streets.values(), 3)], place.names[
            language
        ]
    district = find_district(text)
    if district:
        inside = [s for s in service.streets.values() if s.district == district]
        return inside, DISTRICTS[district][0] if language == "zh" else f"{district.capitalize()} District"
    return [], ""


def unknown_road(service: TrafficService, text: str, known: bool) -> str:
    """Return a road that a question names and nobody has on file."""
    if known or find_places(text, service.places, service.streets):
        return ""
    match = re.search(r"([\u4e00-\u9fff]{2,4}(?:大道|大街|路|街|巷))(?!况|上|口|段|面|线|边|堵|好)", text)
    if match:
        name = re.sub(
            r"^(请问|现在|今天|明天|我在|去|走|在|那条|哪条|那么?|还有|什么|查|看看|一下)+",
            "",
            match.group(1),
        )
        if len(name) >= 3 and not re.search(
            r"哪|条路|什么|主要|道路|修路|封路|马路|公路|线路|走路|施工", name
        ):
            return name
    match = re.search(r"\b([A-Z][a-z]+(?: [A-Z][a-z]+)? (?:Road|Street|Avenue|Lane))\b", text)
    return match.group(1) if match else ""


def _line(state: StreetState, language: str) -> str:
    zh = language == "zh"
    level = LEVEL_TEXT[state.level][0 if zh else 1]
    name = state.street.names[language]
    if state.basis == FORECAST:
        when = f"{state.at:%m-%d %H:%M}"
        return (
            f"{name}：{when} 预计{level}，车速约 {state.speed_kmh:.0f} 公里/小时"
            f"（八成把握在 {state.low_kmh:.0f}–{state.high_kmh:.0f} 之间）"
            if zh
            else f"{name}: expected {level} at {when}, about {state.speed_kmh:.0f} km/h (80 % between {state.low_kmh:.0f} and "
            f"{state.high_kmh:.0f})"
        )
    return (
        f"{name}：{level}，平均车速 {state.speed_kmh:.0f} 公里/小时"
        if zh
        else f"{name}: {level}, mean speed {state.speed_kmh:.0f} km/h"
    )


def _basis(states: Sequence[StreetState], language: str, trouble: bool) -> str:
    zh = language == "zh"
    bases = {s.basis for s in states}
    parts = []
    seen = [s for s in states if s.basis != FORECAST]
    if seen:
        at = min(s.at for s in seen)
        demo = any(s.source == "demo" for s in seen)
        fresh = LIVE in bases and len({s.basis for s in seen}) == 1
        if zh:
            parts.append(
                f"来源：{'演示数据' if demo else '道路检测器'}，观测时间 {at:%m-%d %H:%M}，"
                f"{'实时' if fresh else '数据已过时，仅供参考'}。"
            )
        else:
            parts.append(
                f"Source: {'demonstration data' if demo else 'road sensors'}, observed {at:%d %b %H:%M}, "
                f"{'live' if fresh else 'out of date, for orientation only'}."
            )
    if FORECAST in bases:
        why = ("实时数据暂不可用，" if zh else "Live data is not available; ") if trouble else ""
        parts.append(
            f"{why}来源：历史同期数据的预测，非实时。"
            if zh
            else f"{why}Source: forecast from past weeks, not live."
        )
    return "".join(parts) if zh else " ".join(parts)


def no_data(language: str, trouble: bool = False) -> Reply:
    if language == "zh":
        return Reply(
            "实时交通数据源暂时没有响应，请稍后再试。" if trouble else "暂时没有这方面的交通数据。", "traffic"
        )
    return Reply(
        "The live traffic source does not answer at the moment; please try again later."
        if trouble
        else "There is no traffic data for that at the moment.",
        "traffic",
    )


def names_text(streets: Iterable[Street], language: str) -> str:
    names = [s.names[language] for s in streets]
    return "、".join(names) if language == "zh" else ", ".join(names)


def day_text(day: date, language: str) -> str:
    return f"{day:%m-%d}（周{'一二三四五六日'[day.weekday()]}）" if language == "zh" else f"{day:%A %d %b}"


def _runs(hours: Sequence[int]) -> list[tuple[int, int]]:
    """Join hours that follow each other into spans from the first hour to the end of the last."""
    runs: list[tuple[int, int]] = []
    for hour in sorted(hours):
        if runs and hour == runs[-1][1]:
            runs[-1] = (runs[-1][0], hour + 1)
        else:
            runs.append((hour, hour + 1))
    return runs


def _spans(runs: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{a}:00–{b}:00" for a, b in runs)
