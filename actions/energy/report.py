"""A readable HTML report of one meter: data quality, findings, forecast, savings, battery, with charts inside."""

# Texts for people run longer than code.
# ruff: noqa: E501

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd
from jinja2 import Environment, select_autoescape

from actions.energy import charts
from actions.energy.advice import Proof, Saving, find_savings, verify
from actions.energy.anomalies import Finding, find_anomalies
from actions.energy.errors import EnergyError
from actions.energy.forecast import Forecast, forecast
from actions.energy.phrases import (
    FINDINGS,
    MODELS,
    amount,
    energy,
    finding_text,
    number,
    proof_text,
    saving_text,
)
from actions.energy.profile import Profile, fit_profile
from actions.energy.rolling import Plan
from actions.energy.series import LoadSeries
from actions.energy.tariff import Tariff
from actions.pictures import cjk_font, labels_language

_T = {
    "zh": {
        "lang": "zh-CN", "title": "用电报告", "quality": "数据质量", "rows": "记录", "step": "间隔", "unit": "单位",
        "coverage": "完整率", "clean": "没有需要修补的地方。", "overview": "总览", "total": "总用电", "mean": "平均功率",
        "peak": "最高负荷", "cost": "电量电费", "days": "天数", "findings": "发现", "none": "没有发现异常。",
        "forecast": "预测", "scores": "回测（误差越小越好）", "model": "方法", "savings": "节能建议", "overlap": "各项有重叠，不能相加。",
        "battery": "电池计划", "proof": "措施效果", "not_done": "未能完成", "made": "生成于", "minutes": "分钟",
    },
    "en": {
        "lang": "en", "title": "Energy report", "quality": "Data quality", "rows": "rows", "step": "step", "unit": "unit",
        "coverage": "complete", "clean": "Nothing had to be repaired.", "overview": "Overview", "total": "total energy", "mean": "mean power",
        "peak": "peak", "cost": "energy cost", "days": "days", "findings": "Findings", "none": "Nothing unusual was found.",
        "forecast": "Forecast", "scores": "Backtest (smaller is better)", "model": "method", "savings": "Savings", "overlap": "They overlap and cannot be added up.",
        "battery": "Battery plan", "proof": "Effect of the measure", "not_done": "Could not be done", "made": "made", "minutes": "min",
    },
}  # fmt: skip

_PAGE = """<!doctype html>
<html lang="{{ t.lang }}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ name }} · {{ t.title }}</title><style>
:root{color-scheme:light dark}
body{font:16px/1.6 system-ui,"Noto Sans SC","PingFang SC","Microsoft YaHei",sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:0}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #8886;padding-bottom:.2rem}
.meta{opacity:.75}.cards{display:flex;flex-wrap:wrap;gap:.8rem;margin:1rem 0}
.card{border:1px solid #8886;border-radius:.6rem;padding:.6rem 1rem;min-width:8rem}.card b{display:block;font-size:1.25rem}
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;text-align:right;border-bottom:1px solid #8884}
td:first-child,th:first-child{text-align:left}img{max-width:100%;background:#fff;border-radius:.4rem}.warn{color:#b4530a}
</style></head><body><main>
<h1>{{ name }}</h1><p class="meta">{{ t.title }} · {{ first }} – {{ last }} · {{ t.made }} {{ made }}</p>
<section><h2>{{ t.overview }}</h2><div class="cards">
{% for label, value in cards %}<div class="card">{{ label }}<b>{{ value }}</b></div>{% endfor %}</div>
{% for image in overview %}<p><img src="{{ image }}" alt="{{ t.overview }}"></p>{% endfor %}</section>
<section><h2>{{ t.quality }}</h2>
<p>{{ t.rows }} {{ rows }} · {{ t.step }} {{ step }} {{ t.minutes }} · {{ t.unit }} {{ unit }} · {{ t.coverage }} {{ coverage }}</p>
{% if notes %}<ul>{% for note in notes %}<li>{{ note }}</li>{% endfor %}</ul>{% else %}<p>{{ t.clean }}</p>{% endif %}</section>
<section><h2>{{ t.findings }} ({{ findings|length }})</h2>
{% if findings %}<ul>{% for item in findings %}<li>{{ item.text }}{% if item.image %}<br><img src="{{ item.image }}" alt="{{ item.text }}">{% endif %}</li>{% endfor %}</ul>{% else %}<p>{{ t.none }}</p>{% endif %}</section>
{% if forecast %}<section><h2>{{ t.forecast }}</h2><p>{{ forecast.text }}</p><p><img src="{{ forecast.image }}" alt="{{ t.forecast }}"></p>
<h3>{{ t.scores }}</h3><table><tr><th>{{ t.model }}</th><th>MAE kW</th><th>WAPE</th><th>MASE</th><th>MAPE</th><th>Pinball</th></tr>
{% for row in forecast.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table></section>{% endif %}
{% if savings %}<section><h2>{{ t.savings }}</h2><ol>{% for text in savings %}<li>{{ text }}</li>{% endfor %}</ol><p class="meta">{{ t.overlap }}</p></section>{% endif %}
{% if battery %}<section><h2>{{ t.battery }}</h2><p>{{ battery.text }}</p><p><img src="{{ battery.image }}" alt="{{ t.battery }}"></p></section>{% endif %}
{% if proof %}<section><h2>{{ t.proof }}</h2><p>{{ proof }}</p></section>{% endif %}
{% if problems %}<section><h2>{{ t.not_done }}</h2><ul class="warn">{% for text in problems %}<li>{{ text }}</li>{% endfor %}</ul></section>{% endif %}
</main></body></html>
"""


