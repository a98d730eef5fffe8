"""What staff get for the days to come: forecasts and battery plans."""

# Texts for people run longer than code.
# ruff: noqa: E501

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from actions.energy import charts
from actions.energy.errors import NoDataInPeriod
from actions.energy.periods import Span
from actions.energy.phrases import MODELS, amount, energy, number
from actions.energy.service import EnergyService
from actions.energy.site import Building
from actions.energy.staff import outcome, source_line
from actions.pictures import labels_language
from city.messages import Button, Reply

if TYPE_CHECKING:
    from actions.energy.answers import Outcome, Query


def forecast(
    service: EnergyService, query: Query, state: dict[str, Any], building: Building, span: Span | None
) -> Outcome:
    """Forecast tomorrow or the days named, up to a week ahead."""
    language, zh = query.language, query.language == "zh"
    today = service.now.date()
    tomorrow = Span(today + timedelta(days=1), today + timedelta(days=1), "明天", "tomorrow")
    wish = span if span is not None and span.last > today else tomorrow
    last = min(wish.last, today + timedelta(days=7))
    first = min(max(wish.first, today), last)
    cut = Span(first, last, wish.zh, wish.en)
    whole = service.forecast(building, ((last - today).days + 1) * 24)
    start, end = (pd.Timestamp(moment) for moment in cut.bounds(service.zone))
    keep = np.asarray((whole.index >= start) & (whole.index < end))
    if not keep.any():
        series = service.series(building)
        raise NoDataInPeriod(
            building.name(language),
            period=(cut.label("zh"), cut.label("en")),
            first=f"{series.index[0]:%Y-%m-%d}",
            last=f"{series.end:%Y-%m-%d %H:%M}",
        )
    part = replace(
        whole,
        index=whole.index[keep],
        p10_kw=whole.p10_kw[keep],
        p50_kw=whole.p50_kw[keep],
        p90_kw=whole.p90_kw[keep],
    )
    top = int(np.argmax(part.p50_kw))
    score = whole.scores[whole.model]
    name, when = building.name(language), part.index[top]
    tariff = service.site.tariff
    cost = float((tariff.import_price(part.index) * part.p50_kw).sum() * part.step_min / 60)
    model = MODELS[whole.model][0 if zh else 1]
    wape = f"{score.wape:.1%}" if score.wape is not None else "–"
    if zh:
        lines = [
            f"**{name}{cut.label('zh')}预测**：用电约 {energy(part.energy_kwh)}，电量电费约 {amount(cost, tariff.currency)}。",
            f"最高负荷约 {number(part.p50_kw[top])} kW（80% 区间 {number(part.p10_kw[top])}–{number(part.p90_kw[top])} kW），出现在 {when.month}月{when.day}日 {when:%H:%M}。",
            f"依据：{model}，最近 {whole.backtest_days} 天回测 WAPE {wape}，比“照搬昨天/上周”误差低 {whole.better_than_naive:.0%}。",
        ]
    else:
        lines = [
            f"**Forecast for {name}, {cut.label('en')}**: about {energy(part.energy_kwh)}, energy cost about {amount(cost, tariff.currency)}.",
            f"Peak about {number(part.p50_kw[top])} kW (80 % interval {number(part.p10_kw[top])}–{number(part.p90_kw[top])} kW) at {when.day} {when:%b %H:%M}.",
            f"Method: {model}; WAPE {wape} in a backtest of {whole.backtest_days} days, {whole.better_than_naive:.0%} less error than repeating yesterday or last week.",
        ]
    limit = building.import_limit_kw
    if np.isfinite(limit) and part.p90_kw.max() > 0.9 * limit:
        lines.append(
            f"注意：可能接近进线容量 {limit:g} kW。"
            if zh
            else f"Note: this may come close to the connection's {limit:g} kW."
        )
    if span is not None and span.last > last:
        lines.append("只预测到七天之内。" if zh else "Forecasts reach seven days ahead.")
    lines.append(source_line(service, service.series(building).end, language))
    title = f"{building.name(labels_language(language))} · {cut.label(labels_language(language))}"
    image = charts.save(charts.forecast_chart(part, title, language), service.data_dir)
    buttons = (
        (Button("电池怎么排", f"{building.zh}电池怎么排最省钱"),)
        if zh
        else (Button("Battery plan", f"cheapest battery schedule for {building.en}"),)
    )
    return outcome(
        [Reply("\n".join(lines), "energy", image=image, buttons=buttons if building.battery else ())],
        {**state, "span": cut.to_state()},
    )


