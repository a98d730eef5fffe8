"""What can be scheduled in a building: battery, photovoltaics, shiftable loads, heating and cooling; and its limits."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from actions.energy.errors import BadBattery, BadPlant


@dataclass(frozen=True)
class Battery:
    """A battery seen from the building's AC side.

    Args:
        capacity_kwh: usable at 100 % state of charge.
        charge_kw, discharge_kw: limits.
        charge_efficiency, discharge_efficiency: one way, 0.5 to 1.
        soc_min, soc_max, soc_start: shares of the capacity.
        soc_end: least share at the end; `None` is the start's.
        wear_per_kwh: cost of each kWh discharged.
    """

    capacity_kwh: float
    charge_kw: float
    discharge_kw: float
    charge_efficiency: float = 0.95
    discharge_efficiency: float = 0.95
    soc_min: float = 0.1
    soc_max: float = 0.95
    soc_start: float = 0.5
    soc_end: float | None = None
    wear_per_kwh: float = 0.0

    @property
    def end_share(self) -> float:
        """Least share of the capacity at the end."""
        return self.soc_start if self.soc_end is None else self.soc_end

    def check(self, mean_load_kw: float | None = None) -> None:
        """Raise `BadBattery` for what no battery is; `mean_load_kw` of the building bounds its size."""
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None and not math.isfinite(value):
                raise BadBattery(field=item.name, reason=("不是有限的数", "it is no finite number"))
        _positive(self.capacity_kwh, "capacity_kwh", BadBattery)
        for name in ("charge_kw", "discharge_kw"):
            power = getattr(self, name)
            _positive(power, name, BadBattery)
            if power > 10 * self.capacity_kwh:
                raise BadBattery(
                    field=name, reason=("超过容量的 10 倍（10C）", "it exceeds ten times the capacity (10C)")
                )
        for name in ("charge_efficiency", "discharge_efficiency"):
            if not 0.5 <= getattr(self, name) <= 1:
                raise BadBattery(field=name, reason=("应在 0.5 到 1 之间", "it must lie between 0.5 and 1"))
        if not 0 <= self.soc_min < self.soc_max <= 1:
            raise BadBattery(
                field="soc_min",
                reason=("需要 0 ≤ soc_min < soc_max ≤ 1", "0 ≤ soc_min < soc_max ≤ 1 must hold"),
            )
        for name, share in (("soc_start", self.soc_start), ("soc_end", self.end_share)):
            if not self.soc_min - 1e-9 <= share <= self.soc_max + 1e-9:
                raise BadBattery(
                    field=name,
                    reason=("应在 soc_min 与 soc_max 之间", "it must lie between soc_min and soc_max"),
                )
        if self.wear_per_kwh < 0:
            raise BadBattery(field="wear_per_kwh", reason=("不能为负", "it cannot be negative"))
        if mean_load_kw is not None and self.capacity_kwh > 7 * 24 * max(mean_load_kw, 1e-9):
            raise BadBattery(
                field="capacity_kwh",
                reason=(
                    f"{self.capacity_kwh:g} kWh 超过该建筑一周的用电（{7 * 24 * mean_load_kw:.0f} kWh）",
                    f"{self.capacity_kwh:g} kWh is more than the building uses in a week ({7 * 24 * mean_load_kw:.0f} kWh)",
                ),
            )


@dataclass(frozen=True)
class ShiftableLoad:
    """A run of `power_kw` for `duration_h` that must start between two hours of every day.

    `usual_start_h` is when it runs today.
    """

    name: str
    power_kw: float
    duration_h: float
    earliest_h: float
    latest_end_h: float
    usual_start_h: float | None = None

    def check(self) -> None:
        """Raise `BadPlant` for impossible values."""
        _positive(self.power_kw, f"{self.name}.power_kw", BadPlant)
        if not 0 < self.duration_h <= 24 or not 0 <= self.earliest_h < 24 or not 0 < self.latest_end_h <= 48:
            raise BadPlant(field=self.name, reason=("时段超出一天", "its hours lie outside a day"))


@dataclass(frozen=True)
class Thermal:
    """Electric heating or cooling of a room modelled as one resistance and one capacity (RC).

    Args:
        capacity_kwh_per_k: heat that warms the building by one degree.
        loss_kw_per_k: heat lost per degree between inside and outside.
        cop: heat or cold per unit of electricity; `cooling` says which.
        max_kw: electric limit.
        low_c, high_c: comfort band, while `comfort` is true (default: always).
        start_c: temperature at the start.
        outdoor_c: outdoor temperature of each step, shape (n,).
        gains_kw: heat from sun and people of each step, shape (n,).
        comfort: shape (n,); outside it the band is widened by `setback_k`.
    """

    capacity_kwh_per_k: float
    loss_kw_per_k: float
    cop: float
    max_kw: float
    low_c: float
    high_c: float
    start_c: float
    outdoor_c: np.ndarray
    cooling: bool = True
    gains_kw: np.ndarray | None = None
    comfort: np.ndarray | None = None
    setback_k: float = 4.0

    def check(self, steps: int) -> None:
        """Raise `BadPlant` for impossible values or arrays of another length than `steps`."""
        for name in ("capacity_kwh_per_k", "loss_kw_per_k", "cop", "max_kw"):
            _positive(getattr(self, name), f"thermal.{name}", BadPlant)
        if not self.low_c < self.high_c:
            raise BadPlant(field="thermal.low_c", reason=("应低于 high_c", "it must be below high_c"))
        for name in ("outdoor_c", "gains_kw", "comfort"):
            values = getattr(self, name)
            if values is not None and (
                len(values) != steps or not np.isfinite(np.asarray(values, float)).all()
            ):
                raise BadPlant(
                    field=f"thermal.{name}",
                    reason=(f"需要 {steps} 个有效值", f"it needs {steps} finite values"),
                )

    def band(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Return lower and upper limits of each step's end in °C, shape (steps,) each."""
        strict = np.ones(steps, bool) if self.comfort is None else np.asarray(self.comfort, bool)
        slack = np.where(strict, 0.0, self.setback_k)
        return self.low_c - slack, self.high_c + slack


@dataclass(frozen=True)
class Plant:
    """Everything that the schedule may move, and the connection's limits in kW."""

    battery: Battery | None = None
    shiftable: tuple[ShiftableLoad, ...] = ()
    thermal: Thermal | None = None
    import_limit_kw: float = math.inf
    export_limit_kw: float = 0.0
    curtail_pv: bool = True

    def check(self, steps: int, mean_load_kw: float | None = None) -> None:
        """Raise `BadBattery` or `BadPlant` for impossible values."""
        if self.battery is not None:
            self.battery.check(mean_load_kw)
        for load in self.shiftable:
            load.check()
        if self.thermal is not None:
            self.thermal.check(steps)
        if math.isnan(self.import_limit_kw) or self.import_limit_kw <= 0:
            raise BadPlant(field="import_limit_kw", reason=("必须为正数", "it must be positive"))
        if math.isnan(self.export_limit_kw) or self.export_limit_kw < 0:
            raise BadPlant(field="export_limit_kw", reason=("不能为负", "it cannot be negative"))


def _positive(value: float, name: str, error: type[BadBattery] | type[BadPlant]) -> None:
    if not value > 0 or not math.isfinite(value):
        raise error(field=name, reason=(f"{value:g} 不是正数", f"{value:g} is not positive"))
