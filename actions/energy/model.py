"""The matrices of the scheduling programme: variables, constraints with names, and how to read a solution."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import sparse

from actions.energy.errors import BadPlant
from actions.energy.plant import Plant, ShiftableLoad
from actions.energy.tariff import Tariff, months

Ways = dict[str, np.ndarray]
"""Steps, by the name of an either-or rule, in which that rule needs a binary."""


@dataclass
class Layout:
    """Where each kind of variable stands in the solution vector."""

    steps: int
    spans: dict[str, slice] = field(default_factory=dict)
    size: int = 0

    def add(self, name: str, count: int) -> slice:
        """Reserve `count` variables."""
        self.spans[name] = slice(self.size, self.size + count)
        self.size += count
        return self.spans[name]

    def part(self, name: str) -> slice | None:
        """Return the span of a kind of variable, or `None` when the plant has none."""
        return self.spans.get(name)

    def value(self, name: str, x: np.ndarray) -> np.ndarray:
        """Return the values of a kind of variable, zeros when there is none."""
        span = self.spans.get(name)
        return np.zeros(self.steps) if span is None else np.array(x[span])


@dataclass(frozen=True)
class Rows:
    """Linear constraints low ≤ matrix · x ≤ high, each row with the name of the limit it stands for."""

    matrix: sparse.csr_matrix
    low: np.ndarray
    high: np.ndarray
    names: np.ndarray


@dataclass
class Run:
    """One day's run of a shiftable load: the starts allowed and the variables that choose among them."""

    load: ShiftableLoad
    starts: np.ndarray
    span: slice
    length: int


@dataclass
class Problem:
    """A programme ready to be solved."""

    index: pd.DatetimeIndex
    step_h: float
    load_kw: np.ndarray
    pv_kw: np.ndarray
    tariff: Tariff
    plant: Plant
    peak_so_far_kw: float
    layout: Layout
    cost: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    rows: Rows
    risky: Ways
    runs: list[Run]

    def integrality(self, exclusive: Ways) -> np.ndarray:
        """Return 1 for the variables that must be whole."""
        whole = np.zeros(self.layout.size)
        for run in self.runs:
            whole[run.span] = 1
        for name in ("one_way_battery", "one_way_grid"):
            span = self.layout.part(name)
            if span is not None:
                whole[span] = exclusive[name]
        return whole

    def relaxed_rows(self, exclusive: Ways) -> Rows:
        """Return the constraints without the either-or rows of steps that need none."""
        keep = np.ones(len(self.rows.low), dtype=bool)
        for name in ("one_way_battery", "one_way_grid"):
            at = np.flatnonzero(self.rows.names == name)
            if not len(at):
                continue
            keep[at[~np.tile(exclusive[name], 2)]] = False
        return Rows(self.rows.matrix[keep], self.rows.low[keep], self.rows.high[keep], self.rows.names[keep])

    def shifted(self, x: np.ndarray) -> tuple[np.ndarray, dict[str, list[pd.Timestamp]]]:
        """Return the power of all shiftable loads, shape (n,), and their start times by name."""
        power = np.zeros(len(self.index))
        starts: dict[str, list[pd.Timestamp]] = {}
        for run in self.runs:
            start = int(run.starts[int(np.argmax(x[run.span]))])
            power[start : start + run.length] += run.load.power_kw
            starts.setdefault(run.load.name, []).append(self.index[start])
        return power, starts


class _Builder:
    def __init__(self) -> None:
        self.row: list[np.ndarray] = []
        self.col: list[np.ndarray] = []
        self.value: list[np.ndarray] = []
        self.low: list[np.ndarray] = []
        self.high: list[np.ndarray] = []
        self.names: list[np.ndarray] = []
        self.count = 0

    def add(
        self, name: str, terms: list[tuple[np.ndarray, object]], low: object, high: object, rows: int
    ) -> None:
        """Add `rows` constraints; each term is (columns of shape (rows,), coefficients)."""
        at = np.arange(self.count, self.count + rows)
        for columns, values in terms:
            self.row.append(at)
            self.col.append(np.asarray(columns))
            self.value.append(np.broadcast_to(np.asarray(values, dtype=float), (rows,)))
        self.low.append(np.broadcast_to(np.asarray(low, dtype=float), (rows,)))
        self.high.append(np.broadcast_to(np.asarray(high, dtype=float), (rows,)))
        self.names.append(np.full(rows, name, dtype=object))
        self.count += rows

    def raw(self, row: np.ndarray, col: np.ndarray, value: np.ndarray) -> None:
        """Add coefficients to rows that exist."""
        self.row.append(row)
        self.col.append(col)
        self.value.append(value)

    def rows(self, size: int) -> Rows:
        matrix = sparse.csr_matrix(
            (np.concatenate(self.value), (np.concatenate(self.row), np.concatenate(self.col))),
            shape=(self.count, size),
        )
        return Rows(matrix, np.concatenate(self.low), np.concatenate(self.high), np.concatenate(self.names))


