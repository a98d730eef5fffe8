"""The log of every change that staff make: who, when, what, before and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.engine import Engine, Row
from sqlalchemy.sql import Select

from city.db import reading, writing
from console.staff import tables
from console.staff.clock import utc_now


@dataclass(frozen=True)
class AuditEntry:
    """One change; `at` is UTC without a zone, `before` and `after` are what was changed in its JSON form."""

    seq: int
    at: datetime
    user: str
    role: str
    action: str
    target: str
    before: Any
    after: Any


class AuditLog:
    """Entries are only ever added. Safe to call from any thread; the tables are those of `StaffStore`.

    Args:
        engine: the database of the staff store.
        clock: the time in UTC.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._clock = clock

    def add(
        self, user: str, role: str, action: str, target: str, before: Any = None, after: Any = None
    ) -> None:
        """Write an entry.

        Args:
            user: name of the account.
            role: its role at that moment.
            action: what was done, as `section.verb`.
            target: what it was done to.
            before: the state before, of JSON types; `None` when there was none.
            after: the state after.
        """
        row = {
            "at": self._clock(),
            "user": user[:64],
            "role": role,
            "action": action,
            "target": target[:255],
            "before": before,
            "after": after,
        }
        with writing(self._engine) as session:
            session.execute(insert(tables.audit).values(row))

    def entries(
        self,
        *,
        user: str = "",
        action: str = "",
        target: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[AuditEntry]:
        """Return entries, newest first.

        Args:
            user: only of this account.
            action: only these, or of one section when it ends in a point.
            target: only on targets with this text in their names.
            since: not before, UTC.
            until: before, UTC.
        """
        query = _filtered(select(tables.audit), user, action, target, since, until)
        query = query.order_by(tables.audit.c.seq.desc()).limit(limit).offset(offset)
        with reading(self._engine) as session:
            return [_entry(row) for row in session.execute(query)]

    def actions(self) -> list[str]:
        """Return the actions that occur."""
        query = select(tables.audit.c.action).distinct().order_by(tables.audit.c.action)
        with reading(self._engine) as session:
            return [str(action) for (action,) in session.execute(query)]


def _filtered(
    query: Select, user: str, action: str, target: str, since: datetime | None, until: datetime | None
) -> Select:
    columns = tables.audit.c
    if user:
        query = query.where(columns.user == user)
    if action.endswith("."):
        query = query.where(columns.action.startswith(action, autoescape=True))
    elif action:
        query = query.where(columns.action == action)
    if target:
        query = query.where(columns.target.contains(target, autoescape=True))
    if since is not None:
        query = query.where(columns.at >= since)
    if until is not None:
        query = query.where(columns.at < until)
    return query


def _entry(row: Row) -> AuditEntry:
    return AuditEntry(**row._mapping)
