"""Vosk: offline recognition from a model folder per language (package `vosk`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from channels.hotline.config import SpeechSection
from channels.hotline.speech import RATE_HZ, Recognised, SpeechEngineError, SpeechToText


class Engine(SpeechToText):
    """Recognises with the models that `hotline.speech.models` names."""

    def __init__(self, section: SpeechSection) -> None:
        self._folders = section.models
        self._models: dict[str, Any] = {}
        self._recogniser: Any = None

    def load(self) -> None:
        """Load every model named."""
        try:
            import vosk
        except ImportError:
            raise SpeechEngineError(
                "vosk is not installed; run `pip install vosk`, or name another recogniser"
            ) from None
        vosk.SetLogLevel(-1)
        if not self._folders:
            raise SpeechEngineError(
                "city.yml: hotline.speech.models: name a Vosk model folder, such as zh: var/vosk-zh"
            )
        for language, folder in self._folders.items():
            if not Path(folder).is_dir():
                raise SpeechEngineError(f"city.yml: hotline.speech.models.{language}: no folder {folder}")
            self._models[language] = vosk.Model(folder)
        self._recogniser = vosk.KaldiRecognizer

    def transcribe(self, pcm: bytes, language: str) -> Recognised:
        """Return what is said; a language without a model gives nothing."""
        model = self._models.get(language)
        if model is None:
            return Recognised("")
        recogniser = self._recogniser(model, RATE_HZ)
        recogniser.SetWords(True)
        recogniser.AcceptWaveform(pcm)
        result = json.loads(recogniser.FinalResult())
        words = result.get("result") or ()
        confidence = sum(word["conf"] for word in words) / len(words) if words else 0.0
        text = str(result.get("text") or "")
        return Recognised(text.replace(" ", "") if language == "zh" else text, confidence)
