"""Base classes of speech engines; each engine is one file in `channels/hotline/engines/`, named in `city.yml`."""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import channels.hotline.engines
from channels.hotline.config import SpeechSection

# Telephone audio: 8 kHz, 16-bit signed little-endian, one channel.
RATE_HZ = 8000
FRAME_MS = 20
FRAME_BYTES = RATE_HZ * FRAME_MS // 1000 * 2


class SpeechEngineError(Exception):
    """A speech engine is unknown, not installed, or its model is missing; the message says the mend."""


@dataclass(frozen=True)
class Recognised:
    """What was understood; an empty text is noise. `confidence` is between 0 and 1."""

    text: str
    confidence: float = 1.0


class SpeechToText(ABC):
    """Understands speech."""

    languages: ClassVar[frozenset[str]] = frozenset({"zh", "en"})

    @abstractmethod
    def load(self) -> None:
        """Load the models; raises `SpeechEngineError`."""

    @abstractmethod
    def transcribe(self, pcm: bytes, language: str) -> Recognised:
        """Return what is said in telephone audio; called in a thread, one call at a time per engine."""


class TextToSpeech(ABC):
    """Speaks."""

    @abstractmethod
    def load(self) -> None:
        """Find the program or load the models; raises `SpeechEngineError`."""

    @abstractmethod
    def speak(self, text: str, language: str, rate: float) -> bytes:
        """Return telephone audio of a text; `rate` is the speed, 1 as usual. Called in a thread."""


def engine_names() -> list[str]:
    """Return the names of the engines that there are files for."""
    return sorted(module.name for module in pkgutil.iter_modules(channels.hotline.engines.__path__))


def _engine(name: str, kind: type, section: SpeechSection, key: str) -> object:
    if name not in engine_names():
        raise SpeechEngineError(
            f"city.yml: hotline.speech.{key}: no engine {name!r}; use one of {', '.join(engine_names())}"
        )
    engine = importlib.import_module(f"channels.hotline.engines.{name}").Engine(section)
    if not isinstance(engine, kind):
        raise SpeechEngineError(
            f"city.yml: hotline.speech.{key}: {name!r} cannot do that; use another engine"
        )
    return engine


def load_voice(section: SpeechSection) -> TextToSpeech:
    """Return the voice that the settings name, ready to speak; raises `SpeechEngineError`."""
    engine = _engine(section.voice, TextToSpeech, section, "voice")
    assert isinstance(engine, TextToSpeech)
    engine.load()
    return engine


def load_recogniser(section: SpeechSection) -> SpeechToText | None:
    """Return the recogniser that the settings name, `None` when they name none; raises `SpeechEngineError`."""
    if not section.recogniser:
        return None
    engine = _engine(section.recogniser, SpeechToText, section, "recogniser")
    assert isinstance(engine, SpeechToText)
    engine.load()
    return engine
