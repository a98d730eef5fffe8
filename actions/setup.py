"""Gives every city module its service, as the settings say."""

from __future__ import annotations

from contextlib import suppress

from actions import answers, energy, opinion, requests, traffic, transit
from actions.energy.service import EnergyService
from actions.energy.settings import EnergySection
from actions.errors import NotConfiguredError
from actions.opinion.setup import load_service as load_opinion
from actions.requests.setup import load_service as load_requests
from actions.traffic.service import TrafficService
from actions.traffic.settings import TrafficSection
from city.settings import Settings, load_settings, module_section
from knowledge.service import KnowledgeService


def configure(settings: Settings | None = None) -> None:
    """Open all modules' services.

    Args:
        settings: the city's settings; `None` loads them as the server does.

    Raises:
        SettingsError: when the settings are wrong.
        FeedError: when the timetable cannot be used.
        TrafficError, EnergyError, RequestsError, OpinionError: when a file of those modules cannot be used.
        DatabaseError: when the database of requests or opinion cannot be opened.
        KnowledgeIndexError: when the knowledge base cannot be opened.
    """
    settings = settings or load_settings()
    knowledge = KnowledgeService.open(settings)
    answers.configure(knowledge)
    transit.configure_from(settings)
    roads = module_section(settings, "traffic", TrafficSection)
    traffic.configure(TrafficService(roads, settings.path, settings.zone, settings.data) if roads else None)
    meters = module_section(settings, "energy", EnergySection)
    energy.configure(EnergyService.load(settings, meters) if meters else None)
    opinion.configure(load_opinion(settings) if settings.opinion is not None else None)
    requests.configure(
        load_requests(settings, knowledge.index.encoder) if settings.requests is not None else None
    )


def close() -> None:
    """Close what `configure` opened and must not be cut off; harmless when nothing is open."""
    with suppress(NotConfiguredError):
        answers.get_service().close()
        answers.configure(None)
    with suppress(NotConfiguredError):
        opinion.get_service().close()
        opinion.configure(None)
