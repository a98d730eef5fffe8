"""What staff get about city buildings: use, causes, anomalies, forecasts, battery plans, savings, rankings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from actions.energy import charts
from actions.energy.calendars import holiday_name
from actions.energy.errors import EnergyError, NoDataInPeriod
from actions.energy.periods import Span
from actions.energy.phrases import MODELS, amount, energy, finding_text, number, percent, saving_text
from actions.energy.service import Analysis, EnergyService
from actions.energy.site import Building
from city.messages import Button, Reply

if TYPE_CHECKING:
    from actions.energy.answers import Outcome, Query

_MOST_LINES = 5


def _outcome(replies: list[Reply], state: dict[str, Any]) -> Outcome:
    from actions.energy.answers import Outcome

    return Outcome(replies, state)


def which_building(service: EnergyService, query: Query, state: dict[str, Any]) -> Outcome:
    """Ask which building is meant."""
    zh = query.language == "zh"
    buttons = tuple(
        Button(
            b.name(query.language),
            f"{b.zh}上周用电怎么样" if zh else f"how much electricity did {b.en} use last week",
        )
        for b in service.site.buildings[:6]
    )
    text = "请问是哪座建筑？" if zh else "Which building do you mean?"
    return _outcome([Reply(text, "energy", buttons=buttons)], state)


def _period(
    service: EnergyService, analysis: Analysis, span: Span, language: str
) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the part of a span that has data; raises `NoDataInPeriod`."""
    start, end = (pd.Timestamp(moment) for moment in span.bounds(service.zone))
    series = analysis.series
    first, last = max(start, series.index[0]), min(end, series.end)
    if first >= last:
        raise NoDataInPeriod(
            analysis.building.name(language),
            period=(span.label("zh"), span.label("en")),
            first=f"{series.index[0]:%Y-%m-%d}",
            last=f"{series.end:%Y-%m-%d %H:%M}",
        )
    return first, last


def _last_week(service: EnergyService) -> Span:
    today = service.now.date()
    monday = today - timedelta(days=today.weekday() + 7)
    return Span(monday, monday + timedelta(days=6), "上周", "last week")


def _source(service: EnergyService, analysis_end: pd.Timestamp, language: str) -> str:
    if language == "zh":
        return f"来源：{service.site.source('zh') or '电表'}，数据截至 {analysis_end:%m月%d日 %H:%M}。"
    return f"Source: {service.site.source('en') or 'meters'}, data up to {analysis_end:%d %b %H:%M}."


def _chart(
    service: EnergyService,
    analysis: Analysis,
    first: pd.Timestamp,
    last: pd.Timestamp,
    title: str,
    language: str,
) -> str:
    series = analysis.series
    low, high = int(series.index.searchsorted(first)), int(series.index.searchsorted(last))
    part = series.at(slice(low, high))
    expected = analysis.profile.expected_kw[low:high]
    marks = [
        (max(f.start, first), min(f.end, last))
        for f in analysis.findings
        if f.start < last and f.end > first and f.kind not in ("level_shift", "night_base_load")
    ]
    power = part.power_kw
    index = part.index
    if len(part) > 2000:
        frame = pd.DataFrame({"kw": power, "usual": expected}, index=index).resample("1D").mean()
        index, power, expected = (
            pd.DatetimeIndex(frame.index),
            frame["kw"].to_numpy(),
            frame["usual"].to_numpy(),
        )
    return charts.save(charts.load_chart(index, power, expected, title, language, marks), service.data_dir)


def _title(building: Building, span: Span, language: str) -> str:
    shown = charts.labels_language(language)
    return f"{building.name(shown)} · {span.label(shown)}"


