"""The cheapest schedule of a building as a mixed-integer linear programme, solved by HiGHS.

Method: grid balance, battery state, monthly peak and RC temperature as linear constraints; start times of shiftable
loads as binaries. That a battery never charges and discharges at once, nor the grid imports and exports, needs a
binary only where prices could reward it; those binaries are added to the steps concerned until none is missing, so
the result is exact.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp

from actions.energy.errors import BadPlant, Infeasible, SolverFailed
from actions.energy.model import Layout, Problem, Ways, build
from actions.energy.plant import Plant
from actions.energy.tariff import Bill, Tariff

DEFAULT_GAP = 0.001
_BOTH_WAYS_KW = 1e-5


@dataclass(frozen=True)
class Schedule:
    """A schedule: mean power of each step in kW, shape (n,); state of charge in kWh at each step's end.

    `bill` prices the grid exchange, `wear_cost` the battery; `gap` is the proven distance from the optimum.
    """

    index: pd.DatetimeIndex
    step_h: float
    grid_kw: np.ndarray
    charge_kw: np.ndarray
    discharge_kw: np.ndarray
    soc_kwh: np.ndarray
    shifted_kw: np.ndarray
    heat_kw: np.ndarray
    indoor_c: np.ndarray
    curtailed_kw: np.ndarray
    starts: dict[str, list[pd.Timestamp]]
    bill: Bill
    wear_cost: float = 0.0
    gap: float = 0.0
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)

    @property
    def cost(self) -> float:
        """Bill plus wear."""
        return self.bill.total + self.wear_cost


def optimise(
    index: pd.DatetimeIndex,
    load_kw: np.ndarray,
    tariff: Tariff,
    plant: Plant,
    pv_kw: np.ndarray | None = None,
    peak_so_far_kw: float = 0.0,
    gap: float = DEFAULT_GAP,
    limit_s: float = 30.0,
    margin_kw: np.ndarray | None = None,
) -> Schedule:
    """Return the cheapest schedule.

    Args:
        index: start of each step, aware and regular, shape (n,).
        load_kw: what is drawn apart from what the plant schedules, shape (n,).
        tariff: prices.
        plant: what may be scheduled, and limits.
        pv_kw: photovoltaic generation, shape (n,).
        peak_so_far_kw: highest import already metered this month.
        gap: relative gap at which to stop.
        limit_s: time limit in seconds.
        margin_kw: how much higher the load may turn out, shape (n,); peak and import limit are held with it.

    Raises:
        BadBattery, BadPlant, BadTariff: for impossible input.
        Infeasible: when the limits cannot hold together; it names them.
        SolverFailed: when no schedule was found in time.
    """
    started = time.perf_counter()
    problem = make_problem(index, load_kw, tariff, plant, pv_kw, peak_so_far_kw, margin_kw)
    exclusive = {name: steps.copy() for name, steps in problem.risky.items()}
    while True:
        result = solve(problem, exclusive, gap, max(0.1, limit_s - (time.perf_counter() - started)))
        if result.status == 2:
            from actions.energy.infeasible import explain

            raise Infeasible(reasons=explain(problem, exclusive))
        if result.x is None:
            raise SolverFailed(seconds=f"{limit_s:g}", status=str(result.message))
        both = _both_ways(problem.layout, result.x)
        missing = {name: both[name] & ~exclusive[name] for name in both}
        if not any(steps.any() for steps in missing.values()):
            break
        for name, steps in missing.items():
            exclusive[name] |= steps
    seconds = time.perf_counter() - started
    return to_schedule(problem, result.x, float(result.mip_gap or 0.0), seconds)


def make_problem(
    index: pd.DatetimeIndex,
    load_kw: np.ndarray,
    tariff: Tariff,
    plant: Plant,
    pv_kw: np.ndarray | None = None,
    peak_so_far_kw: float = 0.0,
    margin_kw: np.ndarray | None = None,
) -> Problem:
    """Check the input and build the programme; see `optimise` for the arguments."""
    steps = len(index)
    load_kw = np.asarray(load_kw, dtype=float)
    pv_kw = np.zeros(steps) if pv_kw is None else np.asarray(pv_kw, dtype=float)
    margin_kw = np.zeros(steps) if margin_kw is None else np.asarray(margin_kw, dtype=float)
    if steps < 2 or any(v.shape != (steps,) for v in (load_kw, pv_kw, margin_kw)):
        raise BadPlant(
            field="load_kw", reason=(f"需要 {steps} 个值", f"it needs {steps} values and at least 2 steps")
        )
    for name, values in (("load_kw", load_kw), ("pv_kw", pv_kw), ("margin_kw", margin_kw)):
        if not np.isfinite(values).all():
            raise BadPlant(field=name, reason=("含有缺失值", "it holds unknown values"))
    if (pv_kw < 0).any():
        raise BadPlant(field="pv_kw", reason=("不能为负", "it cannot be negative"))
    tariff.check()
    plant.check(steps, float(np.mean(np.abs(load_kw))) or None)
    return build(index, load_kw, pv_kw, tariff, plant, peak_so_far_kw, margin_kw)


def solve(problem: Problem, exclusive: Ways, gap: float, limit_s: float) -> OptimizeResult:
    """Run HiGHS with binaries in the steps marked `exclusive`."""
    relaxed = problem.relaxed_rows(exclusive)
    return milp(
        problem.cost,
        integrality=problem.integrality(exclusive),
        bounds=Bounds(problem.lower, problem.upper),
        constraints=LinearConstraint(relaxed.matrix, relaxed.low, relaxed.high),
        options={"mip_rel_gap": gap, "time_limit": limit_s, "presolve": True},
    )


def _both_ways(layout: Layout, x: np.ndarray) -> Ways:
    pairs = {"one_way_grid": ("import", "export"), "one_way_battery": ("charge", "discharge")}
    return {
        name: np.minimum(layout.value(forth, x), layout.value(back, x)) > _BOTH_WAYS_KW
        for name, (forth, back) in pairs.items()
        if layout.part(name) is not None
    }


def to_schedule(problem: Problem, x: np.ndarray, gap: float, seconds: float) -> Schedule:
    """Read a solution vector into a `Schedule`; its bill is recomputed from the grid exchange alone."""
    layout, plant = problem.layout, problem.plant
    grid_kw = layout.value("import", x) - layout.value("export", x)
    grid_kw[np.abs(grid_kw) < 1e-9] = 0.0
    charge_kw = np.maximum(layout.value("charge", x), 0)
    discharge_kw = np.maximum(layout.value("discharge", x), 0)
    wear = plant.battery.wear_per_kwh if plant.battery else 0.0
    shifted, starts = problem.shifted(x)
    return Schedule(
        index=problem.index,
        step_h=problem.step_h,
        grid_kw=grid_kw,
        charge_kw=charge_kw,
        discharge_kw=discharge_kw,
        soc_kwh=layout.value("soc", x),
        shifted_kw=shifted,
        heat_kw=layout.value("heat", x),
        indoor_c=layout.value("indoor", x),
        curtailed_kw=layout.value("curtail", x),
        starts=starts,
        bill=problem.tariff.bill(problem.index, grid_kw, problem.step_h, problem.peak_so_far_kw),
        wear_cost=float(discharge_kw.sum() * problem.step_h * wear),
        gap=gap,
        seconds=seconds,
    )
