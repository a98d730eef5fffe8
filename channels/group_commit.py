"""Group commit: what arrives while a transaction is under way is written with the next one, all together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class GroupCommit(Generic[Item]):
    """Collects items and writes them in groups, one group at a time, in the order in which they came.

    Args:
        write: writes one group; what it raises reaches everyone whose items were in the group.
    """

    def __init__(self, write: Callable[[list[Item]], Awaitable[Any]]) -> None:
        self._write = write
        self._items: list[Item] = []
        self._written: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None

    async def add(self, items: Sequence[Item]) -> None:
        """Return when the items are written; a caller that is cancelled does not take them back."""
        self._items.extend(items)
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
        written = self._written
        if self._writer is None:
            self._writer = asyncio.create_task(self._work())
        await asyncio.shield(written)

    async def close(self, timeout_s: float) -> None:
        """Wait until what was added is written, `timeout_s` seconds at most."""
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=timeout_s)

    async def _work(self) -> None:
        try:
            while self._written is not None:
                items, written = self._items, self._written
                self._items, self._written = [], None
                try:
                    await self._write(items)
                except Exception as error:
                    written.set_exception(error)
                    # Read here, so that a caller that has gone leaves no "never retrieved".
                    written.exception()
                else:
                    written.set_result(None)
        finally:
            self._writer = None
