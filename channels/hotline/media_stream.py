"""A telephone's sound over WebSocket, in the messages of Twilio Media Streams (also spoken by others).

JSON text frames: `start` (call id), `media` (base64 μ-law, 8 kHz), `dtmf`, `stop`; ours are `media`, and `clear`, which
throws away what is buffered there. Source: Twilio documentation, "Media Streams - WebSocket messages".
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from typing import Any

import numpy as np
from aiohttp import WSMsgType, web

from channels.hotline.audio_call import AudioCall
from channels.hotline.service import Hotline
from channels.hotline.signatures import token_is_right
from channels.hotline.speech import SpeechToText, TextToSpeech
from channels.problem import Problem

PROVIDER = "media_stream"
_LARGEST_FRAME = 64 * 1024
_START_S = 10.0
_BIAS, _CLIP = 0x84, 32635


class MediaStream:
    """The WebSocket `/hotline/media?token=…`."""

    def __init__(self, hotline: Hotline, recogniser: SpeechToText | None, voice: TextToSpeech) -> None:
        self._hotline, self._recogniser, self._voice = hotline, recogniser, voice

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.get("/hotline/media", self.socket)]

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """Serve one call."""
        secret = self._hotline.secrets.get("HOTLINE_MEDIA_TOKEN", "")
        if not token_is_right(secret, request.query.get("token", "")):
            raise Problem("forbidden", "令牌不正确。", "The token is not right.")
        socket = web.WebSocketResponse(max_msg_size=_LARGEST_FRAME, heartbeat=20)
        await socket.prepare(request)
        start = await self._start(socket)
        if start is None:
            await socket.close(code=1002, message=b"no start message")
            return socket
        stream, call_id, caller = start

        async def send(pcm: bytes) -> None:
            payload = base64.b64encode(to_mulaw(pcm)).decode()
            await socket.send_json({"event": "media", "streamSid": stream, "media": {"payload": payload}})

        async def clear() -> None:
            await socket.send_json({"event": "clear", "streamSid": stream})

        call = AudioCall(self._hotline, PROVIDER, call_id, self._recogniser, self._voice, send, clear)
        lead = asyncio.create_task(call.run(caller))
        hear = asyncio.create_task(_hear(socket, call))
        try:
            await asyncio.wait([lead, hear], return_when=asyncio.FIRST_COMPLETED)
            call.hung_up()
            await asyncio.wait([lead])
        finally:
            for task in (lead, hear):
                task.cancel()
            await asyncio.gather(lead, hear, return_exceptions=True)
            await socket.close()
        return socket

    async def _start(self, socket: web.WebSocketResponse) -> tuple[str, str, str] | None:
        """Return stream, call and caller of the `start` message; `None` when none comes."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _START_S
        while (left := until - loop.time()) > 0:
            try:
                message = await socket.receive(timeout=left)
            except asyncio.TimeoutError:
                return None
            if message.type is not WSMsgType.TEXT:
                return None
            data = _message(message.data)
            if data.get("event") == "start":
                start = data.get("start")
                start = start if isinstance(start, dict) else {}
                stream = str(data.get("streamSid") or start.get("streamSid") or "")[:128]
                call_id = str(start.get("callSid") or stream)[:128]
                extra = start.get("customParameters")
                caller = str(extra.get("from") or "") if isinstance(extra, dict) else ""
                return (stream, call_id, caller) if call_id else None
        return None


async def _hear(socket: web.WebSocketResponse, call: AudioCall) -> None:
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            continue
        data = _message(message.data)
        event, inner = data.get("event"), data.get(str(data.get("event")))
        if event == "media" and isinstance(inner, dict):
            try:
                call.feed(from_mulaw(base64.b64decode(str(inner.get("payload") or ""), validate=True)))
            except (binascii.Error, ValueError):
                continue
        elif event == "dtmf" and isinstance(inner, dict):
            call.key(str(inner.get("digit") or "x")[:1])
        elif event == "stop":
            return


def _message(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def to_mulaw(pcm: bytes) -> bytes:
    """Return 16-bit audio as μ-law (ITU-T G.711)."""
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2").astype(np.int32)
    sign = np.where(samples < 0, 0x80, 0)
    value = np.minimum(np.abs(samples), _CLIP) + _BIAS
    exponent = np.floor(np.log2(value)).astype(np.int32) - 7
    mantissa = (value >> (exponent + 3)) & 0x0F
    return (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes()


def from_mulaw(data: bytes) -> bytes:
    """Return μ-law audio (ITU-T G.711) as 16-bit."""
    codes = ~np.frombuffer(data, dtype=np.uint8).astype(np.int32) & 0xFF
    exponent, mantissa = (codes >> 4) & 0x07, codes & 0x0F
    value = (((mantissa << 3) + _BIAS) << exponent) - _BIAS
    return np.where(codes & 0x80, -value, value).astype("<i2").tobytes()
