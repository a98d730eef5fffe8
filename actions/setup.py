"""Gives every city module its service, as the settings say."""

from __future__ import annotations

from actions import answers, transit
from city.settings import Settings, load_settings
from knowledge.service import KnowledgeService


def configure(settings: Settings | None = None) -> None:
    """Open all modules' services.

    Args:
        settings: the city's settings; `None` loads them as the server does.

    Raises:
        SettingsError: when the settings are wrong.
        FeedError: when the timetable cannot be used.
        KnowledgeError: when the knowledge base cannot be opened.
    """
    settings = settings or load_settings()
    answers.configure(KnowledgeService.open(settings))
    transit.configure_from(settings)
