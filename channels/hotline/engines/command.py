"""A recogniser of your own: a program that is run for each utterance, in any language and with any model."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import wave

from channels.hotline.config import SpeechSection
from channels.hotline.speech import RATE_HZ, Recognised, SpeechEngineError, SpeechToText

_LIMIT_S = 15
_LONGEST_CHARS = 2_000


class Engine(SpeechToText):
    """Gives the program a WAV file (8 kHz, 16 bit, one channel) on its standard input.

    `hotline.speech.command` is the program and its arguments; `{language}` in one of them becomes zh or en. The
    program prints the text, or a JSON object with `text` and `confidence` (0 to 1), and exits with 0.
    """

    def __init__(self, section: SpeechSection) -> None:
        self._command = list(section.command)

    def load(self) -> None:
        """Find the program."""
        if not self._command:
            raise SpeechEngineError(
                "city.yml: hotline.speech.command: name the program and its arguments, "
                'such as ["recognise", "--language", "{language}"]'
            )
        if shutil.which(self._command[0]) is None:
            raise SpeechEngineError(
                f"city.yml: hotline.speech.command: there is no program {self._command[0]!r}; install it"
            )

    def transcribe(self, pcm: bytes, language: str) -> Recognised:
        """Return what the program understood; raises `SpeechEngineError` when it fails or takes too long."""
        command = [argument.replace("{language}", language) for argument in self._command]
        try:
            done = subprocess.run(
                command, input=to_wav(pcm), capture_output=True, timeout=_LIMIT_S, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise SpeechEngineError(f"{command[0]} failed: {error}") from error
        return read_answer(done.stdout.decode("utf-8", "replace"))


def to_wav(pcm: bytes) -> bytes:
    """Return telephone audio as a WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(RATE_HZ)
        target.writeframes(pcm)
    return buffer.getvalue()


def read_answer(printed: str) -> Recognised:
    """Return what a program printed: a text, or JSON with `text` and `confidence`."""
    text = printed.strip()
    if not text.startswith("{"):
        return Recognised(text[:_LONGEST_CHARS])
    try:
        data = json.loads(text)
    except ValueError as error:
        raise SpeechEngineError("the recogniser printed JSON that is none") from error
    found, confidence = data.get("text", ""), data.get("confidence", 1.0)
    if not isinstance(found, str) or isinstance(confidence, bool) or not isinstance(confidence, (int, float)):
        raise SpeechEngineError("the recogniser's JSON needs a text and a confidence from 0 to 1")
    return Recognised(found.strip()[:_LONGEST_CHARS], min(1.0, max(0.0, float(confidence))))
