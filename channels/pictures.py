"""Pictures of replies on platforms that want them uploaded before they are sent."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from channels.base import UndeliverableError
from channels.http import MediaError, PlatformClient, before_the_message

logger = logging.getLogger(__name__)

LIMIT_BYTES = 5 << 20
_CHART = re.compile(r"/charts/([\w-]+\.(?:png|jpg|jpeg))")
# Platforms keep what was uploaded for three days.
_KEPT_S = 2 * 24 * 3600.0
_REMEMBERED = 500


class Pictures:
    """Reads pictures by their addresses and remembers what the platform named them.

    Args:
        client: fetches those that lie elsewhere.
        public_url: our own address; what lies under it is read from `charts`.
        charts: folder of the pictures that replies name as `/charts/NAME`.
    """

    def __init__(self, client: PlatformClient, public_url: str, charts: Path | None) -> None:
        self._client = client
        self._public_url = public_url.rstrip("/")
        self._charts = charts
        self._known: dict[str, tuple[str, float]] = {}

    async def name(self, url: str, upload: Callable[[str, bytes], Awaitable[str]]) -> str | None:
        """Return the platform's name of a picture; `None` when it cannot have it, so that the link is sent.

        Args:
            upload: gives the platform a file name and the bytes; returns the name that it gave.

        Raises:
            SendError: the platform can have it later.
        """
        known = self._known.get(url)
        if known is not None and time.monotonic() - known[1] < _KEPT_S:
            return known[0]
        try:
            with before_the_message():
                found = await upload("picture.png", await self._read(url))
        except (MediaError, UndeliverableError, OSError) as error:
            logger.warning("a picture is sent as a link: %s", error)
            return None
        self._known[url] = (found, time.monotonic())
        while len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        return found

    async def _read(self, url: str) -> bytes:
        own = _CHART.fullmatch(url.removeprefix(self._public_url)) if self._public_url else None
        if own is not None and self._charts is not None:
            data = await asyncio.to_thread((self._charts / own[1]).read_bytes)
            if len(data) > LIMIT_BYTES:
                raise MediaError("图片过大。", "The picture is too large.")
            return data
        if self._client.recorded is not None:
            return b""
        data, response = await self._client.picture(url, LIMIT_BYTES)
        if not data:
            raise UndeliverableError(
                f"the picture's address answers HTTP {response.status} without a picture"
            )
        return data
