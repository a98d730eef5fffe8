"""响应率, 解决率 and 满意率: the rates that a hotline reports on, counted from the requests themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from actions.requests.lifecycle import CLOSED
from actions.requests.records import Request, Statistics

_ASIDE = ("withdrawn", "duplicate")
SATISFIED_FROM = 4


def count(requests: Iterable[Request], now: datetime) -> Statistics:
    """Count requests as of `now` (UTC); `Statistics` says how each rate is defined."""
    items = list(requests)
    closed = [r for r in items if r.state == CLOSED]
    settled = [r for r in closed if r.outcome not in _ASIDE]
    rated = [r for r in items if r.rating is not None]
    answered = [r for r in items if r.responded_at is not None or r.respond_due < now]
    in_time = [r for r in answered if r.responded_at is not None and r.responded_at <= r.respond_due]
    due = [r for r in items if r.outcome not in _ASIDE and (r.resolved_at is not None or r.resolve_due < now)]
    kept = [r for r in due if r.resolved_at is not None and r.resolved_at <= r.resolve_due]
    solved = [r for r in settled if (r.solved if r.solved is not None else r.outcome == "resolved")]
    hours = [
        (r.resolved_at - r.created_at).total_seconds() / 3600 for r in settled if r.resolved_at is not None
    ]
    return Statistics(
        total=len(items),
        open=len(items) - len(closed),
        overdue=sum(r.overdue(now) for r in items),
        closed=len(closed),
        rated=len(rated),
        response_rate=_share(len(in_time), len(answered)),
        resolution_rate=_share(len(solved), len(settled)),
        satisfaction_rate=_share(sum((r.rating or 0) >= SATISFIED_FROM for r in rated), len(rated)),
        on_time_rate=_share(len(kept), len(due)),
        mean_resolve_h=round(sum(hours) / len(hours), 2) if hours else None,
        by={
            name: dict(Counter(str(getattr(r, name) or "") for r in items).most_common())
            for name in ("state", "kind", "category", "department", "urgency", "district", "channel")
        },
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
