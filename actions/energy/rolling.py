"""Scheduling on a forecast: the plan, how it holds when the load turns out high, and day-by-day use."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from actions.energy.errors import Infeasible
from actions.energy.forecast import Forecast
from actions.energy.heuristics import Dispatch, all_heuristics
from actions.energy.optimise import Schedule, optimise
from actions.energy.plant import Plant
from actions.energy.tariff import Bill, Tariff


@dataclass(frozen=True)
class Plan:
    """A schedule made on the forecast's p50, with what it costs there and when the load follows p90.

    `idle` is the bill without the plant's battery; `high` the bill of the same battery run under p90; `over_limit_kw`
    is by how much the import limit would then be exceeded, which no schedule can avoid when it is above 0.
    """

    schedule: Schedule
    idle: Bill
    high: Bill
    high_idle: Bill
    heuristics: list[Dispatch]
    over_limit_kw: float

    @property
    def saving(self) -> float:
        """What the plan saves against doing nothing when the load follows p50."""
        return self.idle.total - self.schedule.cost

    @property
    def saving_if_high(self) -> float:
        """What the same battery run saves when the load follows p90."""
        return self.high_idle.total - self.high.total - self.schedule.wear_cost


def make_plan(
    forecast: Forecast,
    tariff: Tariff,
    plant: Plant,
    pv_kw: np.ndarray | None = None,
    peak_so_far_kw: float = 0.0,
) -> Plan:
    """Plan energy on p50 but the peak and the import limit on p90, and say what the plan is worth under both.

    Raises:
        Infeasible, SolverFailed, BadBattery, BadPlant.
    """
    index, step_h = forecast.index, forecast.step_min / 60
    pv = np.zeros(len(index)) if pv_kw is None else np.asarray(pv_kw, float)
    margin = np.maximum(forecast.p90_kw - forecast.p50_kw, 0.0)
    try:
        schedule = optimise(index, forecast.p50_kw, tariff, plant, pv, peak_so_far_kw, margin_kw=margin)
    except Infeasible:
        schedule = optimise(index, forecast.p50_kw, tariff, plant, pv, peak_so_far_kw)
    high_grid = schedule.grid_kw + margin
    over = float(max(0.0, high_grid.max() - plant.import_limit_kw - 1e-6))
    idle, high_idle = (
        tariff.bill(index, np.maximum(load - pv, -plant.export_limit_kw), step_h, peak_so_far_kw)
        for load in (forecast.p50_kw, forecast.p90_kw)
    )
    heuristics = all_heuristics(index, forecast.p50_kw, tariff, plant, pv, peak_so_far_kw)
    return Plan(
        schedule, idle, tariff.bill(index, high_grid, step_h, peak_so_far_kw), high_idle, heuristics, over
    )


def roll(
    index: pd.DatetimeIndex,
    actual_kw: np.ndarray,
    guesses: list[np.ndarray],
    tariff: Tariff,
    plant: Plant,
    per_day: int,
) -> tuple[Bill, np.ndarray]:
    """Use a battery day by day on forecasts, and bill what really happened.

    Args:
        index, actual_kw: the days played through, shape (days · per_day,).
        guesses: the forecast made before each day, shape (≥ per_day,) each; only its first day is put to use.
        tariff, plant: as for `optimise`.
        per_day: steps in a day.

    Returns:
        (the bill, the grid exchange in kW).
    """
    assert plant.battery is not None
    battery, peak = plant.battery, 0.0
    grid = np.empty(len(actual_kw))
    for day, guess in enumerate(guesses):
        begin = day * per_day
        steps = min(len(guess), len(index) - begin)
        plan = optimise(
            index[begin : begin + steps], guess[:steps], tariff, replace(plant, battery=battery), None, peak
        )
        run = (plan.charge_kw - plan.discharge_kw)[:per_day]
        # a battery that would export more than allowed follows the load instead
        run = np.maximum(run, -np.maximum(actual_kw[begin : begin + per_day] + plant.export_limit_kw, 0.0))
        grid[begin : begin + per_day] = actual_kw[begin : begin + per_day] + run
        hours = (index[1] - index[0]).total_seconds() / 3600
        soc = battery.soc_start * battery.capacity_kwh + hours * float(
            (
                np.maximum(run, 0) * battery.charge_efficiency
                + np.minimum(run, 0) / battery.discharge_efficiency
            ).sum()
        )
        share = float(np.clip(soc / battery.capacity_kwh, battery.soc_min, battery.soc_max))
        battery = replace(battery, soc_start=share, soc_end=plant.battery.end_share)
        peak = max(peak, float(grid[begin : begin + per_day].max()))
    step_h = (index[1] - index[0]).total_seconds() / 3600
    return tariff.bill(index, grid, step_h), grid
