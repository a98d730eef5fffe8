"""Loads the requests service from the settings."""

from __future__ import annotations

from pathlib import Path

from actions.requests.catalogue import read_catalogue
from actions.requests.errors import RequestsNotConfigured
from actions.requests.photos import PhotoBox
from actions.requests.places import PlaceFinder
from actions.requests.routing import Router, SentenceEncoder
from actions.requests.service import RequestService
from actions.requests.settings import RequestsSection
from actions.requests.store import RequestStore
from city.settings import Settings, module_section
from nlp.encoder import Encoder

GAZETTEER = Path(__file__).resolve().parents[2] / "bot" / "data" / "gazetteer" / "city.csv"


def section_of(settings: Settings) -> RequestsSection:
    """Return the `requests:` section.

    Raises:
        RequestsNotConfigured: there is none.
        SettingsError: a key of it is wrong.
    """
    section = module_section(settings, "requests", RequestsSection)
    if section is None:
        raise RequestsNotConfigured()
    return section


def load_service(
    settings: Settings, encoder: SentenceEncoder | None = None, learn: bool = True
) -> RequestService:
    """Return the service.

    Args:
        encoder: sentence vectors; `None` loads the settings' base.
        learn: `False` leaves the router without its examples, for commands that route nothing.

    Raises:
        RequestsNotConfigured, SettingsError: as `section_of`.
        RequestsError: a file cannot be used.
        DatabaseError: the database cannot be opened.
    """
    section = section_of(settings)
    catalogue = read_catalogue(settings.path(section.categories))
    places = PlaceFinder.read(
        settings.path(section.gazetteer) if section.gazetteer else GAZETTEER,
        settings.path(section.places) if section.places else None,
        settings.path(section.streets) if section.streets else None,
        settings.path(section.intersections) if section.intersections else None,
    )
    if learn and encoder is None:
        encoder = Encoder.load(settings.path(settings.models.base), threads=settings.models.threads)
    router = Router(catalogue, encoder if learn else None, settings.data / "cache" / "requests")
    store = RequestStore.open(section.store_url or f"sqlite:///{settings.data / 'requests.db'}")
    photos = PhotoBox(store, settings.data / "requests" / "photos", section.photos)
    return RequestService(section, catalogue, store, places, router, photos, settings.zone)
