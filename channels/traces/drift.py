"""Warns when conversations change: less sure decisions, more questions without an answer, other languages.

The last days are compared with a longer time before them. A warning needs both a difference that matters and one
that is no chance: a two-proportion or two-mean z-test (normal approximation), and for the mix the population
stability index (Siddiqi, "Credit Risk Scorecards", 2006; above 0.1 a shift, above 0.25 a strong one).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from channels.traces.digest import ABSTAIN
from channels.traces.statistics import Figures, Scope, Slice, Statistics, total

RECENT_DAYS, BEFORE_DAYS = 7, 28
AT_LEAST = 100
Z = 3.0
CONFIDENCE_DROP, FALLBACK_RISE = 0.03, 0.03
PSI_SHIFT, PSI_STRONG = 0.1, 0.25
# A cautious guess of how much single confidences spread; its square is the most that means can be blamed on chance.
_CONFIDENCE_SPREAD = 0.3


@dataclass(frozen=True)
class Drift:
    """One warning: `kind` is `confidence`, `fallback` or `language`; `before` and `now` are shares of 1, or the
    mix's shares by language in `mix`."""

    kind: str
    before: float
    now: float
    strong: bool
    mix: Mapping[str, tuple[float, float]]


def drift(statistics: Statistics, today: date, channel: str = "") -> list[Drift]:
    """Return the warnings of today, none when too little was asked to tell.

    Args:
        statistics: the figures.
        today: the city's day; the last seven days before it count as now.
        channel: one channel only, all when empty.
    """
    recent = Scope(today - timedelta(days=RECENT_DAYS), today - timedelta(days=1), channel)
    before = Scope(recent.first - timedelta(days=BEFORE_DAYS), recent.first - timedelta(days=1), channel)
    latest, earlier = statistics.of(recent), statistics.of(before)
    new, old = total(latest.by_day()), total(earlier.by_day())
    if min(new.turns, old.turns) < AT_LEAST:
        return []
    found = [_confidence(old, new), _fallback(old, new)]
    found.append(_languages(_mix(earlier), _mix(latest)))
    return [warning for warning in found if warning is not None]


def _confidence(old: Figures, new: Figures) -> Drift | None:
    if old.confidence is None or new.confidence is None:
        return None
    error = _CONFIDENCE_SPREAD * math.sqrt(1 / old.confident + 1 / new.confident)
    drop = old.confidence - new.confidence
    if drop < CONFIDENCE_DROP or drop < Z * error:
        return None
    return Drift("confidence", old.confidence, new.confidence, drop >= 3 * CONFIDENCE_DROP, {})


def _fallback(old: Figures, new: Figures) -> Drift | None:
    before, now = old.share(ABSTAIN) or 0.0, new.share(ABSTAIN) or 0.0
    pooled = (before * old.turns + now * new.turns) / (old.turns + new.turns)
    error = math.sqrt(max(pooled * (1 - pooled), 1e-9) * (1 / old.turns + 1 / new.turns))
    rise = now - before
    if rise < FALLBACK_RISE or rise < Z * error:
        return None
    return Drift("fallback", before, now, rise >= 3 * FALLBACK_RISE, {})


def _languages(old: Mapping[str, int], new: Mapping[str, int]) -> Drift | None:
    names = sorted(set(old) | set(new))
    before, now = _shares(old, names), _shares(new, names)
    psi = sum((now[name] - before[name]) * math.log(now[name] / before[name]) for name in names)
    if psi < PSI_SHIFT:
        return None
    widest = max(names, key=lambda name: abs(now[name] - before[name]))
    mix = {name: (before[name], now[name]) for name in names}
    return Drift("language", before[widest], now[widest], psi >= PSI_STRONG, mix)


def _shares(counts: Mapping[str, int], names: list[str]) -> dict[str, float]:
    # Half a turn is added to each, so that a language never seen before has a logarithm.
    whole = sum(counts.values()) + 0.5 * len(names)
    return {name: (counts.get(name, 0) + 0.5) / whole for name in names}


def _mix(figures: Slice) -> Counter[str]:
    counts: Counter[str] = Counter()
    for day in figures.mixes()[0].values():
        counts.update(day)
    return counts
