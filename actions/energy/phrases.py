"""Findings, savings and figures in words, Chinese and English."""

# Texts for people run longer than code.
# ruff: noqa: E501

from __future__ import annotations

import pandas as pd

from actions.energy.advice import Proof, Saving
from actions.energy.anomalies import Finding

_SYMBOL = {"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£"}
FINDINGS = {
    "high": ("用电异常偏高", "unusually high use"),
    "low": ("用电异常偏低", "unusually low use"),
    "spike": ("尖峰", "a spike"),
    "level_shift": ("用电水平变化", "a lasting change of level"),
    "night_base_load": ("夜间基础负荷变化", "a lasting change of the night base load"),
    "stuck": ("电表读数卡住", "a stuck meter"),
    "silent": ("电表无数据（为零）", "a silent meter (zeros)"),
}
MODELS = {
    "naive_day": ("与前一天相同", "same as the day before"),
    "naive_week": ("与上周同日相同", "same as a week before"),
    "usual": ("同类日中位数", "median of like days"),
    "ridge": ("岭回归", "ridge regression"),
    "linear": ("线性窗口集成", "linear window ensemble"),
    "ridge+linear": ("岭回归 + 线性窗口", "ridge + linear windows"),
    "ridge+boost": ("岭回归 + 梯度提升", "ridge + gradient boosting"),
    "usual+boost": ("同类日中位数 + 梯度提升", "like-day median + gradient boosting"),
    "blend": ("组合模型", "blend of models"),
}


def amount(value: float, currency: str = "CNY") -> str:
    """Return an amount of money such as ¥1,234."""
    digits = 2 if abs(value) < 100 else 0
    text = f"{abs(value):,.{digits}f}"
    mark = _SYMBOL.get(currency)
    sign = "-" if value < 0 and float(text.replace(",", "")) else ""
    return f"{sign}{mark}{text}" if mark else f"{sign}{text} {currency}"


