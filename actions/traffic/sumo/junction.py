"""A traffic light of a SUMO network as a `Junction`, so that the same capacity model serves it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.optimize import linprog

from actions.traffic.capacity import TURN_FACTOR
from actions.traffic.model import PERMISSIVE, PROTECTED, Junction, LaneGroup, PlanStage, SignalPlan, Stream
from actions.traffic.sumo.net import Link, Net
from actions.traffic.sumo.program import GREEN, StagedPlan

SATURATION_VPHPL = 1800.0


def junction_of(net: Net, staged: StagedPlan, turns_vph: Mapping[tuple[str, str], float]) -> Junction:
    """Return the junction of one traffic light.

    Each lane is a lane group, each link a stream. Vehicles spread over the lanes that lead where they want so
    that the most loaded lane has as little as possible.

    Args:
        net: the network.
        staged: the plan of the traffic light.
        turns_vph: demand from edge to edge.
    """
    links = [link for link in net.links[staged.tls] if not link.pedestrian and _motor(net, link)]
    volumes = lane_volumes_vph(links, turns_vph)
    groups: dict[str, list[Stream]] = {}
    for link in links:
        rivals = tuple(
            stream_id(other)
            for other in links
            if other.from_edge != link.from_edge and net.yields(link, other)
        )
        stream = Stream(stream_id(link), link.turn, volumes[stream_id(link)], rivals)
        groups.setdefault(link.from_lane, []).append(stream)
    lanes = tuple(
        LaneGroup(
            lane,
            net.lanes[lane].edge if lane in net.lanes else lane,
            tuple(streams),
            1,
            SATURATION_VPHPL,
            net.lanes[lane].length_m if lane in net.lanes else None,
        )
        for lane, streams in groups.items()
    )
    clashes = frozenset(
        frozenset((stream_id(a), stream_id(b)))
        for i, a in enumerate(links)
        for b in links[i + 1 :]
        if a.from_lane != b.from_lane and net.conflict(a, b) and net.yields(a, b) == net.yields(b, a)
    )
    return Junction(staged.tls, lanes, plan_of(staged, links), clashes)


def plan_of(staged: StagedPlan, links: list[Link]) -> SignalPlan:
    """Return a staged SUMO plan in the terms of the capacity model."""
    stages = []
    for stage in staged.stages:
        serves = {}
        for link in links:
            sign = stage.state[link.index] if link.index < len(stage.state) else "r"
            if sign in GREEN or sign == "s":
                serves[stream_id(link)] = PROTECTED if sign == "G" else PERMISSIVE
        yellow = sum(p.duration_s for p in stage.transition if "y" in p.state)
        clearing = sum(p.duration_s for p in stage.transition if "y" not in p.state and GREEN & set(p.state))
        stages.append(
            PlanStage(
                f"S{stage.number + 1}",
                stage.green_s,
                serves,
                yellow,
                stage.transition_s - yellow - clearing,
                stage.min_green_s,
                clearing,
            )
        )
    return SignalPlan(tuple(stages), staged.offset_s)


def stream_id(link: Link) -> str:
    """Return the stream id of a link."""
    return f"{link.from_lane}>{link.to_lane}"


def lane_volumes_vph(links: list[Link], turns_vph: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """Return demand by stream id; each approach's turns are spread over its lanes by a small linear programme."""
    volumes = {stream_id(link): 0.0 for link in links}
    for edge in {link.from_edge for link in links}:
        own = [link for link in links if link.from_edge == edge]
        targets = sorted({link.to_edge for link in own})
        demand = [turns_vph.get((edge, target), 0.0) for target in targets]
        if sum(demand) <= 0:
            continue
        lanes = sorted({link.from_lane for link in own})
        # Variables: flow of each link, then the load of the fullest lane. The second term breaks ties evenly.
        cost = np.append(np.full(len(own), 1e-6), 1.0)
        equal = np.zeros((len(targets), len(own) + 1))
        upper = np.zeros((len(lanes), len(own) + 1))
        upper[:, -1] = -1.0
        for i, link in enumerate(own):
            equal[targets.index(link.to_edge), i] = 1.0
            upper[lanes.index(link.from_lane), i] = 1.0 / TURN_FACTOR[link.turn]
        result = linprog(
            cost, A_ub=upper, b_ub=np.zeros(len(lanes)), A_eq=equal, b_eq=demand, bounds=(0, None)
        )
        for link, flow in zip(own, result.x, strict=False):
            volumes[stream_id(link)] = float(flow)
    return volumes


def _motor(net: Net, link: Link) -> bool:
    lane = net.lanes.get(link.from_lane)
    return lane is None or lane.motor
