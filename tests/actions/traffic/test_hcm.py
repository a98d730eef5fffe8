"""HCM formulas against hand-worked numbers, and their shape."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.traffic.hcm import (
    control_delay_s,
    incremental_delay_s,
    initial_queue_delay_s,
    level_of_service,
    queue_95_veh,
    queue_veh,
    uniform_delay_s,
)
from actions.traffic.pedestrians import crossing_green_s, minimum_pedestrian_green_s


def test_worked_example_of_a_lane_group_over_capacity() -> None:
    # Roess, Prassas, McShane, Traffic Engineering, 4th ed., problem on HCM delay: v = 800 veh/h, c = 775 veh/h,
    # g/C = 0.40, C = 90 s, T = 0.25 h, arrival type 3. By hand with HCM 2000, equations 16-9 to 16-12:
    # d1 = 0.5*90*(1-0.4)^2 / (1-1*0.4) = 27.0; X = 1.0323;
    # d2 = 225*(0.0323 + sqrt(0.0323^2 + 8*0.5*1.0323/(775*0.25))) = 40.9; d = 67.9 s/veh.
    assert uniform_delay_s(90, 36, 800 / 775) == pytest.approx(27.0, abs=0.01)
    assert incremental_delay_s(800 / 775, 775) == pytest.approx(40.9, abs=0.05)
    assert control_delay_s(90, 36, 800, 775) == pytest.approx(67.9, abs=0.05)
    # The next quarter of an hour starts with (800-775)*0.25 = 6.25 vehicles: d3 = 1800*6.25*2*0.25/(775*0.25) = 29.0.
    assert initial_queue_delay_s(6.25, 775, 800 / 775) == pytest.approx(29.03, abs=0.01)


def test_worked_example_under_capacity() -> None:
    # C = 100, g = 40, s = 1800: c = 720, v = 540, X = 0.75. d1 = 0.5*100*0.36/(1-0.75*0.4) = 25.71;
    # d2 = 225*(-0.25 + sqrt(0.0625 + 3/180)) = 7.06.
    assert control_delay_s(100, 40, 540, 720) == pytest.approx(25.71 + 7.06, abs=0.02)


@pytest.mark.parametrize(
    ("delay", "level"), [(9.9, "A"), (10, "A"), (15, "B"), (35, "C"), (35.1, "D"), (79, "E"), (81, "F")]
)
def test_level_of_service(delay: float, level: str) -> None:
    assert level_of_service(delay) == level


def test_level_is_f_above_capacity() -> None:
    assert level_of_service(20, 1.01) == "F"


@given(st.floats(40, 150), st.floats(0.1, 0.9), st.floats(0, 1800), st.floats(0, 300))
def test_delay_never_falls_with_demand(cycle: float, share: float, volume: float, more: float) -> None:
    capacity = 1800 * share
    low = control_delay_s(cycle, cycle * share, volume, capacity)
    high = control_delay_s(cycle, cycle * share, volume + more, capacity)
    assert high >= low - 1e-9
    assert math.isfinite(high)


@given(st.floats(40, 150), st.floats(0.1, 0.9), st.floats(0, 1700), st.floats(0, 300))
def test_queue_never_falls_with_demand(cycle: float, share: float, volume: float, more: float) -> None:
    low = queue_veh(cycle, cycle * share, volume, 1800 * share)
    high = queue_veh(cycle, cycle * share, volume + more, 1800 * share)
    assert high >= low - 1e-6
    assert queue_95_veh(high) >= high


def test_no_capacity_is_endless_delay() -> None:
    assert control_delay_s(90, 0, 100, 0) == math.inf
    assert control_delay_s(90, 0, 0, 0) == 0.0


def test_pedestrians() -> None:
    # 18 m at 1.2 m/s is 15 s; 9 s of it fall into the transition.
    assert crossing_green_s(18, 9) == pytest.approx(5 + 6)
    assert crossing_green_s(6, 9) == 5
    # HCM 2000 equation 16-2: 3.2 + 18/1.2 + 0.27*10.
    assert minimum_pedestrian_green_s(18, 10, 3.0) == pytest.approx(20.9)