def number(value: float) -> str:
    """Return a figure with as many digits as it deserves."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:,.1f}" if size >= 10 else f"{value:,.2f}"


def energy(kwh: float) -> str:
    """Return an energy in kWh, MWh from 100 000 kWh on."""
    return f"{kwh / 1000:,.0f} MWh" if abs(kwh) >= 100_000 else f"{number(kwh)} kWh"


def percent(share: float) -> str:
    """Return a share as a percentage."""
    return f"{share:+.0%}" if abs(share) >= 0.1 else f"{share:+.1%}"


def stamp(when: pd.Timestamp, language: str) -> str:
    """Return a moment such as 3月4日 18:30 or 4 Mar 18:30."""
    if language == "zh":
        return f"{when.month}月{when.day}日 {when:%H:%M}"
    return f"{when.day} {when:%b %H:%M}"


def finding_text(finding: Finding, language: str, currency: str) -> str:
    """Return one finding in a sentence: when, what, expected against actual, cost."""
    zh = language == "zh"
    name = FINDINGS[finding.kind][0 if zh else 1]
    start, end = stamp(finding.start, language), stamp(finding.end, language)
    if finding.kind in ("stuck", "silent"):
        if zh:
            return f"{start} 至 {end}：{name}（{finding.hours:.0f} 小时），这段数据不可信"
        return f"{start} to {end}: {name} ({finding.hours:.0f} h); these values are not to be trusted"
    if finding.kind in ("level_shift", "night_base_load"):
        days = max(1.0, finding.hours / 24)
        hours = 24.0 if finding.kind == "level_shift" else 4.0
        before, after = finding.expected_kwh / days / hours, finding.actual_kwh / days / hours
        cost = (
            f"，约 {amount(finding.cost, currency)}"
            if finding.cost and zh
            else f", about {amount(finding.cost, currency)}"
            if finding.cost
            else ""
        )
        if zh:
            return f"自 {finding.start.month}月{finding.start.day}日起：{name}，平均 {number(before)} → {number(after)} kW，累计 {finding.excess_kwh:+,.0f} kWh{cost}"
        return f"since {finding.start.day} {finding.start:%b}: {name}, mean {number(before)} → {number(after)} kW, {finding.excess_kwh:+,.0f} kWh so far{cost}"
    if zh:
        cost = f"，约 {amount(finding.cost, currency)}" if finding.cost is not None else ""
        return f"{start} 至 {end}：{name}，实际 {energy(finding.actual_kwh)}，平时约 {energy(finding.expected_kwh)}（{finding.excess_kwh:+,.0f} kWh{cost}），最高 {number(finding.peak_kw)} kW"
    cost = f", about {amount(finding.cost, currency)}" if finding.cost is not None else ""
    return f"{start} to {end}: {name}, {energy(finding.actual_kwh)} against a usual {energy(finding.expected_kwh)} ({finding.excess_kwh:+,.0f} kWh{cost}), peak {number(finding.peak_kw)} kW"


_SAVINGS = {
    "night_base_load": (
        "降低夜间基础负荷：平时夜间 {usual_kw:.0f} kW，最好的夜晚只有 {best_kw:.0f} kW",
        "Lower the night base load: {usual_kw:.0f} kW on a usual night against {best_kw:.0f} kW on the best ones",
    ),
    "early_start": (
        "晚一点启动：开门（{hour:.0f} 时）一小时以前每个工作日多用 {kwh_per_day:.0f} kWh",
        "Start later: {kwh_per_day:.0f} kWh each working day are used more than an hour before opening ({hour:.0f}:00)",
    ),
    "late_stop": (
        "按时关停：关门（{hour:.0f} 时）一小时以后每个工作日多用 {kwh_per_day:.0f} kWh",
        "Switch off in time: {kwh_per_day:.0f} kWh each working day are used more than an hour after closing ({hour:.0f}:00)",
    ),
    "rest_days": (
        "减少休息日用电：休息日 {rest_kwh:.0f} kWh，其中常开负荷 {base_kwh:.0f} kWh（工作日 {work_kwh:.0f} kWh）；按减少三成超出部分计算",
        "Use less on rest days: {rest_kwh:.0f} kWh, of which always on {base_kwh:.0f} (working days {work_kwh:.0f}); counted at 30 % of the rest",
    ),
    "undo_level_shift": (
        "查清用电水平上升的原因并恢复：每天多用 {kwh_per_day:.0f} kWh",
        "Find and undo what raised the level: {kwh_per_day:.0f} kWh more each day",
    ),
    "undo_night_base_load": (
        "查清夜间负荷上升的原因并恢复：每夜多用 {kwh_per_day:.0f} kWh",
        "Find and undo what raised the nights: {kwh_per_day:.0f} kWh more each night",
    ),
    "stop_events": (
        "避免异常用电：发现 {events:.0f} 次，最大一次多用 {worst_kwh:.0f} kWh",
        "Avoid unusual use: {events:.0f} events found, the largest took {worst_kwh:.0f} kWh extra",
    ),
    "setpoint": (
        "空调设定放宽 {degrees:.0f} °C：随气温变化的用电一年约 {weather_kwh:,.0f} kWh",
        "Relax the set point by {degrees:.0f} °C: about {weather_kwh:,.0f} kWh a year follow the temperature",
    ),
}


def saving_text(saving: Saving, language: str, currency: str) -> str:
    """Return one measure: what to do, the evidence, and what it saves a year."""
    zh = language == "zh"
    text = _SAVINGS[saving.kind][0 if zh else 1].format(**saving.evidence)
    money, kwh = amount(saving.money_per_year, currency), energy(saving.kwh_per_year)
    tonnes = f"{saving.co2_kg_per_year / 1000:.1f}"
    if zh:
        return f"{text}。每年约省 {money}、{kwh}、{tonnes} 吨 CO₂"
    return f"{text}. Saves about {money}, {kwh}, {tonnes} t CO₂ a year"


def proof_text(proof: Proof, language: str) -> str:
    """Return what a past measure saved, with its interval and whether that is certain."""
    span = f"{number(proof.low_kwh)} – {number(proof.high_kwh)} kWh"
    if language == "zh":
        sure = "结论可靠" if proof.certain else "还不能确定有效果"
        weather = "已按气温修正" if proof.weather else "没有气温数据，未作修正"
        return (
            f"{proof.days} 天里应用 {energy(proof.expected_kwh)}，实际 {energy(proof.actual_kwh)}，"
            f"节省 {energy(proof.saved_kwh)}（{percent(proof.share)}；90% 区间 {span}），{sure}（{weather}，CV(RMSE) {proof.cv_rmse:.0%}）"
        )
    sure = "this is certain" if proof.certain else "this may still be chance"
    weather = "corrected for temperature" if proof.weather else "no temperature given, not corrected"
    return (
        f"In {proof.days} days {energy(proof.expected_kwh)} were to be expected and {energy(proof.actual_kwh)} were used: "
        f"{energy(proof.saved_kwh)} saved ({percent(proof.share)}; 90 % interval {span}); {sure} ({weather}, CV(RMSE) {proof.cv_rmse:.0%})"
    )
