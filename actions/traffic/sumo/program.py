"""A SUMO program as stages with a green time each and the transition behind it, ready to be re-timed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

from actions.traffic.errors import PlanError
from actions.traffic.pedestrians import crossing_green_s
from actions.traffic.sumo.net import Link, Net, Phase, Program

MIN_GREEN_S = 5.0
GREEN = frozenset("Gg")


@dataclass(frozen=True)
class Stage:
    """One adjustable green and the fixed phases that follow it.

    `number` is its place in the plan in place, so that a re-ordered plan can be read.
    """

    number: int
    state: str
    green_s: float
    min_green_s: float
    transition: tuple[Phase, ...]

    @property
    def transition_s(self) -> float:
        """Duration of the phases behind the green."""
        return sum(phase.duration_s for phase in self.transition)


@dataclass(frozen=True)
class StagedPlan:
    """A fixed-time plan of one traffic light."""

    tls: str
    offset_s: float
    stages: tuple[Stage, ...]

    @property
    def cycle_s(self) -> float:
        """Sum of all greens and transitions."""
        return sum(stage.green_s + stage.transition_s for stage in self.stages)

    @property
    def greens_s(self) -> tuple[float, ...]:
        """Green time of each stage."""
        return tuple(stage.green_s for stage in self.stages)

    @property
    def order(self) -> tuple[int, ...]:
        """Numbers of the stages in the order shown."""
        return tuple(stage.number for stage in self.stages)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The plan as SUMO phases."""
        return tuple(p for s in self.stages for p in (Phase(s.green_s, s.state), *s.transition))

    def retimed(self, greens_s: Sequence[float], offset_s: float | None = None) -> StagedPlan:
        """Return the plan with other greens.

        Raises:
            PlanError: a green is under its minimum, or their number is wrong.
        """
        if len(greens_s) != len(self.stages):
            raise PlanError(
                f"{self.tls}：需要 {len(self.stages)} 个绿灯时长，给了 {len(greens_s)} 个。",
                f"{self.tls}: needs {len(self.stages)} greens, got {len(greens_s)}",
            )
        stages = []
        for stage, green in zip(self.stages, greens_s, strict=True):
            if not math.isfinite(green) or green < stage.min_green_s - 1e-9:
                raise PlanError(
                    f"{self.tls}：第 {stage.number + 1} 阶段绿灯 {green:g} 秒低于最小绿灯 {stage.min_green_s:g} 秒。",
                    f"{self.tls}: green of {green:g} s in stage {stage.number + 1} is under its minimum of "
                    f"{stage.min_green_s:g} s",
                )
            stages.append(replace(stage, green_s=float(green)))
        cycle = sum(s.green_s + s.transition_s for s in stages)
        offset = self.offset_s if offset_s is None else offset_s
        return StagedPlan(self.tls, offset % cycle, tuple(stages))

    def reordered(self, order: Sequence[int], walkers: frozenset[int] = frozenset()) -> StagedPlan:
        """Return the plan with its stages in another order, transitions made anew where neighbours changed.

        Args:
            order: stage numbers, each once.
            walkers: link indices of pedestrian crossings, which turn red without yellow.
        """
        by_number = {stage.number: stage for stage in self.stages}
        if sorted(order) != sorted(by_number):
            raise PlanError(
                f"{self.tls}：阶段顺序 {list(order)} 有误。",
                f"{self.tls}: {list(order)} is no order of its stages",
            )
        old_next = {
            s.number: self.stages[(i + 1) % len(self.stages)].number for i, s in enumerate(self.stages)
        }
        yellow, all_red, walk_clear = self._intervals()
        stages = []
        for i, number in enumerate(order):
            stage, following = by_number[number], by_number[order[(i + 1) % len(order)]]
            if old_next[number] != following.number:
                made = transition(stage.state, following.state, yellow, all_red, walk_clear, walkers)
                stage = replace(stage, transition=made)
            stages.append(stage)
        return StagedPlan(self.tls, self.offset_s, tuple(stages))

    def _intervals(self) -> tuple[float, float, float]:
        """Return the longest yellow, all-red and pedestrian clearance that the plan in place has."""
        yellow = all_red = walk = 0.0
        for stage in self.stages:
            for phase in stage.transition:
                if "y" in phase.state or "u" in phase.state:
                    yellow = max(yellow, phase.duration_s)
                elif GREEN.isdisjoint(phase.state):
                    all_red = max(all_red, phase.duration_s)
                else:
                    walk = max(walk, phase.duration_s)
        return yellow or 3.0, all_red, walk


