"""Time-of-use tariffs with a demand charge and an export price, and the bill that follows from a load."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from actions.energy.calendars import day_types
from actions.energy.errors import BadTariff, FileUnreadable

_HOURS = re.compile(r"(\d{1,2}):(\d{2})\s*[-–~至]\s*(\d{1,2}):(\d{2})")
_DAYS = ("all", "workday", "off")
_HIGHEST_PRICE = 100.0


@dataclass(frozen=True)
class Period:
    """A price that holds at some minutes of the day, in some months, on some days."""

    name: str
    price: float
    minutes: tuple[tuple[int, int], ...]
    months: frozenset[int] = frozenset(range(1, 13))
    days: str = "all"


@dataclass(frozen=True)
class Bill:
    """What a load costs, in the tariff's currency; energies in kWh, the peak in kW."""

    energy_cost: float
    demand_cost: float
    export_income: float
    import_kwh: float
    export_kwh: float
    peak_kw: float

    @property
    def total(self) -> float:
        """Energy plus demand minus export."""
        return self.energy_cost + self.demand_cost - self.export_income


@dataclass(frozen=True)
class Tariff:
    """Prices per kWh by time of use, a demand charge per kW of each month's peak, and a price for export.

    Raises `BadTariff` from `check` (called by both constructors below).
    """

    periods: tuple[Period, ...]
    export_price: float = 0.0
    demand_charge_per_kw_month: float = 0.0
    currency: str = "CNY"
    country: str = "CN"
    name: str = ""

    @classmethod
    def flat(cls, price: float, **rest: Any) -> Tariff:
        """Return a tariff with one price."""
        tariff = cls((Period("flat", price, ((0, 1440),)),), **rest)
        tariff.check()
        return tariff

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Tariff:
        """Build a tariff from its YAML form (see `actions/energy/demo/site.yml`); raises `BadTariff`."""
        if not isinstance(data, Mapping):
            raise BadTariff(field="tariff", reason=("应为键值结构", "it must hold keys"))
        known = {
            "name",
            "currency",
            "country",
            "export_price",
            "demand_charge_per_kw_month",
            "periods",
            "price",
        }
        for key in data:
            if key not in known:
                raise BadTariff(
                    field=str(key), reason=("不认识的键", f"unknown key; known: {', '.join(sorted(known))}")
                )
        rows = data.get("periods") or (
            [{"name": "flat", "price": data["price"], "hours": "00:00-24:00"}] if "price" in data else []
        )
        if not isinstance(rows, Sequence) or not rows:
            raise BadTariff(field="periods", reason=("缺少分时电价", "no time-of-use period is given"))
        tariff = cls(
            tuple(_period(row) for row in rows),
            export_price=_number(data.get("export_price", 0.0), "export_price"),
            demand_charge_per_kw_month=_number(
                data.get("demand_charge_per_kw_month", 0.0), "demand_charge_per_kw_month"
            ),
            currency=str(data.get("currency", "CNY")),
            country=str(data.get("country", "CN")),
            name=str(data.get("name", "")),
        )
        tariff.check()
        return tariff

    @classmethod
    def load(cls, path: Path | str) -> Tariff:
        """Read a YAML or JSON file, the tariff itself or under a key `tariff`.

        Raises:
            FileUnreadable, BadTariff.
        """
        try:
            data = YAML(typ="safe", pure=True).load(Path(path).read_text("utf-8"))
        except (OSError, UnicodeDecodeError, YAMLError) as error:
            raise FileUnreadable(str(path), reason=str(error).splitlines()[0]) from error
        return cls.from_dict(data.get("tariff", data) if isinstance(data, Mapping) else data)

    def check(self) -> None:
        """Raise `BadTariff` unless every minute of every kind of day has exactly one possible price."""
        for period in self.periods:
            if not math.isfinite(period.price) or abs(period.price) > _HIGHEST_PRICE:
                raise BadTariff(
                    field=f"{period.name}.price",
                    reason=(f"{period.price} 不是合理的单价", f"{period.price} is no price per kWh"),
                )
        if not math.isfinite(self.export_price) or abs(self.export_price) > _HIGHEST_PRICE:
            raise BadTariff(
                field="export_price",
                reason=(f"{self.export_price} 不是合理的单价", f"{self.export_price} is no price per kWh"),
            )
        if not 0 <= self.demand_charge_per_kw_month <= 10_000:
            raise BadTariff(
                field="demand_charge_per_kw_month",
                reason=(
                    f"{self.demand_charge_per_kw_month} 不在 0 到 10000 之间",
                    f"{self.demand_charge_per_kw_month} is outside 0 to 10000",
                ),
            )
        for month in range(1, 13):
            for off in (False, True):
                count = self._cover(month, off)
                if (count != 1).any():
                    minute = int(np.argmax(count != 1))
                    clock = f"{minute // 60:02d}:{minute % 60:02d}"
                    zh = "没有电价" if count[minute] == 0 else "有不止一个电价"
                    en = "has no price" if count[minute] == 0 else "has more than one price"
                    raise BadTariff(
                        field="periods", reason=(f"{month} 月 {clock} {zh}", f"{clock} in month {month} {en}")
                    )

    def _cover(self, month: int, off: bool) -> np.ndarray:
        count = np.zeros(1440, dtype=int)
        for period in self.periods:
            if month in period.months and period.days in ("all", "off" if off else "workday"):
                for begin, end in period.minutes:
                    count[begin:end] += 1
        return count

    def period_of(self, index: pd.DatetimeIndex) -> np.ndarray:
        """Return the number of the period in force at every stamp, shape (n,)."""
        minute = np.asarray(index.hour * 60 + index.minute)
        month = np.asarray(index.month)
        off = (
            day_types(index, self.country) >= 5
            if any(p.days != "all" for p in self.periods)
            else np.zeros(len(index), bool)
        )
        out = np.zeros(len(index), dtype=int)
        for number, period in enumerate(self.periods):
            inside = np.zeros(len(index), dtype=bool)
            for begin, end in period.minutes:
                inside |= (minute >= begin) & (minute < end)
            inside &= np.isin(month, list(period.months))
            if period.days != "all":
                inside &= off == (period.days == "off")
            out[inside] = number
        return out

    def import_price(self, index: pd.DatetimeIndex) -> np.ndarray:
        """Return the price per imported kWh at every stamp, shape (n,)."""
        return np.array([period.price for period in self.periods])[self.period_of(index)]

    def bill(
        self, index: pd.DatetimeIndex, grid_kw: np.ndarray, step_h: float, peak_so_far_kw: float = 0.0
    ) -> Bill:
        """Return the bill of a grid exchange.

        Args:
            index: start of each step, shape (n,).
            grid_kw: import positive, export negative, mean of each step, shape (n,).
            step_h: length of a step in hours.
            peak_so_far_kw: highest import already metered in the first month; it is charged in any case.
        """
        imported = np.maximum(np.nan_to_num(grid_kw), 0.0) * step_h
        exported = np.maximum(-np.nan_to_num(grid_kw), 0.0) * step_h
        demand = 0.0
        for number, month in enumerate(months(index)):
            peak = float(imported[month].max(initial=0.0)) / step_h
            demand += self.demand_charge_per_kw_month * max(peak, peak_so_far_kw if number == 0 else 0.0)
        return Bill(
            float((imported * self.import_price(index)).sum()),
            demand,
            float(exported.sum() * self.export_price),
            float(imported.sum()),
            float(exported.sum()),
            float(imported.max(initial=0.0) / step_h),
        )


