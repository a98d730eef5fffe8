"""PocketSphinx: English recognition with the model that its package carries (package `pocketsphinx`)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.signal import resample_poly

from channels.hotline.config import SpeechSection
from channels.hotline.speech import Recognised, SpeechEngineError, SpeechToText


class Engine(SpeechToText):
    """Recognises English; `models.grammar` may name a JSGF grammar of what callers say, which helps it much."""

    languages: ClassVar[frozenset[str]] = frozenset({"en"})

    def __init__(self, section: SpeechSection) -> None:
        self._grammar = section.models.get("grammar", "")
        self._decoder: Any = None

    def load(self) -> None:
        """Load the package's own model."""
        try:
            from pocketsphinx import Decoder
        except ImportError:
            raise SpeechEngineError(
                "pocketsphinx is not installed; run `pip install pocketsphinx`, or name another recogniser"
            ) from None
        options: dict[str, Any] = {"samprate": 16000, "loglevel": "FATAL"}
        if self._grammar:
            options |= {"jsgf": self._grammar, "lm": None}
        try:
            self._decoder = Decoder(**options)
        except (RuntimeError, ValueError) as error:
            raise SpeechEngineError(f"pocketsphinx cannot start: {error}; check models.grammar") from error

    def transcribe(self, pcm: bytes, language: str) -> Recognised:
        """Return what is said in English; other languages give nothing."""
        if language != "en" or not pcm:
            return Recognised("", 0.0)
        samples = resample_poly(np.frombuffer(pcm, dtype="<i2").astype(np.float32), 2, 1)
        self._decoder.start_utt()
        self._decoder.process_raw(np.clip(samples, -32768, 32767).astype("<i2").tobytes(), full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        if found is None or not found.hypstr.strip():
            return Recognised("", 0.0)
        return Recognised(found.hypstr, 1.0)
