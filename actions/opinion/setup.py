"""Loads the opinion service from the settings."""

from __future__ import annotations

from actions.opinion.errors import OpinionNotConfigured
from actions.opinion.service import OpinionService
from actions.opinion.settings import OpinionSection
from city.settings import Settings, module_section


def load_service(settings: Settings) -> OpinionService:
    """Return the service.

    Raises:
        OpinionNotConfigured: city.yml has no `opinion:` section.
        SettingsError: a key of it is wrong.
        OpinionError, DatabaseError: word lists or database cannot be used.
    """
    section = module_section(settings, "opinion", OpinionSection)
    if section is None:
        raise OpinionNotConfigured()
    return OpinionService(
        section,
        settings.path,
        settings.zone,
        settings.data,
    )
