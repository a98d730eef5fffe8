"""Answers for staff: a better signal plan, why, compared with today's, and as files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actions.pictures import labels_language
from actions.traffic import charts
from actions.traffic.catalogue import Intersection
from actions.traffic.errors import TrafficError
from actions.traffic.linear import fit_least_squares, read_flow_table
from actions.traffic.names import find_intersections, find_streets
from actions.traffic.service import TrafficService
from actions.traffic.signals import Study, arterial
from actions.traffic.staff_text import (
    PLAN_NAMES,
    demand_line,
    follow_up_buttons,
    nothing_yet,
    number_text,
    oversaturated_line,
    plan_line,
    proof_line,
    title_of,
)
from actions.traffic.when import PEAKS, peak_period, weekend
from city.messages import Button, Reply

STAFF = ("viewer", "editor", "publisher", "operator", "admin")
SIMPLE_TABLE = Path(__file__).parent / "demo" / "traffic_flow.csv"
_FLOW = re.compile(
    r"(?:流量|车流|车流量|flow|volume|traffic_flow)\D{0,12}?(-?\d+(?:\.\d+)?)|(-?\d+(?:\.\d+)?)\s*(?:的流量|的车流)",
    re.I,
)
_GREEN = re.compile(
    r"绿灯|信号灯?时|亮灯|灯.{0,4}(?:多久|多长|几秒|多少秒)|green|signal.{0,12}time|light.{0,12}time|how long",
    re.I,
)
_WAVE = re.compile(r"绿波|干线|协调|相位差|联动|green wave|coordinat|offset|corridor|progression", re.I)


def allowed(role: str) -> bool:
    """Return whether a role may see signal plans."""
    return role in STAFF


def refusal(language: str) -> Reply:
    """Say politely that signal plans are for staff."""
    if language == "zh":
        return Reply(
            "信号配时仅对交通管理人员开放。如果您发现某个路口等待时间过长，可以告诉我路口名称，我帮您提交意见。",
            "traffic",
        )
    return Reply(
        "Signal timing is for traffic staff only. If you wait too long at an intersection, tell me which one and I can "
        "file a report for you.",
        "traffic",
    )


def optimise(
    service: TrafficService, text: str, language: str, owner: str = ""
) -> tuple[Reply, dict[str, Any] | None]:
    """Compute a better plan, start its proof in the simulator, and say both.

    Also answers the simplest case ("a flow of 5: how long is green?") and coordination of a street.

    Returns:
        The reply, and the state for follow-ups, `None` where there is none.

    Raises:
        TrafficError: the intersection cannot be timed.
    """
    zh = language == "zh"
    simple = _simple(text, language)
    if simple is not None:
        return simple, None
    found = find_intersections(text, service.intersections, service.streets)
    streets = find_streets(text, service.streets)
    if _WAVE.search(text) and len(streets) == 1:
        return _wave(service, streets[0].id, streets[0].names[language], language), None
    if len(found) != 1:
        return _which(service, found, bool(streets), language), None
    study = service.desk.study(found[0], peak_period(text) or "morning", weekend(text))
    job = service.desk.prove(study, owner) if service.desk.can_prove(study) else None
    old, new = study.analyses["in_place"], study.analyses["ours"]
    name, period = title_of(study, language)
    lines = [f"{name} · {period}", demand_line(study, language)]
    lines += [
        plan_line("in_place", study.junction.plan.greens_s, old, language),
        plan_line("ours", study.best.greens_s, new, language),
    ]
    if old.oversaturated or study.webster.oversaturated:
        lines.append(oversaturated_line(study, language))
    lines.append(proof_line(service, job, language))
    plans = {
        PLAN_NAMES["in_place"][0 if zh else 1]: study.junction.plan,
        PLAN_NAMES["ours"][0 if zh else 1]: study.best,
    }
    if labels_language(language) != language:
        plans = {PLAN_NAMES[k][1]: p for k, p in zip(("in_place", "ours"), plans.values(), strict=True)}
    picture = charts.timing_diagram(plans, service.charts, language)
    state = {**study.key, "job": job.id if job else None}
    return Reply(
        "\n".join(lines), "traffic", buttons=follow_up_buttons(language), image=f"/charts/{picture.name}"
    ), state


def why(service: TrafficService, state: Mapping[str, Any] | None, language: str) -> Reply:
    """Explain the last plan: critical lane groups, flow ratio, cycle, and what the simulator says so far."""
    study = _study(service, state)
    if study is None:
        return nothing_yet(language)
    zh = language == "zh"
    name, period = title_of(study, language)
    old, new = study.analyses["in_place"], study.analyses["ours"]
    web = study.webster
    worst = sorted(old.groups, key=lambda g: -g.ratio)[:3]
    lines = [f"{name} · {period}"]
    if zh:
        lines.append(
            f"关键流量比之和 Y = {web.flow_ratio:.2f}，每周期损失时间 L = {web.lost_s:g} 秒，"
            f"Webster 最佳周期 (1.5L+5)/(1−Y) = {number_text(web.optimum_s)} 秒。"
        )
        lines.append(
            "最紧张的车道组："
            + "；".join(
                f"{g.id} 饱和度 {g.ratio:.2f}、延误 {g.delay_s:.0f} 秒、服务水平 {g.level}" for g in worst
            )
        )
        lines.append(
            f"现行周期 {old.cycle_s:g} 秒，平均延误 {old.delay_s:.1f} 秒（{old.level}）；优化后周期 {new.cycle_s:g} 秒，"
            f"平均延误 {new.delay_s:.1f} 秒（{new.level}），最大饱和度 {old.ratio:.2f} → {new.ratio:.2f}。"
        )
        lines.append(
            "方法：HCM 控制延误（含许可左转间隙接受与共用车道），最小绿灯和行人清空时间均保留，相位结构不变。"
        )
    else:
        lines.append(
            f"Critical flow ratios sum to Y = {web.flow_ratio:.2f}, lost time per cycle is L = {web.lost_s:g} s, so Webster's "
            f"optimum (1.5L+5)/(1−Y) is {number_text(web.optimum_s)} s."
        )
        lines.append(
            "Most loaded lane groups: "
            + "; ".join(f"{g.id} v/c {g.ratio:.2f}, delay {g.delay_s:.0f} s, LOS {g.level}" for g in worst)
        )
        lines.append(
            f"Today: cycle {old.cycle_s:g} s, mean delay {old.delay_s:.1f} s ({old.level}). Optimised: cycle {new.cycle_s:g} s, "
            f"mean delay {new.delay_s:.1f} s ({new.level}); highest v/c {old.ratio:.2f} → {new.ratio:.2f}."
        )
        lines.append(
            "Method: HCM control delay with gap acceptance for permissive lefts and shared lanes; minimum greens, pedestrian "
            "clearance and the stages themselves are kept."
        )
    if old.oversaturated or web.oversaturated:
        lines.append(oversaturated_line(study, language))
    lines.append(proof_line(service, service.desk.job((state or {}).get("job")), language))
    return Reply("\n".join(lines), "traffic", buttons=follow_up_buttons(language, "signal_why"))


def compare(service: TrafficService, state: Mapping[str, Any] | None, language: str) -> Reply:
    """Compare the plans: computed by lane group in a picture, simulated as a list once the job is done."""
    study = _study(service, state)
    if study is None:
        return nothing_yet(language)
    zh = language == "zh"
    name, period = title_of(study, language)
    job = service.desk.job((state or {}).get("job"))
    report = service.desk.report(job)
    lines = [f"{name} · {period}", "计算值（HCM）：" if zh else "Computed (HCM):"]
    for key, analysis in study.analyses.items():
        plan = {"in_place": study.junction.plan, "webster": study.webster.plan, "ours": study.best}[key]
        lines.append("- " + plan_line(key, plan.greens_s, analysis, language))
    analyses = {
        PLAN_NAMES[k][0 if labels_language(language) == "zh" else 1]: a for k, a in study.analyses.items()
    }
    simulated = None
    if report is not None:
        lines.append(
            f"仿真值（SUMO，{len(report['seeds'])} 个随机种子，95% 置信区间）："
            if zh
            else f"Simulated (SUMO, {len(report['seeds'])} seeds, 95 % intervals):"
        )
        simulated = {}
        for key, figures in report["plans"].items():
            label = PLAN_NAMES[key][0 if zh else 1]
            unit = "秒/辆" if zh else "s/veh"
            lines.append(
                f"- {label}: {figures['delay_s']:.1f} {unit} ({figures['low_s']:.1f}–{figures['high_s']:.1f})"
            )
            shown = PLAN_NAMES[key][0 if labels_language(language) == "zh" else 1]
            simulated[shown] = (figures["delay_s"], figures["high_s"] - figures["delay_s"])
    lines.append(proof_line(service, job, language))
    picture = charts.comparison_chart(analyses, service.charts, language, simulated)
    return Reply(
        "\n".join(lines),
        "traffic",
        buttons=follow_up_buttons(language, "signal_compare"),
        image=f"/charts/{picture.name}",
    )


def export(service: TrafficService, state: Mapping[str, Any] | None, language: str) -> Reply:
    """Write the plan as CSV and JSON: the proven one where there is one, else the computed one, marked as such."""
    study = _study(service, state)
    if study is None:
        return nothing_yet(language)
    zh = language == "zh"
    job = service.desk.job((state or {}).get("job"))
    report = service.desk.report(job)
    proven = report is not None and report["recommended"]
    if report is not None and not proven:
        files = service.desk.export(study, study.junction.plan, report)
        head = (
            "仿真没有证明新方案更好，建议保留现行方案；导出的是现行方案："
            if zh
            else "Simulation did not show a better plan: keep today's. This is today's plan:"
        )
    elif proven:
        assert report is not None
        files = service.desk.export(study, service.desk.proven_plan(study, report), report)
        head = "已导出经仿真验证的推荐方案：" if zh else "The plan proven in simulation:"
    else:
        files = service.desk.export(study, study.best, None)
        head = (
            "注意：该方案尚未经仿真验证，仅供研究，不作为推荐。"
            if zh
            else "Note: this plan is not yet proven in simulation; it is a candidate, no recommendation."
        )
    links = "\n".join(f"- [{path.name}](/exports/{path.name})" for path in files.values())
    return Reply(f"{head}\n{links}", "traffic", buttons=follow_up_buttons(language, "signal_export"))


def error_reply(error: TrafficError, language: str) -> Reply:
    """Say what is wrong and the mend."""
    return Reply(error.text(language), "traffic")


def _simple(text: str, language: str) -> Reply | None:
    """Answer a question for the green time at a flow from the table of the simplest model."""
    match = _FLOW.search(text)
    if match is None or _GREEN.search(text) is None:
        return None
    flow = float(match.group(1) or match.group(2))
    if flow < 0:
        return Reply(
            "车流量不能为负数，请改正。"
            if language == "zh"
            else "A flow cannot be negative; please correct it.",
            "traffic",
        )
    model = fit_least_squares(*read_flow_table(SIMPLE_TABLE))
    low, high = model.interval(flow)
    green = model.predict(flow)
    outside = model.extrapolates(flow)
    if language == "zh":
        note = "该流量远超样本范围，结果仅供参考。" if outside else ""
        text_out = (
            f"按线性模型（{model.rows} 行样本，绿灯 = {model.intercept_s:.3g} + {model.slope:.3g} × 流量，MAE {model.mae_s:.2g} 秒），"
            f"车流量 {flow:g} 时绿灯为 {green:.3g} 秒（95% 预测区间 {low:.3g}–{high:.3g} 秒）。{note}"
        )
    else:
        note = " This flow is far outside the sample." if outside else ""
        text_out = (
            f"By the linear model ({model.rows} rows, green = {model.intercept_s:.3g} + {model.slope:.3g} × flow, MAE "
            f"{model.mae_s:.2g} s), a flow of {flow:g} gets {green:.3g} s of green (95 % interval {low:.3g}–{high:.3g} s).{note}"
        )
    return Reply(text_out, "traffic")


def _wave(service: TrafficService, street: str, name: str, language: str) -> Reply:
    signals, result = arterial(service.intersections, street)
    picture = charts.time_space_diagram(signals, result, service.charts, language)
    zh = language == "zh"
    offsets = ("；" if zh else "; ").join(
        f"{service.intersections[s.id].names[language]} {result.offsets_s[s.id]:g} s" for s in signals
    )
    if zh:
        text = (
            f"{name}绿波：公共周期 {result.cycle_s:g} 秒，车速 {result.out_speed_mps * 3.6:.0f} 公里/小时，"
            f"带宽 {result.out_band_s:g} 秒（去向）/ "
            f"{result.in_band_s:g} 秒（回向），效率 {result.efficiency:.0%}。\n相位差：{offsets}。\n"
            "这是计算结果，尚未经仿真验证，不作为推荐。"
        )
    else:
        text = (
            f"Green wave on {name}: common cycle {result.cycle_s:g} s at {result.out_speed_mps * 3.6:.0f} km/h, bands of "
            f"{result.out_band_s:g} s outbound and {result.in_band_s:g} s inbound, efficiency {result.efficiency:.0%}.\n"
            f"Offsets: {offsets}.\n"
            "This is computed and not yet proven in simulation, so it is no recommendation."
        )
    return Reply(text, "traffic", image=f"/charts/{picture.name}")


def _which(service: TrafficService, found: list[Intersection], named: bool, language: str) -> Reply:
    options = found or list(service.intersections.values())
    zh = language == "zh"
    if found:
        text = "您指的是哪个路口？" if zh else "Which intersection do you mean?"
    elif named:
        text = "没有登记这个路口。可优化的路口有：" if zh else "That intersection is not on file. These are:"
    else:
        text = "请告诉我要优化哪个路口：" if zh else "Which intersection shall I optimise?"
    buttons = [
        Button(
            i.names[language],
            f"优化{i.names['zh']}的信号灯" if zh else f"optimise the signal at {i.names['en']}",
        )
        for i in options[:6]
    ]
    return Reply(text, "traffic", buttons=buttons)


def _study(service: TrafficService, state: Mapping[str, Any] | None) -> Study | None:
    item = service.intersections.get(str((state or {}).get("intersection")))
    period = str((state or {}).get("period"))
    if item is None or period not in PEAKS:
        return None
    return service.desk.study(item, period, bool((state or {}).get("weekend")))


__all__ = ["allowed", "compare", "error_reply", "export", "optimise", "refusal", "why"]
