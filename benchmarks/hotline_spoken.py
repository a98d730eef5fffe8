"""Spoken questions through AudioSocket on the real assistant: what is heard, what is answered, time per stage.

    python -m benchmarks.hotline_spoken --recogniser moonshine [--out benchmarks/hotline_spoken.md]
    python -m benchmarks.hotline_spoken --recogniser matcher

espeak-ng speaks each question of `benchmarks.hotline` at telephone quality into a call of its own. `moonshine` is the
engine of that name, English only. `matcher` is the test program `tests/channels/hotline/matcher.py` behind the engine
`command`: it knows the twenty sentences and names the one that sounds most alike; its figures tell about the way of
the sound, not about recognition.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer

from benchmarks.hotline import NAMES, QUESTIONS
from channels.gateway import create_app
from channels.hotline.audiosocket import AUDIO, HANGUP, UUID, frame, read_frame
from channels.hotline.config import HotlineSection, SpeechSection
from channels.hotline.extension import HotlineExtension
from channels.hotline.speech import FRAME_BYTES, FRAME_MS, load_voice
from channels.hotline.vad import frames_of
from channels.protocols import Brain
from chengda.compose import gateway_config, make_brain, start_rooms
from city.messages import Answer, Message
from city.settings import load_settings

MATCHER = Path(__file__).parent.parent / "tests" / "channels" / "hotline" / "matcher.py"
SILENCE = b"\0" * FRAME_BYTES
LONGEST_S = 60.0


class Listening:
    """A brain that tells what it was asked and what it answered."""

    def __init__(self, brain: Brain) -> None:
        self._brain = brain
        self.turns: list[tuple[str, Answer]] = []

    async def respond(self, message: Message) -> Answer:
        answer = await self._brain.respond(message)
        self.turns.append((message.text, answer))
        return answer

    async def forget(self, conversation_id: str) -> None:
        await self._brain.forget(conversation_id)

    def ready(self) -> Mapping[str, bool]:
        return self._brain.ready()


@dataclass(frozen=True)
class Turn:
    """One question: what was heard of it, whether the answer is that to the written question, ms per stage."""

    language: str
    question: str
    heard: str
    right: bool
    stages: Mapping[str, float]
    to_first_sound_ms: float


def engine(name: str) -> SpeechSection:
    """Return the settings of a recogniser."""
    if name != "matcher":
        return SpeechSection(recogniser=name)
    script = (
        f"import json, runpy, sys; sys.argv[1:] = [sys.argv[1], *json.loads(sys.argv[2])[sys.argv[1]]]; "
        f"runpy.run_path({str(MATCHER)!r}, run_name='__main__')"
    )
    sentences = json.dumps(QUESTIONS, ensure_ascii=False)
    return SpeechSection(
        recogniser="command", command=[sys.executable, "-c", script, "{language}", sentences]
    )


async def call(port: int, pcm: bytes, brain: Listening) -> float:
    """Ask one question; return the ms from the end of the speech to the first sound of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(frame(UUID, uuid.uuid4().bytes))
    loop = asyncio.get_running_loop()
    ended_at = answered_at = 0.0

    async def speak() -> None:
        nonlocal ended_at
        # While the greeting is spoken: words interrupt it.
        for piece in [*[SILENCE] * 10, *frames_of(pcm)]:
            writer.write(frame(AUDIO, piece))
            await asyncio.sleep(FRAME_MS / 1000)
        ended_at = time.perf_counter()
        while True:
            writer.write(frame(AUDIO, SILENCE))
            await asyncio.sleep(FRAME_MS / 1000)

    before = len(brain.turns)
    speaking = asyncio.create_task(speak())
    try:
        deadline = loop.time() + LONGEST_S
        while loop.time() < deadline:
            kind, _payload = await asyncio.wait_for(read_frame(reader), LONGEST_S)
            if kind == AUDIO and len(brain.turns) > before:
                answered_at = time.perf_counter()
                break
            if kind == HANGUP:
                break
    finally:
        speaking.cancel()
        writer.write(frame(HANGUP))
        writer.close()
    return (answered_at - ended_at) * 1000 if answered_at and ended_at else float("nan")


async def measure(name: str, languages: Sequence[str]) -> list[Turn]:
    """Return the turns of all questions."""
    settings = load_settings()
    real = make_brain(settings)
    start_rooms(settings)
    real.load()
    brain, voice = Listening(real), load_voice(SpeechSection())
    turns = []
    with tempfile.TemporaryDirectory() as folder:
        section = HotlineSection(
            providers=["audiosocket"], transfer_to="+860000", audiosocket={"port": 0}, speech=engine(name)
        )
        extension = HotlineExtension(section, f"sqlite:///{folder}/calls.db", NAMES, os.environ)
        config = replace(
            gateway_config(settings),
            database=f"sqlite:///{folder}/chat.db",
            extensions=[extension],
            channels=[],
        )
        async with TestClient(TestServer(create_app(brain, config))):
            assert extension.audiosocket is not None
            for language in languages:
                for number, question in enumerate(QUESTIONS[language]):
                    written = await real.respond(Message(f"written-{language}-{number}", "1", question))
                    pcm = voice.speak(question, language, 1.0)
                    before = len(brain.turns)
                    took = await call(extension.audiosocket.port, pcm, brain)
                    heard, answer = brain.turns[before] if len(brain.turns) > before else ("", None)
                    right = answer is not None and answer.replies[0].text == written.replies[0].text
                    stages = await _stages(extension)
                    turns.append(Turn(language, question, heard, right, stages, took))
    real.close()
    return turns


async def _stages(extension: HotlineExtension) -> Mapping[str, float]:
    assert extension.audiosocket is not None
    await asyncio.sleep(0.3)
    (record,) = extension.audiosocket._hotline.store.recent(1)
    return {key: ms for turn in record.stages for key, ms in turn.items()}


def main() -> None:
    """Measure, print, and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recogniser", default="moonshine")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    languages = ["en"] if arguments.recogniser == "moonshine" else ["zh", "en"]
    turns = asyncio.run(measure(arguments.recogniser, languages))
    lines = [
        f"## {arguments.recogniser}",
        "",
        f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores shared with other work (load "
        f"{os.getloadavg()[1]:.1f}). `python -m benchmarks.hotline_spoken --recogniser {arguments.recogniser}`.",
        "",
        "| language | right answers | recognise, ms (median) | answer, ms | voice, ms | end of speech to first sound, ms |",
        "|---|---|---|---|---|---|",
    ]
    for language in languages:
        own = [turn for turn in turns if turn.language == language]
        medians = [
            statistics.median([turn.stages[key] for turn in own if key in turn.stages] or [float("nan")])
            for key in ("recognise_ms", "answer_ms", "speak_ms")
        ]
        first = [turn.to_first_sound_ms for turn in own if turn.to_first_sound_ms == turn.to_first_sound_ms]
        lines.append(
            f"| {language} | {sum(t.right for t in own)} of {len(own)} | "
            + " | ".join(f"{ms:.0f}" for ms in [*medians, statistics.median(first or [float("nan")])])
            + " |"
        )
    lines += ["", "| question | heard | right answer |", "|---|---|---|"]
    lines += [f"| {t.question} | {t.heard or '(nothing)'} | {'yes' if t.right else 'no'} |" for t in turns]
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.out:
        with arguments.out.open("a", encoding="utf-8") as file:
            file.write("\n" + text)


if __name__ == "__main__":
    main()