def build(
    index: pd.DatetimeIndex,
    load_kw: np.ndarray,
    pv_kw: np.ndarray,
    tariff: Tariff,
    plant: Plant,
    peak_so_far_kw: float,
    margin_kw: np.ndarray,
) -> Problem:
    """Build the programme for checked input; see `optimise.optimise`."""
    steps = len(index)
    step_h = (index[1] - index[0]).total_seconds() / 3600
    price = tariff.import_price(index)
    layout, builder = Layout(steps), _Builder()
    span = np.arange(steps)
    imports, exports, curtail = (layout.add(n, steps) for n in ("import", "export", "curtail"))
    if plant.battery is not None:
        charge, discharge, soc = (layout.add(n, steps) for n in ("charge", "discharge", "soc"))
    if plant.thermal is not None:
        heat, indoor = (layout.add(n, steps) for n in ("heat", "indoor"))
    by_month = months(index)
    peaks = layout.add("peak", len(by_month))
    runs = _runs(index, step_h, plant, layout)
    ways = {
        name: layout.add(name, steps)
        for name in ("one_way_battery", "one_way_grid")
        if name == "one_way_grid" or plant.battery
    }
    lower, upper, cost = np.zeros(layout.size), np.full(layout.size, np.inf), np.zeros(layout.size)
    ceiling = float(
        np.abs(load_kw).max()
        + pv_kw.max(initial=0)
        + sum(s.power_kw for s in plant.shiftable)
        + (plant.battery.charge_kw + plant.battery.discharge_kw if plant.battery else 0)
        + (plant.thermal.max_kw if plant.thermal else 0)
        + 1.0
    )
    cost[imports], cost[exports] = price * step_h, -tariff.export_price * step_h
    cost[peaks] = tariff.demand_charge_per_kw_month
    lower[peaks] = [peak_so_far_kw] + [0.0] * (len(by_month) - 1)
    upper[curtail] = pv_kw if plant.curtail_pv else 0.0
    balance: list[tuple[np.ndarray, object]] = [
        (imports.start + span, 1.0),
        (exports.start + span, -1.0),
        (curtail.start + span, -1.0),
    ]
    if plant.battery is not None:
        battery = plant.battery
        upper[charge], upper[discharge] = battery.charge_kw, battery.discharge_kw
        lower[soc], upper[soc] = (
            battery.soc_min * battery.capacity_kwh,
            battery.soc_max * battery.capacity_kwh,
        )
        cost[discharge] = battery.wear_per_kwh * step_h
        balance += [(discharge.start + span, 1.0), (charge.start + span, -1.0)]
        first = np.zeros(steps)
        first[0] = battery.soc_start * battery.capacity_kwh
        state = builder.count
        builder.add(
            "battery_state",
            [
                (soc.start + span, 1.0),
                (charge.start + span, -battery.charge_efficiency * step_h),
                (discharge.start + span, step_h / battery.discharge_efficiency),
            ],
            first,
            first,
            steps,
        )
        builder.raw(state + span[1:], soc.start + span[:-1], np.full(steps - 1, -1.0))
        end = battery.end_share * battery.capacity_kwh
        builder.add("battery_end", [(np.array([soc.stop - 1]), 1.0)], end, np.inf, 1)
    if plant.thermal is not None:
        _thermal(builder, plant, steps, step_h, heat, indoor, lower, upper)
        balance.append((heat.start + span, -1.0))
    at_balance = builder.count
    net = load_kw - pv_kw
    builder.add("balance", balance, net, net, steps)
    for run in runs:
        variables = np.arange(run.span.start, run.span.stop)
        upper[run.span] = 1.0
        one = builder.count
        builder.add("shiftable", [], 1.0, 1.0, 1)
        builder.raw(np.full(len(variables), one), variables, np.ones(len(variables)))
        hours = (run.starts[:, None] + np.arange(run.length)).ravel()
        builder.raw(
            at_balance + hours, np.repeat(variables, run.length), np.full(len(hours), -run.load.power_kw)
        )
    for number, positions in enumerate(by_month):
        builder.add(
            "peak",
            [(np.full(len(positions), peaks.start + number), 1.0), (imports.start + positions, -1.0)],
            margin_kw[positions],
            np.inf,
            len(positions),
        )
    builder.add(
        "import_limit", [(imports.start + span, 1.0)], -np.inf, plant.import_limit_kw - margin_kw, steps
    )
    builder.add("export_limit", [(exports.start + span, 1.0)], -np.inf, plant.export_limit_kw, steps)
    pairs = {"one_way_grid": ("import", "export"), "one_way_battery": ("charge", "discharge")}
    for name, way in ways.items():  # first ≤ M·b and second ≤ M·(1 − b)
        upper[way] = 1.0
        forth, back = (layout.spans[part].start + span for part in pairs[name])
        most_forth, most_back = (np.minimum(upper[layout.spans[part]], ceiling) for part in pairs[name])
        builder.add(name, [(forth, 1.0), (way.start + span, -most_forth)], -np.inf, 0.0, steps)
        builder.add(name, [(back, 1.0), (way.start + span, most_back)], -np.inf, most_back, steps)
    burn = (price < 0) | ((pv_kw > 0) & (tariff.export_price < 0) & (not plant.curtail_pv))
    resale = (tariff.export_price > price) & (plant.export_limit_kw > 0)
    risky = {"one_way_battery": burn, "one_way_grid": resale | (burn & (plant.export_limit_kw > 0))}
    return Problem(
        index,
        step_h,
        load_kw,
        pv_kw,
        tariff,
        plant,
        peak_so_far_kw,
        layout,
        cost,
        lower,
        upper,
        builder.rows(layout.size),
        risky,
        runs,
    )


