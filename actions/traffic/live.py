"""Live observations over HTTP: FIWARE NGSI-LD, or plain JSON or CSV, with time-outs, retries, cache and a stale flag."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import aiohttp
from aiohttp_retry import ExponentialRetry, RetryClient

from actions.traffic.errors import LiveSourceError
from actions.traffic.settings import LiveSection

NGSI_LD_CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.6.jsonld"
RETRY_ON = {429, 500, 502, 503, 504}
MOST_BYTES = 8 << 20


@dataclass(frozen=True)
class FlowObservation:
    """Traffic seen on a street. `volume_vph` and `speed_kmh` are `None` where not reported."""

    street: str
    observed_at: datetime
    volume_vph: float | None
    speed_kmh: float | None
    congested: bool | None = None
    source: str = ""
    stale: bool = False


@dataclass(frozen=True)
class ParkingObservation:
    """Free spaces of a car park."""

    car_park: str
    observed_at: datetime
    free: int
    total: int | None = None
    source: str = ""
    stale: bool = False


class LiveSource(Protocol):
    """Gives the latest observations; `stale` marks old ones."""

    async def flows(self) -> dict[str, FlowObservation]:
        """Return observations by street id."""

    async def parking(self) -> dict[str, ParkingObservation]:
        """Return observations by car park id."""


class HttpSource:
    """Fetches observations over HTTP.

    While the back end is down, the last good answer is given, marked as stale; without one the error is raised.

    Args:
        settings: address, format and limits.
        now: the clock, aware.
    """

    def __init__(self, settings: LiveSection, now: Callable[[], datetime]) -> None:
        self.settings, self._now = settings, now
        self._cache: dict[str, tuple[float, dict[str, Any]]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def flows(self) -> dict[str, FlowObservation]:
        return self._marked(await self._get("flows"))

    async def parking(self) -> dict[str, ParkingObservation]:
        return self._marked(await self._get("parking"))

    def _marked(self, found: dict[str, Any]) -> dict[str, Any]:
        limit = timedelta(seconds=self.settings.stale_after_s)
        now = self._now()
        return {k: replace(o, stale=o.stale or now - o.observed_at > limit) for k, o in found.items()}

    async def _get(self, what: str) -> dict[str, Any]:
        async with self._locks.setdefault(what, asyncio.Lock()):
            kept = self._cache.get(what)
            if kept is not None and time.monotonic() - kept[0] < self.settings.cache_s:
                return kept[1]
            try:
                found = await self._fetch(what)
            except LiveSourceError:
                if kept is None:
                    raise
                return {key: replace(o, stale=True) for key, o in kept[1].items()}
            self._cache[what] = (time.monotonic(), found)
            return found

    async def _fetch(self, what: str) -> dict[str, Any]:
        section = self.settings
        url = section.parking_url if what == "parking" and section.parking_url else section.url
        headers, params = {"Accept": "application/json"}, {}
        if section.kind == "ngsi-ld":
            kind = "OffStreetParking" if what == "parking" else "TrafficFlowObserved"
            params = {"type": kind, "limit": "1000"}
            headers["Accept"] = "application/ld+json"
            url = f"{section.url}/ngsi-ld/v1/entities"
            if section.tenant:
                headers["NGSILD-Tenant"] = section.tenant
        body = await self._download(url, headers, params)
        try:
            rows = (
                list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"))))
                if section.kind == "csv"
                else json.loads(body)
            )
        except (ValueError, UnicodeDecodeError) as error:
            raise _wrong(url, str(error)) from None
        if isinstance(rows, dict):
            rows = rows.get("entities") or rows.get("results") or [rows]
        if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
            raise _wrong(url, "expected a list of objects")
        read = read_parking if what == "parking" else read_flow
        found: dict[str, Any] = {}
        for row in rows:
            observation = read(row, url)
            if observation is None:
                continue
            key = str(getattr(observation, "car_park", "") or getattr(observation, "street", ""))
            if key not in found or found[key].observed_at < observation.observed_at:
                found[key] = observation
        if rows and not found:
            raise _wrong(url, "no entity has the fields that are needed")
        return found

    async def _download(self, url: str, headers: Mapping[str, str], params: Mapping[str, str]) -> bytes:
        section = self.settings
        retry = ExponentialRetry(
            attempts=section.retries + 1,
            start_timeout=0.1,
            max_timeout=2.0,
            statuses=RETRY_ON,
            exceptions={aiohttp.ClientError, asyncio.TimeoutError},
        )
        timeout = aiohttp.ClientTimeout(total=section.timeout_s)
        try:
            async with (
                RetryClient(retry_options=retry, timeout=timeout, raise_for_status=False) as client,
                client.get(url, headers=headers, params=params) as response,
            ):
                if response.status != 200:
                    raise _wrong(url, f"HTTP {response.status}")
                body = await response.content.read(MOST_BYTES + 1)
                while len(body) <= MOST_BYTES and not response.content.at_eof():
                    body += await response.content.read(MOST_BYTES + 1 - len(body))
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise LiveSourceError(
                f"{url}：实时数据源无响应（{type(error).__name__}）。",
                f"{url}: the live source does not answer ({type(error).__name__})",
            ) from None
        if len(body) > MOST_BYTES:
            raise _wrong(url, "more than 8 MiB")
        return body


def read_flow(row: Mapping[str, Any], source: str) -> FlowObservation | None:
    """Read a TrafficFlowObserved entity or a plain row; `None` when it lacks a street, a time or sane numbers.

    Smart Data Models: `intensity` in vehicles, over `dateObservedFrom`–`dateObservedTo` or else an hour;
    `averageVehicleSpeed` in km/h. Plain rows: street, observed_at, volume_vph, speed_kmh.
    """
    street = _text(row, "refRoadSegment", "street", "roadSegment") or _text(row, "name", "id")
    when = _time(row, "dateObservedTo", "dateObserved", "observed_at", "timestamp") or _observed_at(row)
    volume, speed = _number(row, "volume_vph"), _number(row, "averageVehicleSpeed", "speed_kmh")
    if volume is None and (count := _number(row, "intensity")) is not None:
        start, end = _time(row, "dateObservedFrom"), _time(row, "dateObservedTo")
        hours = (end - start).total_seconds() / 3600 if start and end and end > start else 1.0
        volume = count / hours
    if not street or when is None or (volume is None and speed is None):
        return None
    if volume is not None and not 0 <= volume <= 20000:
        return None
    if speed is not None and not 0 <= speed <= 200:
        return None
    congested = _value(row, "congested")
    return FlowObservation(
        street.rpartition(":")[2],
        when,
        volume,
        speed,
        congested if isinstance(congested, bool) else None,
        source,
    )


def read_parking(row: Mapping[str, Any], source: str) -> ParkingObservation | None:
    """Read an OffStreetParking entity or a plain row; `None` when it lacks a name, a time or sane numbers."""
    name = _text(row, "car_park", "refParking") or _text(row, "id", "name")
    free = _number(row, "availableSpotNumber", "free")
    total = _number(row, "totalSpotNumber", "spaces", "total")
    when = _time(
        row, "observationDateTime", "dateObserved", "observed_at", "timestamp", "dateModified"
    ) or _observed_at(row)
    if not name or free is None or when is None or free < 0 or (total is not None and free > total):
        return None
    return ParkingObservation(
        name.rpartition(":")[2], when, int(free), int(total) if total is not None else None, source
    )


def _value(row: Mapping[str, Any], key: str) -> Any:
    """Return a value in any of NGSI-LD's forms: key-values, normalised, or a property of type DateTime."""
    value = row.get(key)
    if isinstance(value, Mapping):
        value = value.get("value", value.get("object", value.get("@value")))
    if isinstance(value, Mapping):
        value = value.get("@value")
    return value


def _text(row: Mapping[str, Any], *keys: str) -> str:
    return next((v for key in keys if isinstance(v := _value(row, key), str) and v), "")


def _number(row: Mapping[str, Any], *keys: str) -> float | None:
    for key in keys:
        value = _value(row, key)
        if isinstance(value, bool) or value is None or value == "":
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if math.isfinite(number):
            return number
    return None


def _time(row: Mapping[str, Any], *keys: str) -> datetime | None:
    for key in keys:
        value = _value(row, key)
        if isinstance(value, str):
            # An interval, `from/to`, is observed at its end.
            with_zone = _parse(value.rpartition("/")[2])
            if with_zone is not None:
                return with_zone
    return None


def _observed_at(row: Mapping[str, Any]) -> datetime | None:
    times = [
        _parse(str(v["observedAt"])) for v in row.values() if isinstance(v, Mapping) and "observedAt" in v
    ]
    return max((t for t in times if t is not None), default=None)


def _parse(text: str) -> datetime | None:
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return when if when.tzinfo is not None else None


def _wrong(url: str, problem: str) -> LiveSourceError:
    return LiveSourceError(
        f"{url}：实时数据源返回了无法使用的内容（{problem}）。",
        f"{url}: the live source answers nonsense ({problem})",
    )
