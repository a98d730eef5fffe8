"""The overview pages over the shipped demo city."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from markupsafe import escape

from actions import energy, traffic
from actions.energy.service import EnergyService
from actions.traffic.service import TrafficService
from actions.traffic.settings import TrafficSection
from city.settings import Settings, load_settings, module_section
from tests.console.conftest import Console

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def settings() -> Settings:
    """The shipped settings."""
    return load_settings(ROOT / "city.yml")


@pytest.fixture
def city(settings: Settings, tmp_path: Path) -> Iterator[None]:
    """The demo city's traffic and energy services."""
    section = module_section(settings, "traffic", TrafficSection)
    assert section is not None
    roads = TrafficService(section, settings.path, settings.zone, tmp_path)
    roads.streets = dict(list(roads.streets.items())[:3])
    traffic.configure(roads)
    service = EnergyService.load(settings)
    service.site = replace(service.site, buildings=service.site.buildings[:1])
    energy.configure(service)
    yield
    traffic.configure(None)
    energy.configure(None)


async def until_ready(console: Console, path: str) -> str:
    """Return the page once what takes long is computed."""
    for _ in range(600):
        page = await console.page(path)
        if "Being computed" not in page:
            return page
        await asyncio.sleep(0.1)
    raise AssertionError(f"{path} was not ready in time")


@pytest.mark.usefixtures("city")
async def test_traffic_shows_streets_a_chart_and_car_parks(console: Console) -> None:
    await console.sign_in("viewer")
    page = await until_ready(console, "/overview/traffic")
    for text in ("Streets now", "Expected speed today", 'role="img"', "Car parks"):
        assert text in page
    street = next(iter(traffic.get_service().streets.values()))
    assert street.names["en"] in page
    chosen = await console.page(f"/overview/traffic?street={street.id}")
    assert f"Expected speed today: {street.names['en']}" in chosen
    assert "<script>alert" not in await console.page("/overview/traffic?street=<script>alert(1)</script>")


@pytest.mark.usefixtures("city")
async def test_energy_is_computed_beside_the_page_and_then_shown(console: Console) -> None:
    await console.sign_in("viewer")
    page = await until_ready(console, "/overview/energy")
    for building in energy.get_service().site.buildings:
        assert escape(building.en) in page
    assert "Load of the last 7 days" in page
    assert "kWh" in page


async def test_modules_that_are_not_there_are_told(console: Console) -> None:
    traffic.configure(None)
    energy.configure(None)
    await console.sign_in("viewer")
    for path in ("/overview/traffic", "/overview/energy"):
        assert "has not configured" in await console.page(path)
