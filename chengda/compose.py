"""Builds the rooms' objects from the settings."""

from __future__ import annotations

from pathlib import Path

from bot.brain import Brain, BrainConfig
from bot.training import dialogue_model
from city.settings import Settings


def nlu_models_dir(settings: Settings) -> Path:
    """Return the folder of the NLU model registry."""
    return settings.data / "models" / "nlu"


def dialogue_models_dir(settings: Settings) -> Path:
    """Return the folder of dialogue models."""
    return settings.data / "models" / "dialogue"


def brain_config(settings: Settings) -> BrainConfig:
    """Return what the brain needs of the settings."""
    names = {
        language: {
            "city": settings.city.name.get(language),
            "assistant": settings.city.assistant_name.get(language),
            "hotline": settings.contact.number,
            "emergency_numbers": ("、" if language == "zh" else ", ").join(
                number.number for number in settings.emergency if "general" in number.kinds
            ),
        }
        for language in ("zh", "en")
    }
    url = settings.server.tracker_url or f"sqlite:///{settings.data / 'conversations.db'}"
    return BrainConfig(
        model=dialogue_model(dialogue_models_dir(settings)),
        tracker_url=url,
        default_language=settings.city.default_language,
        names=names,
        replicas=settings.server.replicas,
    )


def make_brain(settings: Settings) -> Brain:
    """Return the brain, not loaded yet."""
    return Brain(brain_config(settings))
