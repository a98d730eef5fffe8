"""Performance of a plan at one intersection: delay, level of service, volume over capacity, queues."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from actions.traffic import hcm
from actions.traffic.capacity import GroupCapacity, capacities
from actions.traffic.errors import NoDemandError
from actions.traffic.model import Junction, SignalPlan

VEHICLE_M = 7.0


@dataclass(frozen=True)
class GroupResult:
    """Figures of one lane group."""

    id: str
    approach: str
    turns: tuple[str, ...]
    volume_vph: float
    capacity_vph: float
    green_s: float
    ratio: float
    delay_s: float
    level: str
    queue_veh: float
    queue_95_m: float
    storage_m: float | None

    @property
    def oversaturated(self) -> bool:
        """Whether demand is above capacity."""
        return self.ratio > 1.0

    @property
    def spills_back(self) -> bool:
        """Whether the 95th-percentile queue is longer than the room for it."""
        return self.storage_m is not None and self.queue_95_m > self.storage_m


@dataclass(frozen=True)
class Analysis:
    """Figures of an intersection under one plan."""

    cycle_s: float
    delay_s: float
    level: str
    ratio: float
    groups: tuple[GroupResult, ...]

    @property
    def oversaturated(self) -> tuple[str, ...]:
        """Lane groups with more demand than capacity."""
        return tuple(group.id for group in self.groups if group.oversaturated)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; numbers that are not finite become `None`."""

        def number(value: float) -> float | None:
            return round(value, 2) if math.isfinite(value) else None

        return {
            "cycle_s": number(self.cycle_s),
            "delay_s": number(self.delay_s),
            "level_of_service": self.level,
            "volume_over_capacity": number(self.ratio),
            "oversaturated": list(self.oversaturated),
            "lane_groups": [
                {
                    "id": g.id,
                    "approach": g.approach,
                    "turns": list(g.turns),
                    "volume_vph": number(g.volume_vph),
                    "capacity_vph": number(g.capacity_vph),
                    "effective_green_s": number(g.green_s),
                    "volume_over_capacity": number(g.ratio),
                    "delay_s": number(g.delay_s),
                    "level_of_service": g.level,
                    "queue_veh": number(g.queue_veh),
                    "queue_95_m": number(g.queue_95_m),
                    "spills_back": g.spills_back,
                }
                for g in self.groups
            ],
        }


def evaluate(junction: Junction, plan: SignalPlan | None = None, period_h: float = 0.25) -> Analysis:
    """Return the figures of `plan` (the one in place by default).

    Args:
        junction: lane groups with their demand.
        plan: the plan to judge.
        period_h: analysis period of the HCM, in hours.

    Raises:
        NoDemandError: no lane group has traffic.
    """
    plan = plan or junction.plan
    if junction.volume_vph <= 0:
        raise NoDemandError(
            f"{junction.id}：所选时段没有流量，请换一个时段或检查检测器。",
            f"{junction.id}: no traffic in this period; choose another one or check the detectors",
        )
    groups = tuple(_group(item, plan.cycle_s, period_h) for item in capacities(junction, plan))
    volume = sum(g.volume_vph for g in groups)
    delay = sum(g.delay_s * g.volume_vph for g in groups if g.volume_vph > 0) / volume
    ratio = max(g.ratio for g in groups)
    return Analysis(plan.cycle_s, delay, hcm.level_of_service(delay), ratio, groups)


def total_delay_s(junction: Junction, plan: SignalPlan, period_h: float = 0.25) -> float:
    """Return the mean delay in s per vehicle, quickly; what a search minimises."""
    total = 0.0
    for item in capacities(junction, plan):
        volume = item.group.volume_vph
        if volume > 0:
            total += volume * _delay(item, plan.cycle_s, period_h)
    return total / junction.volume_vph


def _delay(item: GroupCapacity, cycle_s: float, period_h: float) -> float:
    if item.capacity_vph <= 1e-9:
        return 3600.0 * period_h
    return hcm.control_delay_s(cycle_s, item.green_s, item.group.volume_vph, item.capacity_vph, period_h)


def _group(item: GroupCapacity, cycle_s: float, period_h: float) -> GroupResult:
    group = item.group
    delay = _delay(item, cycle_s, period_h) if group.volume_vph > 0 else 0.0
    queue = hcm.queue_veh(cycle_s, item.green_s, group.volume_vph, item.capacity_vph, group.lanes, period_h)
    return GroupResult(
        group.id,
        group.approach,
        group.turns,
        group.volume_vph,
        item.capacity_vph,
        item.green_s,
        item.ratio,
        delay,
        hcm.level_of_service(delay, item.ratio),
        queue,
        hcm.queue_95_veh(queue) * VEHICLE_M,
        group.storage_m,
    )
