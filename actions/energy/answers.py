"""Answers to questions about energy: what to say for which topic, to whom, and what to remember."""

# Texts for people run longer than code.
# ruff: noqa: E501

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actions.energy import citizens, plans, staff
from actions.energy.errors import EnergyError
from actions.energy.periods import Span, find_span
from actions.energy.service import EnergyService
from actions.energy.site import Building
from city.messages import Reply

STAFF_ROLES = frozenset({"viewer", "editor", "publisher", "operator", "admin"})
STAFF_TOPICS = frozenset({"usage", "why", "forecast", "battery", "ranking", "anomalies"})
_WHY = re.compile(
    r"为什么|为何|为啥|怎么这么|怎么会|咋|原因|点解|\bwhy\b|what (?:caused|made|happened)|reason",
    re.IGNORECASE,
)
_RANK = re.compile(
    r"哪个楼|哪栋|哪些楼|哪座|排名|前十|各单位|最费电|最耗电|对比|比较|和.{2,8}哪个|全市|which building|rank|top (?:ten|\d)|compare|all buildings|municipal buildings|public buildings",
    re.IGNORECASE,
)
_ODD = re.compile(r"异常|故障|卡住|没关|anomal|abnormal|unusual|fault|left on", re.IGNORECASE)
_BATTERY = re.compile(r"电池|储能|充电.{0,4}放电|充放电|削峰|batter|storage|peak shav", re.IGNORECASE)
_FORECAST = re.compile(
    r"预测|预计|预估|预报|会用多少|会是多少|明天|明日|后天|下周|未来|forecast|predict|expect|tomorrow|next (?:week|\d+|day)|will .{0,30}use",
    re.IGNORECASE,
)
_SAVE = re.compile(
    r"节能|节电|省电|省钱|怎么省|怎么降|建议|save|saving|reduce|cut|advice|lower", re.IGNORECASE
)
_HOME = re.compile(
    r"我家|家里|我们家|俺家|屋企|租房|账单|电费单|my (?:bill|home|house|flat|electric|power|energy|leccy)|our (?:bill|home|house)|household|at home",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Query:
    """One question: its words, who asks, and what was talked about before."""

    text: str
    language: str
    role: str
    topic: str
    entities: Sequence[Mapping[str, Any]] = ()
    state: Mapping[str, Any] | None = None

    def entity(self, kind: str) -> str:
        """Return the value of an entity, "" when there is none."""
        for item in self.entities:
            if item.get("entity") == kind:
                return str(item.get("value") or "")
        return ""


@dataclass(frozen=True)
class Outcome:
    """The replies and what to remember (the slot `energy_state`)."""

    replies: Sequence[Reply]
    state: dict[str, Any] = field(default_factory=dict)


def answer(service: EnergyService, query: Query) -> Outcome:
    """Answer a question; never raises `EnergyError`, whose text becomes the reply."""
    state = dict(query.state or {})
    topic = _topic(service, query, state)
    try:
        if topic == "outage":
            return citizens.outages(service, query, state)
        if topic == "saving" and not _about_building(service, query, state):
            return citizens.saving(service, query, state)
        if query.role not in STAFF_ROLES:
            return Outcome([citizens.refusal(query.language)], {**state, "topic": "saving"})
        return _staff(service, query, state, topic)
    except EnergyError as error:
        return Outcome([Reply(error.text(query.language), "energy")], {**state, "topic": topic})


def handle_follow_up(service: EnergyService, query: Query) -> Outcome:
    """Answer an elliptical question ("那图书馆呢？", "and on Wednesday?") on the topic talked about last."""
    return answer(service, Query(query.text, query.language, query.role, "", query.entities, query.state))


def _topic(service: EnergyService, query: Query, state: Mapping[str, Any]) -> str:
    """Refine the intent's topic by the words; without one, the last topic stands."""
    text, topic = query.text, query.topic
    if topic == "outage":
        return topic
    before = str(state.get("topic") or "usage")
    citizen = query.role not in STAFF_ROLES
    if _HOME.search(text) and service.find_building(text) is None and topic in ("", "saving", "why"):
        return "saving"
    if (
        topic in ("why", "")
        and citizen
        and service.find_building(text) is None
        and before in ("saving", "outage")
    ):
        return before
    if _BATTERY.search(text) and topic != "saving":
        return "battery"
    if topic == "saving":
        return topic
    if _WHY.search(text) and topic in ("usage", "why", ""):
        return "why"
    if topic in ("usage", "") and _RANK.search(text) and not _single(service, text):
        return "ranking"
    if topic in ("usage", "") and _ODD.search(text):
        return "anomalies"
    if topic == "":
        if _FORECAST.search(text):
            return "forecast"
        if _SAVE.search(text):
            return "saving"
        if (
            before == "battery"
            and service.find_building(text) is None
            and find_span(text, service.now.date()) is None
        ):
            return "battery"
        return before
    return topic


def _single(service: EnergyService, text: str) -> bool:
    """Whether exactly one building is compared with itself, as in 今年和去年."""
    return service.find_building(text) is not None and not re.search(r"哪个|which|和.{2,8}哪|哪栋", text)


def _about_building(service: EnergyService, query: Query, state: Mapping[str, Any]) -> bool:
    if _HOME.search(query.text):
        return False
    if service.find_building(query.text) or query.entity("building"):
        return True
    return query.role in STAFF_ROLES and bool(state.get("building"))


def _staff(service: EnergyService, query: Query, state: dict[str, Any], topic: str) -> Outcome:
    today = service.now.date()
    within = Span.from_state(state["span"]) if state.get("span") else None
    span = find_span(query.text, today, within)
    if span is None and query.entity("time"):
        span = find_span(query.entity("time"), today, within)
    if topic == "ranking":
        return staff.ranking(service, query, state, span)
    building = _building(service, query, state)
    if isinstance(building, Outcome):
        return building
    state = {**state, "building": building.id, "topic": topic}
    if topic in ("usage", "anomalies", "why") and span is not None and span.first > today:
        topic = state["topic"] = "forecast"
    if topic == "forecast":
        return plans.forecast(service, query, state, building, span)
    if topic == "battery":
        return plans.battery(service, query, state, building, span)
    if topic == "saving":
        return staff.saving(service, query, state, building)
    if topic == "anomalies":
        return staff.anomalies(service, query, state, building, span)
    if topic == "why":
        return staff.why(service, query, state, building, span or within)
    return staff.usage(service, query, state, building, span or within)


def _building(service: EnergyService, query: Query, state: Mapping[str, Any]) -> Building | Outcome:
    """Return the building asked about, carried on from before, or the reply that asks for it."""
    found = service.find_building(query.text)
    named = query.entity("building")
    if found is None and named:
        found = service.find_building(named)
        if found is None:
            raise service.unknown(named)
    if found is not None:
        return found
    if state.get("building"):
        return service.building(str(state["building"]))
    return staff.which_building(service, query, dict(state))


__all__ = ["STAFF_ROLES", "Outcome", "Query", "answer", "handle_follow_up"]
