"""Time that people on foot need at a signal."""

from __future__ import annotations

WALK_SPEED_MPS = 1.2
WALK_INTERVAL_S = 5.0
START_UP_S = 3.2


def clearance_s(crossing_m: float, speed_mps: float = WALK_SPEED_MPS) -> float:
    """Return the time in s to walk over a crossing of `crossing_m` metres.

    1.2 m/s is the design speed of HCM 2000 chapter 18; use 1.0 m/s near schools and hospitals.
    """
    if crossing_m < 0 or speed_mps <= 0:
        raise ValueError("crossing_m must be 0 or more and speed_mps above 0")
    return crossing_m / speed_mps


def crossing_green_s(
    crossing_m: float,
    clearing_s: float,
    walk_s: float = WALK_INTERVAL_S,
    speed_mps: float = WALK_SPEED_MPS,
) -> float:
    """Return the least green in s for a stage that serves a crossing.

    Args:
        crossing_m: length of the crossing.
        clearing_s: yellow, all-red and pedestrian clearance behind the green, in which people may still walk.
        walk_s: time to step off the kerb.
        speed_mps: walking speed.
    """
    return walk_s + max(0.0, clearance_s(crossing_m, speed_mps) - clearing_s)


def minimum_pedestrian_green_s(crossing_m: float, walkers_per_cycle: float, width_m: float = 4.0) -> float:
    """Return the minimum pedestrian green in s of HCM 2000, equation 16-2.

    Gp = 3.2 + L/Sp + 0.27 N (crossings up to 3.0 m wide) or 3.2 + L/Sp + 0.81 N/W (wider ones).
    """
    base = START_UP_S + clearance_s(crossing_m)
    if width_m <= 3.0:
        return base + 0.27 * walkers_per_cycle
    return base + 0.81 * walkers_per_cycle / width_m
