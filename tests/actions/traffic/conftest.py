"""The demo city's traffic service, at a fixed time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from actions.traffic.service import TrafficService
from actions.traffic.settings import TrafficSection

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "actions" / "traffic" / "demo"
ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 24, 8, 7, tzinfo=ZONE)


def section(**changes: object) -> TrafficSection:
    values: dict[str, object] = {
        "intersections": DEMO / "intersections.geojson",
        "counts": DEMO / "counts.csv.gz",
        "streets": DEMO / "streets.json",
        "street_history": DEMO / "street_history.csv.gz",
        "roadworks": DEMO / "roadworks.json",
        "parking": DEMO / "parking.json",
        "places": ROOT / "actions" / "transit" / "demo" / "places.csv",
        "network": DEMO / "arterial.net.xml",
        "live": {"kind": "demo"},
        **changes,
    }
    return TrafficSection(**values)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> TrafficService:
    return TrafficService(section(), Path, ZONE, tmp_path_factory.mktemp("data"), lambda: NOW)
