"""Simple ways to run a battery, to compare the optimum with: what an installer's controller does out of the box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from actions.energy.plant import Battery, Plant
from actions.energy.tariff import Bill, Tariff


@dataclass(frozen=True)
class Dispatch:
    """A battery run and what it costs; `feasible` is false when a limit of the plant was broken."""

    name: str
    battery_kw: np.ndarray
    grid_kw: np.ndarray
    soc_kwh: np.ndarray
    bill: Bill
    wear_cost: float
    feasible: bool

    @property
    def cost(self) -> float:
        """Bill plus wear."""
        return self.bill.total + self.wear_cost


_Wish = Callable[[int, float], float]


def simulate(
    name: str,
    wish: _Wish,
    index: pd.DatetimeIndex,
    net_kw: np.ndarray,
    tariff: Tariff,
    plant: Plant,
    peak_so_far_kw: float = 0.0,
) -> Dispatch:
    """Run a battery by a rule.

    Args:
        name: of the rule.
        wish: (step, state of charge in kWh) to the wished power in kW, charging positive; it is cut to the limits.
        index, tariff, plant, peak_so_far_kw: as for `optimise`.
        net_kw: load minus photovoltaics, shape (n,).
    """
    battery = plant.battery or Battery(1e-6, 1e-6, 1e-6)
    step_h = (index[1] - index[0]).total_seconds() / 3600
    low, high = battery.soc_min * battery.capacity_kwh, battery.soc_max * battery.capacity_kwh
    soc = battery.soc_start * battery.capacity_kwh
    end = battery.end_share * battery.capacity_kwh
    power, state = np.zeros(len(index)), np.zeros(len(index))
    up = battery.charge_efficiency * step_h
    down = step_h / battery.discharge_efficiency
    for step in range(len(index)):
        room_kw = max(0.0, plant.import_limit_kw - net_kw[step])
        most = min(battery.charge_kw, (high - soc) / up, room_kw)
        least = -min(battery.discharge_kw, (soc - low) / down, max(0.0, net_kw[step] + plant.export_limit_kw))
        # the steps left must be able to bring the battery back to its end level
        left = len(index) - step - 1
        need = (end - left * battery.charge_kw * up - soc) / up
        value = min(max(wish(step, soc), least), most)
        if need > value:
            value = min(most, need)
        soc += value * up if value > 0 else value * down
        power[step], state[step] = value, soc
    grid = net_kw + power
    if plant.curtail_pv:
        grid = np.maximum(grid, -plant.export_limit_kw)
    bill = tariff.bill(index, grid, step_h, peak_so_far_kw)
    wear = float(np.maximum(-power, 0).sum() * step_h * battery.wear_per_kwh)
    feasible = bool(
        soc >= end - 1e-6
        and (grid <= plant.import_limit_kw + 1e-6).all()
        and (grid >= -plant.export_limit_kw - 1e-6).all()
    )
    return Dispatch(name, power, grid, state, bill, wear, feasible)


def all_heuristics(
    index: pd.DatetimeIndex,
    load_kw: np.ndarray,
    tariff: Tariff,
    plant: Plant,
    pv_kw: np.ndarray | None = None,
    peak_so_far_kw: float = 0.0,
) -> list[Dispatch]:
    """Return doing nothing, valley-to-peak, own consumption of PV, and shaving the highest loads."""
    net = np.asarray(load_kw, float) - (0.0 if pv_kw is None else np.asarray(pv_kw, float))
    price = tariff.import_price(index)
    cheap, dear = np.quantile(price, 0.25), np.quantile(price, 0.75)
    battery = plant.battery
    power = max(battery.charge_kw, battery.discharge_kw) if battery else 0.0
    middle = float(np.median(net))
    top = float(np.quantile(net, 0.9))

    def valley_peak(step: int, soc: float) -> float:
        if price[step] <= cheap and cheap < dear:
            return power
        return -min(power, max(net[step], 0.0)) if price[step] >= dear and cheap < dear else 0.0

    def own_use(step: int, soc: float) -> float:
        return -net[step] if net[step] < 0 else -min(net[step], power) if price[step] >= dear else 0.0

    def shave(step: int, soc: float) -> float:
        return top - net[step] if net[step] > top else max(0.0, min(power, middle - net[step]))

    rules: list[tuple[str, _Wish]] = [
        ("idle", lambda step, soc: 0.0),
        ("valley_peak", valley_peak),
        ("own_use", own_use),
        ("shave", shave),
    ]
    if battery is None:
        rules = rules[:1]
    return [simulate(name, rule, index, net, tariff, plant, peak_so_far_kw) for name, rule in rules]