def usage(
    service: EnergyService, query: Query, state: dict[str, Any], building: Building, span: Span | None
) -> Outcome:
    """Say what a building used in a period, against its usual, with findings and a chart."""
    language, zh = query.language, query.language == "zh"
    span = span or _last_week(service)
    analysis = service.analysis(building)
    first, last = _period(service, analysis, span, language)
    series = analysis.series
    low, high = int(series.index.searchsorted(first)), int(series.index.searchsorted(last))
    power = series.power_kw[low:high]
    expected = analysis.profile.expected_kw[low:high]
    kwh = float(np.nansum(power) * series.step_h)
    usual = float(np.nansum(np.where(np.isfinite(power), expected, 0)) * series.step_h)
    tariff = service.site.tariff
    cost = float(np.nansum(tariff.import_price(series.index[low:high]) * power) * series.step_h)
    top = low + int(np.nanargmax(power))
    before = _sum_before(series.index, series.power_kw, first, last, series.step_h)
    share = percent(kwh / usual - 1) if usual else "–"
    found = [f for f in analysis.findings if f.start < last and f.end > first]
    name = building.name(language)
    when = series.index[top]
    if zh:
        lines = [
            f"**{name}{span.label('zh')}**：用电 {energy(kwh)}，电量电费约 {amount(cost, tariff.currency)}，比平时同类日 {share}"
            + (f"，比前一个同长时段 {percent(kwh / before - 1)}" if before else "")
            + "。",
            f"最高负荷 {number(series.power_kw[top])} kW，出现在 {when.month}月{when.day}日 {when:%H:%M}；平均 {number(float(np.nanmean(power)))} kW"
            + (f"，每平方米 {kwh / building.area_m2:.2f} kWh" if building.area_m2 else "")
            + "。",
        ]
    else:
        lines = [
            f"**{name}, {span.label('en')}**: {energy(kwh)}, energy cost about {amount(cost, tariff.currency)}, {share} against usual days of this kind"
            + (f", {percent(kwh / before - 1)} against the period before" if before else "")
            + ".",
            f"Peak {number(series.power_kw[top])} kW at {when.day} {when:%b %H:%M}; mean {number(float(np.nanmean(power)))} kW"
            + (f"; {kwh / building.area_m2:.2f} kWh per m²" if building.area_m2 else "")
            + ".",
        ]
    lines += _found_lines(service, found, language)
    doubt = float(np.mean(series.filled[low:high])) if high > low else 0.0
    if doubt > 0.01:
        lines.append(
            f"其中 {doubt:.0%} 的数据缺失后补齐。"
            if zh
            else f"{doubt:.0%} of the data were missing and filled in."
        )
    lines.append(_source(service, series.end, language))
    image = _chart(service, analysis, first, last, _title(building, span, language), language)
    buttons = _next_buttons(building, zh)
    return _outcome(
        [Reply("\n".join(lines), "energy", buttons=buttons, image=image)], {**state, "span": span.to_state()}
    )


def _sum_before(
    index: pd.DatetimeIndex, power: np.ndarray, first: pd.Timestamp, last: pd.Timestamp, step_h: float
) -> float:
    length = last - first
    begin = first - max(length.ceil("7D"), pd.Timedelta(days=7))
    low, high = int(index.searchsorted(begin)), int(index.searchsorted(begin + length))
    if begin < index[0] or high <= low:
        return 0.0
    return float(np.nansum(power[low:high]) * step_h)


def _found_lines(service: EnergyService, found: list[Any], language: str) -> list[str]:
    ranked = sorted(found, key=lambda f: -abs(f.cost if f.cost is not None else f.hours))[:_MOST_LINES]
    return [
        "- " + finding_text(f, language, service.site.tariff.currency)
        for f in sorted(ranked, key=lambda f: f.start)
    ]


def _next_buttons(building: Building, zh: bool) -> tuple[Button, ...]:
    if zh:
        return (
            Button("预测明天", f"预测{building.zh}明天的负荷"),
            Button("节能建议", f"{building.zh}有什么节能建议"),
        )
    return (
        Button("Forecast tomorrow", f"forecast the load of {building.en} tomorrow"),
        Button("How to save", f"how can {building.en} save energy"),
    )


def why(
    service: EnergyService, query: Query, state: dict[str, Any], building: Building, span: Span | None
) -> Outcome:
    """Explain a day or period: how far from usual, at which hours, and by weather, calendar or fault."""
    language, zh = query.language, query.language == "zh"
    span = span or _last_week(service)
    analysis = service.analysis(building)
    first, last = _period(service, analysis, span, language)
    series, profile = analysis.series, analysis.profile
    low, high = int(series.index.searchsorted(first)), int(series.index.searchsorted(last))
    power, expected = series.power_kw[low:high], profile.expected_kw[low:high]
    actual, usual = (float(np.nansum(v) * series.step_h) for v in (power, expected))
    gap = actual - usual
    lines: list[str] = []
    name = building.name(language)
    word = ("高" if gap > 0 else "低") if zh else ("above" if gap > 0 else "below")
    if zh:
        lines.append(
            f"**{name}{span.label('zh')}**用电 {energy(actual)}，平时约 {energy(usual)}，{word}出 {energy(abs(gap))}（{percent(gap / usual if usual else 0)}）。"
        )
    else:
        lines.append(
            f"**{name}, {span.label('en')}**: {energy(actual)} against a usual {energy(usual)}: {energy(abs(gap))} {word} ({percent(gap / usual if usual else 0)})."
        )
    causes = _found_lines(
        service, [f for f in analysis.findings if f.start < last and f.end > first], language
    )
    causes += _hours(series.index[low:high], power - expected, series.step_h, gap, zh)
    causes += _weather(analysis, low, high, zh)
    for day in range(span.days if span.days <= 10 else 0):
        holiday = holiday_name(span.first + timedelta(days=day), language, service.section.country)
        if holiday:
            date = span.first + timedelta(days=day)
            causes.append(
                f"- {date.month}月{date.day}日是{holiday}" if zh else f"- {date:%d %b} was {holiday}"
            )
    if abs(gap) < 0.05 * usual and not causes:
        lines.append("与平时没有明显差别。" if zh else "That is no different from usual.")
    elif causes:
        lines += ["主要原因和依据：" if zh else "What explains it:", *causes]
    else:
        lines.append(
            "没有找到单一原因，差别分散在全天。"
            if zh
            else "No single cause was found; the difference is spread over the day."
        )
    lines.append(_source(service, series.end, language))
    wide_first, wide_last = first, last
    if span.days == 1:
        wide_first, wide_last = (
            max(first - pd.Timedelta(days=1), series.index[0]),
            min(last + pd.Timedelta(days=1), series.end),
        )
    image = _chart(service, analysis, wide_first, wide_last, _title(building, span, language), language)
    return _outcome([Reply("\n".join(lines), "energy", image=image)], {**state, "span": span.to_state()})


