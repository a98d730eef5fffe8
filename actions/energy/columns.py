"""Finds which columns of a table hold the times, the load and the outdoor temperature."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from actions.energy.cells import BLANK, read_number
from actions.energy.errors import AmbiguousColumn, NoTimeColumn, NoValueColumn, UnknownUnit, WrongUnit
from actions.energy.stamps import DateOrder, looks_like_time
from actions.energy.units import Unit, is_foreign, looks_like_load, parse_unit, unit_in_name

_TIME_NAME = re.compile(
    r"^(date|time|datetime|timestamp|ts|stamp|ds|start|begin)|时间|日期|时刻|数据时间", re.IGNORECASE
)
_CLOCK_NAME = re.compile(r"^(time|hour|clock|时间|时刻|小时|点)$", re.IGNORECASE)
_TEMPERATURE = re.compile(r"temp(erature)?(?![a-z])|温度|气温|^t_?out|^outdoor", re.IGNORECASE)
_INDOOR = re.compile(r"indoor|inside|room|室内|water|水温", re.IGNORECASE)


@dataclass(frozen=True)
class ReadOptions:
    """What the user says about a file; empty means find out.

    Args:
        column, time_column, temperature_column: names of columns.
        unit: kW, kWh, MW, …, or meter_kWh for cumulative readings.
        zone: IANA name for times that carry no offset.
        date_order: for dates such as 01/02/2026.
        start, step_min: first stamp and step of a table without times.
        net: whether negative values (export) are meant.
    """

    column: str = ""
    time_column: str = ""
    temperature_column: str = ""
    unit: str = ""
    zone: str = "Asia/Shanghai"
    date_order: DateOrder = ""
    start: str | None = None
    step_min: int | None = None
    net: bool = False


@dataclass(frozen=True)
class Choice:
    """The chosen columns; `time` is empty when the stamps are counted from a start."""

    value: str
    time: str
    unit: Unit
    clock: str = ""
    temperature: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All the columns to read, each once."""
        return tuple(dict.fromkeys(n for n in (self.time, self.clock, self.value, self.temperature) if n))


def choose(header: Sequence[str], rows: Sequence[Sequence[str]], options: ReadOptions) -> Choice:
    """Choose columns from a header and a sample of rows.

    Raises:
        NoTimeColumn, NoValueColumn, AmbiguousColumn, UnknownUnit, WrongUnit.
    """
    cells = {name: [str(row[i]) for row in rows if i < len(row)] for i, name in enumerate(header)}
    names = ", ".join(header)
    time, clock = _time_column(header, cells, options, names)
    numeric = [
        n
        for n in header
        if n not in (time, clock) and _is_numeric(cells[n]) and not looks_like_time(cells[n])
    ]
    if options.column:
        if options.column not in header:
            raise NoValueColumn(options.column, columns=names)
        value = options.column
    else:
        value = _value_column(numeric, names)
    temperature = options.temperature_column
    if temperature and temperature not in header:
        raise NoValueColumn(temperature, columns=names)
    if not temperature:
        warm = [n for n in numeric if n != value and _TEMPERATURE.search(n) and not _INDOOR.search(n)]
        temperature = warm[0] if len(warm) == 1 else ""
    return Choice(value, time, _unit(value, cells[value], options), clock, temperature)


def _time_column(
    header: Sequence[str], cells: dict[str, list[str]], options: ReadOptions, names: str
) -> tuple[str, str]:
    if options.time_column:
        if options.time_column not in header:
            raise NoTimeColumn(options.time_column, columns=names)
        time = options.time_column
    elif options.start is not None and options.step_min:
        return "", ""
    else:
        good = [n for n in header if looks_like_time(cells[n][:100])]
        named = [n for n in good if _TIME_NAME.search(n)] or [
            n for n in header if _TIME_NAME.search(n) and not _is_numeric(cells[n])
        ]
        if not (named or good):
            raise NoTimeColumn(columns=names)
        time = (named or good)[0]
    dates_only = all(len(c.strip()) <= 10 and ":" not in c for c in cells[time][:50])
    hours = [n for n in header if n != time and _CLOCK_NAME.match(n.strip())]
    repeated = len(set(cells[time][:50])) < len(cells[time][:50])
    return time, hours[0] if dates_only and repeated and len(hours) == 1 else ""


def _value_column(numeric: list[str], names: str) -> str:
    if not numeric:
        raise NoValueColumn(columns=names)
    load = [n for n in numeric if looks_like_load(n) and not is_foreign(n)]
    stated = [n for n in load if unit_in_name(n) is not None]
    for candidates in (
        stated,
        load,
        [n for n in numeric if not is_foreign(n) and not _TEMPERATURE.search(n)],
    ):
        if len(candidates) == 1:
            return candidates[0]
        if len(candidates) > 1:
            raise AmbiguousColumn(columns=", ".join(candidates[:12]))
    raise WrongUnit(
        numeric[0],
        unit=numeric[0],
        reason=("这一列不是用电功率或电量", "this column holds neither power nor energy"),
    )


def _unit(column: str, cells: list[str], options: ReadOptions) -> Unit:
    stated = unit_in_name(column)
    if options.unit:
        unit = parse_unit(options.unit)
        if stated is not None and stated.quantity == "power" and unit.quantity != "power":
            raise WrongUnit(
                column,
                unit=options.unit,
                reason=(f"列名写的是 {stated.label}", f"the column's name says {stated.label}"),
            )
        return unit
    if stated is not None:
        return stated
    written = {read_number(cell, False)[1] for cell in cells} - {""}
    if len(written) == 1:
        return parse_unit(written.pop())
    if is_foreign(column):
        raise WrongUnit(column, unit=column, reason=("它不是用电量或功率", "it is neither power nor energy"))
    raise UnknownUnit(column=column)


def _is_numeric(cells: list[str]) -> bool:
    filled = [c for c in cells if c.strip().lower() not in BLANK]
    good = sum(not read_number(c, "," in c and "." not in c)[2] for c in filled)
    return bool(filled) and good * 2 >= len(filled)
