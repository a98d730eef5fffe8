"""How long a citizen will wait, from what the desk measured of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

# Fewer measurements than this say less than the settings' own guess.
ENOUGH = 5


@dataclass(frozen=True)
class Pace:
    """How fast the desk works: seconds to pick up when somebody is free, and to handle one conversation."""

    pickup_s: float
    handling_s: float


def measured(pickups_s: Sequence[float], handlings_s: Sequence[float], guess: Pace) -> Pace:
    """Return the medians of what was measured, the guess where too little was.

    Args:
        pickups_s: seconds from asking to the claim, of conversations that found somebody free.
        handlings_s: seconds from the claim to the end.
        guess: what the settings say.
    """
    return Pace(
        median(pickups_s) if len(pickups_s) >= ENOUGH else guess.pickup_s,
        median(handlings_s) if len(handlings_s) >= ENOUGH else guess.handling_s,
    )


def expected_wait_s(position: int, places: int, busy: int, pace: Pace) -> float | None:
    """Return the seconds until a person answers, `None` when nobody is there.

    With all `places` taken, one becomes free every `handling_s / places` on average; the citizen needs as many as
    stand before them, themselves included.

    Args:
        position: place in the queue, counted from 1.
        places: conversations that all present operators together can hold.
        busy: how many of them are taken.
        pace: see `Pace`.
    """
    if places <= 0:
        return None
    short = position - max(0, places - busy)
    return pace.pickup_s if short <= 0 else pace.pickup_s + short * pace.handling_s / places
