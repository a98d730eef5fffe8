"""Live sources against a local NGSI-LD server: good answers, cache, stale data, failures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from actions.traffic.errors import LiveSourceError
from actions.traffic.live import HttpSource, read_flow, read_parking
from actions.traffic.settings import LiveSection

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=timezone.utc)
FLOW = {
    "id": "urn:ngsi-ld:TrafficFlowObserved:renmin",
    "type": "TrafficFlowObserved",
    "dateObserved": {"type": "Property", "value": "2026-11-24T07:45:00Z/2026-11-24T08:00:00Z"},
    "dateObservedFrom": {
        "type": "Property",
        "value": {"@type": "DateTime", "@value": "2026-11-24T07:45:00Z"},
    },
    "dateObservedTo": {"type": "Property", "value": {"@type": "DateTime", "@value": "2026-11-24T08:00:00Z"}},
    "intensity": {"type": "Property", "value": 400},
    "averageVehicleSpeed": {"type": "Property", "value": 31.5},
    "refRoadSegment": {"type": "Relationship", "object": "urn:ngsi-ld:RoadSegment:renmin"},
}
LOT = {
    "id": "urn:ngsi-ld:OffStreetParking:square",
    "type": "OffStreetParking",
    "availableSpotNumber": {"type": "Property", "value": 12, "observedAt": "2026-11-24T07:58:00Z"},
    "totalSpotNumber": {"type": "Property", "value": 420},
}


class Broker:
    """A context broker that can be told to fail."""

    def __init__(self) -> None:
        self.mode, self.calls, self.queries = "ok", 0, []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        self.queries.append((dict(request.query), request.headers.get("NGSILD-Tenant")))
        if self.mode == "down" or (self.mode == "flaky" and self.calls == 1):
            return web.Response(status=503)
        if self.mode == "html":
            return web.Response(text="<html>login</html>", content_type="text/html")
        if self.mode == "nonsense":
            return web.json_response([{"id": "x", "intensity": "many"}])
        entity: Any = LOT if request.query.get("type") == "OffStreetParking" else FLOW
        return web.json_response([entity])


@pytest.fixture
async def broker() -> AsyncIterator[tuple[Broker, str]]:
    made = Broker()
    app = web.Application()
    app.router.add_get("/ngsi-ld/v1/entities", made.handle)
    async with TestServer(app) as server:
        yield made, str(server.make_url("")).rstrip("/")


def source(url: str, now: datetime = NOW, **changes: Any) -> HttpSource:
    return HttpSource(LiveSection(kind="ngsi-ld", url=url, retries=1, timeout_s=2, **changes), lambda: now)


async def test_flow_and_parking_are_read_and_cached(broker: tuple[Broker, str]) -> None:
    made, url = broker
    live = source(url, tenant="city")
    flow = (await live.flows())["renmin"]
    assert (flow.volume_vph, flow.speed_kmh, flow.stale) == (1600.0, 31.5, False)
    await live.flows()
    assert made.calls == 1
    assert made.queries[0] == ({"type": "TrafficFlowObserved", "limit": "1000"}, "city")
    lot = (await live.parking())["square"]
    assert (lot.free, lot.total, lot.observed_at.minute) == (12, 420, 58)


async def test_one_failure_is_retried(broker: tuple[Broker, str]) -> None:
    made, url = broker
    made.mode = "flaky"
    assert "renmin" in await source(url).flows()
    assert made.calls == 2


async def test_old_observations_are_stale(broker: tuple[Broker, str]) -> None:
    flows = await source(broker[1], NOW + timedelta(hours=2)).flows()
    assert flows["renmin"].stale


async def test_the_last_answer_is_kept_and_stale_while_the_broker_is_down(broker: tuple[Broker, str]) -> None:
    made, url = broker
    live = source(url, cache_s=0)
    assert not (await live.flows())["renmin"].stale
    made.mode = "down"
    assert (await live.flows())["renmin"].stale


@pytest.mark.parametrize("mode", ["down", "html", "nonsense"])
async def test_failures_are_named(broker: tuple[Broker, str], mode: str) -> None:
    made, url = broker
    made.mode = mode
    with pytest.raises(LiveSourceError) as caught:
        await source(url).flows()
    assert "实时数据源" in caught.value.text("zh")


async def test_nobody_listening() -> None:
    with pytest.raises(LiveSourceError, match="does not answer"):
        await source("http://127.0.0.1:9").flows()


def test_nonsense_values_are_refused() -> None:
    base = {"street": "a", "observed_at": "2026-11-24T08:00:00Z"}
    assert read_flow({**base, "speed_kmh": "30"}, "x") is not None
    assert read_flow({**base, "speed_kmh": "-3"}, "x") is None
    assert read_flow({**base, "speed_kmh": "NaN"}, "x") is None
    assert read_flow({**base, "volume_vph": 10**9}, "x") is None
    assert read_flow({"street": "a", "speed_kmh": 3}, "x") is None
    lot = {"car_park": "p", "observed_at": "2026-11-24T08:00:00+08:00"}
    assert read_parking({**lot, "free": 5, "spaces": 9}, "x") is not None
    assert read_parking({**lot, "free": 10, "spaces": 9}, "x") is None
    assert read_parking({**lot, "free": -1}, "x") is None
