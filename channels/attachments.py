"""Photos and positions from chat apps: fetched from the platform, kept by whoever takes photos, told when refused."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from channels.base import Channel, Inbound, MediaError, SendError, UndeliverableError
from channels.incoming import stand_in
from channels.protocols import PhotoTaker

logger = logging.getLogger(__name__)

MOST_PER_MESSAGE = 10
_TRIES = 3
_FIRST_PAUSE_S = 0.5


@dataclass
class Attached:
    """What came with a message: `metadata` for the brain, `refused` why a picture was not taken (zh, en)."""

    metadata: dict[str, Any] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def text(self, written: str) -> str:
        """Return the citizen's words, or what stands for a message without any."""
        return written or (stand_in(self.metadata) if self.metadata else "")


class Attachments:
    """Takes in what chat apps send beside text.

    Args:
        photos: keeps photos; `None` where nothing can be done with one.
        pause: waits a number of seconds between attempts to fetch.
    """

    def __init__(
        self, photos: PhotoTaker | None, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._photos = photos
        self._pause = pause

    def readable(self, inbound: Inbound) -> bool:
        """Return whether anything can be done with a message."""
        wordless = inbound.media and not inbound.text.strip() and inbound.location is None
        return not inbound.unreadable and not (wordless and self._photos is None)

    async def take(self, channel: Channel, inbound: Inbound, conversation_id: str) -> Attached:
        """Fetch and keep the pictures of a message, and note its position."""
        attached = Attached()
        if inbound.location is not None:
            attached.metadata["location"] = dict(inbound.location)
        if self._photos is None:
            return attached
        kept = []
        for media in inbound.media[:MOST_PER_MESSAGE]:
            try:
                kept.append(await self._photos.take(conversation_id, self._fetcher(channel, media)))
            except MediaError as error:
                attached.refused.append((error.zh, error.en))
            except SendError as error:
                logger.warning("channel %s: a picture was not fetched: %s", channel.name, error)
                attached.refused.append(
                    ("照片没有收到，请再发一次。", "The photo did not arrive here; please send it again.")
                )
        if kept:
            attached.metadata["attachments"] = kept
        attached.refused = list(dict.fromkeys(attached.refused))
        return attached

    def _fetcher(self, channel: Channel, media: Any) -> Callable[[int], Awaitable[bytes]]:
        async def fetch(limit_bytes: int) -> bytes:
            for tries in range(1, _TRIES + 1):
                try:
                    return await channel.fetch(media, limit_bytes)
                except UndeliverableError:
                    raise
                except SendError as error:
                    if tries == _TRIES:
                        raise
                    await self._pause(min(5.0, error.retry_after_s or _FIRST_PAUSE_S * 2.0**tries))
            raise AssertionError("unreachable")

        return fetch
