"""The posts of the last hours by scope, in memory and bounded; what alarm rules and growth look at."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

WINDOW = timedelta(hours=6)
_MOST_A_SCOPE, _MOST_SCOPES = 3000, 20_000


@dataclass(frozen=True)
class Entry:
    """One kept post: `concern` says that it is negative or asks for action; `copies` of it came before."""

    post_id: int
    at: datetime
    topic_id: int
    author: str
    negative: bool
    concern: bool
    severity: int
    text: str
    copies: int = 0


class Recent:
    """Entries of each scope, oldest first."""

    def __init__(self) -> None:
        self._scopes: dict[str, deque[Entry]] = {}

    def add(self, scopes: Iterable[str], entry: Entry) -> None:
        """Keep an entry under each scope."""
        for scope in scopes:
            self._scopes.setdefault(scope, deque(maxlen=_MOST_A_SCOPE)).append(entry)

    def within(self, scope: str, now: datetime, span: timedelta) -> list[Entry]:
        """Return the entries of a scope in `(now - span, now]`."""
        return [e for e in self._scopes.get(scope, ()) if now - span < e.at <= now]

    def count(self, scope: str, now: datetime, span: timedelta = timedelta(hours=1)) -> int:
        """Return how many entries `within` would give."""
        return sum(now - span < e.at <= now for e in self._scopes.get(scope, ()))

    def forget(self, now: datetime) -> None:
        """Drop what is older than the window, and the longest silent scopes when there are too many."""
        for scope in list(self._scopes):
            kept = self._scopes[scope]
            while kept and kept[0].at <= now - WINDOW:
                kept.popleft()
            if not kept:
                del self._scopes[scope]
        if len(self._scopes) > _MOST_SCOPES:
            order = sorted(self._scopes, key=lambda scope: self._scopes[scope][-1].at)
            for scope in order[: len(order) - _MOST_SCOPES]:
                del self._scopes[scope]


def scopes_of(topic_id: int, category: str, district: str) -> list[str]:
    """Return the scopes that a post counts in."""
    found = ["city", f"category:{category}", f"topic:{topic_id}"]
    if district:
        found += [f"district:{district}", f"cd:{category}|{district}"]
    return found
