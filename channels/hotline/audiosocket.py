"""AudioSocket server for Asterisk: TCP, three-byte header (kind, 16-bit length), 8 kHz linear audio.

Protocol: Asterisk documentation, "AudioSocket". The dialplan hands the call's UUID over; when the server closes the
connection the dialplan goes on with its next step, where it may ask `/hotline/audiosocket/{uuid}` whether to dial a
person.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import struct
import uuid
from collections.abc import Mapping

from aiohttp import web

from channels.hotline.audio_call import AudioCall
from channels.hotline.call import Then
from channels.hotline.service import Hotline
from channels.hotline.speech import SpeechToText, TextToSpeech

logger = logging.getLogger(__name__)
PROVIDER = "audiosocket"
HANGUP, UUID, DTMF, AUDIO, ERROR = 0x00, 0x01, 0x03, 0x10, 0xFF
_FIRST_FRAME_S = 5.0
# Asterisk sends a frame every 20 ms as long as the call is up.
_QUIET_LINE_S = 15.0
_REMEMBERED = 1000


class FrameError(Exception):
    """The peer does not speak AudioSocket."""


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one frame; raises `asyncio.IncompleteReadError` at the end of the connection."""
    kind, length = struct.unpack(">BH", await reader.readexactly(3))
    return kind, await reader.readexactly(length)


def frame(kind: int, payload: bytes = b"") -> bytes:
    """Return one frame's bytes."""
    return struct.pack(">BH", kind, len(payload)) + payload


class AudioSocketServer:
    """Serves calls, at most `hotline.audiosocket.calls` at a time."""

    def __init__(self, hotline: Hotline, recogniser: SpeechToText | None, voice: TextToSpeech) -> None:
        self._hotline, self._recogniser, self._voice = hotline, recogniser, voice
        self._section = hotline.section.audiosocket
        self._server: asyncio.base_events.Server | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._outcomes: dict[str, str] = {}

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen; raises `OSError` when the port is taken."""
        self._server = await asyncio.start_server(self._serve, self._section.host, self._section.port)

    async def stop(self) -> None:
        """Take no more calls and end those that are up."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        for task in list(self._calls):
            task.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def routes(self) -> list[web.RouteDef]:
        """Return the route by which a dialplan asks how a call ended."""
        return [web.get("/hotline/audiosocket/{uuid:[0-9a-fA-F-]{36}}", self.outcome)]

    async def outcome(self, request: web.Request) -> web.Response:
        """GET → `transfer` or `hangup`, as plain text for the dialplan's CURL()."""
        secret = self._hotline.secrets.get("HOTLINE_MEDIA_TOKEN", "")
        given = request.query.get("token", "")
        if not secret or not hmac.compare_digest(secret.encode(), given.encode("utf-8", "replace")):
            raise web.HTTPForbidden
        ended = self._outcomes.get(request.match_info["uuid"].lower(), "hangup")
        target = self._hotline.section.transfer_to if ended == "transfer" else ""
        return web.Response(text=f"{ended} {target}".strip())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._calls) >= self._section.calls:
            logger.warning("audiosocket: all %d lines are taken", self._section.calls)
            writer.close()
            return
        self._calls.add(task)
        try:
            await self._call(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.TimeoutError, FrameError) as error:
            logger.info("audiosocket: connection ended: %s", type(error).__name__)
        except Exception:
            logger.exception("audiosocket: a call failed")
        finally:
            self._calls.discard(task)
            writer.close()
            with contextlib.suppress(Exception):
                await writer.wait_closed()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind, payload = await asyncio.wait_for(read_frame(reader), _FIRST_FRAME_S)
        if kind != UUID or len(payload) != 16:
            raise FrameError("the first frame names no call")
        call_id = str(uuid.UUID(bytes=payload))

        async def send(pcm: bytes) -> None:
            writer.write(frame(AUDIO, pcm))
            await writer.drain()

        async def clear() -> None:
            # What was written is played within a frame or two: sending is paced.
            return None

        call = AudioCall(self._hotline, PROVIDER, call_id, self._recogniser, self._voice, send, clear)
        lead = asyncio.create_task(call.run(""))
        hear = asyncio.create_task(self._hear(reader, call))
        try:
            await asyncio.wait([lead, hear], return_when=asyncio.FIRST_COMPLETED)
            call.hung_up()
            then = await lead
            self._remember(call_id, "transfer" if then is Then.TRANSFER else "hangup")
            with contextlib.suppress(ConnectionError):
                writer.write(frame(HANGUP))
                await writer.drain()
        finally:
            for task in (lead, hear):
                task.cancel()
            await asyncio.gather(lead, hear, return_exceptions=True)

    async def _hear(self, reader: asyncio.StreamReader, call: AudioCall) -> None:
        try:
            while True:
                kind, payload = await asyncio.wait_for(read_frame(reader), _QUIET_LINE_S)
                if kind == AUDIO:
                    call.feed(payload)
                elif kind == DTMF and len(payload) == 1:
                    call.key(payload.decode("latin-1"))
                elif kind in (HANGUP, ERROR):
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            return

    def _remember(self, call_id: str, outcome: str) -> None:
        self._outcomes[call_id] = outcome
        while len(self._outcomes) > _REMEMBERED:
            self._outcomes.pop(next(iter(self._outcomes)))

    @property
    def outcomes(self) -> Mapping[str, str]:
        """How the last calls ended."""
        return self._outcomes
