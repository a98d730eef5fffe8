"""One call whose sound we carry ourselves: listen, recognise, answer, speak, and stop when the caller speaks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from channels.hotline.call import Heard, Kind, Say, Step, Then
from channels.hotline.service import Hotline, UnknownCallError
from channels.hotline.speech import (
    FRAME_BYTES,
    FRAME_MS,
    Recognised,
    SpeechEngineError,
    SpeechToText,
    TextToSpeech,
)
from channels.hotline.vad import SpeechDetector, frames_of

logger = logging.getLogger(__name__)
# While we speak, this much of the caller's voice is looked at for words; a cough or a car has none.
BARGE_IN_MS = 500
_KEYS_S = 1.5
# A frame is sent when the one before has been played.
PACE_S = FRAME_MS / 1000
_SHORTEST_MS = 240


class AudioCall:
    """Leads one call over a way that carries sound.

    Args:
        hotline: the dialogue.
        provider: the way's name.
        call_id: the call's name there.
        recogniser: `None` leaves the caller the keypad.
        voice: speaks.
        send: sends one frame to the caller.
        clear: throws away what the other side has buffered.
    """

    def __init__(
        self,
        hotline: Hotline,
        provider: str,
        call_id: str,
        recogniser: SpeechToText | None,
        voice: TextToSpeech,
        send: Callable[[bytes], Awaitable[None]],
        clear: Callable[[], Awaitable[None]],
    ) -> None:
        self._hotline, self._provider, self._id = hotline, provider, call_id
        self._recogniser, self._voice = recogniser, voice
        self._send, self._clear = send, clear
        self._detector = SpeechDetector()
        self._pending = b""
        self._keys = ""
        self._heard: asyncio.Queue[Heard | None] = asyncio.Queue()
        self._playing: asyncio.Task[None] | None = None
        self._probe: asyncio.Task[None] | None = None
        self._recognising: set[asyncio.Task[None]] = set()
        self._keys_done: asyncio.TimerHandle | None = None
        self._language = "zh"
        self._stages: dict[str, float] = {}
        self.outcome = Then.HANG_UP

    async def run(self, caller: str) -> Then:
        """Lead the call until it is over; return how: hung up, or to be transferred."""
        step = await self._hotline.begin(self._provider, self._id, caller)
        try:
            while True:
                self._language = step.language
                await self._play(step)
                if step.then is not Then.LISTEN:
                    await self._finish_playing()
                    self.outcome = step.then
                    return step.then
                heard = await self._listen()
                if heard is None:
                    return Then.HANG_UP
                stages, self._stages = self._stages, {}
                step = await self._hotline.hear(self._provider, self._id, heard, stages=stages)
        except UnknownCallError:
            return Then.HANG_UP
        finally:
            await self._stop()
            if self.outcome is not Then.TRANSFER:
                await self._hotline.end(self._provider, self._id)

    def feed(self, pcm: bytes) -> None:
        """Take sound from the caller."""
        self._pending += pcm
        while len(self._pending) >= FRAME_BYTES:
            frame, self._pending = self._pending[:FRAME_BYTES], self._pending[FRAME_BYTES:]
            said = self._detector.feed(frame)
            if said is not None:
                self._said(said)
            elif self._may_barge_in:
                self._probe = asyncio.create_task(self._barge_in(self._detector.heard))

    def key(self, digit: str) -> None:
        """Take a pressed key; it stops what is being said."""
        if digit not in "0123456789*#":
            return
        self._keys += digit
        if self._is_playing:
            self._start(self._interrupt())
        if self._keys_done is not None:
            self._keys_done.cancel()
        if digit == "#":
            self._keys_over()
        else:
            self._keys_done = asyncio.get_running_loop().call_later(_KEYS_S, self._keys_over)

    def hung_up(self) -> None:
        """The caller has gone."""
        self._heard.put_nowait(None)

    @property
    def _is_playing(self) -> bool:
        return self._playing is not None and not self._playing.done()

    @property
    def _may_barge_in(self) -> bool:
        speaking = self._detector.speaking and self._detector.heard_ms >= BARGE_IN_MS
        return speaking and self._is_playing and self._probe is None and self._recogniser is not None

    def _keys_over(self) -> None:
        self._keys_done = None
        keys = self._keys if len(self._keys) == 1 else self._keys.rstrip("#")
        self._keys = ""
        if keys:
            self._heard.put_nowait(Heard(Kind.DIGITS, keys))

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._recognising.add(task)
        task.add_done_callback(self._recognising.discard)

    def _said(self, pcm: bytes) -> None:
        if self._recogniser is None or len(pcm) < FRAME_BYTES * _SHORTEST_MS // FRAME_MS:
            return
        self._start(self._understand(pcm))

    async def _understand(self, pcm: bytes) -> None:
        playing = self._is_playing
        started = time.perf_counter()
        found = await self._recognise(pcm)
        self._stages["recognise_ms"] = round((time.perf_counter() - started) * 1000, 1)
        if not found.text:
            # A noise while we speak changes nothing; afterwards the caller is asked to say it again.
            if not playing and not self._is_playing:
                self._heard.put_nowait(Heard(Kind.NOISE))
            return
        await self._interrupt()
        self._heard.put_nowait(Heard(Kind.SPEECH, found.text, found.confidence))

    async def _barge_in(self, pcm: bytes) -> None:
        found = await self._recognise(pcm)
        if found.text:
            await self._interrupt()
            return
        # Looked at again when more has been said.
        await asyncio.sleep(BARGE_IN_MS / 1000)
        self._probe = None

    async def _recognise(self, pcm: bytes) -> Recognised:
        if self._recogniser is None:
            return Recognised("", 0.0)
        languages = [self._language, *(code for code in ("zh", "en") if code != self._language)]
        for language in languages:
            if language not in self._recogniser.languages:
                continue
            try:
                found = await asyncio.to_thread(self._recogniser.transcribe, pcm, language)
            except Exception:
                logger.exception("the recogniser failed")
                return Recognised("", 0.0)
            if found.text:
                return found
        return Recognised("", 0.0)

    async def _interrupt(self) -> None:
        if self._is_playing:
            assert self._playing is not None
            self._playing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._playing
            await self._clear()

    async def _play(self, step: Step) -> None:
        await self._interrupt()
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None
        self._playing = asyncio.create_task(self._speak(step.says, step.rate))

    async def _speak(self, says: Sequence[Say], rate: float) -> None:
        started = time.perf_counter()
        first = True
        for say in says:
            try:
                pcm = await asyncio.to_thread(self._voice.speak, say.text, say.language, rate)
            except SpeechEngineError:
                logger.exception("the voice failed")
                continue
            if first:
                first = False
                took = round((time.perf_counter() - started) * 1000, 1)
                await self._hotline.note(self._provider, self._id, {"speak_ms": took})
            due = time.perf_counter()
            for frame in frames_of(pcm):
                await self._send(frame)
                # Paced, so that almost nothing has to be cleared when the caller interrupts.
                due += PACE_S
                await asyncio.sleep(max(0.0, due - time.perf_counter()))

    async def _finish_playing(self) -> None:
        if self._playing is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(self._playing)

    async def _listen(self) -> Heard | None:
        """Wait for the caller's turn; silence counts from the end of what we say."""
        while True:
            if self._is_playing:
                assert self._playing is not None
                getter = asyncio.ensure_future(self._heard.get())
                await asyncio.wait([getter, self._playing], return_when=asyncio.FIRST_COMPLETED)
                if getter.done():
                    return getter.result()
                getter.cancel()
                continue
            try:
                return await asyncio.wait_for(self._heard.get(), self._hotline.section.silence_s)
            except asyncio.TimeoutError:
                if not self._detector.speaking and not self._recognising and not self._keys:
                    return Heard(Kind.SILENCE)

    async def _stop(self) -> None:
        if self._keys_done is not None:
            self._keys_done.cancel()
        tasks = [t for t in (self._playing, self._probe, *self._recognising) if t is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
