"""Loads the traffic service from the settings, for the command line."""

from __future__ import annotations

from actions.traffic.errors import TrafficNotConfigured
from actions.traffic.service import TrafficService
from actions.traffic.settings import TrafficSection
from city.settings import Settings, module_section


def section_of(settings: Settings) -> TrafficSection:
    """Return the `traffic:` section.

    Raises:
        TrafficNotConfigured: there is none.
        SettingsError: a key of it is wrong.
    """
    section = module_section(settings, "traffic", TrafficSection)
    if section is None:
        raise TrafficNotConfigured()
    return section


def load_service(settings: Settings) -> TrafficService:
    """Return the service; raises as `section_of` does, and `TrafficError` when a file cannot be used."""
    return TrafficService(section_of(settings), settings.path, settings.zone, settings.data)