def transition(
    first: str,
    second: str,
    yellow_s: float,
    all_red_s: float,
    walk_clear_s: float,
    walkers: frozenset[int] = frozenset(),
) -> tuple[Phase, ...]:
    """Return the phases between two greens: links that stay green keep it, those that lose it get yellow.

    A link that is about to be protected (`g` to `G`) stays permissive meanwhile, for its foes still clear.
    """
    losing = {i for i, (a, b) in enumerate(zip(first, second, strict=True)) if a in GREEN and b not in GREEN}
    keep = [
        ("g" if "g" in (a, b) else "G") if a in GREEN and b in GREEN else "r"
        for a, b in zip(first, second, strict=True)
    ]
    phases = []
    if losing & walkers and walk_clear_s:
        state = "".join("r" if i in losing & walkers else c for i, c in enumerate(first))
        phases.append(Phase(walk_clear_s, state))
    if losing - walkers:
        phases.append(
            Phase(yellow_s, "".join("y" if i in losing - walkers else c for i, c in enumerate(keep)))
        )
    if losing and all_red_s:
        phases.append(Phase(all_red_s, "".join(keep)))
    return tuple(phases)


def staged(net: Net, program: Program, min_green_s: float = MIN_GREEN_S) -> StagedPlan | None:
    """Split a program into stages.

    A phase with green and without yellow is a stage, unless all it does is hold vehicles while pedestrians
    clear the crossing. Minimum green: the program's own `minDur` if there is one, else `min_green_s`, never
    under what pedestrians need (walk interval plus crossing at 1.2 m/s less the transition).

    Returns:
        The plan, or `None` when fewer than two greens can be re-timed.
    """
    links = net.links[program.tls]
    walkers = walker_links(links)
    phases = list(program.phases)
    adjustable = [i for i, _ in enumerate(phases) if _is_stage(phases, i, walkers)]
    if len(adjustable) < 2:
        return None
    lead_s = sum(phase.duration_s for phase in phases[: adjustable[0]])
    phases = phases[adjustable[0] :] + phases[: adjustable[0]]
    adjustable = [i - adjustable[0] for i in adjustable]
    stages = []
    for number, start in enumerate(adjustable):
        end = adjustable[number + 1] if number + 1 < len(adjustable) else len(phases)
        phase, behind = phases[start], tuple(phases[start + 1 : end])
        low = phase.min_s if phase.min_s is not None else min_green_s
        low = max(min(low, phase.duration_s), 1.0) if phase.min_s is None else max(low, 1.0)
        clear_s = sum(p.duration_s for p in behind)
        need = [
            crossing_green_s(link.length_m, clear_s)
            for link in links
            if link.index in walkers
            and phase.state[link.index] in GREEN
            and phases[adjustable[(number + 1) % len(adjustable)]].state[link.index] not in GREEN
        ]
        low = max([low, *(min(n, phase.duration_s) for n in need)])
        stages.append(Stage(number, phase.state, phase.duration_s, math.ceil(low), behind))
    return StagedPlan(program.tls, program.offset_s + lead_s, tuple(stages))


def walker_links(links: Iterable[Link]) -> frozenset[int]:
    """Return the link indices that only pedestrians use."""
    links = list(links)
    return frozenset(link.index for link in links if link.pedestrian) - {
        link.index for link in links if not link.pedestrian
    }


def _is_stage(phases: Sequence[Phase], i: int, walkers: frozenset[int]) -> bool:
    state = phases[i].state
    if GREEN.isdisjoint(state) or "y" in state or "u" in state or phases[i].duration_s <= 0:
        return False
    before = phases[i - 1].state
    if "y" in before or GREEN.isdisjoint(before) or len(before) != len(state):
        return True
    lost = {k for k, (a, b) in enumerate(zip(before, state, strict=True)) if a in GREEN and b not in GREEN}
    won = {k for k, (a, b) in enumerate(zip(before, state, strict=True)) if a not in GREEN and b in GREEN}
    return not (lost and lost <= walkers and not won)


def write_programs(
    plans: Iterable[StagedPlan],
    path: Path,
    program_id: str = "chengda",
    kind: str = "static",
    limits_s: Mapping[int, tuple[float, float]] | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Path:
    """Write plans as a SUMO additional file.

    Args:
        plans: one for each traffic light.
        path: file to write.
        program_id: name of the programs.
        kind: SUMO's controller, "static" or "actuated".
        limits_s: for "actuated", least and longest green by stage number; default 5 to 50 s.
        parameters: extra `<param>` elements.
    """
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<additional>"]
    for plan in plans:
        lines.append(
            f"  <tlLogic id={quoteattr(plan.tls)} type={quoteattr(kind)} programID={quoteattr(program_id)} "
            f'offset="{plan.offset_s:g}">'
        )
        lines += [
            f"    <param key={quoteattr(k)} value={quoteattr(v)}/>" for k, v in (parameters or {}).items()
        ]
        for stage in plan.stages:
            bounds = ""
            if kind != "static":
                low, high = (limits_s or {}).get(
                    stage.number, (stage.min_green_s, max(50.0, stage.min_green_s))
                )
                bounds = f' minDur="{low:g}" maxDur="{high:g}"'
            lines.append(f'    <phase duration="{stage.green_s:g}"{bounds} state="{stage.state}"/>')
            lines += [f'    <phase duration="{p.duration_s:g}" state="{p.state}"/>' for p in stage.transition]
        lines.append("  </tlLogic>")
    path.write_text("\n".join([*lines, "</additional>", ""]), encoding="utf-8")
    return path