def _hours(
    index: pd.DatetimeIndex, gap_kw: np.ndarray, step_h: float, total_kwh: float, zh: bool
) -> list[str]:
    """Name the stretch of the day in which most of the difference arose."""
    if abs(total_kwh) < 1 or not len(index):
        return []
    by_hour = pd.Series(np.nan_to_num(gap_kw) * step_h).groupby(np.asarray(index.hour)).sum()
    signed = by_hour * np.sign(total_kwh)
    hot = [int(h) for h in signed.index[signed > 0.5 * signed.max()]]
    if not hot or len(hot) > 16:
        return []
    best: list[int] = []
    run: list[int] = []
    for hour in hot + [h + 24 for h in hot]:  # a night runs over midnight
        run = [*run, hour] if run and hour == run[-1] + 1 else [hour]
        if len(run) > len(best) and len(run) <= 24:
            best = run
    share = float(signed[[h % 24 for h in best]].sum() / max(1e-9, signed[signed > 0].sum()))
    span = f"{best[0] % 24}:00–{(best[-1] + 1) % 24}:00"
    if zh:
        return [f"- 差别主要在 {span}（占 {min(share, 1):.0%}）"]
    return [f"- most of it arose between {span} ({min(share, 1):.0%})"]


def _weather(analysis: Analysis, low: int, high: int, zh: bool) -> list[str]:
    series, profile = analysis.series, analysis.profile
    if series.temperature_c is None:
        return []
    now = float(np.nanmean(series.temperature_c[low:high]))
    back = max(0, low - 28 * series.per_day)
    if back >= low:
        return []
    usual = float(np.nanmean(series.temperature_c[back:low]))
    kwh = (
        float(
            np.nansum(profile.weather_kw[low:high]) - np.nanmean(profile.weather_kw[back:low]) * (high - low)
        )
        * series.step_h
    )
    if abs(kwh) < 0.01 * float(np.nansum(series.power_kw[low:high]) * series.step_h):
        if zh:
            return [f"- 天气不是原因：平均气温 {now:.1f} °C，前四周 {usual:.1f} °C"]
        return [f"- not the weather: mean {now:.1f} °C, {usual:.1f} °C in the four weeks before"]
    if zh:
        return [
            f"- 天气：平均气温 {now:.1f} °C（前四周 {usual:.1f} °C），影响约 {kwh:+,.0f} kWh（已计入“平时”）"
        ]
    return [
        f"- weather: mean {now:.1f} °C ({usual:.1f} °C in the four weeks before), about {kwh:+,.0f} kWh (already part of the usual)"
    ]


