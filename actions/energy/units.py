"""What a measured column means: power, energy of an interval, or a cumulative meter reading, and its scale."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from actions.energy.errors import WrongUnit

Quantity = Literal["power", "energy", "meter"]

_SCALE = {"w": 0.001, "kw": 1.0, "mw": 1000.0, "gw": 1e6}
_NGSI = {"WTT": "W", "KWT": "kW", "MAW": "MW", "WHR": "Wh", "KWH": "kWh", "MWH": "MWh", "GWH": "GWh"}
_ENERGY_WORD = re.compile(r"energy|consum|usage|electric|用电量|电量|能耗|耗电", re.IGNORECASE)
_LOAD_WORD = re.compile(r"power|load|demand|功率|负荷|用电", re.IGNORECASE)
_METER_WORD = re.compile(
    r"meter|reading|register|cumul|total_?(kwh|energy)|示数|读数|表底|累计", re.IGNORECASE
)
_UNIT_IN_NAME = re.compile(r"(?<![a-zA-Z])([kKmMgG]?[wW][hH]?)(?![a-zA-Z])|(千瓦时|千瓦|兆瓦时|兆瓦|度)")
_ZH = {"千瓦时": "kWh", "千瓦": "kW", "兆瓦时": "MWh", "兆瓦": "MW", "度": "kWh"}
_OTHER = re.compile(
    r"(?<![a-zA-Z])(kva|kvar|kvarh|m3|m³|°c|℃|celsius|pct|percent|price|cny|usd|eur|volt|amp)(?![a-zA-Z])|%|电压|电流|温度|电价",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Unit:
    """`quantity` of a column and the factor to kW or kWh."""

    quantity: Quantity
    to_kilo: float
    label: str


def parse_unit(text: str) -> Unit:
    """Return the unit named by `text`, such as kW, MWh, meter_kWh or a UN/CEFACT code; raises `WrongUnit`."""
    raw = text.strip()
    label = _NGSI.get(raw.upper(), _ZH.get(raw, raw)) if raw not in {"MWh", "mwh"} else raw
    meter = label.lower().startswith("meter")
    name = re.sub(r"^meter[_ -]*", "", label, flags=re.IGNORECASE).lower() or "kwh"
    base = name[:-1] if name.endswith("wh") else name
    if base not in _SCALE or (meter and not name.endswith("wh")):
        raise WrongUnit(unit=text, reason=("不是用电的单位", "it measures no electricity"))
    quantity: Quantity = "meter" if meter else "energy" if name.endswith("wh") else "power"
    return Unit(quantity, _SCALE[base], label)


def unit_in_name(column: str) -> Unit | None:
    """Return the unit that a column's name states, or `None`; `total_kwh` may still prove to be cumulative."""
    found = _UNIT_IN_NAME.search(column.replace("_", " "))
    if found is None:
        return None
    unit = parse_unit(_ZH.get(found[2], found[2]) if found[2] else found[1])
    if unit.quantity == "energy" and _METER_WORD.search(column):
        return Unit("meter", unit.to_kilo, f"meter_{unit.label}")
    return unit


def is_foreign(column: str) -> bool:
    """Return whether a column's name says that it holds something else than active power or energy."""
    return bool(_OTHER.search(column.replace("_", " "))) and unit_in_name(column) is None


def looks_like_load(column: str) -> bool:
    """Return whether a column's name speaks of electricity consumption."""
    return bool(_ENERGY_WORD.search(column) or _LOAD_WORD.search(column) or _METER_WORD.search(column)) or (
        unit_in_name(column) is not None
    )
