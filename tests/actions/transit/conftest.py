"""A small valid feed to break, and the demo city's service."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from actions.transit.feed import load_feed
from actions.transit.model import Feed
from actions.transit.service import TransitService

DEMO = Path(__file__).resolve().parents[3] / "actions" / "transit" / "demo"

MINIMAL: dict[str, str] = {
    "agency.txt": "agency_id,agency_name,agency_url,agency_timezone,agency_lang\nA,测试公交,https://a.example,Asia/Shanghai,zh\n",
    "stops.txt": "stop_id,stop_name,stop_lat,stop_lon\nS1,人民广场,29.00,124.50\nS2,火车站,29.02,124.50\nS3,码头,29.04,124.50\n",
    "routes.txt": "route_id,route_short_name,route_type\nR12,12路,3\n",
    "trips.txt": "route_id,service_id,trip_id,trip_headsign,direction_id\nR12,W,T1,码头,0\nR12,W,T2,人民广场,1\n",
    "stop_times.txt": (
        "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"
        "T1,08:00:00,08:00:00,S1,1\nT1,08:10:00,08:11:00,S2,2\nT1,08:20:00,08:20:00,S3,3\n"
        "T2,24:30:00,24:30:00,S3,1\nT2,24:40:00,24:40:00,S2,2\nT2,24:50:00,24:50:00,S1,3\n"
    ),
    "calendar.txt": (
        "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
        "W,1,1,1,1,1,0,0,20260101,20261231\n"
    ),
}


@pytest.fixture(scope="session")
def minimal() -> dict[str, str]:
    return dict(MINIMAL)


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a feed: the minimal one with files changed (`None` removes one), as a folder or a zip."""

    def write(
        changes: Mapping[str, str | bytes | None] | None = None, *, as_zip: bool = False, base: bool = True
    ) -> Path:
        files: dict[str, str | bytes | None] = {**(MINIMAL if base else {}), **(changes or {})}
        folder = tmp_path_factory.mktemp("feed")
        target = folder / "gtfs.zip"
        archive = zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) if as_zip else None
        for name, content in files.items():
            if content is None:
                continue
            data = content.encode("utf-8") if isinstance(content, str) else content
            if archive:
                archive.writestr(name, data)
            else:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
        if archive:
            archive.close()
            return target
        return folder

    return write


@pytest.fixture(scope="session")
def demo_feed() -> Feed:
    return load_feed(DEMO / "gtfs.zip")


@pytest.fixture(scope="session")
def demo() -> TransitService:
    return TransitService.load(DEMO / "gtfs.zip", DEMO / "places.csv")


@pytest.fixture(scope="session")
def tuesday() -> datetime:
    """A Tuesday morning, 08:02 in the demo city."""
    return datetime(2026, 11, 24, 8, 2, tzinfo=ZoneInfo("Asia/Shanghai"))
