"""Explains a household's electricity bill from the figures that a citizen gives: tiers, days, and the season."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Tier:
    """A residential price up to a cumulative use per year in kWh (`inf` for the last)."""

    up_to_kwh: float
    price: float


@dataclass(frozen=True)
class BillChange:
    """What made a bill change: use and price apart; `tier` is the tier (from 1) that the later month reaches."""

    before_kwh: float
    after_kwh: float
    before_cost: float
    after_cost: float
    use_part: float
    tier_part: float
    tier: int


def monthly_cost(kwh: float, tiers: Sequence[Tier]) -> tuple[float, int]:
    """Return the cost of a month's use and the tier it reaches, yearly limits taken as twelfths.

    Raises:
        ValueError: for a negative use or no tier.
    """
    if kwh < 0 or not tiers:
        raise ValueError("use must not be negative, and at least one tier is needed")
    cost, below = 0.0, 0.0
    for number, tier in enumerate(tiers, 1):
        limit = tier.up_to_kwh / 12
        part = min(kwh, limit) - below
        cost += max(part, 0.0) * tier.price
        below = limit
        if kwh <= limit:
            return cost, number
    return cost, len(tiers)


def explain_change(before_kwh: float, after_kwh: float, tiers: Sequence[Tier]) -> BillChange:
    """Split the change of a monthly bill into more use at the old mean price, and a higher tier."""
    before, _ = monthly_cost(before_kwh, tiers)
    after, tier = monthly_cost(after_kwh, tiers)
    mean = before / before_kwh if before_kwh else tiers[0].price
    use = (after_kwh - before_kwh) * mean
    return BillChange(before_kwh, after_kwh, before, after, use, after - before - use, tier)


_KWH = re.compile(r"(\d+(?:\.\d+)?)\s*(?:度|千瓦时|kwh|units?)", re.IGNORECASE)
_FROM_TO = re.compile(
    r"(?:从|由|from)\s*(\d+(?:\.\d+)?)\D{0,8}?(?:到|涨到|变成|to)\s*(\d+(?:\.\d+)?)", re.IGNORECASE
)


def read_use(text: str) -> list[float]:
    """Return the monthly uses in kWh that a question gives, the earlier first: `from 200 to 390 kWh`, `180度…390度`.

    A span of days or a sum of money gives none.
    """
    span = _FROM_TO.search(text)
    if span and re.search(r"度|千瓦时|kwh|unit", text, re.IGNORECASE):
        return [float(span[1]), float(span[2])]
    found = [float(value) for value in _KWH.findall(text)]
    found = [value for value in found if 10 <= value <= 20_000]
    if len(found) == 2 and re.search(
        r"(?:这个?月|本月|this month).{0,12}\d.*(?:上个?月|last month)", text, re.IGNORECASE
    ):
        found.reverse()
    return found[:2]
