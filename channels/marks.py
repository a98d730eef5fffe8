"""What happened to parcels on their way, written down together: one transaction for all that wait meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from channels.group_commit import GroupCommit
from city.outbox import Mark, Outbox


class Marks:
    """Writes marks of parcels in groups.

    A mark after a send decides whether a kill makes it come twice, so marks go before all other writes.

    Args:
        outbox: where the parcels lie.
        urgently: runs synchronous database work before everything else that waits for the database.
        lease_s: for how long an unfinished parcel is kept from its last mark on.
    """

    def __init__(
        self,
        outbox: Outbox,
        urgently: Callable[..., Coroutine[Any, Any, Any]],
        lease_s: float,
    ) -> None:
        self._outbox = outbox
        self._urgently = urgently
        self._lease_s = lease_s
        self._group = GroupCommit(self._write)

    async def begun(self, seq: int) -> None:
        """A message of the parcel is about to leave."""
        await self._group.add([Mark("begun", seq)])

    async def part(self, seq: int, parts: int) -> None:
        """So many messages of the parcel have left."""
        await self._group.add([Mark("part", seq, parts)])

    async def sent(self, seq: int) -> None:
        """All of the parcel has left."""
        await self._group.add([Mark("sent", seq)])

    async def taken(self, parts: Sequence[tuple[str, int]]) -> None:
        """Platforms report to have taken these; see `Outbox.taken`."""
        await self._urgently(self._outbox.taken, parts)

    async def _write(self, marks: list[Mark]) -> None:
        await self._urgently(self._outbox.mark, marks, self._lease_s)
