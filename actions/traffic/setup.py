"""Gives the traffic module its service, as the settings say."""

from __future__ import annotations

from actions import traffic
from actions.traffic.errors import TrafficNotConfigured
from actions.traffic.service import TrafficService
from city.settings import Settings


def load_service(settings: Settings) -> TrafficService:
    """Load the service.

    Raises:
        TrafficNotConfigured: the settings have no `traffic:` section.
        TrafficError: a file cannot be used.
    """
    section = getattr(settings, "traffic", None)
    if section is None:
        raise TrafficNotConfigured()
    return TrafficService(section, settings.path, settings.zone, settings.data)


def configure_from(settings: Settings) -> None:
    """Configure the actions of this process; without a `traffic:` section they say that it is missing."""
    traffic.configure(load_service(settings) if getattr(settings, "traffic", None) is not None else None)
