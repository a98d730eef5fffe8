"""What the citizen is told when a request moves on, in the language it was filed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from actions.requests.catalogue import Catalogue
from actions.requests.lifecycle import CLOSED, OUTCOMES, STATES
from actions.requests.records import Event, Request
from city.messages import Button, Reply

_WEEKDAYS = "一二三四五六日"


def local_time(value: datetime, zone: ZoneInfo, language: str) -> str:
    """Return a UTC time as people of the city say it."""
    there = value.replace(tzinfo=timezone.utc).astimezone(zone)
    if language == "zh":
        return f"{there.month}月{there.day}日（周{_WEEKDAYS[there.weekday()]}）{there:%H:%M}"
    return f"{there:%a} {there.day} {there:%b}, {there:%H:%M}"


def state_name(request: Request, language: str) -> str:
    """Return a request's state, with how it ended when it is closed."""
    name = STATES[request.state].get(language)
    if request.state == CLOSED and request.outcome:
        end = OUTCOMES[request.outcome].get(language)
        return f"{name}（{end}）" if language == "zh" else f"{name} ({end})"
    return name


def news_reply(event: Event, request: Request, catalogue: Catalogue, language: str) -> Reply:
    """Compose the message that tells of one public event."""
    category = catalogue.get(request.category).name.get(language)
    department = catalogue.department_name(request.department, language)
    zh = language == "zh"
    if event.kind == "state" and event.state:
        state = (
            state_name(request, language)
            if event.state == request.state
            else STATES[event.state].get(language)
        )
        text = (
            f"您的工单 {request.number}（{category}）有新进展：**{state}**，承办单位：{department}。"
            if zh
            else f"News on your request {request.number} ({category}): **{state}**, handled by {department}."
        )
    else:
        text = (
            f"您的工单 {request.number}（{category}）："
            if zh
            else f"On your request {request.number} ({category}):"
        )
    if event.text:
        text += f"\n\n{event.text}"
    buttons: list[Button] = []
    if (
        request.state == CLOSED
        and event.kind == "state"
        and request.outcome not in ("withdrawn", "duplicate")
    ):
        text += "\n\n" + (
            "请评价：1（很不满意）到 5（很满意）。没解决可以重新办理。"
            if zh
            else "Please rate it from 1 (very bad) to 5 (very good). If it is not solved, it can be reopened."
        )
        buttons = rating_buttons(request.number, language)
    return Reply(text, "requests", buttons=buttons)


def rating_buttons(number: str, language: str) -> list[Button]:
    """Return the buttons to rate or reopen a closed request."""
    if language == "zh":
        return [
            Button("5 分 · 满意", f"工单 {number} 评价 5 分"),
            Button("3 分 · 一般", f"工单 {number} 评价 3 分"),
            Button("1 分 · 不满意", f"工单 {number} 评价 1 分"),
            Button("没解决，重新办理", f"工单 {number} 重新办理"),
        ]
    return [
        Button("5 · good", f"request {number} rating 5"),
        Button("3 · fair", f"request {number} rating 3"),
        Button("1 · bad", f"request {number} rating 1"),
        Button("Not solved: reopen", f"request {number} reopen"),
    ]


Put = Callable[[str, Sequence[Reply], str], bool]
