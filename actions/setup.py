"""Gives every city module its service, as the settings say."""

from __future__ import annotations

from actions import answers, transit
from city.settings import Settings, load_settings


def configure(settings: Settings | None = None) -> None:
    """Configure all modules.

    Args:
        settings: the city's settings; `None` loads them as the server does, for `rasa run actions`.

    Raises:
        SettingsError: when the settings are wrong.
        FeedError: when the timetable cannot be used.
    """
    settings = settings or load_settings()
    answers.configure(settings)
    transit.configure_from(settings)
