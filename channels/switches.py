"""The off switch of each channel, flipped at run time by the console or the command line."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

from sqlalchemy import delete, insert, select
from sqlalchemy.engine import Engine

from channels.tables import switches
from city.outbox import utc_now

_KNOWN_S = 2.0


class ChannelSwitches(Protocol):
    """Says which channels are on; a channel nobody switched off is on."""

    def enabled(self, name: str) -> bool:
        """Return whether a channel is on."""
        ...

    def all(self) -> Mapping[str, bool]:
        """Return every channel that was ever switched, and whether it is on."""
        ...

    def set(self, name: str, enabled: bool, changed_by: str) -> None:
        """Switch a channel."""
        ...


class SqlSwitches:
    """Switches in the gateway's database, read again every two seconds; other processes see a change then.

    Synchronous; safe from any thread.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, bool] = {}
        self._read_at = float("-inf")

    def enabled(self, name: str) -> bool:
        """Return whether a channel is on."""
        if time.monotonic() - self._read_at > _KNOWN_S:
            self._known = dict(self.all())
            self._read_at = time.monotonic()
        return self._known.get(name, True)

    def all(self) -> Mapping[str, bool]:
        """Return every channel that was ever switched, and whether it is on."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(switches.c.channel, switches.c.enabled)).all()
        return {row.channel: bool(row.enabled) for row in rows}

    def set(self, name: str, enabled: bool, changed_by: str) -> None:
        """Switch a channel."""
        row = {"channel": name, "enabled": enabled, "changed_by": changed_by, "changed_at": utc_now()}
        with self._engine.execution_options(writes=True).begin() as connection:
            connection.execute(delete(switches).where(switches.c.channel == name))
            connection.execute(insert(switches).values(row))
        self._read_at = float("-inf")
