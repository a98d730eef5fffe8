"""Reads measurements from NGSI-LD: temporal entities, simplified temporal values, lists of entities; over HTTP too."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from actions.energy.columns import ReadOptions
from actions.energy.errors import (
    FileUnreadable,
    MixedTimeZones,
    NoValueColumn,
    SourceUnreachable,
    UnknownUnit,
)
from actions.energy.reading import Measured
from actions.energy.stamps import UNKNOWN, parse_stamps
from actions.energy.units import Unit, looks_like_load, parse_unit, unit_in_name

MAX_BYTES = 256 << 20
# Smart Data Models "ThreePhaseAcMeasurement" and "EnergyConsumption" name these; their unit follows from the name.
_DEFAULT_UNITS = {
    "totalActivePower": "W",
    "activePower": "W",
    "powerConsumption": "kW",
    "totalActiveEnergyImport": "meter_kWh",
    "activeEnergyImport": "meter_kWh",
    "energyConsumed": "kWh",
    "electricityConsumption": "kWh",
}
_Point = tuple[Any, str, str]


def fetch(url: str, token: str = "", timeout_s: float = 20.0) -> bytes:
    """Return the body at an http(s) address.

    Raises:
        SourceUnreachable: for other schemes, refused or slow connections, error statuses, or bodies over 256 MiB.
    """
    host = urlsplit(url).netloc
    if urlsplit(url).scheme not in {"http", "https"}:
        raise SourceUnreachable(url, reason=("只支持 http 和 https", "only http and https are read"))
    request = urllib.request.Request(
        url, headers={"Accept": "application/ld+json, application/json, text/csv"}
    )
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            body: bytes = response.read(MAX_BYTES + 1)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise SourceUnreachable(host, reason=str(error)[:200]) from error
    if len(body) > MAX_BYTES:
        raise SourceUnreachable(host, reason=("超过 256 MiB", "more than 256 MiB"))
    return body


def read_ngsi(body: bytes, name: str, options: ReadOptions) -> Measured:
    """Read one measured attribute of an NGSI-LD document; `options.column` names it where several could be meant.

    Raises:
        FileUnreadable, NoValueColumn, UnknownUnit, MixedTimeZones.
    """
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError) as error:
        raise FileUnreadable(name, reason=str(error)[:200]) from error
    entities = document if isinstance(document, list) else [document]
    points: dict[str, list[_Point]] = {}
    for entity in entities:
        if not isinstance(entity, Mapping):
            raise FileUnreadable(name, reason=("不是 NGSI-LD 实体", "no NGSI-LD entity"))
        for key, attribute in entity.items():
            found = list(
                _points(attribute, str(entity.get("observedAt") or entity.get("dateObserved") or ""))
            )
            if found:
                points.setdefault(key, []).extend(found)
    key = options.column or _best(points)
    if key not in points:
        raise NoValueColumn(name, columns=", ".join(points) or "-")
    values, times, codes = zip(*points[key], strict=False)
    unit = _unit(key, {code for code in codes if code}, options)
    stamps = parse_stamps(pd.Series(times, dtype="string"), options.date_order, 1)
    numbers = pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(float)
    if stamps.bad and (stamps.seconds == UNKNOWN).all():
        raise MixedTimeZones(name, aware="…Z", naive=str(times[0]))
    return Measured(
        name=str(entities[0].get("id") or name),
        seconds=stamps.seconds,
        values=numbers * unit.to_kilo,
        quantity=unit.quantity,
        unit=unit.label,
        aware=stamps.aware,
        rows=len(numbers),
        bad_numbers=int(np.isnan(numbers).sum()),
        bad_times=stamps.bad,
        offsets=stamps.offsets,
    )


def _points(attribute: Any, observed: str) -> Iterator[_Point]:
    """Yield (value, time, unit code) of one attribute in any of its forms."""
    if isinstance(attribute, list):
        for item in attribute:
            yield from _points(item, observed)
    elif isinstance(attribute, Mapping):
        code = str(attribute.get("unitCode") or "")
        if isinstance(attribute.get("values"), list):
            for pair in attribute["values"]:
                if isinstance(pair, list) and len(pair) >= 2 and _numeric(pair[0]):
                    yield pair[0], str(pair[1]), code
        elif _numeric(attribute.get("value")):
            time = attribute.get("observedAt") or observed
            if isinstance(time, Mapping):
                time = time.get("value") or time.get("@value")
            if time:
                yield attribute["value"], str(time), code


def _numeric(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _best(points: Mapping[str, list[_Point]]) -> str:
    named = [key for key in points if key in _DEFAULT_UNITS] or [
        key for key in points if looks_like_load(key)
    ]
    return max(named or list(points), key=lambda key: len(points[key]), default="")


def _unit(key: str, codes: set[str], options: ReadOptions) -> Unit:
    if options.unit:
        return parse_unit(options.unit)
    if len(codes) == 1:
        unit = parse_unit(next(iter(codes)))
        cumulative = _DEFAULT_UNITS.get(key, "").startswith("meter")
        return Unit("meter", unit.to_kilo, f"meter_{unit.label}") if cumulative else unit
    if key in _DEFAULT_UNITS:
        return parse_unit(_DEFAULT_UNITS[key])
    unit_from_name = unit_in_name(key)
    if unit_from_name is None:
        raise UnknownUnit(column=key)
    return unit_from_name