def battery(
    service: EnergyService, query: Query, state: dict[str, Any], building: Building, span: Span | None
) -> Outcome:
    """Give the cheapest battery schedule of tomorrow (or up to seven days) and what it saves."""
    language, zh = query.language, query.language == "zh"
    name = building.name(language)
    if building.battery is None:
        have = [b.name(language) for b in service.site.buildings if b.battery]
        text = (
            f"{name}没有登记储能电池。有电池的：{'、'.join(have) or '无'}。"
            if zh
            else f"No battery is registered for {name}. Buildings with one: {', '.join(have) or 'none'}."
        )
        return outcome([Reply(text, "energy")], state)
    days = min(6, max(1, span.days if span is not None and span.last > service.now.date() else 1))
    plan, day, _ = service.plan(building, days * 24)
    schedule, tariff = plan.schedule, service.site.tariff
    runs = _battery_runs(
        schedule.index, schedule.charge_kw - schedule.discharge_kw, schedule.step_h, language
    )
    best_rule = min((d.cost for d in plan.heuristics if d.feasible), default=plan.idle.total)
    peak, idle_peak = schedule.bill.peak_kw, plan.idle.peak_kw
    currency = tariff.currency
    if zh:
        when = "明天" if days == 1 else f"未来 {days} 天"
        lines = [
            f"**{name}{when}电池计划**（{building.battery.capacity_kwh:g} kWh，光伏 {building.pv_kwp:g} kWp）：",
            *runs,
            f"电费（含需量）{amount(schedule.cost, currency)}，不用电池 {amount(plan.idle.total, currency)}，省 {amount(plan.saving, currency)}；比简单规则最好的再省 {amount(best_rule - schedule.cost, currency)}。",
            f"最高取电 {number(peak)} kW（不用电池 {number(idle_peak)} kW）；最优性差距 {schedule.gap:.2%}。",
            f"稳健性：若负荷高到 p90，同样的充放{'省' if plan.saving_if_high >= 0 else '多花'} {amount(abs(plan.saving_if_high), currency)}。",
        ]
    else:
        when = "tomorrow" if days == 1 else f"the next {days} days"
        lines = [
            f"**Battery plan for {name}, {when}** ({building.battery.capacity_kwh:g} kWh, {building.pv_kwp:g} kWp of PV):",
            *runs,
            f"Cost with demand charge {amount(schedule.cost, currency)}, without the battery {amount(plan.idle.total, currency)}: {amount(plan.saving, currency)} saved, {amount(best_rule - schedule.cost, currency)} more than the best simple rule.",
            f"Highest import {number(peak)} kW ({number(idle_peak)} kW without); optimality gap {schedule.gap:.2%}.",
            f"Robustness: should the load reach p90, the same plan {'saves' if plan.saving_if_high >= 0 else 'costs'} {amount(abs(plan.saving_if_high), currency)}{'' if plan.saving_if_high >= 0 else ' more'}.",
        ]
    if plan.over_limit_kw > 0:
        lines.append(
            f"注意：负荷到 p90 时会超过进线容量 {plan.over_limit_kw:.0f} kW。"
            if zh
            else f"Note: at p90 the connection would be exceeded by {plan.over_limit_kw:.0f} kW."
        )
    lines.append(source_line(service, service.series(building).end, language))
    title = building.name(labels_language(language))
    load = day.p50_kw
    image = charts.save(charts.schedule_chart(schedule, load, tariff, title, language), service.data_dir)
    return outcome([Reply("\n".join(lines), "energy", image=image)], state)


def _battery_runs(index: pd.DatetimeIndex, power_kw: np.ndarray, step_h: float, language: str) -> list[str]:
    """List stretches of charging and discharging, the largest eight."""
    sign = np.where(power_kw > 0.5, 1, np.where(power_kw < -0.5, -1, 0))
    edges = np.concatenate(([0], np.flatnonzero(np.diff(sign)) + 1, [len(sign)]))
    runs = []
    for begin, end in itertools.pairwise(edges):
        kwh = float(np.abs(power_kw[begin:end]).sum() * step_h)
        if sign[begin] and kwh >= 1:
            runs.append((int(begin), int(end), int(sign[begin]), kwh))
    runs = sorted(sorted(runs, key=lambda run: -run[3])[:8])
    zh = language == "zh"
    out = []
    for begin, end, way, kwh in runs:
        stop = index[end - 1] + pd.Timedelta(hours=step_h)
        word = ("充电" if way > 0 else "放电") if zh else ("charge" if way > 0 else "discharge")
        day = f"{index[begin].month}月{index[begin].day}日 " if zh else f"{index[begin]:%a} "
        out.append(f"- {day}{index[begin]:%H:%M}–{stop:%H:%M} {word} {kwh:.0f} kWh")
    return out or [("- 不充不放最省" if zh else "- leave it idle")]
