from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actions.energy import errors
from actions.energy.heuristics import all_heuristics
from actions.energy.optimise import Schedule, optimise
from actions.energy.plant import Battery, Plant, ShiftableLoad, Thermal
from actions.energy.tariff import Tariff
from tests.actions.energy.helpers import TARIFF, index

BATTERY = Battery(200, 80, 80, soc_min=0.1, soc_max=0.9, soc_start=0.4, wear_per_kwh=0.02)


def cost_by_hand(schedule: Schedule, tariff: Tariff, wear: float, peak_so_far_kw: float = 0.0) -> float:
    """The bill from the tariff's clock times alone, step by step, without the tariff's own arithmetic."""
    total, peaks = 0.0, {}
    for stamp, kw, discharge in zip(schedule.index, schedule.grid_kw, schedule.discharge_kw, strict=False):
        minute = stamp.hour * 60 + stamp.minute
        price = next(
            p.price
            for p in tariff.periods
            for a, b in p.minutes
            if a <= minute < b and stamp.month in p.months
        )
        total += (
            kw * schedule.step_h * (price if kw > 0 else tariff.export_price)
            + discharge * schedule.step_h * wear
        )
        key = (stamp.year, stamp.month)
        peaks.setdefault(key, peak_so_far_kw if not peaks else 0.0)
        peaks[key] = max(peaks[key], kw)
    return total + sum(peaks.values()) * tariff.demand_charge_per_kw_month


