"""What staff get about city buildings: use, causes, anomalies, forecasts, battery plans, savings, rankings."""

# Texts for people run longer than code.
# ruff: noqa: E501

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from actions.energy import charts
from actions.energy.calendars import holiday_name
from actions.energy.errors import EnergyError, NoDataInPeriod
from actions.energy.periods import Span
from actions.energy.phrases import amount, energy, finding_text, number, percent, saving_text
from actions.energy.reasons import hours_of_difference, weather_part
from actions.energy.service import Analysis, EnergyService
from actions.energy.site import Building
from actions.pictures import labels_language
from city.messages import Button, Reply

if TYPE_CHECKING:
    from actions.energy.answers import Outcome, Query

_MOST_LINES = 5


def outcome(replies: list[Reply], state: dict[str, Any]) -> Outcome:
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
    return outcome([Reply(text, "energy", buttons=buttons)], state)


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


def source_line(service: EnergyService, analysis_end: pd.Timestamp, language: str) -> str:
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
    shown = labels_language(language)
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
    lines.append(source_line(service, series.end, language))
    image = _chart(service, analysis, first, last, _title(building, span, language), language)
    buttons = _next_buttons(building, zh)
    return outcome(
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
    causes += hours_of_difference(series.index[low:high], power - expected, series.step_h, gap, zh)
    causes += weather_part(analysis, low, high, zh)
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
    lines.append(source_line(service, series.end, language))
    wide_first, wide_last = first, last
    if span.days == 1:
        wide_first, wide_last = (
            max(first - pd.Timedelta(days=1), series.index[0]),
            min(last + pd.Timedelta(days=1), series.end),
        )
    image = _chart(service, analysis, wide_first, wide_last, _title(building, span, language), language)
    return outcome([Reply("\n".join(lines), "energy", image=image)], {**state, "span": span.to_state()})


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
    lines = [
        head,
        *_found_lines(service, found, language),
        source_line(service, analysis.series.end, language),
    ]
    image = _chart(service, analysis, first, last, _title(building, span, language), language)
    return outcome([Reply("\n".join(lines), "energy", image=image)], {**state, "span": span.to_state()})


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
    lines.append(source_line(service, service.series(building).end, language))
    return outcome([Reply("\n".join(lines), "energy")], state)


def ranking(service: EnergyService, query: Query, state: dict[str, Any], span: Span | None) -> Outcome:
    """Rank the buildings (those named, or of the district named) by use in a period."""
    from actions.energy.citizens import find_district

    language, zh = query.language, query.language == "zh"
    span = span or _last_week(service)
    district = find_district(query.text) or find_district(query.entity("district"))
    low = query.text.lower()
    named = [
        b
        for b in service.site.buildings
        if any(name.lower() in low for name in (b.zh, b.en, *(a for a in b.aliases if len(a) > 2)))
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
        share = f"{kwh / total:.0%}"
        if building.area_m2:
            share += f"{'，' if zh else ', '}{kwh / building.area_m2:.2f} kWh/m²"
        name = building.name(language)
        lines.append(
            f"{rank}. {name}：{energy(kwh)}（{share}）" if zh else f"{rank}. {name}: {energy(kwh)} ({share})"
        )
    lines.append(source_line(service, pd.Timestamp(service.now), language))
    return outcome([Reply("\n".join(lines), "energy")], {**state, "span": span.to_state(), "topic": "usage"})
