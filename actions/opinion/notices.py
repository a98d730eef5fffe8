"""What a notification says, and to whom it goes."""

# Texts for people run longer than code.
# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from actions.opinion.alarms import RULES
from actions.opinion.lexicon import Category
from actions.opinion.model import LEVELS
from actions.opinion.settings import TargetSection

_SAMPLE_CHARS = 120


def wanted_by(target: TargetSection, level: int, category: Category, escalated: bool) -> bool:
    """Whether a target is told of an alarm: by its least level, its departments, and escalation."""
    if level < target.min_level or (target.escalation and not escalated):
        return False
    names = {category.id, *category.name.values(), *category.department.values()}
    return not target.departments or bool(names & set(target.departments))


def times(ratio: float) -> str:
    """Return how many times as much something is: "2.5", "60"; a whole number from ten on."""
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}".removesuffix(".0")


def _beside_usual(count: float, usual: float, language: str) -> str:
    """Return a count beside what is usual in the words people use."""
    zh = language == "zh"
    if usual < 0.5:
        return "平时这个时段几乎没有" if zh else "at this hour there is usually next to none"
    if count >= 2 * usual:
        ratio = times(count / usual)
        return (
            f"是平时的 {ratio} 倍（平时约 {usual:.1f} 条）" if zh else f"{ratio} times the usual {usual:.1f}"
        )
    return f"平时约 {usual:.1f} 条" if zh else f"usually {usual:.1f}"


def reason_text(rule: str, reasons: Mapping[str, Any], language: str) -> str:
    """Return the numbers behind an alarm in one sentence."""
    zh = language == "zh"
    flood = {
        "copies": ("多为相同内容", "mostly copies of one text"),
        "author": ("多来自同一账号", "mostly one account"),
        "wording": ("措辞高度雷同", "nearly the same wording"),
    }.get(str(reasons.get("flood", "")), ("", ""))[0 if zh else 1]
    if rule == "volume":
        return (
            f"近 1 小时 {reasons['posts']} 条（{reasons['authors']} 人），{_beside_usual(reasons['posts'], reasons['usual'], 'zh')}"
            if zh
            else f"{reasons['posts']} posts by {reasons['authors']} people in an hour, {_beside_usual(reasons['posts'], reasons['usual'], 'en')}"
        )
    if rule == "flood":
        return (
            f"近 1 小时 {reasons['posts']} 条，{flood}；可能是组织刷帖，请人工判断"
            if zh
            else f"{reasons['posts']} posts in an hour, {flood}; possibly coordinated, a person should judge"
        )
    if rule == "share":
        return (
            f"近 6 小时负面占 {reasons['share']:.0%}（{reasons['negative']}/{reasons['posts']}，下限 {reasons['lower']:.0%}），平时 {reasons['usual']:.0%}"
            if zh
            else f"{reasons['share']:.0%} negative in 6 hours ({reasons['negative']} of {reasons['posts']}, at least {reasons['lower']:.0%}), usually {reasons['usual']:.0%}"
        )
    return (
        f"近 2 小时 {reasons['posts']} 条严重诉求，来自 {reasons['authors']} 人，其中紧急 {reasons['urgent']} 条"
        if zh
        else f"{reasons['posts']} serious posts by {reasons['authors']} people in 2 hours, {reasons['urgent']} of them urgent"
    )


def alarm_message(
    alarm: Mapping[str, Any], samples: Sequence[str], language: str, escalated: bool
) -> tuple[str, str]:
    """Return title and body of a notification about a stored alarm; every text in it is masked already."""
    zh = language == "zh"
    at = 0 if zh else 1
    level, rule = LEVELS[int(alarm["level"])][at], RULES[str(alarm["rule"])][at]
    label = alarm["label_zh"] if zh else alarm["label_en"]
    owner = alarm["owner_zh"] if zh else alarm["owner_en"]
    again = ("升级 " if zh else "escalated ") if escalated else ""
    title = f"[{again}{level}] {label} #{alarm['id']}"
    lines = [f"{rule}: {reason_text(str(alarm['rule']), alarm['reasons'], language)}"]
    lines += [f"- {sample[:_SAMPLE_CHARS]}" for sample in samples]
    lines.append(f"建议负责：{owner}" if zh else f"suggested owner: {owner}")
    lines.append("自动提示，请人工核实后决定。" if zh else "Found automatically; a person decides.")
    return title, "\n".join(lines)
