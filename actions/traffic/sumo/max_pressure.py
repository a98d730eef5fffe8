"""Max-pressure control, for comparison: every few seconds the stage with the most pressure gets green.

P. Varaiya, Max pressure control of a network of signalized intersections, Transp. Res. C 36 (2013).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actions.traffic.sumo.net import Net, Phase
from actions.traffic.sumo.program import GREEN, StagedPlan, transition, walker_links

PERMISSIVE_WEIGHT = 0.3


@dataclass
class _Light:
    plan: StagedPlan
    stage: int
    pairs: list[dict[tuple[str, str], float]]
    walkers: frozenset[int]
    yellow_s: float
    all_red_s: float
    queue: list[Phase]
    since_s: float = 0.0
    busy_until_s: float = 0.0
    changing: bool = False


class MaxPressure:
    """Controls all staged traffic lights of a network.

    Args:
        net: the network.
        plans: the plans in place, whose stages are used.
        min_green_s: time before a stage may end, in s; a stage's own minimum is kept as well.
    """

    def __init__(self, net: Net, plans: Mapping[str, StagedPlan], min_green_s: float = 8.0) -> None:
        self.min_green_s = min_green_s
        self._lights: dict[str, _Light] = {}
        for tls, plan in plans.items():
            pairs = []
            for stage in plan.stages:
                green = [
                    link
                    for link in net.links[tls]
                    if not link.pedestrian
                    and link.index < len(stage.state)
                    and stage.state[link.index] in GREEN
                ]
                # A permissive turn leaves far slower than a protected one, so its queue presses less.
                weights: dict[tuple[str, str], float] = {}
                for link in green:
                    weight = 1.0 if stage.state[link.index] == "G" else PERMISSIVE_WEIGHT
                    pair = (link.from_lane, link.to_lane)
                    weights[pair] = max(weight, weights.get(pair, 0.0))
                pairs.append(weights)
            phases = [p for s in plan.stages for p in s.transition]
            yellow = max((p.duration_s for p in phases if "y" in p.state), default=3.0)
            all_red = max(
                (p.duration_s for p in phases if GREEN.isdisjoint(p.state) and "y" not in p.state),
                default=0.0,
            )
            self._lights[tls] = _Light(plan, 0, pairs, walker_links(net.links[tls]), yellow, all_red, [])

    def start(self, sumo: Any) -> None:
        """Show the first stage everywhere."""
        now = sumo.simulation.getTime()
        for tls, light in self._lights.items():
            light.since_s = now
            sumo.trafficlight.setRedYellowGreenState(tls, light.plan.stages[0].state)

    def step(self, sumo: Any, now_s: float) -> None:
        """Advance transitions, and choose stages where the minimum green is over."""
        for tls, light in self._lights.items():
            if now_s < light.busy_until_s:
                continue
            if light.changing:
                self._advance(sumo, tls, light, now_s)
                continue
            stage = light.plan.stages[light.stage]
            if now_s - light.since_s < max(self.min_green_s, stage.min_green_s):
                continue
            best = self._choose(sumo, light)
            if best != light.stage:
                following = light.plan.stages[best]
                light.queue = list(
                    transition(
                        stage.state,
                        following.state,
                        light.yellow_s,
                        light.all_red_s,
                        light.yellow_s,
                        light.walkers,
                    )
                )
                light.stage = best
                self._advance(sumo, tls, light, now_s)

    def _advance(self, sumo: Any, tls: str, light: _Light, now_s: float) -> None:
        """Show the next phase of a transition, or the green behind it."""
        if light.queue:
            phase = light.queue.pop(0)
            sumo.trafficlight.setRedYellowGreenState(tls, phase.state)
            light.busy_until_s = now_s + phase.duration_s
            light.changing = True
        else:
            sumo.trafficlight.setRedYellowGreenState(tls, light.plan.stages[light.stage].state)
            light.since_s, light.changing = now_s, False

    def _choose(self, sumo: Any, light: _Light) -> int:
        halting: dict[str, float] = {}

        def queue(lane: str) -> float:
            if lane not in halting:
                halting[lane] = sumo.lane.getLastStepHaltingNumber(lane)
            return halting[lane]

        pressures = []
        for weights in light.pairs:
            upstream: dict[str, float] = {}
            for (lane, _), weight in weights.items():
                upstream[lane] = max(weight, upstream.get(lane, 0.0))
            downstream = {lane for _, lane in weights}
            pressures.append(
                sum(w * queue(a) for a, w in upstream.items()) - sum(queue(b) for b in downstream)
            )
        best = max(range(len(pressures)), key=lambda i: pressures[i])
        return best if pressures[best] > pressures[light.stage] else light.stage
