"""Control delay, level of service and queues at signals, after the Highway Capacity Manual (HCM 2000, ch. 16)."""

from __future__ import annotations

import math

LEVELS: tuple[tuple[float, str], ...] = ((10, "A"), (20, "B"), (35, "C"), (55, "D"), (80, "E"))
PRETIMED_K = 0.5


def uniform_delay_s(cycle_s: float, green_s: float, ratio: float) -> float:
    """Return d1 of HCM 2000 equation 16-11: delay if vehicles arrived evenly.

    Args:
        cycle_s: cycle length.
        green_s: effective green.
        ratio: volume over capacity.
    """
    share = min(max(green_s / cycle_s, 0.0), 1.0)
    bottom = 1.0 - min(1.0, ratio) * share
    return 0.5 * cycle_s * (1.0 - share) ** 2 / bottom if bottom > 1e-9 else 0.0


def incremental_delay_s(
    ratio: float, capacity_vph: float, period_h: float = 0.25, k: float = PRETIMED_K, upstream: float = 1.0
) -> float:
    """Return d2 of HCM 2000 equation 16-12: delay by random arrivals and by more demand than capacity.

    Args:
        ratio: volume over capacity.
        capacity_vph: capacity of the lane group.
        period_h: analysis period T.
        k: controller factor, 0.5 when pretimed.
        upstream: filtering factor I, 1.0 for an isolated intersection.
    """
    if capacity_vph <= 0:
        return math.inf
    over = ratio - 1.0
    return 900 * period_h * (over + math.sqrt(over**2 + 8 * k * upstream * ratio / (capacity_vph * period_h)))


def initial_queue_delay_s(
    queue_veh: float, capacity_vph: float, ratio: float, period_h: float = 0.25
) -> float:
    """Return d3 of HCM 2000 appendix F for a queue at the start of the period, cases III to V by the ratio.

    Args:
        queue_veh: vehicles waiting when the period begins.
        capacity_vph: capacity of the lane group.
        ratio: volume over capacity.
        period_h: analysis period T.
    """
    if queue_veh <= 0:
        return 0.0
    if ratio >= 1.0:
        unmet_h, u = period_h, 1.0
    else:
        unmet_h = min(period_h, queue_veh / (capacity_vph * (1.0 - min(1.0, ratio))))
        u = 0.0 if unmet_h < period_h else 1.0 - capacity_vph * period_h / queue_veh * (1.0 - min(1.0, ratio))
    return 1800 * queue_veh * (1 + u) * unmet_h / (capacity_vph * period_h)


def control_delay_s(
    cycle_s: float,
    green_s: float,
    volume_vph: float,
    capacity_vph: float,
    period_h: float = 0.25,
    progression: float = 1.0,
    queue_veh: float = 0.0,
    k: float = PRETIMED_K,
    upstream: float = 1.0,
) -> float:
    """Return the control delay d = d1 PF + d2 + d3 in s per vehicle (HCM 2000 equation 16-9)."""
    if capacity_vph <= 0:
        return math.inf if volume_vph > 0 else 0.0
    ratio = volume_vph / capacity_vph
    return (
        uniform_delay_s(cycle_s, green_s, ratio) * progression
        + incremental_delay_s(ratio, capacity_vph, period_h, k, upstream)
        + initial_queue_delay_s(queue_veh, capacity_vph, ratio, period_h)
    )


def level_of_service(delay_s: float, ratio: float = 0.0) -> str:
    """Return the level of service, A to F (HCM 2000 exhibit 16-2); F where volume exceeds capacity (HCM 2010)."""
    if ratio > 1.0:
        return "F"
    return next((level for limit, level in LEVELS if delay_s <= limit), "F")


def queue_veh(
    cycle_s: float,
    green_s: float,
    volume_vph: float,
    capacity_vph: float,
    lanes: int = 1,
    period_h: float = 0.25,
) -> float:
    """Return the mean back of queue per lane in vehicles, Q = Q1 + Q2 (HCM 2000 appendix G, no initial queue)."""
    if volume_vph <= 0:
        return 0.0
    lane_volume, lane_capacity = volume_vph / lanes, max(capacity_vph, 1e-6) / lanes
    share = min(green_s / cycle_s, 1.0)
    ratio = lane_volume / lane_capacity
    bottom = 1.0 - min(1.0, ratio) * share
    first = lane_volume * cycle_s / 3600 * (1.0 - share) / bottom if bottom > 1e-9 else 0.0
    per_cycle = lane_capacity * cycle_s / 3600
    k = 0.12 * max(per_cycle, 1e-9) ** 0.7
    over, room = ratio - 1.0, lane_capacity * period_h
    second = 0.25 * room * (over + math.sqrt(over**2 + 8 * k * ratio / room))
    return first + second


def queue_95_veh(mean_veh: float) -> float:
    """Return the 95th-percentile back of queue for pretimed signals (HCM 2000 appendix G, exhibit G16-5)."""
    return mean_veh * (1.6 + 1.0 * math.exp(-mean_veh / 5.0))