def check(schedule: Schedule, load_kw: np.ndarray, pv_kw: np.ndarray, plant: Plant) -> None:
    """Energy balance, state of charge, and limits."""
    balance = (
        load_kw
        + schedule.shifted_kw
        + schedule.heat_kw
        + schedule.charge_kw
        - schedule.discharge_kw
        - pv_kw
        + schedule.curtailed_kw
    )
    assert schedule.grid_kw == pytest.approx(balance, abs=1e-4)
    assert (np.minimum(schedule.charge_kw, schedule.discharge_kw) < 1e-4).all()
    assert (schedule.grid_kw <= plant.import_limit_kw + 1e-4).all()
    assert (schedule.grid_kw >= -plant.export_limit_kw - 1e-4).all()
    b = plant.battery
    if b is None:
        return
    gain = schedule.charge_kw * b.charge_efficiency - schedule.discharge_kw / b.discharge_efficiency
    soc = b.soc_start * b.capacity_kwh + np.cumsum(gain) * schedule.step_h
    assert schedule.soc_kwh == pytest.approx(soc, abs=1e-3)
    assert (soc >= b.soc_min * b.capacity_kwh - 1e-3).all() and (
        soc <= b.soc_max * b.capacity_kwh + 1e-3
    ).all()
    assert soc[-1] >= b.end_share * b.capacity_kwh - 1e-3
    assert (
        schedule.charge_kw.max() <= b.charge_kw + 1e-4
        and schedule.discharge_kw.max() <= b.discharge_kw + 1e-4
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[pd.DatetimeIndex, np.ndarray, np.ndarray, Tariff, Plant, float]:
    steps = draw(st.sampled_from([12, 24, 48]))
    start = draw(st.sampled_from(["2025-03-03", "2025-03-30 12:00", "2025-10-25"]))
    stamps = pd.date_range(start, periods=steps, freq="1h", tz="Asia/Shanghai")
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    load = np.round(rng.uniform(0, 120, steps), 2)
    pv = np.round(np.maximum(0, rng.normal(0, 60, steps)), 2) * draw(st.sampled_from([0, 1]))
    valley = draw(st.sampled_from([-0.1, 0.2, 0.34]))
    tariff = Tariff.from_dict(
        {
            "demand_charge_per_kw_month": draw(st.sampled_from([0, 5, 38])),
            "export_price": draw(st.sampled_from([-0.05, 0.0, 0.3, 0.5])),
            "periods": [
                {"name": "v", "price": valley, "hours": "22:00-08:00"},
                {"name": "p", "price": 1.1, "hours": "08:00-22:00"},
            ],
        }
    )
    capacity = draw(st.sampled_from([20.0, 150.0]))
    share = draw(st.sampled_from([0.1, 0.5, 0.9]))
    battery = Battery(
        capacity,
        capacity / 2,
        capacity / 3,
        draw(st.sampled_from([0.9, 1.0])),
        0.93,
        0.1,
        0.9,
        share,
        wear_per_kwh=draw(st.sampled_from([0.0, 0.05])),
    )
    limit = draw(st.sampled_from([float("inf"), 150.0]))
    plant = Plant(battery, import_limit_kw=limit, export_limit_kw=draw(st.sampled_from([0.0, 40.0, 200.0])))
    return stamps, load, pv, tariff, plant, draw(st.sampled_from([0.0, 90.0]))


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(case=cases())
def test_the_optimum_balances_keeps_limits_and_beats_every_rule(case: tuple) -> None:
    stamps, load, pv, tariff, plant, peak = case
    schedule = optimise(stamps, load, tariff, plant, pv, peak, gap=1e-6)
    check(schedule, load, pv, plant)
    wear = plant.battery.wear_per_kwh
    assert schedule.cost == pytest.approx(cost_by_hand(schedule, tariff, wear, peak), abs=1e-3)
    for rule in all_heuristics(stamps, load, tariff, plant, pv, peak):
        if rule.feasible:
            assert schedule.cost <= rule.cost + 1e-3 + 1e-5 * abs(rule.cost), rule.name


def test_seven_days_of_quarters_are_exact_and_fast() -> None:
    stamps = index(7, 15)
    hour = np.asarray(stamps.hour + stamps.minute / 60)
    load = 120 + 200 * np.exp(-(((hour - 14) / 4) ** 2)) + np.random.default_rng(0).normal(0, 15, len(stamps))
    schedule = optimise(stamps, load, TARIFF, Plant(BATTERY, import_limit_kw=500))
    check(schedule, load, np.zeros(len(load)), Plant(BATTERY, import_limit_kw=500))
    assert schedule.gap <= 0.001


def test_shiftable_loads_run_once_a_day_inside_their_window() -> None:
    stamps = index(2)
    load = np.full(48, 50.0)
    plant = Plant(None, (ShiftableLoad("pump", 30, 3, 6, 22),))
    schedule = optimise(stamps, load, TARIFF, plant)
    check(schedule, load, np.zeros(48), plant)
    assert len(schedule.starts["pump"]) == 2
    assert schedule.shifted_kw.sum() == pytest.approx(2 * 3 * 30)
    assert all(6 <= start.hour <= 19 for start in schedule.starts["pump"])


def test_cooling_stays_in_the_comfort_band_and_uses_cheap_hours() -> None:
    stamps = index(2)
    hour = np.asarray(stamps.hour)
    thermal = Thermal(
        80, 4, 3, 60, 22, 26, 24, 27 + 6 * np.sin((hour - 9) / 24 * 2 * np.pi), gains_kw=np.full(48, 20.0)
    )
    schedule = optimise(
        stamps, np.full(48, 50.0), replace(TARIFF, demand_charge_per_kw_month=0.0), Plant(thermal=thermal)
    )
    assert schedule.indoor_c.min() >= 22 - 1e-4 and schedule.indoor_c.max() <= 26 + 1e-4
    price = TARIFF.import_price(stamps)
    assert schedule.heat_kw[price == price.min()].mean() > schedule.heat_kw[price == price.max()].mean()
    before = np.concatenate(([24.0], schedule.indoor_c[:-1]))
    flow = 4 * (thermal.outdoor_c - schedule.indoor_c) - 3 * schedule.heat_kw + 20
    assert schedule.indoor_c - before == pytest.approx(flow / 80, abs=1e-4)


def test_infeasible_limits_are_named() -> None:
    stamps, load = index(1), np.full(24, 100.0)
    with pytest.raises(errors.Infeasible, match="import limit of 60 kW") as caught:
        optimise(stamps, load, TARIFF, Plant(BATTERY, import_limit_kw=60))
    assert "进线容量 60 kW" in caught.value.text("zh")
    with pytest.raises(errors.Infeasible, match="battery's 180 kWh"):
        optimise(stamps[:2], load[:2], TARIFF, Plant(replace(BATTERY, charge_kw=5, soc_end=0.9)))
    hot = Thermal(20, 10, 3, 2, 22, 24, 23, np.full(24, 40.0))
    with pytest.raises(errors.Infeasible, match="indoor band"):
        optimise(stamps, load, TARIFF, Plant(thermal=hot))


@pytest.mark.parametrize(
    "change",
    [
        {"capacity_kwh": -5.0}, {"capacity_kwh": 1e9}, {"charge_kw": 1e6}, {"charge_efficiency": 1.4}, {"soc_min": 0.95},
        {"soc_start": 0.99}, {"wear_per_kwh": -1.0}, {"discharge_kw": float("nan")},
    ],
)  # fmt: skip
def test_impossible_batteries(change: dict[str, float]) -> None:
    with pytest.raises(errors.BadBattery):
        optimise(index(1), np.full(24, 100.0), TARIFF, Plant(replace(BATTERY, **change)))


def test_impossible_plants_and_loads() -> None:
    stamps, load = index(1), np.full(24, 100.0)
    with pytest.raises(errors.BadPlant):
        optimise(stamps, np.full(24, np.nan), TARIFF, Plant(BATTERY))
    with pytest.raises(errors.BadPlant):
        optimise(stamps, load[:5], TARIFF, Plant(BATTERY))
    with pytest.raises(errors.BadPlant):
        optimise(stamps, load, TARIFF, Plant(import_limit_kw=-1))
    with pytest.raises(errors.BadPlant):
        optimise(stamps, load, TARIFF, Plant(shiftable=(ShiftableLoad("x", 5, 4, 10, 12),)))
    with pytest.raises(errors.BadPlant):
        optimise(stamps, load, TARIFF, Plant(BATTERY), -np.ones(24))


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"periods": []},
        {"periods": [{"name": "a", "price": 1, "hours": "00:00-23:00"}]},
        {
            "periods": [
                {"name": "a", "price": 1, "hours": "00:00-24:00"},
                {"name": "b", "price": 2, "hours": "10:00-12:00"},
            ]
        },
        {"periods": [{"name": "a", "price": float("nan"), "hours": "00:00-24:00"}]},
        {"periods": [{"name": "a", "price": "dear", "hours": "00:00-24:00"}]},
        {"periods": [{"name": "a", "price": 1, "hours": "25:00-26:00"}]},
        {"periods": [{"name": "a", "price": 9999, "hours": "00:00-24:00"}]},
        {"price": 1, "demand_charge_per_kw_month": -3},
        {"price": 1, "exprt_price": 3},
        {"periods": [{"name": "a", "price": 1, "hours": "00:00-24:00", "days": "sometimes"}]},
    ],
)
def test_impossible_tariffs(data: dict) -> None:
    with pytest.raises(errors.BadTariff):
        Tariff.from_dict(data)


def test_a_tariff_wraps_over_midnight_and_follows_months() -> None:
    summer = {"name": "s", "price": 1.5, "hours": "18:00-22:00", "months": [7, 8]}
    other = {"name": "o", "price": 0.8, "hours": "18:00-22:00", "months": [1, 2, 3, 4, 5, 6, 9, 10, 11, 12]}
    tariff = Tariff.from_dict(
        {"periods": [summer, other, {"name": "n", "price": 0.3, "hours": "22:00-18:00"}]}
    )
    stamps = pd.DatetimeIndex(
        ["2025-07-01 19:00", "2025-09-01 19:00", "2025-07-01 23:00", "2025-07-01 04:00"], tz="Asia/Shanghai"
    )
    assert tariff.import_price(stamps).tolist() == [1.5, 0.8, 0.3, 0.3]


def test_the_peak_of_each_month_is_charged_once() -> None:
    stamps = pd.date_range("2025-03-31", periods=48, freq="1h", tz="Asia/Shanghai")
    bill = TARIFF.bill(stamps, np.r_[np.full(24, 10.0), np.full(24, 30.0)], 1.0, peak_so_far_kw=20.0)
    assert bill.demand_cost == pytest.approx(38 * (20 + 30))
