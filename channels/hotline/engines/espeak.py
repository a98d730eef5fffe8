"""eSpeak NG: a small voice for both languages that runs anywhere, offline."""

from __future__ import annotations

import io
import shutil
import subprocess
import wave

import numpy as np
from scipy.signal import resample_poly

from channels.hotline.config import SpeechSection
from channels.hotline.speech import RATE_HZ, SpeechEngineError, TextToSpeech

_VOICES = {"zh": "cmn", "en": "en-gb"}
_WORDS_PER_MINUTE = {"zh": 150, "en": 150}
_LIMIT_S = 20


class Engine(TextToSpeech):
    """Runs the program `espeak-ng`; `voices` of the settings names other voices by language."""

    def __init__(self, section: SpeechSection) -> None:
        self._voices = {**_VOICES, **section.voices}

    def load(self) -> None:
        """Find the program."""
        if shutil.which("espeak-ng") is None:
            raise SpeechEngineError(
                "espeak-ng is not installed; run `apt-get install espeak-ng`, or name another voice"
            )

    def speak(self, text: str, language: str, rate: float) -> bytes:
        """Return telephone audio of a text."""
        speed = round(_WORDS_PER_MINUTE.get(language, 150) * rate)
        command = [
            "espeak-ng",
            "-v",
            self._voices.get(language, language),
            "-s",
            str(speed),
            "--stdin",
            "--stdout",
        ]
        try:
            done = subprocess.run(
                command, input=text.encode(), capture_output=True, timeout=_LIMIT_S, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise SpeechEngineError(f"espeak-ng failed: {error}") from error
        return to_telephone(done.stdout)


def to_telephone(wav: bytes) -> bytes:
    """Return the audio of a WAV file (16 bit, one channel, any rate) at the telephone's rate."""
    with wave.open(io.BytesIO(wav)) as source:
        rate = source.getframerate()
        # A piped WAV cannot know its length when its header is written.
        samples = np.frombuffer(source.readframes(source.getnframes()), dtype="<i2")
    if rate == RATE_HZ or not len(samples):
        return samples.tobytes()
    divisor = int(np.gcd(rate, RATE_HZ))
    heard = resample_poly(samples.astype(np.float32), RATE_HZ // divisor, rate // divisor)
    return np.clip(heard, -32768, 32767).astype("<i2").tobytes()
