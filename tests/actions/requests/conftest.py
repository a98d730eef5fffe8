"""A requests service over the shipped categories and an empty database, with a clock of its own."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from PIL import Image

from actions.requests.catalogue import Catalogue, read_catalogue
from actions.requests.photos import PhotoBox
from actions.requests.places import PlaceFinder
from actions.requests.routing import Router
from actions.requests.service import RequestService
from actions.requests.settings import RequestsSection
from actions.requests.store import RequestStore
from nlp.encoder import Encoder

ROOT = Path(__file__).resolve().parents[3]
CATEGORIES = ROOT / "actions/requests/demo/categories.yml"


@lru_cache(maxsize=1)
def shipped() -> tuple[Catalogue, PlaceFinder]:
    """Return the shipped categories and places, read once a process: no test changes them."""
    catalogue = read_catalogue(CATEGORIES)
    return catalogue, PlaceFinder.read(
        ROOT / "bot/data/gazetteer/city.csv", ROOT / "actions/transit/demo/places.csv"
    )


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 24, 1, 0)

    def __call__(self) -> datetime:
        return self.time

    def go(self, **by: float) -> None:
        self.time += timedelta(**by)


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return read_catalogue(CATEGORIES)


@pytest.fixture(scope="session")
def places() -> PlaceFinder:
    demo = ROOT / "actions"
    return PlaceFinder.read(
        ROOT / "bot/data/gazetteer/city.csv",
        demo / "transit/demo/places.csv",
        demo / "traffic/demo/streets.json",
        demo / "traffic/demo/intersections.geojson",
    )


@pytest.fixture(scope="session")
def router(catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> Router:
    """A router on the frozen base that knows the few examples in the file of categories; learned once a session."""
    few = read_catalogue(CATEGORIES, sentences=False)
    return Router(few, Encoder.load(ROOT / "nlp/base"), tmp_path_factory.mktemp("heads"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_service(
    tmp_path: Path, catalogue: Catalogue, places: PlaceFinder, router: Router, clock: Clock
) -> Iterator[Callable[..., RequestService]]:
    made: list[RequestService] = []

    def make(**changes: Any) -> RequestService:
        section = RequestsSection.parse_obj(
            {"categories": CATEGORIES, "bounds": [28.7, 124.2, 29.3, 124.9], **changes}
        )
        store = RequestStore.open(f"sqlite:///{tmp_path / 'requests.db'}")
        photos = PhotoBox(store, tmp_path / "photos", section.photos)
        zone = ZoneInfo("Asia/Shanghai")
        service = RequestService(section, catalogue, store, places, router, photos, zone, clock)
        made.append(service)
        return service

    yield make
    for service in made:
        service.close()


def bare_service(folder: Path) -> RequestService:
    """Return a service below a folder whose router knows keywords only."""
    section = RequestsSection.parse_obj({"categories": CATEGORIES})
    catalogue, places = shipped()
    store = RequestStore.open(f"sqlite:///{folder / 'requests.db'}")
    photos = PhotoBox(store, folder / "photos", section.photos)
    router = Router(catalogue, None, None)
    return RequestService(section, catalogue, store, places, router, photos, ZoneInfo("Asia/Shanghai"))


@pytest.fixture
def service(make_service: Callable[..., RequestService]) -> RequestService:
    return make_service()


def photo_bytes(
    size: tuple[int, int] = (64, 48), position: tuple[float, float] | None = None, kind: str = "JPEG"
) -> bytes:
    """Return a small picture, with an EXIF position where wished."""
    image = Image.new("RGB", size, (200, 90, 30))
    out = io.BytesIO()
    exif = Image.Exif()
    if position is not None:
        gps = exif.get_ifd(0x8825)
        for tag, reference, value, signs in ((2, 1, position[0], "NS"), (4, 3, position[1], "EW")):
            gps[reference] = signs[value < 0]
            degrees, rest = divmod(abs(value), 1)
            minutes, seconds = divmod(rest * 60, 1)
            gps[tag] = (degrees, minutes, round(seconds * 60, 4))
        exif[0x010E] = "secret words"
    image.save(out, kind, exif=exif)
    return out.getvalue()
