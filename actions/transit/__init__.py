"""Public transport answers from a GTFS timetable: stops, departures and lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actions.transit.errors import TransitNotConfigured

if TYPE_CHECKING:
    from actions.transit.service import TransitService
    from city.settings import Settings

_service: TransitService | None = None


def configure(service: TransitService | None) -> None:
    """Set the service that the actions of this process answer from; `None` removes it."""
    global _service
    _service = service


def configure_from(settings: Settings) -> None:
    """Load the timetable that the settings name and configure it; without one, transit stays unconfigured.

    Raises:
        FeedError: the timetable cannot be used.
        PlacesError: the table of landmarks cannot be used.
    """
    from actions.transit.service import TransitService

    section = settings.transit
    if section is None:
        configure(None)
        return
    places = settings.path(section.places) if section.places is not None else None
    cache = settings.data / "cache" / "transit"
    configure(TransitService.load(settings.path(section.feed), places, cache, settings.city.languages))


def get_service() -> TransitService:
    """Return the configured service; raises `TransitNotConfigured` before `configure` was called."""
    if _service is None:
        raise TransitNotConfigured()
    return _service


__all__ = ["TransitNotConfigured", "configure", "configure_from", "get_service"]
