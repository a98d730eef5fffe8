"""Words of the answers for staff."""

from __future__ import annotations

from actions.traffic.evaluate import Analysis
from actions.traffic.service import TrafficService
from actions.traffic.signals import Study
from actions.traffic.sumo.simulate import available
from actions.traffic.when import PEAK_NAMES, PEAKS
from city.jobs import Job
from city.messages import Button, Reply

PLAN_NAMES = {
    "in_place": ("现行方案", "Today's plan"),
    "webster": ("Webster 法", "Webster"),
    "ours": ("优化方案", "Optimised"),
    "actuated": ("感应控制", "Actuated"),
    "max_pressure": ("最大压力控制", "Max-pressure"),
}


def title_of(study: Study, language: str) -> tuple[str, str]:
    start, end = PEAKS[study.period]
    days = (
        ("周末" if study.on_weekend else "工作日")
        if language == "zh"
        else ("weekend" if study.on_weekend else "workdays")
    )
    return (
        study.intersection.names[language],
        f"{days}{'' if language == 'zh' else ' '}{PEAK_NAMES[study.period][language]} {start:%H:%M}–{end:%H:%M}",
    )


def demand_line(study: Study, language: str) -> str:
    total = study.junction.volume_vph
    return (
        f"流量 {total:.0f} 辆/小时（检测器 28 天均值）"
        if language == "zh"
        else f"Demand {total:.0f} veh/h (mean of 28 days of counts)"
    )


def plan_line(key: str, greens_s: tuple[float, ...], analysis: Analysis, language: str) -> str:
    greens = "/".join(f"{g:g}" for g in greens_s)
    name = PLAN_NAMES[key][0 if language == "zh" else 1]
    if language == "zh":
        return (
            f"{name}：周期 {analysis.cycle_s:g} 秒，绿灯 {greens} 秒，"
            f"延误 {analysis.delay_s:.1f} 秒/辆（服务水平 {analysis.level}），饱和度 {analysis.ratio:.2f}"
        )
    return (
        f"{name}: cycle {analysis.cycle_s:g} s, greens {greens} s, "
        f"delay {analysis.delay_s:.1f} s/veh (LOS {analysis.level}), v/c {analysis.ratio:.2f}"
    )


def oversaturated_line(study: Study, language: str) -> str:
    groups = (
        "、".join(study.analyses["in_place"].oversaturated)
        if language == "zh"
        else ", ".join(study.analyses["in_place"].oversaturated)
    )
    if study.webster.oversaturated:
        return (
            f"注意：需求超过通行能力（Y = {study.webster.flow_ratio:.2f}），任何周期都无法完全消散，建议考虑拓宽、禁左或分流。"
            if language == "zh"
            else f"Oversaturated: demand exceeds capacity (Y = {study.webster.flow_ratio:.2f}); no cycle serves "
            "it all. Consider more lanes, banning "
            "left turns or diverting traffic."
        )
    return (
        f"现行方案下过饱和的车道组：{groups}。"
        if language == "zh"
        else f"Oversaturated under today's plan: {groups}."
    )


def proof_line(service: TrafficService, job: Job | None, language: str) -> str:
    zh = language == "zh"
    if job is None:
        if not available():
            return (
                "未安装仿真器 SUMO，无法验证，因此暂不作推荐。"
                if zh
                else "SUMO is not installed, so nothing is proven and nothing recommended."
            )
        return (
            "该路口没有仿真路网，无法验证，因此暂不作推荐。"
            if zh
            else "There is no network for this intersection, so nothing is proven and nothing recommended."
        )
    report = service.desk.report(job)
    if report is None:
        if job.over:
            return (
                f"仿真未完成（{job.state}：{job.error}），暂不作推荐。"
                if zh
                else f"Simulation did not finish ({job.state}: {job.error}); no recommendation."
            )
        return (
            f"仿真验证进行中（{job.progress:.0%}，任务 {job.id}），完成后我才会给出推荐；稍后可问“对比现状”。"
            if zh
            else f"Simulation is running ({job.progress:.0%}, job {job.id}); I recommend nothing before it is "
            "done. Ask “compare” in a while."
        )
    old, new = report["plans"]["in_place"], report["plans"]["ours"]
    if report["recommended"]:
        return (
            f"✔ 推荐采用优化方案：仿真平均延误 {old['delay_s']:.1f} → {new['delay_s']:.1f} 秒/辆，降低 {report['gain']:.0%}"
            f"（95% 置信区间 {report['gain_low']:.0%}–{report['gain_high']:.0%}，{len(report['seeds'])} 个种子）。"
            if zh
            else f"✔ Recommended: in simulation mean delay falls from {old['delay_s']:.1f} to {new['delay_s']:.1f} s/veh, by "
            f"{report['gain']:.0%} (95 % interval {report['gain_low']:.0%}–{report['gain_high']:.0%}, {len(report['seeds'])} seeds)."
        )
    return (
        f"✘ 建议保留现行方案：仿真延误 {old['delay_s']:.1f}（现行）与 {new['delay_s']:.1f}（新）秒/辆，改善未达显著。"
        if zh
        else f"✘ Keep today's plan: simulated delay is {old['delay_s']:.1f} (today) and "
        f"{new['delay_s']:.1f} (new) s/veh, no significant gain."
    )


def nothing_yet(language: str) -> Reply:
    return Reply(
        "还没有分析过路口。请先说，例如“优化人民路与解放路路口早高峰信号”。"
        if language == "zh"
        else "No intersection has been studied yet. Say, for example, “optimise the signal at Renmin Road and Jiefang Road”.",
        "traffic",
    )


def follow_up_buttons(language: str, done: str = "") -> list[Button]:
    titles = {
        "signal_why": (("为什么？", "为什么这样配时？"), ("Why?", "Why this signal plan?")),
        "signal_compare": (
            ("与现状对比", "与现状对比"),
            ("Compare with today's", "Compare with today's plan"),
        ),
        "signal_export": (("导出方案", "导出方案"), ("Export", "Export the plan")),
    }
    return [Button(*t[0 if language == "zh" else 1]) for intent, t in titles.items() if intent != done]


def number_text(value: float) -> str:
    return f"{value:.0f}" if value != float("inf") else "∞"
