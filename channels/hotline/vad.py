"""Finds speech in telephone audio by its level above the line's noise."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from channels.hotline.speech import FRAME_BYTES, FRAME_MS

# Levels in dB below full scale.
_SILENT_DB, _LOUD_DB = -60.0, -42.0
_MARGIN_DB = 9.0
_FALL, _RISE = 0.3, 0.01


@dataclass
class SpeechDetector:
    """Cuts a stream of frames into utterances.

    The noise floor follows the quietest frames: down at once, up slowly. An utterance begins with `begin_ms` of
    speech in a row and ends after `end_ms` without.
    """

    begin_ms: int = 100
    end_ms: int = 700
    longest_ms: int = 15_000
    lead_ms: int = 240
    _floor_db: float = _SILENT_DB
    _run: int = 0
    _quiet: int = 0
    _frames: list[bytes] = field(default_factory=list)
    _before: deque[bytes] = field(default_factory=deque)
    speaking: bool = False

    def feed(self, frame: bytes) -> bytes | None:
        """Take one frame; return a complete utterance when it ends with it."""
        loud = self._is_speech(frame)
        self._run = self._run + 1 if loud else 0
        if not self.speaking:
            self._before.append(frame)
            while len(self._before) > (self.lead_ms + self.begin_ms) // FRAME_MS:
                self._before.popleft()
            if self._run * FRAME_MS >= self.begin_ms:
                self.speaking, self._quiet = True, 0
                self._frames = list(self._before)
                self._before.clear()
            return None
        self._frames.append(frame)
        self._quiet = 0 if loud else self._quiet + 1
        if self._quiet * FRAME_MS >= self.end_ms or len(self._frames) * FRAME_MS >= self.longest_ms:
            return self._finish()
        return None

    @property
    def heard(self) -> bytes:
        """What has been said so far of the utterance that goes on."""
        return b"".join(self._frames)

    @property
    def heard_ms(self) -> int:
        """Its length in ms, the lead included."""
        return len(self._frames) * FRAME_MS

    def reset(self) -> None:
        """Drop the utterance that goes on."""
        self._finish()

    def _finish(self) -> bytes:
        said = b"".join(self._frames)
        self._frames, self.speaking, self._run, self._quiet = [], False, 0, 0
        return said

    def _is_speech(self, frame: bytes) -> bool:
        level = level_db(frame)
        speed = _FALL if level < self._floor_db else _RISE
        self._floor_db += speed * (level - self._floor_db)
        return level > max(self._floor_db + _MARGIN_DB, _LOUD_DB)


def level_db(frame: bytes) -> float:
    """Return a frame's level in dB below full scale, at least -96."""
    samples = np.frombuffer(frame[: len(frame) // 2 * 2], dtype="<i2").astype(np.float64)
    if not len(samples):
        return -96.0
    return float(20 * np.log10(max(np.sqrt(np.mean(samples**2)) / 32768, 10**-4.8)))


def frames_of(pcm: bytes) -> list[bytes]:
    """Cut audio into frames; the last is filled up with silence."""
    padded = pcm + b"\0" * (-len(pcm) % FRAME_BYTES)
    return [padded[at : at + FRAME_BYTES] for at in range(0, len(padded), FRAME_BYTES)]
