"""faster-whisper: offline recognition of both languages with one model folder (package `faster-whisper`)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from channels.hotline.config import SpeechSection
from channels.hotline.speech import Recognised, SpeechEngineError, SpeechToText


class Engine(SpeechToText):
    """Recognises with the model that `hotline.speech.models` names as `all`, or as one language."""

    def __init__(self, section: SpeechSection) -> None:
        self._folder = section.models.get("all") or next(iter(section.models.values()), "")
        self._model: Any = None

    def load(self) -> None:
        """Load the model."""
        try:
            from faster_whisper import WhisperModel
        except ImportError:
            raise SpeechEngineError(
                "faster-whisper is not installed; run `pip install faster-whisper`, or name another recogniser"
            ) from None
        if not self._folder or not Path(self._folder).is_dir():
            raise SpeechEngineError(
                f"city.yml: hotline.speech.models.all: no folder {self._folder!r}; name a faster-whisper model folder"
            )
        self._model = WhisperModel(self._folder, device="cpu", compute_type="int8", local_files_only=True)

    def transcribe(self, pcm: bytes, language: str) -> Recognised:
        """Return what is said."""
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768
        parts, _ = self._model.transcribe(resample_poly(samples, 2, 1), language=language, beam_size=1)
        found = [part for part in parts if part.no_speech_prob < 0.6]
        if not found:
            return Recognised("", 0.0)
        likelihood = sum(part.avg_logprob for part in found) / len(found)
        return Recognised("".join(part.text for part in found).strip(), math.exp(likelihood))
