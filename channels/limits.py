"""Token buckets: a burst is welcome, a flood waits."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """A limit of `per_s` events per second with bursts of up to `burst` events; `per_s` 0 means no limit."""

    per_s: float
    burst: int

    def __post_init__(self) -> None:
        if self.per_s < 0 or self.burst < 1:
            raise ValueError(f"rate {self.per_s}/s with burst {self.burst}: use per_s ≥ 0 and burst ≥ 1")


class TokenBuckets:
    """One token bucket per key, the least recently used forgotten beyond `max_keys`.

    Args:
        rate: how fast tokens return and how many a bucket holds.
        max_keys: bound on memory; a forgotten bucket counts as full.
        clock: monotonic seconds.
    """

    def __init__(
        self, rate: Rate, max_keys: int = 50_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._max_keys = max_keys
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def _tokens(self, key: str, now: float) -> float:
        tokens, then = self._buckets.get(key, (float(self._rate.burst), now))
        return min(float(self._rate.burst), tokens + (now - then) * self._rate.per_s)

    def wait_s(self, key: str) -> float:
        """Return the seconds until `key` may act; 0 when it may act now. Takes nothing."""
        if not self._rate.per_s:
            return 0.0
        return max(0.0, (1.0 - self._tokens(key, self._clock())) / self._rate.per_s)

    def take(self, key: str) -> None:
        """Take one token from the bucket of `key`, below zero if need be."""
        if not self._rate.per_s:
            return
        now = self._clock()
        self._buckets[key] = (self._tokens(key, now) - 1.0, now)
        self._buckets.move_to_end(key)
        while len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
