"""Arterial coordination."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.traffic.coordination import ArterialSignal, bands, coordinate
from actions.traffic.errors import PlanError


def line(spacing: float, count: int = 4, green: float = 40) -> list[ArterialSignal]:
    return [ArterialSignal(f"s{i}", i * spacing, 0, green, 0, green) for i in range(count)]


def test_ideal_spacing_gives_full_bands_both_ways() -> None:
    # Half a cycle of travel between signals: alternate offsets let both directions through whole greens.
    result = coordinate(line(400), 80, 10, 10)
    assert result.out_band_s == pytest.approx(40, abs=1) and result.in_band_s == pytest.approx(40, abs=1)
    assert [o % 80 for o in result.offsets_s.values()] == [0, 40, 0, 40]


@settings(max_examples=15, deadline=None)
@given(st.floats(150, 700), st.integers(60, 120), st.integers(2, 5))
def test_bands_fit_the_greens_and_beat_no_coordination(spacing: float, cycle: int, count: int) -> None:
    signals = line(spacing, count, 0.45 * cycle)
    result = coordinate(signals, cycle, 11, 11)
    idle = bands(signals, cycle, {s.id: 0.0 for s in signals}, 11, 11)
    assert 0 <= result.out_band_s <= 0.45 * cycle + 0.5
    assert result.out_band_s + result.in_band_s >= sum(idle) - 3
    assert all(0 <= o < cycle for o in result.offsets_s.values())


def test_bad_input() -> None:
    with pytest.raises(PlanError):
        coordinate(line(300, 1), 80)
    with pytest.raises(PlanError):
        coordinate(line(300)[::-1], 80)
    with pytest.raises(PlanError):
        coordinate(line(300, green=90), 80)
