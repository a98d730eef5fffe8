"""Elliptical questions on traffic, completed from the conversation: "那解放路呢？", "and at 7 pm?", "为什么？"."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, time
from typing import Any

from actions.traffic import citizens, roadside, staff
from actions.traffic.citizens import unknown_road
from actions.traffic.names import (
    DISTRICTS,
    find,
    find_district,
    find_intersections,
    find_places,
    find_streets,
)
from actions.traffic.service import TrafficService
from actions.traffic.when import PEAK_NAMES, Parts, When, moment, parse_parts, peak_period, weekend
from city.messages import Reply

MAX_AGE_S = 30 * 60
ASKED = "asked"
SIGNAL = "signal"
State = dict[str, Any]
Answer = Callable[[TrafficService, str, str, When | None], Awaitable[Reply]]
ANSWERS: Mapping[str, Answer] = {
    "status": citizens.traffic_status,
    "best_time": citizens.best_time,
    "parking": roadside.parking,
    "roadworks": roadside.roadworks,
}
_KINDS = (
    ("parking", r"停车|车位|\bpark(ing)?\b"),
    ("roadworks", r"施工|封路|修路|roadworks?|closures?|closed\b"),
    ("best_time", r"几点(去|走|出发)|什么时候(去|走|出发)|best time|when (should|to) "),
    ("status", r"堵|路况|畅通|jam|congest|traffic\b"),
)
_THERE = re.compile(r"那边|那里|那儿|这里|这边|附近|周边|\bthere\b|near ?by|around (?:it|there)", re.I)
_WHY = re.compile(r"为什么|为啥|为何|怎么算|依据|原因|\bwhy\b|how come|reason", re.I)
_COMPARE = re.compile(r"对比|比较|相比|现状|现行|compare|versus|\bvs\b|today's", re.I)
_EXPORT = re.compile(r"导出|下载|文件|export|download|as a file", re.I)
_WEEK = re.compile(r"[这本下]周|这?周内|(this|next) week", re.I)
_NOW = re.compile(r"现在|此刻|目前|眼下|\bnow\b|currently", re.I)
_WEEKDAY = re.compile(r"工作日|平日|weekdays?|workdays?", re.I)
# What neither names a subject nor a time is taken as a follow-up only when it is this short.
_SHORT_ZH, _SHORT_WORDS = 12, 6


@dataclass(frozen=True)
class Asked:
    """The last question: its kind, the places it named in Chinese, its day and clock as ISO 8601, when it was asked."""

    kind: str = ""
    subject: str = ""
    day: str = ""
    clock: str = ""
    at: float = 0.0


def recall(service: TrafficService, state: Mapping[str, Any] | None) -> Asked:
    """Return the last question of a state; an empty one when there is none, or it is half an hour old."""
    found = (state or {}).get(ASKED)
    try:
        asked = Asked(**found) if isinstance(found, Mapping) else Asked()
        old = not 0 <= service.now().timestamp() - asked.at <= MAX_AGE_S
    except TypeError:
        return Asked()
    return Asked() if old else asked


def remember(
    service: TrafficService, state: Mapping[str, Any] | None, kind: str, subject: str, parts: Parts
) -> State:
    """Return the state after a question of `kind` on `subject`."""
    now = service.now()
    day, clock = parts.day, parts.clock
    if parts.later is not None:
        at = now + parts.later
        day, clock = at.date(), at.time().replace(second=0, microsecond=0)
    asked = Asked(
        kind, subject, day.isoformat() if day else "", clock.isoformat() if clock else "", now.timestamp()
    )
    return {**(state or {}), ASKED: asdict(asked)}


async def ask(
    service: TrafficService, kind: str, text: str, state: Mapping[str, Any] | None, language: str
) -> tuple[Reply, State]:
    """Answer a citizen's question of `kind`; "那边好停车吗" leans on the place of the question before."""
    subject, parts = subject_of(service, text), parse_parts(text, service.now())
    before = recall(service, state)
    if not subject and before.subject and _THERE.search(text):
        subject = before.subject
    whole = text if subject_of(service, text) or not subject else f"{text} {subject}"
    reply = await ANSWERS[kind](service, whole, language, None)
    return reply, remember(service, state, kind, subject, parts)


