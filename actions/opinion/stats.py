"""Statistics of the alarm rules: Wilson bounds of a share, and how unusual a count is for its season."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)


def wilson(hits: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Return the bounds of a share of `hits` in `total` (Wilson 1927); (0, 1) for no observation."""
    if total <= 0:
        return 0.0, 1.0
    share = hits / total
    divisor = 1 + z * z / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    low = 0.0 if hits <= 0 else max(0.0, (centre - spread) / divisor)
    high = 1.0 if hits >= total else min(1.0, (centre + spread) / divisor)
    return low, high


def seasonal(
    hours: Mapping[datetime, int], at: datetime, first: datetime, days: int, prior: float = 0.2
) -> tuple[float, float]:
    """Return mean and variance of the count in an hour, from the same time of day on earlier days.

    Hours beside it count too, half as much. Days before `first` are unknown, hours without a post count zero. A
    short history leans on `prior`; the variance is never below a Poisson count's.

    Args:
        hours: counts by the beginning of their hour.
        at: the moment asked about.
        first: when counting began.
        days: how far to look back.
        prior: posts an hour to expect before anything is known.
    """
    hour = at.replace(minute=0, second=0, microsecond=0)
    weights = total = squares = 0.0
    for day in range(1, days + 1):
        for shift, weight in ((-1, 0.5), (0, 1.0), (1, 0.5)):
            moment = hour - timedelta(days=day) + shift * HOUR
            if moment < first - HOUR:
                continue
            count = hours.get(moment, 0)
            weights += weight
            total += weight * count
            squares += weight * count * count
    strength = 2.0
    mean = (total + strength * prior) / (weights + strength)
    spread = squares / weights - (total / weights) ** 2 if weights > 1 else 0.0
    return mean, max(mean, spread)


def z_score(count: float, mean: float, variance: float) -> float:
    """Return how many standard deviations a count lies above its mean; half a post of doubt is added."""
    return (count - mean) / math.sqrt(variance + 0.5)
