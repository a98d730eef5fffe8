"""Forgets what citizens wrote once the retention period is over: messages, feedback, and the dialogue's memory."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from channels.dispatcher import Dispatcher
from channels.store import ConversationStore

logger = logging.getLogger(__name__)

FIRST_S, EVERY_S = 60.0, 3600.0
_AT_ONCE = 500


class MessageKeeper:
    """Deletes old messages once an hour.

    The conversation itself stays, so that somebody who comes back, or has subscribed to notices, is still known.

    Args:
        store: the gateway's messages.
        dispatcher: knows who is being answered, and the brain.
        keep_days: asked before each clean-up, so that a changed period needs no restart; `None` keeps everything.
    """

    def __init__(
        self, store: ConversationStore, dispatcher: Dispatcher, keep_days: Callable[[], int | None]
    ) -> None:
        self._store, self._dispatcher, self._keep_days = store, dispatcher, keep_days
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the store is open."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        await asyncio.sleep(FIRST_S)
        while True:
            try:
                await self.purge()
            except Exception:
                logger.exception("old messages were not deleted; trying again in an hour")
            await asyncio.sleep(EVERY_S)

    async def purge(self, now: datetime | None = None) -> int:
        """Delete what is older than the period allows, a part at a time; return how many messages went.

        Args:
            now: UTC without a zone; the clock's when left out.
        """
        days = self._keep_days()
        if days is None:
            return 0
        limit = (now or datetime.now(timezone.utc).replace(tzinfo=None)) - timedelta(days=days)
        gone, part = 0, _AT_ONCE
        while part == _AT_ONCE:
            part, emptied = await self._store.forget_before(limit, _AT_ONCE)
            gone += part
            for conversation_id in emptied:
                # What somebody is saying right now begins anew; its memory goes at the next time.
                if not self._dispatcher.busy(conversation_id):
                    await self._dispatcher.brain.forget(conversation_id)
        return gone