def months(index: pd.DatetimeIndex) -> list[np.ndarray]:
    """Return the positions of each calendar month, in order."""
    key = np.asarray(index.year * 12 + index.month)
    return [np.flatnonzero(key == value) for value in np.unique(key)]


def _period(row: Any) -> Period:
    if not isinstance(row, Mapping) or "price" not in row or "hours" not in row:
        raise BadTariff(
            field="periods", reason=("每项需要 name、price、hours", "each needs name, price and hours")
        )
    name = str(row.get("name", "period"))
    hours = row["hours"] if isinstance(row["hours"], (list, tuple)) else [row["hours"]]
    minutes: list[tuple[int, int]] = []
    for text in hours:
        found = _HOURS.fullmatch(str(text).strip())
        if found is None:
            raise BadTariff(
                field=f"{name}.hours",
                reason=(f"{text!r} 应写成 08:00-12:00", f"{text!r} must be written as 08:00-12:00"),
            )
        begin, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
        if begin >= 1440 or end > 1440 or int(found[2]) > 59 or int(found[4]) > 59 or begin == end:
            raise BadTariff(
                field=f"{name}.hours", reason=(f"{text} 不是一天内的时段", f"{text} is no span of a day")
            )
        minutes += [(begin, end)] if begin < end else [(begin, 1440), (0, end)]
    minutes = [span for span in minutes if span[0] < span[1]]
    days = str(row.get("days", "all"))
    if days not in _DAYS:
        raise BadTariff(
            field=f"{name}.days",
            reason=(f"{days!r} 应为 all、workday 或 off", f"{days!r} must be all, workday or off"),
        )
    chosen = frozenset(int(month) for month in row.get("months") or range(1, 13))
    if not chosen <= set(range(1, 13)):
        raise BadTariff(field=f"{name}.months", reason=("月份应为 1 到 12", "months run from 1 to 12"))
    return Period(name, _number(row["price"], f"{name}.price"), tuple(minutes), chosen, days)


def _number(value: Any, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadTariff(field=field, reason=(f"{value!r} 不是数字", f"{value!r} is no number"))
    return float(value)
