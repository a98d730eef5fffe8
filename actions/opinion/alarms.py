"""The alarm rules: volume against its own season, share of negative posts, severity; floods are told apart."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from actions.opinion.recent import Entry, Recent
from actions.opinion.settings import AlarmSection
from actions.opinion.stats import seasonal, wilson, z_score

HOUR = timedelta(hours=1)
RULES = {
    "volume": ("声量异常", "unusual volume"),
    "share": ("负面占比上升", "negative share rose"),
    "severe": ("严重诉求", "serious posts"),
    "flood": ("疑似刷帖", "coordinated flood"),
}
_STRICT = 2.58  # z of a 99 % interval
_FLOOD_POSTS, _FLOOD_JACCARD, _FLOOD_AUTHOR, _FLOOD_COPIES = 8, 0.62, 0.5, 0.6
_SHOWN = 20
_NOT_TEXT = re.compile(r"[\W\d_]+")
# Counts of a scope before the present: (hour → posts, negative, concern), and the scope's first hour.
History = Callable[[str], tuple[Mapping[datetime, tuple[int, int, int]], datetime]]


@dataclass(frozen=True)
class Finding:
    """What a rule found in a scope: `peak` is the count or share it saw, `reasons` the numbers behind it."""

    rule: str
    scope: str
    topic_id: int
    level: int
    peak: float
    reasons: dict[str, Any]
    evidence: tuple[int, ...]


class Rules:
    """Applies the rules to the scopes that new posts touched."""

    def __init__(self, section: AlarmSection) -> None:
        self.section = section

    def check(self, scope: str, recent: Recent, now: datetime, history: History) -> Finding | None:
        """Return what is alarming in a scope, the strongest reason first; `None` for nothing."""
        kind = scope.partition(":")[0]
        if kind in ("topic", "cd"):
            return self._severe(scope, recent, now) or self._volume(scope, recent, now, history)
        if kind in ("district", "category", "city"):
            return self._share(scope, recent, now, history)
        return None

    def _severe(self, scope: str, recent: Recent, now: datetime) -> Finding | None:
        worst = [e for e in recent.within(scope, now, 2 * HOUR) if e.severity >= 3 and e.concern]
        authors = _authors(worst)
        urgent = [e for e in worst if e.severity == 4]
        enough = authors >= self.section.severe_authors or _authors(urgent) >= max(
            2, self.section.severe_authors - 1
        )
        if not enough or flood_reasons(worst):
            return None
        reasons = {"posts": len(worst), "authors": authors, "urgent": len(urgent), "hours": 2}
        level = 4 if len(urgent) * 2 >= len(worst) else 3
        return Finding("severe", scope, _topic(worst), level, float(len(worst)), reasons, _evidence(worst))

    def _volume(self, scope: str, recent: Recent, now: datetime, history: History) -> Finding | None:
        hour = recent.within(scope, now, HOUR)
        concerns = [e for e in hour if e.concern]
        weight = len(concerns) + sum(e.copies for e in concerns)
        if max(len(concerns), weight) < self.section.min_posts:
            return None
        flood = flood_reasons(concerns)
        authors = _authors(concerns)
        past, first = history(scope)
        mean, variance = seasonal(
            {at: counts[2] for at, counts in past.items()}, now, first, self.section.season_days
        )
        count = weight if flood else len(concerns)
        z = z_score(count, mean, variance)
        if z < self.section.z:
            return None
        reasons = {"posts": count, "authors": authors, "usual": round(mean, 2), "z": round(z, 1), "hours": 1}
        if flood:
            return Finding(
                "flood", scope, _topic(concerns), 1, float(count), {**reasons, **flood}, _evidence(concerns)
            )
        if len(concerns) < self.section.min_posts or authors < self.section.min_authors:
            return None
        top = sorted((e.severity for e in concerns), reverse=True)[: max(3, len(concerns) // 4)]
        level = min(4, max(2, round(sum(top) / len(top))) + (z >= 4 * self.section.z))
        return Finding("volume", scope, _topic(concerns), level, float(count), reasons, _evidence(concerns))

    def _share(self, scope: str, recent: Recent, now: datetime, history: History) -> Finding | None:
        window = recent.within(scope, now, 6 * HOUR)
        negative = [e for e in window if e.negative]
        if len(window) < self.section.share_posts or _authors(negative) < self.section.min_authors:
            return None
        low, _ = wilson(len(negative), len(window), _STRICT)
        past, _ = history(scope)
        before = [c for at, c in past.items() if now - timedelta(days=8) <= at < now - 6 * HOUR]
        total, bad = sum(c[0] for c in before), sum(c[1] for c in before)
        if total < 4 * self.section.share_posts:
            return None
        _, usual = wilson(bad, total, _STRICT)
        if low <= usual + self.section.share_margin or flood_reasons(negative):
            return None
        reasons = {
            "posts": len(window), "negative": len(negative), "share": round(len(negative) / len(window), 3),
            "lower": round(low, 3), "usual": round(bad / total, 3), "usual_upper": round(usual, 3), "hours": 6,
        }  # fmt: skip
        return Finding(
            "share", scope, _topic(negative), 2, float(len(negative)), reasons, _evidence(negative)
        )


def _authors(entries: Sequence[Entry]) -> int:
    """Count authors; a post without one stands for itself."""
    return len({e.author or f"#{e.post_id}" for e in entries})


def _topic(entries: Sequence[Entry]) -> int:
    return Counter(e.topic_id for e in entries).most_common(1)[0][0]


def _evidence(entries: Sequence[Entry]) -> tuple[int, ...]:
    worst = sorted(entries, key=lambda e: (-e.severity, e.at))
    return tuple(e.post_id for e in worst[:_SHOWN])


def flood_reasons(entries: Sequence[Entry]) -> dict[str, Any] | None:
    """Return why posts look coordinated: copies of few texts, one author, or the same wording; else `None`.

    The posts stay visible; they only count as what they are.
    """
    weight = len(entries) + sum(e.copies for e in entries)
    if weight < _FLOOD_POSTS:
        return None
    copies = 1 - len(entries) / weight
    if copies >= _FLOOD_COPIES:
        return {"flood": "copies", "copies_share": round(copies, 2)}
    named = Counter(e.author for e in entries if e.author)
    if named and max(named.values()) / len(entries) >= _FLOOD_AUTHOR and len(entries) >= _FLOOD_POSTS:
        return {"flood": "author", "author_share": round(max(named.values()) / len(entries), 2)}
    grams = [_grams(e.text) for e in entries[-24:]]
    pairs = sorted(_jaccard(a, b) for a, b in itertools.combinations(grams, 2))
    if len(grams) >= _FLOOD_POSTS and pairs[len(pairs) // 2] >= _FLOOD_JACCARD:
        return {"flood": "wording", "likeness": round(pairs[len(pairs) // 2], 2)}
    return None


def _grams(text: str) -> frozenset[str]:
    bare = _NOT_TEXT.sub(" ", text.lower())
    return frozenset(bare[i : i + 3] for i in range(max(1, len(bare) - 2)))


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / max(len(a | b), 1)
