"""Token buckets against a clock of our own."""

from __future__ import annotations

import pytest

from channels.limits import Rate, TokenBuckets


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_burst_then_wait_then_refill() -> None:
    clock = Clock()
    buckets = TokenBuckets(Rate(per_s=2.0, burst=3), clock=clock)
    for _ in range(3):
        assert buckets.wait_s("a") == 0
        buckets.take("a")
    assert buckets.wait_s("a") == pytest.approx(0.5)
    assert buckets.wait_s("b") == 0
    clock.now = 0.5
    assert buckets.wait_s("a") == 0
    clock.now = 100.0
    for _ in range(3):
        buckets.take("a")
    assert buckets.wait_s("a") > 0


def test_zero_rate_means_no_limit() -> None:
    buckets = TokenBuckets(Rate(per_s=0.0, burst=1))
    for _ in range(100):
        buckets.take("a")
    assert buckets.wait_s("a") == 0
    assert len(buckets) == 0


def test_memory_is_bounded_and_the_oldest_is_forgotten() -> None:
    buckets = TokenBuckets(Rate(per_s=0.001, burst=1), max_keys=2, clock=Clock())
    for key in "abc":
        buckets.take(key)
    assert len(buckets) == 2
    assert buckets.wait_s("a") == 0
    assert buckets.wait_s("c") > 0


@pytest.mark.parametrize(("per_s", "burst"), [(-1.0, 1), (1.0, 0)])
def test_a_senseless_rate_is_refused(per_s: float, burst: int) -> None:
    with pytest.raises(ValueError, match="use per_s"):
        Rate(per_s, burst)