def anomalies(
    service: EnergyService, query: Query, state: dict[str, Any], building: Building, span: Span | None
) -> Outcome:
    """List the findings of a period (default: 30 days)."""
    language, zh = query.language, query.language == "zh"
    today = service.now.date()
    span = span or Span(today - timedelta(days=30), today, "最近30天", "the last 30 days")
    analysis = service.analysis(building)
    first, last = _period(service, analysis, span, language)
    found = [f for f in analysis.findings if f.start < last and f.end > first]
    name = building.name(language)
    if found:
        head = (
            f"**{name}{span.label('zh')}**发现 {len(found)} 项："
            if zh
            else f"**{name}, {span.label('en')}**: {len(found)} findings:"
        )
    else:
        head = (
            f"**{name}{span.label('zh')}**没有发现异常。"
            if zh
            else f"**{name}, {span.label('en')}**: nothing unusual."
        )
    lines = [head, *_found_lines(service, found, language), _source(service, analysis.series.end, language)]
    image = _chart(service, analysis, first, last, _title(building, span, language), language)
    return _outcome([Reply("\n".join(lines), "energy", image=image)], {**state, "span": span.to_state()})


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
    from dataclasses import replace

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
    lines.append(_source(service, service.series(building).end, language))
    title = (
        f"{building.name(charts.labels_language(language))} · {cut.label(charts.labels_language(language))}"
    )
    image = charts.save(charts.forecast_chart(part, title, language), service.data_dir)
    buttons = (
        (Button("电池怎么排", f"{building.zh}电池怎么排最省钱"),)
        if zh
        else (Button("Battery plan", f"cheapest battery schedule for {building.en}"),)
    )
    return _outcome(
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
        return _outcome([Reply(text, "energy")], state)
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
    lines.append(_source(service, service.series(building).end, language))
    title = building.name(charts.labels_language(language))
    load = day.p50_kw
    image = charts.save(charts.schedule_chart(schedule, load, tariff, title, language), service.data_dir)
    return _outcome([Reply("\n".join(lines), "energy", image=image)], state)


def _battery_runs(index: pd.DatetimeIndex, power_kw: np.ndarray, step_h: float, language: str) -> list[str]:
    """List stretches of charging and discharging, the largest eight."""
    sign = np.where(power_kw > 0.5, 1, np.where(power_kw < -0.5, -1, 0))
    edges = np.concatenate(([0], np.flatnonzero(np.diff(sign)) + 1, [len(sign)]))
    runs = []
    for begin, end in zip(edges[:-1], edges[1:]):
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


def saving(service: EnergyService, query: Query, state: dict[str, Any], building: Building) -> Outcome:
    """List ranked measures for a building."""
    language, zh = query.language, query.language == "zh"
    found = service.savings(building)
    name = building.name(language)
    if not found:
        head = f"{name}没有发现明显的节能空间。" if zh else f"No clear saving was found for {name}."
    else:
        head = (
            f"**{name}节能建议**（按金额排序，各项有重叠，不能相加）："
            if zh
            else f"**Savings for {name}** (by money; they overlap and cannot be added up):"
        )
    lines = [head]
    lines += [
        f"{rank}. {saving_text(item, language, service.site.tariff.currency)}"
        for rank, item in enumerate(found[:5], 1)
    ]
    lines.append(_source(service, service.series(building).end, language))
    return _outcome([Reply("\n".join(lines), "energy")], state)


def ranking(service: EnergyService, query: Query, state: dict[str, Any], span: Span | None) -> Outcome:
    """Rank the buildings (those named, or of the district named) by use in a period."""
    from actions.energy.citizens import find_district

    language, zh = query.language, query.language == "zh"
    span = span or _last_week(service)
    district = find_district(query.text) or find_district(query.entity("district"))
    named = [
        b
        for b in service.site.buildings
        if service.find_building(query.text.replace(b.zh, "\0").replace(b.en, "\0"))
        != service.find_building(query.text)
        or b.zh in query.text
        or b.en.lower() in query.text.lower()
    ]
    chosen = (
        named
        if len(named) >= 2
        else [b for b in service.site.buildings if not district or b.district == district]
    )
    rows = []
    start, end = (pd.Timestamp(m) for m in span.bounds(service.zone))
    for building in chosen:
        try:
            part = service.series(building).between(start, end)
        except EnergyError:
            continue
        if len(part):
            rows.append((float(np.nansum(part.energy_kwh)), building))
    rows.sort(key=lambda row: -row[0])
    if not rows:
        raise NoDataInPeriod(
            period=(span.label("zh"), span.label("en")), first="–", last=f"{service.now:%Y-%m-%d}"
        )
    total = sum(kwh for kwh, _ in rows)
    lines = [
        f"**{span.label('zh')}用电排名**（合计 {energy(total)}）："
        if zh
        else f"**Use by building, {span.label('en')}** (total {energy(total)}):"
    ]
    for rank, (kwh, building) in enumerate(rows[:10], 1):
        area = (
            f"，{kwh / building.area_m2:.2f} kWh/m²"
            if building.area_m2 and zh
            else f", {kwh / building.area_m2:.2f} kWh/m²"
            if building.area_m2
            else ""
        )
        lines.append(
            f"{rank}. {building.name(language)}{'：' if zh else ': '}{energy(kwh)}（{kwh / total:.0%}{area}）"
            if zh
            else f"{rank}. {building.name(language)}: {energy(kwh)} ({kwh / total:.0%}{area})"
        )
    lines.append(_source(service, pd.Timestamp(service.now), language))
    return _outcome([Reply("\n".join(lines), "energy")], {**state, "span": span.to_state(), "topic": "usage"})


__all__ = ["anomalies", "battery", "forecast", "ranking", "saving", "usage", "which_building", "why"]