@dataclass
class Report:
    """What was found out about a meter; `problems` holds the errors of parts that could not be done."""

    series: LoadSeries
    tariff: Tariff
    profile: Profile | None = None
    findings: list[Finding] = field(default_factory=list)
    forecast: Forecast | None = None
    savings: list[Saving] = field(default_factory=list)
    proof: Proof | None = None
    plan: Plan | None = None
    plan_load_kw: np.ndarray | None = None
    problems: list[EnergyError] = field(default_factory=list)


def analyse(
    series: LoadSeries,
    tariff: Tariff,
    hours: int = 48,
    country: str = "CN",
    co2_kg_per_kwh: float = 0.5366,
    measure: pd.Timestamp | None = None,
) -> Report:
    """Run every analysis that the data allow; parts that they do not allow are named in `problems`."""
    report = Report(series, tariff)
    try:
        report.profile = fit_profile(series, country)
        report.findings = find_anomalies(series, tariff, country, report.profile)
        report.savings = find_savings(
            series, report.profile, report.findings, tariff, co2_kg_per_kwh, None, country
        )
    except EnergyError as error:
        report.problems.append(error)
    try:
        report.forecast = forecast(series, hours, country)
    except EnergyError as error:
        report.problems.append(error)
    if measure is not None:
        try:
            report.proof = verify(series, measure, country)
        except EnergyError as error:
            report.problems.append(error)
    return report


def to_html(report: Report, language: str, now: datetime) -> str:
    """Return the report as one HTML page that needs nothing else."""
    t = _T["zh" if language == "zh" else "en"]
    series, tariff = report.series, report.tariff
    known = np.nan_to_num(series.power_kw)
    kwh = float(known.sum() * series.step_h)
    cost = float((tariff.import_price(series.index) * known).sum() * series.step_h)
    cards = [
        (t["total"], energy(kwh)),
        (t["mean"], f"{number(float(np.nanmean(series.power_kw)))} kW"),
        (t["peak"], f"{number(float(np.nanmax(series.power_kw)))} kW"),
        (t["cost"], amount(cost, tariff.currency)),
        (t["days"], f"{len(series) / series.per_day:.0f}"),
    ]
    environment = Environment(autoescape=select_autoescape(default=True))
    return environment.from_string(_PAGE).render(
        t=t,
        name=series.name,
        first=f"{series.index[0]:%Y-%m-%d}",
        last=f"{series.end:%Y-%m-%d %H:%M}",
        made=f"{now:%Y-%m-%d %H:%M}",
        cards=cards,
        overview=_overview(report, language),
        rows=f"{series.quality.rows:,}",
        step=series.step_min,
        unit=series.quality.unit,
        coverage=f"{series.quality.coverage:.1%}",
        notes=[
            note.text(language) + (f" [{note.first} – {note.last}]" if note.first else "")
            for note in series.quality.notes
        ],
        findings=_findings(report, language),
        forecast=_forecast(report, language),
        savings=[saving_text(item, language, tariff.currency) for item in report.savings],
        battery=_battery(report, language),
        proof=proof_text(report.proof, language) if report.proof else "",
        problems=[error.text(language) for error in report.problems],
    )


