"""Arterial coordination: offsets for the widest two-way green bands by mixed-integer programming, and their display.

J. D. C. Little, M. D. Kelson, N. H. Gartner, MAXBAND: a program for setting signals on arteries and triangular
networks, Transportation Research Record 795 (1981).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from actions.traffic.errors import PlanError


@dataclass(frozen=True)
class ArterialSignal:
    """One signal on the arterial.

    Times in s from the start of the cycle: `out_start_s`, `out_green_s` for the outbound through green,
    `in_start_s`, `in_green_s` for the inbound. `position_m` is along the outbound direction.
    """

    id: str
    position_m: float
    out_start_s: float
    out_green_s: float
    in_start_s: float
    in_green_s: float


@dataclass(frozen=True)
class Coordination:
    """Offsets in s by signal, and the bandwidth of both directions in s."""

    cycle_s: float
    offsets_s: dict[str, float]
    out_band_s: float
    in_band_s: float
    out_speed_mps: float
    in_speed_mps: float

    @property
    def efficiency(self) -> float:
        """Mean of both bands as a share of the cycle."""
        return (self.out_band_s + self.in_band_s) / (2 * self.cycle_s)


def coordinate(
    signals: Sequence[ArterialSignal],
    cycle_s: float,
    out_speed_mps: float = 11.0,
    in_speed_mps: float = 11.0,
    weight: float = 1.0,
    time_limit_s: float = 20.0,
) -> Coordination:
    """Return the offsets with the greatest bands.

    Args:
        signals: in the order of travel outbound.
        cycle_s: common cycle.
        out_speed_mps: progression speed outbound.
        in_speed_mps: progression speed inbound.
        weight: worth of a second of the inbound band relative to the outbound one.
        time_limit_s: limit for the solver.

    Raises:
        PlanError: fewer than two signals, positions out of order, or greens longer than the cycle.
    """
    _check(signals, cycle_s)
    found = [
        _solve(signals, cycle_s, out_speed_mps, in_speed_mps, weight, time_limit_s, use)
        for use in ((True, True), (True, False), (False, True))
    ]
    return max((f for f in found if f is not None), key=lambda f: f.out_band_s + weight * f.in_band_s)


def _solve(
    signals: Sequence[ArterialSignal],
    cycle_s: float,
    out_speed_mps: float,
    in_speed_mps: float,
    weight: float,
    time_limit_s: float,
    use: tuple[bool, bool],
) -> Coordination | None:
    """Solve for bands in the directions used; a band of 0 would still have to run through every green."""
    n, c = len(signals), cycle_s
    # Variables, in cycles: band out, band in, then w_i, v_i (band's start inside the green), theta_i (offset), and whole
    # cycles m_i, k_i of each signal.
    size = 2 + 5 * n
    w, v, theta, m, k = (2 + j * n for j in range(5))
    rows, low, high = [], [], []

    def add(entries: dict[int, float], least: float, most: float) -> None:
        row = np.zeros(size)
        for index, value in entries.items():
            row[index] += value
        rows.append(row)
        low.append(least)
        high.append(most)

    first = signals[0]
    for i, signal in enumerate(signals):
        # A direction that is not used has free starts and no band.
        add({w + i: 1.0, 0: 1.0}, 0.0, signal.out_green_s / c if use[0] else 1.0)
        add({v + i: 1.0, 1: 1.0}, 0.0, signal.in_green_s / c if use[1] else 1.0)
        if i == 0:
            continue
        distance = signal.position_m - first.position_m
        # Outbound: theta_i + start_i + w_i = theta_0 + start_0 + w_0 + travel + m_i.
        gap = (first.out_start_s - signal.out_start_s + distance / out_speed_mps) / c
        add({theta + i: 1.0, w + i: 1.0, theta: -1.0, w: -1.0, m + i: -1.0}, gap, gap)
        gap = (first.in_start_s - signal.in_start_s - distance / in_speed_mps) / c
        add({theta + i: 1.0, v + i: 1.0, theta: -1.0, v: -1.0, k + i: -1.0}, gap, gap)
    lower, upper = np.zeros(size), np.ones(size)
    lower[theta], upper[theta] = 0.0, 0.0
    upper[0], upper[1] = float(use[0]), float(use[1])
    span = 3 + (signals[-1].position_m - first.position_m) / min(out_speed_mps, in_speed_mps) / c
    lower[m:], upper[m:] = -span, span
    integer = np.zeros(size)
    integer[m:] = 1
    objective = np.zeros(size)
    objective[0], objective[1] = -1.0, -weight
    result = milp(
        objective,
        integrality=integer,
        bounds=Bounds(lower, upper),
        constraints=LinearConstraint(np.array(rows), low, high),
        options={"time_limit": time_limit_s},
    )
    if result.x is None:
        return None
    whole = cycle_s == round(cycle_s)
    offsets = {}
    for i, signal in enumerate(signals):
        offset = float(result.x[theta + i]) * c
        offsets[signal.id] = float(round(offset) if whole else offset) % c
    out, back = bands(signals, cycle_s, offsets, out_speed_mps, in_speed_mps)
    return Coordination(cycle_s, offsets, out, back, out_speed_mps, in_speed_mps)


def bands(
    signals: Sequence[ArterialSignal],
    cycle_s: float,
    offsets_s: dict[str, float],
    out_speed_mps: float,
    in_speed_mps: float,
    step_s: float = 0.5,
) -> tuple[float, float]:
    """Return the outbound and inbound bandwidth in s that given offsets have."""
    times = np.arange(0.0, cycle_s, step_s)
    out, back = np.ones(len(times), bool), np.ones(len(times), bool)
    start = signals[0].position_m
    for signal in signals:
        away = signal.position_m - start
        offset = offsets_s[signal.id]
        arrive = (times + away / out_speed_mps - offset - signal.out_start_s) % cycle_s
        out &= arrive < signal.out_green_s - 1e-9
        arrive = (times - away / in_speed_mps - offset - signal.in_start_s) % cycle_s
        back &= arrive < signal.in_green_s - 1e-9
    return _longest(out) * step_s, _longest(back) * step_s


def _longest(on: np.ndarray) -> int:
    """Return the longest run of True in a ring."""
    if on.all():
        return len(on)
    best = run = 0
    for value in np.concatenate([on, on]):
        run = run + 1 if value else 0
        best = max(best, run)
    return min(best, len(on))


def _check(signals: Sequence[ArterialSignal], cycle_s: float) -> None:
    if len(signals) < 2:
        raise PlanError("干线协调至少需要两个路口。", "coordination needs at least two signals")
    if any(b.position_m <= a.position_m for a, b in itertools.pairwise(signals)):
        raise PlanError(
            "路口须按行驶方向排列。", "signals must be in order of travel, at different positions"
        )
    for signal in signals:
        if not (0 < signal.out_green_s <= cycle_s and 0 < signal.in_green_s <= cycle_s):
            raise PlanError(
                f"{signal.id}：绿灯须在 0 与周期 {cycle_s:g} 秒之间。",
                f"{signal.id}: greens must be between 0 and the cycle of {cycle_s:g} s",
            )
