"""Run-time settings in a database table: read from memory, followed every half second, told to who listens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import insert, select, update
from sqlalchemy.engine import Engine

from city.db import make_engine, migrate, reading, writing

MIGRATIONS = Path(__file__).parent / "migrations"
FOLLOW_S = 0.5

logger = logging.getLogger(__name__)

metadata = sa.MetaData()
settings_table = sa.Table(
    "live_settings",
    metadata,
    sa.Column("key", sa.String(40), primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("changed_by", sa.String(64), nullable=False),
    sa.Column("changed_at", sa.DateTime, nullable=False),
)


@dataclass(frozen=True)
class LiveValue:
    """One setting as staff left it; `changed_at` is UTC without a zone."""

    value: Any
    version: int
    changed_by: str
    changed_at: datetime


class LiveSettings:
    """Named JSON values that everybody in the process sees at once and other processes within a second.

    Args:
        database: SQLAlchemy URL, or an engine of the caller's.
    """

    def __init__(self, database: str | Engine) -> None:
        self._engine = make_engine(database, pool_size=2) if isinstance(database, str) else database
        self._owns_engine = isinstance(database, str)
        self._known: dict[str, LiveValue] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._follower: threading.Thread | None = None
        migrate(self._engine, "live", MIGRATIONS)
        self.refresh()

    def follow(self) -> None:
        """Look for changes of other processes from now on, in a thread of its own."""
        self._follower = threading.Thread(target=self._follow, name="live-settings", daemon=True)
        self._follower.start()

    def close(self) -> None:
        """Stop following and close the connections."""
        self._stop.set()
        if self._follower is not None:
            self._follower.join(timeout=5)
        if self._owns_engine:
            self._engine.dispose()

    def get(self, key: str) -> Any:
        """Return a value, `None` when staff never set it; from memory, safe on the event loop."""
        known = self._known.get(key)
        return known.value if known is not None else None

    def read(self, key: str) -> LiveValue | None:
        """Return a value with who set it and when."""
        return self._known.get(key)

    def set(self, key: str, value: Any, changed_by: str) -> Any:
        """Set a value for everybody and return the one before; listeners are told before this returns.

        Args:
            key: at most 40 characters.
            value: of JSON types.
            changed_by: name of who does it.
        """
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        with writing(self._engine) as session:
            row = session.execute(select(settings_table).where(settings_table.c.key == key)).first()
            fields = {
                "value": value,
                "version": 1 if row is None else row.version + 1,
                "changed_by": changed_by[:64],
                "changed_at": now,
            }
            if row is None:
                session.execute(insert(settings_table).values(key=key, **fields))
            else:
                session.execute(update(settings_table).where(settings_table.c.key == key).values(fields))
        self.refresh()
        return row.value if row is not None else None

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the key of each change, in whatever thread noticed it."""
        with self._lock:
            self._listeners.append(listener)

    def unlisten(self, listener: Callable[[str], None]) -> None:
        """Call `listener` no more."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)

    def refresh(self) -> None:
        """Read all values and tell the listeners what changed."""
        with self._lock:
            with reading(self._engine) as session:
                rows = session.execute(select(settings_table)).all()
            found = {
                row.key: LiveValue(row.value, row.version, row.changed_by, row.changed_at) for row in rows
            }
            changed = [
                key
                for key, item in found.items()
                if key not in self._known or self._known[key].version != item.version
            ]
            self._known = found
            listeners = tuple(self._listeners)
        for key in changed:
            for listener in listeners:
                try:
                    listener(key)
                except Exception:
                    logger.exception("a listener failed on the live setting %s", key)

    def _follow(self) -> None:
        while not self._stop.wait(FOLLOW_S):
            try:
                self.refresh()
            except Exception:
                # The values at hand stay in force; the next round tries again.
                logger.warning("live settings cannot be read", exc_info=True)