async def follow_up(
    service: TrafficService,
    text: str,
    state: Mapping[str, Any] | None,
    language: str,
    *,
    role: str = "citizen",
    owner: str = "",
) -> tuple[Reply, State] | None:
    """Answer an elliptical question on what was asked last.

    Returns:
        The reply and the new state; `None` when the text does not lean on a question about traffic.

    Raises:
        TrafficError: the intersection asked about cannot be timed.
    """
    asked = recall(service, state)
    if asked.kind == SIGNAL and staff.allowed(role):
        return await asyncio.to_thread(_signal, service, text, dict(state or {}), language, owner)
    if asked.kind not in ANSWERS:
        return None
    own, parts = subject_of(service, text), parse_parts(text, service.now())
    unknown = unknown_road(service, text, bool(own))
    kind = next((k for k, pattern in _KINDS if re.search(pattern, text, re.I)), asked.kind)
    now = _NOW.search(text)
    leans = own or parts or unknown or now or kind != asked.kind
    if not (leans or _THERE.search(text) or _WEEK.search(text)):
        return None
    subject = own or ("" if unknown else asked.subject)
    parts = parts if now else _joined(parts, asked)
    whole = text if own or not subject else f"{text} {subject}"
    when = moment(parts, service.now())
    reply = await ANSWERS[kind](service, whole, language, when)
    return reply, remember(service, state, kind, subject or unknown, parts)


def is_short(text: str) -> bool:
    """Return whether a text is so short that it can be the answer to "which place?"."""
    words = text.split()
    return len(words) <= _SHORT_WORDS if text.isascii() else len(text.strip()) <= _SHORT_ZH


def subject_of(service: TrafficService, text: str) -> str:
    """Return the Chinese names of the roads, car parks, places or district that a text names; "" for none."""
    names = [s.names["zh"] for s in find_streets(text, service.streets)]
    if not names:
        lots = service.car_parks.values()
        names = [c.names["zh"] for c in find(text, [(c, tuple(c.names.values())) for c in lots])]
    if not names:
        names = [p.names["zh"] for p in find_places(text, service.places, service.streets)]
    district = find_district(text)
    if not names and district:
        names = [DISTRICTS[district][0]]
    return "、".join(names)


def _joined(parts: Parts, asked: Asked) -> Parts:
    """Return the parts of time of a follow-up, completed by those of the question before."""
    if parts.later is not None:
        return parts
    day = parts.day or (date.fromisoformat(asked.day) if asked.day else None)
    clock = parts.clock or (time.fromisoformat(asked.clock) if asked.clock else None)
    return replace(parts, day=day, clock=clock)


def _signal(
    service: TrafficService, text: str, state: State, language: str, owner: str
) -> tuple[Reply, State] | None:
    fresh = {**state, ASKED: asdict(Asked(SIGNAL, at=service.now().timestamp()))}
    for pattern, work in ((_WHY, staff.why), (_COMPARE, staff.compare), (_EXPORT, staff.export)):
        if pattern.search(text):
            return work(service, state, language), fresh
    named = find_intersections(text, service.intersections, service.streets)
    period, on_weekend = peak_period(text), weekend(text)
    if not (named or period or on_weekend or _WEEKDAY.search(text)):
        return None
    whole = [text]
    before = service.intersections.get(str(state.get("intersection")))
    if not named and before is not None:
        whole.append(before.names["zh"])
    if period is None and state.get("period") in PEAK_NAMES:
        whole.append(PEAK_NAMES[str(state["period"])]["zh"])
    if state.get("weekend") and not on_weekend and not _WEEKDAY.search(text):
        whole.append("周末")
    reply, found = staff.optimise(service, " ".join(whole), language, owner)
    return reply, {**fresh, **(found or {})}
