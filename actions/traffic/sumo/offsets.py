"""Offsets for any network of lights with a common cycle: platoons that leave one light should meet green at the next.

A light version of TRANSYT (D. I. Robertson, RRL report LR 253, 1969): departures in each green, delayed by the travel
time and dispersed, are laid over the green of the next light; offsets are moved one at a time while more vehicles
arrive on green.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from actions.traffic.sumo.demand import Turns
from actions.traffic.sumo.net import Net
from actions.traffic.sumo.program import GREEN, StagedPlan

SPEED_SHARE = 0.9
DISPERSION = 0.15
STARTS = 12


@dataclass(frozen=True)
class _Pair:
    """Two lights with traffic between them; `arrivals[d]` is the flow met by green when `second` is d s later."""

    first: str
    second: str
    arrivals: np.ndarray


def progressed(net: Net, plans: Mapping[str, StagedPlan], turns: Turns) -> dict[str, StagedPlan] | None:
    """Return the plans with offsets for progression.

    Args:
        net: the network.
        plans: plans with one common cycle in whole seconds.
        turns: demand from edge to edge.

    Returns:
        `None` when cycles differ or no traffic runs from light to light.
    """
    cycles = {round(plan.cycle_s, 3) for plan in plans.values()}
    cycle = next(iter(cycles))
    if len(cycles) != 1 or cycle != round(cycle) or len(plans) < 2:
        return None
    pairs = _pairs(net, plans, turns, round(cycle))
    if not pairs:
        return None
    chance, lights = random.Random(11), sorted(plans)
    best: dict[str, int] = {}
    best_value = -1.0
    for start in range(STARTS):
        offsets = {
            t: round(plans[t].offset_s) if start == 0 else chance.randrange(round(cycle)) for t in lights
        }
        value = _ascend(pairs, offsets, round(cycle))
        if value > best_value + 1e-9:
            best, best_value = dict(offsets), value
    return {t: plan.retimed(plan.greens_s, best[t]) for t, plan in plans.items()}


def _ascend(pairs: list[_Pair], offsets: dict[str, int], cycle: int) -> float:
    """Move offsets in place, one light at a time, until none helps; return the flow that meets green."""
    steps = np.arange(cycle)
    improved = True
    while improved:
        improved = False
        for light in offsets:
            gain = np.zeros(cycle)
            for pair in pairs:
                if pair.second == light:
                    gain += pair.arrivals[(steps - offsets[pair.first]) % cycle]
                elif pair.first == light:
                    gain += pair.arrivals[(offsets[pair.second] - steps) % cycle]
            best = int(np.argmax(gain))
            if gain[best] > gain[offsets[light] % cycle] + 1e-6:
                offsets[light], improved = best, True
    return float(sum(p.arrivals[(offsets[p.second] - offsets[p.first]) % cycle] for p in pairs))


def _pairs(net: Net, plans: Mapping[str, StagedPlan], turns: Turns, cycle: int) -> list[_Pair]:
    signs = {tls: _signs(plan, cycle) for tls, plan in plans.items()}
    goes_to = {link.from_edge: tls for tls in plans for link in net.links[tls] if not link.pedestrian}
    sums: dict[tuple[str, str], np.ndarray] = {}
    for tls in plans:
        for edge, departures in _departures(net, tls, signs[tls], turns).items():
            path = _follow(net, edge, goes_to)
            if path is None or goes_to[path[-1]] == tls:
                continue
            travel = sum(_travel_s(net, e) for e in path)
            arrivals = _shift(departures, travel)
            second = goes_to[path[-1]]
            open_now = _openness(net, second, path[-1], signs[second], turns)
            # Flow that meets green, by how much later the second light's cycle begins.
            met = np.array([float(arrivals @ np.roll(open_now, d)) for d in range(cycle)])
            sums[tls, second] = sums.get((tls, second), np.zeros(cycle)) + met
    return [_Pair(a, b, values) for (a, b), values in sums.items()]


def _signs(plan: StagedPlan, cycle: int) -> list[str]:
    """Return the state at every second of the cycle."""
    states: list[str] = []
    at = 0.0
    for phase in plan.phases:
        at += phase.duration_s
        states += [phase.state] * (round(at) - len(states))
    return (states + states[-1:] * cycle)[:cycle]


def _departures(net: Net, tls: str, signs: list[str], turns: Turns) -> dict[str, np.ndarray]:
    """Return departures in veh/h by second of the cycle, for each edge that leads away."""
    found: dict[str, np.ndarray] = {}
    indices: dict[tuple[str, str], list[int]] = {}
    for link in net.links[tls]:
        if not link.pedestrian:
            indices.setdefault((link.from_edge, link.to_edge), []).append(link.index)
    for pair, links in indices.items():
        flow = turns.mean_vph.get(pair, 0.0)
        green = np.array([float(any(s[i] in GREEN for i in links)) for s in signs])
        if flow > 0 and green.sum() > 0:
            found[pair[1]] = found.get(pair[1], np.zeros(len(signs))) + flow * green / green.sum()
    return found


def _openness(net: Net, tls: str, edge: str, signs: list[str], turns: Turns) -> np.ndarray:
    """Return by second the share of an approach's traffic that has green."""
    links = [link for link in net.links[tls] if link.from_edge == edge and not link.pedestrian]
    targets = {link.to_edge for link in links}
    flows = {t: turns.mean_vph.get((edge, t), 0.0) for t in targets}
    total = sum(flows.values()) or 1.0
    share = np.zeros(len(signs))
    for target, flow in flows.items():
        own = [link.index for link in links if link.to_edge == target]
        share += flow / total * np.array([float(any(s[i] in GREEN for i in own)) for s in signs])
    return share


def _follow(net: Net, edge: str, goes_to: Mapping[str, str]) -> list[str] | None:
    """Return the edges from `edge` to the next light, along ways without a choice."""
    path = [edge]
    while path[-1] not in goes_to:
        after = [e for e, before in net.before.items() if path[-1] in before]
        if len(after) != 1 or after[0] in path:
            return None
        path.append(after[0])
    return path


def _travel_s(net: Net, edge: str) -> float:
    lanes = [lane for lane in net.lanes.values() if lane.edge == edge and lane.motor]
    return max((lane.length_m / (SPEED_SHARE * lane.speed_mps) for lane in lanes), default=0.0)


def _shift(departures: np.ndarray, travel_s: float) -> np.ndarray:
    """Delay a cyclic profile by the travel time and spread it."""
    moved = np.roll(departures, round(travel_s) % len(departures))
    width = 1 + 2 * round(DISPERSION * travel_s / 2)
    width = min(width, len(departures) - 1 + len(departures) % 2)
    shifted = [np.roll(moved, k) for k in range(-(width // 2), width // 2 + 1)]
    return np.asarray(np.sum(shifted, axis=0) / width)