def _thermal(
    builder: _Builder,
    plant: Plant,
    steps: int,
    step_h: float,
    heat: slice,
    indoor: slice,
    lower: np.ndarray,
    upper: np.ndarray,
) -> None:
    """T' = T + (loss·(outdoor − T) ± cop·power + gains) · h / capacity, implicit in T'."""
    thermal = plant.thermal
    assert thermal is not None
    span = np.arange(steps)
    upper[heat] = thermal.max_kw
    lower[indoor] = -np.inf
    rate = step_h / thermal.capacity_kwh_per_k
    sign = -1.0 if thermal.cooling else 1.0
    gains = np.zeros(steps) if thermal.gains_kw is None else np.asarray(thermal.gains_kw, dtype=float)
    right = rate * (thermal.loss_kw_per_k * np.asarray(thermal.outdoor_c, dtype=float) + gains)
    right[0] += thermal.start_c
    state = builder.count
    builder.add(
        "temperature_state",
        [
            (indoor.start + span, 1.0 + rate * thermal.loss_kw_per_k),
            (heat.start + span, -sign * rate * thermal.cop),
        ],
        right,
        right,
        steps,
    )
    builder.raw(state + span[1:], indoor.start + span[:-1], np.full(steps - 1, -1.0))
    low, high = thermal.band(steps)
    builder.add("comfort", [(indoor.start + span, 1.0)], low, high, steps)


def _runs(index: pd.DatetimeIndex, step_h: float, plant: Plant, layout: Layout) -> list[Run]:
    """One run per load and per day whose window lies inside the horizon."""
    runs: list[Run] = []
    zone = index.tz
    end = index[-1] + pd.Timedelta(hours=step_h)
    for load in plant.shiftable:
        length = max(1, round(load.duration_h / step_h))
        found = False
        wall = index.tz_localize(None) if zone is not None else index
        for day in pd.DatetimeIndex(np.unique(np.asarray(wall.normalize()))):
            low, high = (
                (day + pd.Timedelta(hours=hour)).tz_localize(
                    zone, ambiguous=True, nonexistent="shift_forward"
                )
                for hour in (load.earliest_h, load.latest_end_h)
            )
            if low < index[0] or high > end:
                continue
            first, last = int(index.searchsorted(low)), int(index.searchsorted(high)) - length
            if last < first:
                raise BadPlant(
                    field=load.name,
                    reason=(
                        f"时段 {load.earliest_h:g}–{load.latest_end_h:g} 时放不下 {load.duration_h:g} 小时",
                        f"{load.duration_h:g} h do not fit between {load.earliest_h:g} and {load.latest_end_h:g} o'clock",
                    ),
                )
            starts = np.arange(first, last + 1)
            found = True
            runs.append(Run(load, starts, layout.add(f"start_{load.name}_{len(runs)}", len(starts)), length))
        if not found:
            raise BadPlant(
                field=load.name, reason=("时段不在计划期内", "its window lies outside the horizon")
            )
    return runs
