"""Calls whose sound we carry: AudioSocket over TCP and media streams over WebSocket, with the real voice."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
import struct
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.hotline import audio_call
from channels.hotline.audiosocket import AUDIO, DTMF, HANGUP, UUID, AudioSocketServer, frame, read_frame
from channels.hotline.config import SpeechSection
from channels.hotline.engines.espeak import Engine as Espeak
from channels.hotline.media_stream import from_mulaw, to_mulaw
from channels.hotline.speech import (
    FRAME_BYTES,
    Recognised,
    SpeechEngineError,
    SpeechToText,
    engine_names,
    load_recogniser,
    load_voice,
)
from channels.hotline.vad import SpeechDetector, frames_of, level_db
from tests.channels.hotline.conftest import SECRETS, Oracle

needs_voice = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
SILENCE = b"\0" * FRAME_BYTES


def voice(text: str, language: str = "en") -> bytes:
    engine = Espeak(SpeechSection())
    engine.load()
    return engine.speak(text, language, 1.0)


def noise(level: float, frames: int, seed: int = 1) -> list[bytes]:
    rng = np.random.default_rng(seed)
    return [(rng.normal(0, level, FRAME_BYTES // 2)).astype("<i2").tobytes() for _ in range(frames)]


class Ears(SpeechToText):
    """Understands `text` whatever is said; an empty one is a noise."""

    def __init__(self, text: str = "") -> None:
        self.text = text

    def load(self) -> None:
        return None

    def transcribe(self, pcm: bytes, language: str) -> Recognised:
        return Recognised(self.text, 0.9)


class Asterisk:
    """The other end of an AudioSocket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.heard = bytearray()
        self.over = asyncio.Event()
        self.task = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        try:
            while True:
                kind, payload = await read_frame(self.reader)
                if kind == AUDIO:
                    self.heard += payload
                if kind == HANGUP:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        self.over.set()

    async def say(self, pcm: bytes) -> None:
        for piece in [*frames_of(pcm), *[SILENCE] * 45]:
            self.writer.write(frame(AUDIO, piece))
        await self.writer.drain()

    async def press(self, digit: str) -> None:
        self.writer.write(frame(DTMF, digit.encode()))
        await self.writer.drain()

    async def until(self, condition: Callable[[], bool], limit_s: float = 15.0) -> None:
        async def wait() -> None:
            while not condition():
                await asyncio.sleep(0.02)

        await asyncio.wait_for(wait(), limit_s)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Play ten times as fast as a telephone does."""
    monkeypatch.setattr(audio_call, "PACE_S", 0.002)


@pytest.fixture
async def dial(hotline: Callable[..., Any], serve: Callable[..., Any]) -> AsyncIterator[Callable[..., Any]]:
    ends: list[Asterisk] = []

    async def call(
        ears: SpeechToText | None = None, **changes: object
    ) -> tuple[Asterisk, str, AudioSocketServer]:
        extension = hotline(providers=["audiosocket"], **changes)
        server: AudioSocketServer = extension.audiosocket
        server._recogniser = ears
        await serve(extension)
        call_id = uuid.uuid4()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(frame(UUID, call_id.bytes))
        end = Asterisk(reader, writer)
        ends.append(end)
        return end, str(call_id), server

    yield call
    for end in ends:
        end.writer.close()
        await end.task


@needs_voice
@pytest.mark.usefixtures("fast")
async def test_greeting_is_heard_and_a_key_stops_it(dial: Callable[..., Any]) -> None:
    asterisk, _, _ = await dial()
    await asterisk.until(lambda: len(asterisk.heard) > 20 * FRAME_BYTES)
    assert max(level_db(piece) for piece in frames_of(bytes(asterisk.heard))) > -30
    await asterisk.press("0")
    await asterisk.until(asterisk.over.is_set)
    # Greeting cut short, then "I am putting you through": far less than the whole greeting.
    assert len(asterisk.heard) < len(voice("x" * 10)) + 16000 * 12


@needs_voice
@pytest.mark.usefixtures("fast")
async def test_question_is_answered_and_transfer_is_told(dial: Callable[..., Any], oracle: Oracle) -> None:
    ears = Ears("where is the library")
    asterisk, call_id, server = await dial(ears)
    await asterisk.until(lambda: len(asterisk.heard) > 5 * FRAME_BYTES)
    await asterisk.say(voice("where is the library"))
    await asterisk.until(lambda: bool(oracle.asked))
    assert oracle.asked[0].text == "where is the library"
    ears.text = "operator please"
    await asterisk.say(voice("operator please"))
    await asterisk.until(asterisk.over.is_set)
    await asterisk.until(lambda: call_id in server.outcomes)
    assert server.outcomes[call_id] == "transfer"
    record = server._hotline.store.find("audiosocket", call_id)
    assert {"recognise_ms", "answer_ms"} <= set(record.stages[0])


@needs_voice
async def test_a_noise_does_not_stop_the_voice_but_words_do(dial: Callable[..., Any], oracle: Oracle) -> None:
    asterisk, _, _ = await dial(Ears())
    await asterisk.until(lambda: len(asterisk.heard) > 5 * FRAME_BYTES)
    for piece in noise(4000, 60):
        asterisk.writer.write(frame(AUDIO, piece))
    before = len(asterisk.heard)
    await asterisk.until(lambda: len(asterisk.heard) > before + 50 * FRAME_BYTES)
    assert oracle.asked == []


@needs_voice
@pytest.mark.usefixtures("fast")
async def test_silence_is_asked_about_and_ends_in_a_transfer(dial: Callable[..., Any]) -> None:
    asterisk, call_id, server = await dial(Ears(), silence_s=0.1, misses=1)
    await asterisk.until(asterisk.over.is_set, 40)
    await asterisk.until(lambda: call_id in server.outcomes)
    assert server.outcomes[call_id] == "transfer"


@pytest.mark.parametrize(
    "first", [b"GET / HTTP/1.1\r\n\r\n", frame(AUDIO, SILENCE), frame(UUID, b"short"), b"\x01\xff\xff"]
)
@needs_voice
async def test_strangers_are_hung_up(
    hotline: Callable[..., Any], serve: Callable[..., Any], first: bytes
) -> None:
    extension = hotline(providers=["audiosocket"])
    await serve(extension)
    reader, writer = await asyncio.open_connection("127.0.0.1", extension.audiosocket.port)
    writer.write(first)
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()


@needs_voice
async def test_more_calls_than_lines_are_refused(
    hotline: Callable[..., Any], serve: Callable[..., Any]
) -> None:
    extension = hotline(providers=["audiosocket"], audiosocket={"port": 0, "calls": 1})
    await serve(extension)
    ends = []
    for _ in range(2):
        reader, writer = await asyncio.open_connection("127.0.0.1", extension.audiosocket.port)
        writer.write(frame(UUID, uuid.uuid4().bytes))
        ends.append((reader, writer))
        if len(ends) == 1:
            await reader.readexactly(3)
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(ends[1][0].read(), 5) == b""
    for _, writer in ends:
        writer.close()


@needs_voice
async def test_media_stream_over_websocket(hotline: Callable[..., Any], serve: Callable[..., Any]) -> None:
    client = await serve(hotline(providers=["media_stream"]))
    assert (await client.get("/hotline/media?token=wrong")).status == 403
    async with client.ws_connect(f"/hotline/media?token={SECRETS['HOTLINE_MEDIA_TOKEN']}") as socket:
        for junk in ("", "[]", "{", '{"event": "media"}', '{"event": "connected"}'):
            await socket.send_str(junk)
        await socket.send_json({"event": "start", "streamSid": "MZ1", "start": {"callSid": "CA9"}})
        first = await asyncio.wait_for(socket.receive_json(), 10)
        assert first["event"] == "media" and first["streamSid"] == "MZ1"
        assert len(from_mulaw(base64.b64decode(first["media"]["payload"]))) == FRAME_BYTES
        for junk in (
            '{"event": "media", "media": {"payload": "*"}}',
            '{"event": "media", "media": 5}',
            '{"event": "dtmf"}',
        ):
            await socket.send_str(junk)
        await socket.send_json({"event": "dtmf", "dtmf": {"digit": "2"}})
        events = set()
        while "clear" not in events:
            events.add((await asyncio.wait_for(socket.receive_json(), 10))["event"])
        await socket.send_json({"event": "stop"})


@given(st.binary(max_size=400))
def test_mulaw_keeps_the_sound(pcm: bytes) -> None:
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2").astype(int)
    back = np.frombuffer(from_mulaw(to_mulaw(pcm)), dtype="<i2").astype(int)
    assert len(back) == len(samples)
    # G.711: the step is at most a sixteenth of the value, plus the smallest step; loud peaks are cut.
    assert np.all(np.abs(back - samples) <= np.abs(samples) / 16 + 170)


def test_speech_is_cut_out_of_line_noise() -> None:
    detector = SpeechDetector()
    for piece in noise(30, 100):
        assert detector.feed(piece) is None
    assert not detector.speaking
    found = [detector.feed(piece) for piece in [*noise(5000, 40), *noise(30, 60)]]
    said = [utterance for utterance in found if utterance]
    assert len(said) == 1
    assert 40 <= len(said[0]) // FRAME_BYTES <= 40 + 17 + 35 + 5


def test_endless_noise_is_cut_at_the_limit() -> None:
    detector = SpeechDetector(longest_ms=1000)
    said = [u for piece in noise(9000, 300) if (u := detector.feed(piece))]
    assert all(len(utterance) <= 1000 // 20 * FRAME_BYTES for utterance in said)


@given(st.binary(max_size=700))
def test_any_frame_has_a_level(data: bytes) -> None:
    assert -97 < level_db(data) <= 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"voice": "nobody"}, "no engine 'nobody'"),
        ({"voice": "vosk"}, "cannot do that"),
    ],
)
def test_wrong_voices_are_named(changes: dict[str, str], message: str) -> None:
    with pytest.raises(SpeechEngineError, match=message):
        load_voice(SpeechSection(**changes))


@pytest.mark.parametrize("name", ["vosk", "whisper", "moonshine"])
def test_missing_recognisers_are_named(name: str) -> None:
    assert name in engine_names()
    section = SpeechSection(recogniser=name, models={"zh": "/nowhere", "en": "/nowhere"})
    with pytest.raises(SpeechEngineError, match=r"install|no folder|no Moonshine"):
        load_recogniser(section)


def test_frames_are_what_asterisk_documents() -> None:
    assert frame(HANGUP) == b"\0\0\0"
    assert frame(AUDIO, b"ab") == struct.pack(">BH", 0x10, 2) + b"ab"
    assert json.dumps(engine_names())
