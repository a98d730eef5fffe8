"""Moonshine: offline recognition of English (package `moonshine-voice`; version 0.0.49 brings a small model)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from channels.hotline.config import SpeechSection
from channels.hotline.speech import Recognised, SpeechEngineError, SpeechToText

_RATE_HZ = 16_000


class Engine(SpeechToText):
    """Recognises with the model folder that `hotline.speech.models.en` names, or with the package's own."""

    languages = frozenset({"en"})

    def __init__(self, section: SpeechSection) -> None:
        self._folder = section.models.get("en", "")
        self._transcriber: Any = None

    def load(self) -> None:
        """Load the model."""
        try:
            from moonshine_voice import ModelArch, get_model_path
            from moonshine_voice.transcriber import Transcriber
        except ImportError:
            raise SpeechEngineError(
                "moonshine-voice is not installed; run `pip install moonshine-voice==0.0.49`, "
                "or name another recogniser"
            ) from None
        folder = Path(self._folder or str(get_model_path("tiny-en")))
        if not (folder / "encoder_model.ort").is_file():
            raise SpeechEngineError(
                f"city.yml: hotline.speech.models.en: no Moonshine model in {folder}; "
                "moonshine-voice 0.0.49 brings one"
            )
        self._transcriber = Transcriber(str(folder), ModelArch.TINY)

    def transcribe(self, pcm: bytes, language: str) -> Recognised:
        """Return what is said; Moonshine tells no confidence."""
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768
        heard = resample_poly(samples, 2, 1).astype(np.float32)
        found = self._transcriber.transcribe_without_streaming(heard.tolist(), _RATE_HZ)
        return Recognised(" ".join(line.text for line in found.lines).strip())