def _inline(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _overview(report: Report, language: str) -> list[str]:
    series = report.series
    frame = pd.DataFrame({"kw": series.power_kw}, index=series.index)
    if report.profile is not None:
        frame["usual"] = report.profile.expected_kw
    title = series.name if series.name.isascii() or cjk_font() else "load"
    images = []
    if len(frame) > 3 * 7 * series.per_day:
        daily = frame.resample("1D").mean()
        usual = daily["usual"].to_numpy() if "usual" in daily else None
        images.append(
            charts.load_chart(pd.DatetimeIndex(daily.index), daily["kw"].to_numpy(), usual, title, language)
        )
    last = frame.iloc[-14 * series.per_day :]
    usual = last["usual"].to_numpy() if "usual" in last else None
    marks = [
        (max(f.start, last.index[0]), f.end)
        for f in report.findings
        if f.end > last.index[0] and f.kind not in ("level_shift", "night_base_load")
    ]
    images.append(
        charts.load_chart(pd.DatetimeIndex(last.index), last["kw"].to_numpy(), usual, title, language, marks)
    )
    return [_inline(image) for image in images]


def _findings(report: Report, language: str) -> list[dict[str, str]]:
    series, profile = report.series, report.profile
    ranked = sorted(report.findings, key=lambda f: -abs(f.cost if f.cost is not None else 0.0))
    pictured = {id(f) for f in ranked[:8]}
    out = []
    for finding in sorted(report.findings, key=lambda f: f.start, reverse=True)[:60]:
        image = ""
        if id(finding) in pictured and profile is not None:
            margin = pd.Timedelta(days=14 if finding.kind in ("level_shift", "night_base_load") else 1)
            end = min(finding.end, finding.start + pd.Timedelta(days=14))
            low, high = (int(series.index.searchsorted(s)) for s in (finding.start - margin, end + margin))
            title = FINDINGS[finding.kind][0 if labels_language(language) == "zh" else 1]
            png = charts.load_chart(
                series.index[low:high],
                series.power_kw[low:high],
                profile.expected_kw[low:high],
                title,
                language,
                [(finding.start, end)],
            )
            image = _inline(png)
        out.append({"text": finding_text(finding, language, report.tariff.currency), "image": image})
    return out


def _forecast(report: Report, language: str) -> dict[str, object] | None:
    made = report.forecast
    if made is None:
        return None
    zh = language == "zh"
    rows = []
    for name, score in made.scores.items():
        cells = [MODELS[name][0 if zh else 1] + (" ✓" if name == made.model else ""), number(score.mae_kw)]
        cells += ["–" if v is None else f"{v:.1%}" for v in (score.wape,)]
        cells += [
            "–" if score.mase is None else f"{score.mase:.2f}",
            "–" if score.mape is None else f"{score.mape:.1%}",
        ]
        cells.append("–" if score.pinball_kw is None else number(score.pinball_kw))
        rows.append(cells)
    top = int(np.argmax(made.p50_kw))
    when = f"{made.index[top]:%Y-%m-%d %H:%M}"
    if zh:
        text = f"未来 {len(made.index) * made.step_min // 60} 小时约 {energy(made.energy_kwh)}；最高约 {number(made.p50_kw[top])} kW（80% 区间 {number(made.p10_kw[top])}–{number(made.p90_kw[top])}），{when}。误差比季节性朴素法低 {made.better_than_naive:.0%}。"
    else:
        text = f"About {energy(made.energy_kwh)} in the next {len(made.index) * made.step_min // 60} hours; peak about {number(made.p50_kw[top])} kW (80 % interval {number(made.p10_kw[top])}–{number(made.p90_kw[top])}) at {when}. {made.better_than_naive:.0%} less error than seasonal naive."
    return {"text": text, "rows": rows, "image": _inline(charts.forecast_chart(made, "", language))}


def _battery(report: Report, language: str) -> dict[str, str] | None:
    plan = report.plan
    if plan is None or report.plan_load_kw is None:
        return None
    zh, currency = language == "zh", report.tariff.currency
    schedule = plan.schedule
    rules = ", ".join(f"{d.name} {amount(d.cost, currency)}" for d in plan.heuristics if d.feasible)
    if zh:
        text = f"优化后 {amount(schedule.cost, currency)}，不用电池 {amount(plan.idle.total, currency)}，省 {amount(plan.saving, currency)}；最高取电 {number(schedule.bill.peak_kw)} kW；最优性差距 {schedule.gap:.2%}，求解 {schedule.seconds:.1f} 秒。简单规则：{rules}。"
    else:
        text = f"Optimised {amount(schedule.cost, currency)}, without battery {amount(plan.idle.total, currency)}: {amount(plan.saving, currency)} saved; highest import {number(schedule.bill.peak_kw)} kW; gap {schedule.gap:.2%}, solved in {schedule.seconds:.1f} s. Simple rules: {rules}."
    image = charts.schedule_chart(schedule, report.plan_load_kw, report.tariff, "", language)
    return {"text": text, "image": _inline(image)}
