"""An intersection as timing sees it: lane groups with streams, stages that serve them, and a fixed-time plan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from actions.traffic.errors import PlanError

PROTECTED, PERMISSIVE = "protected", "permissive"
TURN_ORDER = ("uturn", "left", "through", "right")


@dataclass(frozen=True)
class Stream:
    """Vehicles of one lane group that turn one way.

    `yields_to` names the streams that it gives way to where its green is only permissive.
    """

    id: str
    turn: str
    volume_vph: float = 0.0
    yields_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class LaneGroup:
    """Lanes of one approach between which drivers can choose freely.

    `saturation_vphpl` is the saturation flow of one lane going straight on, in vehicles per hour of green.
    """

    id: str
    approach: str
    streams: tuple[Stream, ...]
    lanes: int = 1
    saturation_vphpl: float = 1900.0
    storage_m: float | None = None

    @property
    def volume_vph(self) -> float:
        """Demand of all its streams."""
        return sum(stream.volume_vph for stream in self.streams)

    @property
    def turns(self) -> tuple[str, ...]:
        """Its turns, from left to right."""
        return tuple(t for t in TURN_ORDER if any(s.turn == t for s in self.streams))


@dataclass(frozen=True)
class PlanStage:
    """One green and what follows it. `serves` maps stream ids to "protected" or "permissive".

    `clearing_s` is a fixed pedestrian clearance in which vehicles keep their green.
    """

    name: str
    green_s: float
    serves: Mapping[str, str]
    yellow_s: float = 3.0
    all_red_s: float = 1.0
    min_green_s: float = 5.0
    clearing_s: float = 0.0

    @property
    def transition_s(self) -> float:
        """All that follows the adjustable green: pedestrian clearance, yellow and all-red."""
        return self.clearing_s + self.yellow_s + self.all_red_s


@dataclass(frozen=True)
class SignalPlan:
    """A fixed-time plan; times in s."""

    stages: tuple[PlanStage, ...]
    offset_s: float = 0.0

    @property
    def cycle_s(self) -> float:
        """Greens plus transitions."""
        return sum(stage.green_s + stage.transition_s for stage in self.stages)

    @property
    def lost_s(self) -> float:
        """Time per cycle in which no stage is green."""
        return sum(stage.yellow_s + stage.all_red_s for stage in self.stages)

    @property
    def fixed_s(self) -> float:
        """Time per cycle that is no adjustable green."""
        return sum(stage.transition_s for stage in self.stages)

    @property
    def greens_s(self) -> tuple[float, ...]:
        """Green of each stage."""
        return tuple(stage.green_s for stage in self.stages)

    def with_greens(self, greens_s: Sequence[float], offset_s: float | None = None) -> SignalPlan:
        """Return the plan with other greens.

        Raises:
            PlanError: their number is wrong, or one is under its minimum.
        """
        if len(greens_s) != len(self.stages):
            raise PlanError(
                f"需要 {len(self.stages)} 个绿灯时长，给了 {len(greens_s)} 个。",
                f"needs {len(self.stages)} greens, got {len(greens_s)}",
            )
        stages = tuple(
            replace(stage, green_s=float(g)) for stage, g in zip(self.stages, greens_s, strict=True)
        )
        plan = SignalPlan(stages, self.offset_s if offset_s is None else offset_s)
        plan.check()
        return plan

    def check(self) -> None:
        """Raise `PlanError` when there is no stage or a green is under its minimum or no number."""
        if not self.stages:
            raise PlanError("方案没有任何阶段，请补全。", "the plan has no stage; add at least two")
        for stage in self.stages:
            if not math.isfinite(stage.green_s) or stage.green_s < stage.min_green_s - 1e-9:
                raise PlanError(
                    f"阶段“{stage.name}”绿灯 {stage.green_s:g} 秒低于最小绿灯 {stage.min_green_s:g} 秒。",
                    f"stage {stage.name!r}: green of {stage.green_s:g} s is under its minimum of {stage.min_green_s:g} s",
                )


@dataclass(frozen=True)
class Junction:
    """A signalised intersection; `conflicts` are pairs of stream ids that must never be protected together."""

    id: str
    groups: tuple[LaneGroup, ...]
    plan: SignalPlan
    conflicts: frozenset[frozenset[str]] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def streams(self) -> dict[str, Stream]:
        """All streams by id."""
        return {stream.id: stream for group in self.groups for stream in group.streams}

    @property
    def volume_vph(self) -> float:
        """Demand over all lane groups."""
        return sum(group.volume_vph for group in self.groups)

    def with_volumes(self, volumes_vph: Mapping[str, float]) -> Junction:
        """Return the junction with other volumes by stream id; streams that are not named get 0."""
        groups = tuple(
            replace(
                group,
                streams=tuple(
                    replace(s, volume_vph=float(volumes_vph.get(s.id, 0.0))) for s in group.streams
                ),
            )
            for group in self.groups
        )
        return replace(self, groups=groups)

    def scaled(self, factor: float) -> Junction:
        """Return the junction with all volumes multiplied by `factor`."""
        return self.with_volumes({k: s.volume_vph * factor for k, s in self.streams.items()})

    def conflicts_in(self, plan: SignalPlan) -> list[tuple[str, str, str]]:
        """Return (stage, stream, stream) for every conflicting pair that a stage protects together."""
        found = []
        for stage in plan.stages:
            protected = sorted(s for s, how in stage.serves.items() if how == PROTECTED)
            for i, first in enumerate(protected):
                found += [
                    (stage.name, first, second)
                    for second in protected[i + 1 :]
                    if frozenset((first, second)) in self.conflicts
                ]
        return found

    def check(self) -> None:
        """Raise `PlanError` when the plan breaks a rule or leaves a stream with demand without green."""
        self.plan.check()
        clash = self.conflicts_in(self.plan)
        if clash:
            stage, first, second = clash[0]
            raise PlanError(
                f"{self.id}：阶段“{stage}”同时放行相互冲突的车流 {first} 和 {second}，请修改相位。",
                f"{self.id}: stage {stage!r} protects conflicting streams {first} and {second}; change the stages",
            )
        served = {stream for stage in self.plan.stages for stream in stage.serves}
        for stream in self.streams.values():
            if stream.volume_vph > 0 and stream.id not in served:
                raise PlanError(
                    f"{self.id}：车流 {stream.id} 有流量但没有绿灯，请修改相位。",
                    f"{self.id}: stream {stream.id} has traffic but no green; add it to a stage",
                )
