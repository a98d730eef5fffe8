"""Loads the requests service from the settings."""

from __future__ import annotations

import logging
from pathlib import Path

from actions.requests.catalogue import Catalogue, read_catalogue
from actions.requests.errors import RequestsNotConfigured
from actions.requests.photos import PhotoBox
from actions.requests.places import PlaceFinder
from actions.requests.routing import Router, SentenceEncoder
from actions.requests.service import RequestService
from actions.requests.settings import RequestsSection
from actions.requests.store import RequestStore
from city.settings import Settings, module_section
from nlp.encoder import Encoder, EncoderError
from nlp.routing import RoutingModelError, find_tuned, heads_dir

logger = logging.getLogger(__name__)

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


def _router(settings: Settings, catalogue: Catalogue, encoder: SentenceEncoder | None) -> Router:
    """Return the router on the fine-tuned encoder where there is one that fits, else on the frozen base."""
    base, heads = settings.path(settings.models.base), heads_dir(settings.data)
    told_apart = [c.id for c in catalogue.categories.values() if len(catalogue.of_kind(c.kind)) > 1]
    try:
        tuned = find_tuned(settings.data, base, told_apart)
        if tuned is not None:
            own = Encoder.load(tuned.folder, threads=settings.models.threads)
            return Router(catalogue, own, heads, held_out=tuned.manifest.held_out)
    except (RoutingModelError, EncoderError) as error:
        logger.warning("the router stays on the frozen base: %s", error)
    if encoder is None:
        encoder = Encoder.load(base, threads=settings.models.threads)
    return Router(catalogue, encoder, heads)


def load_service(
    settings: Settings, encoder: SentenceEncoder | None = None, learn: bool = True
) -> RequestService:
    """Return the service.

    Args:
        encoder: sentence vectors of the base, loaded already; used where no fine-tuned router fits.
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
    router = _router(settings, catalogue, encoder) if learn else Router(catalogue, None, None)
    store = RequestStore.open(section.store_url or f"sqlite:///{settings.data / 'requests.db'}")
    photos = PhotoBox(store, settings.data / "requests" / "photos", section.photos)
    return RequestService(section, catalogue, store, places, router, photos, settings.zone)
