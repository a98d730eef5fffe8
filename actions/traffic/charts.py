"""Pictures: timing diagram, delay and queue bars, time–space diagram, as PNG files named by their content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from actions.pictures import keep, labels_language, new_figure, to_png
from actions.traffic.coordination import ArterialSignal, Coordination
from actions.traffic.evaluate import Analysis
from actions.traffic.model import PROTECTED, SignalPlan

GREEN, LIGHT, YELLOW, RED = "#2e8b57", "#a8d5ba", "#f2c14e", "#d95d5d"
BLUE, GREY = "#30638e", "#9aa5b1"


def timing_diagram(plans: Mapping[str, SignalPlan], folder: Path, language: str, title: str = "") -> Path:
    """Draw when each stream is green, one panel for each plan.

    Args:
        plans: plans by their names as shown.
        folder: where to write the picture.
        language: "zh" or "en".
        title: heading; left out when it is Chinese and no font has it.
    """
    zh = labels_language(language) == "zh"
    streams = sorted({s for plan in plans.values() for stage in plan.stages for s in stage.serves})
    figure = new_figure(8, 0.9 + len(plans) * (0.55 + 0.2 * len(streams)), constrained_layout=True)
    axes = figure.subplots(len(plans), 1, squeeze=False)[:, 0]
    longest = max(plan.cycle_s for plan in plans.values())
    for axis, (name, plan) in zip(axes, plans.items(), strict=True):
        at = 0.0
        for number, stage in enumerate(plan.stages):
            following = plan.stages[(number + 1) % len(plan.stages)]
            for row, stream in enumerate(streams):
                how = stage.serves.get(stream)
                if how:
                    colour = GREEN if how == PROTECTED else LIGHT
                    axis.barh(row, stage.green_s + stage.clearing_s, left=at, color=colour, height=0.75)
                    axis.barh(
                        row,
                        stage.yellow_s,
                        left=at + stage.green_s + stage.clearing_s,
                        color=LIGHT if stream in following.serves else YELLOW,
                        height=0.75,
                    )
            axis.axvline(at, color=GREY, linewidth=0.5)
            at += stage.green_s + stage.transition_s
        axis.set_yticks(range(len(streams)))
        axis.set_yticklabels([s.replace(":", " ") for s in streams], fontsize=7)
        axis.set_xlim(0, longest)
        axis.invert_yaxis()
        axis.set_title(f"{name} · {'周期' if zh else 'cycle'} {plan.cycle_s:g} s", fontsize=9, loc="left")
    axes[-1].set_xlabel("时间（秒）" if zh else "time (s)", fontsize=8)
    if title and (zh or title.isascii()):
        figure.suptitle(title, fontsize=11)
    return keep(to_png(figure), folder)


def comparison_chart(
    analyses: Mapping[str, Analysis],
    folder: Path,
    language: str,
    simulated: Mapping[str, tuple[float, float]] | None = None,
) -> Path:
    """Draw computed delay and 95th-percentile queue by lane group; simulated delays beside them where given.

    Args:
        analyses: figures by the plans' names as shown.
        folder: where to write the picture.
        language: "zh" or "en".
        simulated: mean and half interval of the simulated delay in s, by plan.
    """
    zh = labels_language(language) == "zh"
    panels = 3 if simulated else 2
    figure = new_figure(4.2 * panels, 3.6, constrained_layout=True)
    axes = figure.subplots(1, panels)
    groups = [g.id for g in next(iter(analyses.values())).groups]
    width = 0.8 / len(analyses)
    for k, (name, analysis) in enumerate(analyses.items()):
        colour = (GREY, YELLOW, GREEN, BLUE)[k % 4]
        places = [i + k * width for i in range(len(groups))]
        axes[0].bar(places, [min(g.delay_s, 300) for g in analysis.groups], width, label=name, color=colour)
        axes[1].bar(places, [min(g.queue_95_m, 500) for g in analysis.groups], width, color=colour)
    titles = ("延误（秒/辆）", "95% 排队长度（米）") if zh else ("delay (s/veh)", "95th-percentile queue (m)")
    for axis, text in zip(axes, titles, strict=False):
        axis.set_xticks([i + 0.4 - width / 2 for i in range(len(groups))])
        axis.set_xticklabels(groups, rotation=60, fontsize=7)
        axis.set_title(text, fontsize=9)
    axes[0].legend(fontsize=7)
    if simulated:
        names = list(simulated)
        axes[2].bar(
            names,
            [simulated[n][0] for n in names],
            yerr=[simulated[n][1] for n in names],
            color=BLUE,
            capsize=3,
        )
        axes[2].set_title("仿真延误（秒/辆）" if zh else "simulated delay (s/veh)", fontsize=9)
        axes[2].set_ylim(0, 2.5 * next(iter(simulated.values()))[0])
        axes[2].tick_params(axis="x", labelrotation=30, labelsize=7)
    return keep(to_png(figure), folder)


def time_space_diagram(
    signals: Sequence[ArterialSignal], result: Coordination, folder: Path, language: str, cycles: int = 3
) -> Path:
    """Draw the arterial's greens over time and distance, with both bands."""
    zh = labels_language(language) == "zh"
    figure = new_figure(8, 4.5, constrained_layout=True)
    axis = figure.subplots()
    cycle, end = result.cycle_s, result.cycle_s * cycles
    start_m = signals[0].position_m
    for signal in signals:
        y = signal.position_m - start_m
        axis.hlines(y, 0, end, color=RED, linewidth=5)
        for n in range(-1, cycles + 1):
            for begin, green, shift in (
                (signal.out_start_s, signal.out_green_s, 6),
                (signal.in_start_s, signal.in_green_s, -6),
            ):
                left = begin + result.offsets_s[signal.id] + n * cycle
                axis.hlines(y + shift, max(0, left), min(end, left + green), color=GREEN, linewidth=2.5)
    length = signals[-1].position_m - start_m
    for out, band, speed in (
        (True, result.out_band_s, result.out_speed_mps),
        (False, result.in_band_s, result.in_speed_mps),
    ):
        leaves = _band_start(signals, result, out)
        if band <= 0 or leaves is None:
            continue
        travel = length / speed
        for n in range(-1, cycles):
            t = leaves + n * cycle
            ys = (0, length) if out else (length, 0)
            axis.fill(
                [t, t + band, t + band + travel, t + travel],
                [ys[0], ys[0], ys[1], ys[1]],
                alpha=0.25,
                color=BLUE if out else YELLOW,
            )
    axis.set_xlim(0, end)
    axis.set_yticks([s.position_m - start_m for s in signals])
    axis.set_yticklabels([f"{s.id} {s.position_m - start_m:g} m" for s in signals], fontsize=7)
    axis.set_xlabel("时间（秒）" if zh else "time (s)", fontsize=8)
    axis.set_title(
        f"{'绿波带宽' if zh else 'bandwidth'}: {result.out_band_s:g} s / {result.in_band_s:g} s, C = {cycle:g} s",
        fontsize=9,
    )
    return keep(to_png(figure), folder)


def _band_start(signals: Sequence[ArterialSignal], result: Coordination, out: bool) -> float | None:
    """Return when the band leaves its first signal."""
    order = list(signals) if out else list(signals)[::-1]
    cycle, speed = result.cycle_s, result.out_speed_mps if out else result.in_speed_mps

    def passes(t: float) -> bool:
        for s in order:
            away = abs(s.position_m - order[0].position_m)
            start, green = (s.out_start_s, s.out_green_s) if out else (s.in_start_s, s.in_green_s)
            if (t + away / speed - result.offsets_s[s.id] - start) % cycle >= green:
                return False
        return True

    step = 0.5
    times = [i * step for i in range(int(cycle / step))]
    flags = [passes(t) for t in times]
    best: tuple[float, float] | None = None
    for i, on in enumerate(flags):
        if on and not flags[i - 1]:
            run = 0
            while run < len(flags) and flags[(i + run) % len(flags)]:
                run += 1
            if best is None or run > best[0]:
                best = (run, times[i])
    return best[1] if best else (0.0 if all(flags) else None)
