"""Capacity of lane groups under a plan: protected and permissive turns, shared lanes, blocked lanes.

Permissive turns follow HCM 2010 equation 31-100 (gap acceptance) after the opposing queue has cleared, with
sneakers at the end. In a shared lane the first vehicle without green blocks those behind it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from actions.traffic.model import PROTECTED, TURN_ORDER, Junction, LaneGroup, PlanStage, SignalPlan, Stream

CRITICAL_GAP_S = 4.5
FOLLOW_UP_S = 2.5
SNEAKERS = 2.0
PEDESTRIAN_FACTOR = 0.85
TURN_FACTOR = {"uturn": 0.75, "left": 0.95, "through": 1.0, "right": 0.85}


@dataclass(frozen=True)
class GroupCapacity:
    """Capacity of one lane group. `green_s` is the effective green at the saturation flow `saturation_vph`."""

    group: LaneGroup
    capacity_vph: float
    saturation_vph: float
    green_s: float

    @property
    def ratio(self) -> float:
        """Volume over capacity."""
        if self.group.volume_vph <= 0:
            return 0.0
        return self.group.volume_vph / self.capacity_vph if self.capacity_vph > 0 else math.inf


def permissive_vph(opposing_vph: float) -> float:
    """Return the saturation flow of a turn that waits for gaps in a stream of `opposing_vph` (HCM 2010, 31-100)."""
    if opposing_vph <= 1e-6:
        return 3600 / FOLLOW_UP_S
    return (
        opposing_vph
        * math.exp(-opposing_vph * CRITICAL_GAP_S / 3600)
        / (1.0 - math.exp(-opposing_vph * FOLLOW_UP_S / 3600))
    )


def lane_volumes(group: LaneGroup) -> list[dict[str, float]]:
    """Spread a group's demand over its lanes: side turns keep to their side, through traffic evens the load.

    Returns:
        One mapping of stream id to veh/h for each lane, from the left.
    """
    lanes: list[dict[str, float]] = [{} for _ in range(group.lanes)]
    weight = {s.id: 1.0 / TURN_FACTOR[s.turn] for s in group.streams}
    sides = {s.turn for s in group.streams}
    if group.lanes == 1 or len(sides) == 1:
        for stream in group.streams:
            for lane in lanes:
                lane[stream.id] = stream.volume_vph / group.lanes
        return lanes
    through = [s for s in group.streams if s.turn == "through"]
    turning = sorted(
        (s for s in group.streams if s.turn != "through"), key=lambda s: TURN_ORDER.index(s.turn)
    )
    if not through:
        return _contiguous(turning, lanes, weight)
    load = [0.0] * group.lanes
    for stream in turning:
        side = -1 if stream.turn == "right" else 0
        lanes[side][stream.id] = stream.volume_vph
        load[side] += stream.volume_vph * weight[stream.id]
    for stream in through:
        for i, more in enumerate(_fill(load, stream.volume_vph)):
            if more > 0:
                lanes[i][stream.id] = more
                load[i] += more
    return lanes


def _contiguous(
    streams: list[Stream], lanes: list[dict[str, float]], weight: Mapping[str, float]
) -> list[dict[str, float]]:
    room = sum(s.volume_vph * weight[s.id] for s in streams) / len(lanes)
    i, left = 0, room
    for stream in streams:
        need = stream.volume_vph * weight[stream.id]
        while need > 1e-9:
            part = need if i == len(lanes) - 1 else min(need, left)
            lanes[i][stream.id] = lanes[i].get(stream.id, 0.0) + part / weight[stream.id]
            need, left = need - part, left - part
            if left <= 1e-9 and i < len(lanes) - 1:
                i, left = i + 1, room
    return lanes


def _fill(load: list[float], volume: float) -> list[float]:
    """Pour `volume` onto the least loaded lanes until they are level."""
    order = sorted(range(len(load)), key=lambda i: load[i])
    for count in range(len(load), 0, -1):
        level = (volume + sum(load[i] for i in order[:count])) / count
        if level >= load[order[count - 1]] - 1e-12:
            return [max(0.0, level - load[i]) if i in order[:count] else 0.0 for i in range(len(load))]
    return [0.0] * len(load)


def capacities(junction: Junction, plan: SignalPlan | None = None) -> list[GroupCapacity]:
    """Return the capacity of every lane group under a plan, `junction.plan` by default."""
    plan = plan or junction.plan
    work = _Work(junction, plan)
    return [work.group(group) for group in junction.groups]


class _Work:
    def __init__(self, junction: Junction, plan: SignalPlan) -> None:
        self.plan, self.cycle_s = plan, plan.cycle_s
        self.owner = {s.id: g for g in junction.groups for s in g.streams}
        self.streams = junction.streams
        self.green_s = {
            sid: sum(self._usable(k, sid) for k, stage in enumerate(plan.stages) if sid in stage.serves)
            for sid in self.streams
        }

    def _next(self, k: int) -> PlanStage:
        return self.plan.stages[(k + 1) % len(self.plan.stages)]

    def _usable(self, k: int, sid: str) -> float:
        """Effective green of a stream in stage k; start-up loss and use of yellow cancel (both 2 s in the HCM)."""
        stage = self.plan.stages[k]
        runs_on = sid in self._next(k).serves
        return stage.green_s + (stage.transition_s if runs_on else stage.clearing_s)

    def _rate_vph(self, k: int, stream: Stream) -> float:
        """Mean rate at which a queue of this stream alone would leave one lane during stage k."""
        stage = self.plan.stages[k]
        base = self.owner[stream.id].saturation_vphpl * TURN_FACTOR[stream.turn]
        if stage.serves[stream.id] == PROTECTED:
            return base
        rivals = [s for s in stream.yields_to if s in stage.serves and s in self.streams]
        if not rivals:
            return base * PEDESTRIAN_FACTOR if stream.turn == "right" else base
        opposing = sum(self.streams[s].volume_vph for s in rivals)
        saturation = sum(
            g.saturation_vphpl * g.lanes for g in {self.owner[s].id: self.owner[s] for s in rivals}.values()
        )
        green = self._usable(k, stream.id)
        red = self.cycle_s - max(self.green_s[s] for s in rivals)
        clearing = opposing * red / (saturation - opposing) if saturation > opposing else math.inf
        free = max(0.0, green - clearing)
        sneak = 0.0 if self._next(k).serves.get(stream.id) == PROTECTED else SNEAKERS
        vehicles = min(permissive_vph(opposing), base) * free / 3600 + sneak
        return min(base, vehicles * 3600 / green) if green > 0 else 0.0

    def group(self, group: LaneGroup) -> GroupCapacity:
        lanes = lane_volumes(group)
        if group.volume_vph <= 0:
            even = {s.id: 1.0 / len(group.streams) for s in group.streams}
            lanes = [even] * group.lanes
        total = saturation = worst = 0.0
        for lane in lanes:
            volume = sum(lane.values())
            shares = {sid: v / volume for sid, v in lane.items()} if volume > 0 else {}
            if not shares:
                continue
            capacity, flow = self._lane(group, shares)
            total, saturation = total + capacity, saturation + flow
            worst = max(worst, volume / capacity if capacity > 0 else math.inf)
        if group.volume_vph > 0 and worst > 0:
            total = min(total, group.volume_vph / worst) if math.isfinite(worst) else 0.0
        green = total / saturation * self.cycle_s if saturation > 0 else 0.0
        return GroupCapacity(group, total, saturation, min(green, self.cycle_s))

    def _lane(self, group: LaneGroup, shares: Mapping[str, float]) -> tuple[float, float]:
        """Return capacity and saturation flow of one lane in veh/h."""
        by_id = {s.id: s for s in group.streams}
        factor = sum(p / TURN_FACTOR[by_id[sid].turn] for sid, p in shares.items())
        saturation = group.saturation_vphpl / factor
        vehicles = 0.0
        for k, stage in enumerate(self.plan.stages):
            green = {sid: p for sid, p in shares.items() if sid in stage.serves and p > 0}
            part = sum(green.values())
            if part <= 0:
                continue
            headway_s, usable = 0.0, math.inf
            for sid, p in green.items():
                rate = self._rate_vph(k, by_id[sid])
                headway_s += p / part * (3600 / rate if rate > 1e-6 else 1e6)
                usable = min(usable, self._usable(k, sid))
            most = usable / headway_s
            vehicles += most if part > 1 - 1e-9 else part * (1 - part**most) / (1 - part)
        return vehicles * 3600 / self.cycle_s, saturation
