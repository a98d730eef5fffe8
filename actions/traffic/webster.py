"""Webster's cycle and splits, with stages that overlap treated by their critical path.

F. V. Webster, Traffic Signal Settings, Road Research Technical Paper 39, HMSO 1958.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from actions.traffic.capacity import capacities
from actions.traffic.errors import NoDemandError
from actions.traffic.model import Junction, SignalPlan

MAX_FLOW_RATIO = 0.95


@dataclass(frozen=True)
class WebsterResult:
    """A plan by Webster's formula. `flow_ratio` is Y, the sum of critical flow ratios.

    `oversaturated` says that no cycle serves the demand: Y is at or above 1 less the share of lost time.
    """

    plan: SignalPlan
    flow_ratio: float
    lost_s: float
    optimum_s: float
    oversaturated: bool


def optimum_cycle_s(lost_s: float, flow_ratio: float) -> float:
    """Return Webster's cycle of least delay, (1.5 L + 5) / (1 - Y), in s; infinite at Y >= 1."""
    return (1.5 * lost_s + 5.0) / (1.0 - flow_ratio) if flow_ratio < 1 else float("inf")


def webster(
    junction: Junction, min_cycle_s: float = 40.0, max_cycle_s: float = 120.0, rounds: int = 4
) -> WebsterResult:
    """Return Webster's plan for a junction's demand, keeping its stages.

    Permissive and shared lanes have flow ratios that depend on the splits, so the splits are found in a few
    rounds.

    Raises:
        NoDemandError: there is no traffic.
    """
    if junction.volume_vph <= 0:
        raise NoDemandError(
            f"{junction.id}：没有流量，无法计算配时。",
            f"{junction.id}: no traffic, so there is nothing to time",
        )
    plan = junction.plan
    lost = plan.lost_s
    critical = np.full(len(plan.stages), 1.0 / len(plan.stages))
    optimum = min_cycle_s
    for _ in range(rounds):
        critical = critical_ratios(junction, plan)
        total = float(critical.sum())
        optimum = optimum_cycle_s(lost, min(total, MAX_FLOW_RATIO))
        cycle = round(min(max(optimum, min_cycle_s), max_cycle_s))
        plan = plan.with_greens(split(plan, critical, cycle))
    total = float(critical.sum())
    return WebsterResult(
        plan, total, lost, optimum_cycle_s(lost, total), total >= 1.0 - lost / max(max_cycle_s, lost + 1)
    )


def critical_ratios(junction: Junction, plan: SignalPlan) -> np.ndarray:
    """Return the least share of the cycle that each stage needs, shape (stages,).

    It is the solution of: minimise the sum of shares, so that the stages that serve a lane group together
    give it its flow ratio v/s. The sum is Webster's Y along the critical path.
    """
    rows, needs = [], []
    for item in capacities(junction, plan):
        if item.group.volume_vph <= 0:
            continue
        serving = [any(s.id in stage.serves for s in item.group.streams) for stage in plan.stages]
        shown = sum(
            stage.green_s + stage.clearing_s for stage, on in zip(plan.stages, serving, strict=True) if on
        )
        if not any(serving) or item.capacity_vph <= 0:
            continue
        per_green = item.capacity_vph * plan.cycle_s / max(shown, 1e-9)
        rows.append([-1.0 if on else 0.0 for on in serving])
        needs.append(-item.group.volume_vph / per_green)
    if not rows:
        return np.full(len(plan.stages), 1e-6)
    result = linprog(
        np.ones(len(plan.stages)), A_ub=np.array(rows), b_ub=np.array(needs), bounds=(1e-4, None)
    )
    return np.asarray(result.x)


def split(plan: SignalPlan, shares: Sequence[float] | np.ndarray, cycle_s: float) -> list[float]:
    """Share a cycle's green among stages in proportion to `shares`, whole seconds, minimum greens kept.

    The cycle is made longer where the minimum greens do not fit.
    """
    lows = [float(np.ceil(stage.min_green_s)) for stage in plan.stages]
    total = max(round(cycle_s - plan.fixed_s), int(sum(lows)))
    weights = np.maximum(np.asarray(shares, dtype=float), 1e-9)
    greens, open_stages, room = list(lows), set(range(len(lows))), float(total)
    while open_stages:
        scale = room / sum(weights[i] for i in open_stages)
        short = {i for i in open_stages if weights[i] * scale < lows[i]}
        if not short:
            for i in open_stages:
                greens[i] = weights[i] * scale
            break
        for i in short:
            room -= lows[i]
        open_stages -= short
    floors = [max(int(np.floor(g + 1e-9)), int(low)) for g, low in zip(greens, lows, strict=True)]
    for i in sorted(range(len(greens)), key=lambda i: floors[i] - greens[i])[: max(0, total - sum(floors))]:
        floors[i] += 1
    return [float(g) for g in floors]
