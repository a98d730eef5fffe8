"""The recogniser that is a program: the whole way from spoken audio through a real process to the answer."""

from __future__ import annotations

import io
import shutil
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.hotline.config import SpeechSection
from channels.hotline.engines.command import read_answer, to_wav
from channels.hotline.speech import (
    FRAME_BYTES,
    Recognised,
    SpeechEngineError,
    SpeechToText,
    load_recogniser,
)
from tests.channels.hotline.conftest import Oracle
from tests.channels.hotline.test_hotline_audio import dial, fast, needs_voice, noise, voice

__all__ = ["dial", "fast"]
MATCHER = Path(__file__).with_name("matcher.py")


def program(*arguments: str) -> SpeechToText:
    """Return the engine around a Python program."""
    made = load_recogniser(SpeechSection(recogniser="command", command=[sys.executable, *arguments]))
    assert made is not None
    return made


@needs_voice
@pytest.mark.usefixtures("fast")
async def test_spoken_questions_are_recognised_by_a_process_and_answered(
    dial: Callable[..., Any], oracle: Oracle
) -> None:
    asterisk, call_id, server = await dial(program(str(MATCHER), "{language}"))
    await asterisk.until(lambda: len(asterisk.heard) > 5 * FRAME_BYTES)
    for text, language in (("废电池扔哪里", "zh"), ("where do i throw old batteries", "en")):
        before, count = len(asterisk.heard), len(oracle.asked)
        await asterisk.say(voice(text, language))
        await asterisk.until(lambda count=count: len(oracle.asked) > count)
        assert oracle.asked[-1].text == text
        # The answer comes back as sound.
        await asterisk.until(lambda before=before: len(asterisk.heard) > before + 10 * FRAME_BYTES)
    stages = server._hotline.store.find("audiosocket", call_id).stages
    assert all({"recognise_ms", "answer_ms"} <= set(turn) for turn in stages[:2])


@needs_voice
def test_noise_and_other_words_are_nothing_to_the_process() -> None:
    recogniser = program(str(MATCHER), "{language}")
    assert recogniser.transcribe(b"".join(noise(4000, 60)), "zh").text == ""
    assert recogniser.transcribe(voice("the weather will be fine tomorrow"), "en").text == ""


def test_the_program_gets_a_wav_file_and_the_language() -> None:
    code = (
        "import sys, wave, io; w = wave.open(io.BytesIO(sys.stdin.buffer.read())); "
        "print(sys.argv[1], w.getframerate(), w.getnchannels(), w.getnframes())"
    )
    found = program("-c", code, "{language}").transcribe(b"\0\1" * 800, "zh")
    assert found == Recognised("zh 8000 1 800")
    with wave.open(io.BytesIO(to_wav(b"\0\1"))) as one:
        assert one.getnframes() == 1


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise SystemExit(3)", "failed"),
        ("print('{broken')", "JSON"),
        ("print('{\"text\": 5}')", "JSON needs"),
        ('print(\'{"text": "a", "confidence": "high"}\')', "JSON needs"),
    ],
)
def test_a_program_that_fails_is_named(code: str, message: str) -> None:
    with pytest.raises(SpeechEngineError, match=message):
        program("-c", code).transcribe(b"\0\1", "en")


def test_a_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.hotline.engines.command._LIMIT_S", 0.3)
    with pytest.raises(SpeechEngineError, match="timed out"):
        program("-c", "import time; time.sleep(60)").transcribe(b"\0\1", "en")


def test_a_missing_program_is_named() -> None:
    for command, message in (([], "name the program"), (["no-such-recogniser"], "no program")):
        with pytest.raises(SpeechEngineError, match=message):
            load_recogniser(SpeechSection(recogniser="command", command=command))


@given(st.text(max_size=60))
def test_any_output_is_read_or_refused(printed: str) -> None:
    try:
        found = read_answer(printed)
    except SpeechEngineError:
        return
    assert 0 <= found.confidence <= 1


def test_shells_are_not_asked() -> None:
    assert shutil.which("echo") is not None
    made = load_recogniser(SpeechSection(recogniser="command", command=["echo", "$(id); {language}"]))
    assert made is not None
    assert made.transcribe(b"", "en").text == "$(id); en"
