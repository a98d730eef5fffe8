"""Which requests are still to be filed at the remote server, and which are to be asked after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from actions.requests import tables as t
from actions.requests.records import Request
from actions.requests.store import RequestStore
from city.db import reading, writing

PENDING, UNSURE, TOKEN, FILED, REFUSED, DONE = "pending", "unsure", "token", "filed", "refused", "done"


@dataclass(frozen=True)
class Entry:
    """One request on its way to the remote server; `marker` is the reference its description carries there."""

    request_id: int
    number: str
    state: str
    attempts: int
    service_code: str
    marker: str
    remote_id: str | None
    remote_token: str | None
    remote_status: str | None
    created_at: datetime


class RemoteQueue:
    """The table `requests_remote`; every method is synchronous and safe from any thread."""

    def __init__(self, store: RequestStore) -> None:
        self._engine = store.engine

    def put(self, request: Request, service_code: str, now: datetime) -> bool:
        """Queue a request once; `False` when it was queued before."""
        values = {
            "request_id": request.id,
            "state": PENDING,
            "attempts": 0,
            "next_at": now,
            "service_code": service_code,
            "marker": f"[{request.number}]",
            "last_error": "",
        }
        try:
            with writing(self._engine) as session:
                session.execute(insert(t.outbox).values(values))
        except IntegrityError:
            return False
        return True

    def due(self, states: tuple[str, ...], now: datetime, limit: int) -> list[Entry]:
        """Return the entries whose time has come, the longest waiting first."""
        query = (
            select(t.outbox, t.requests.c.number, t.requests.c.created_at)
            .join(t.requests, t.requests.c.id == t.outbox.c.request_id)
            .where(t.outbox.c.state.in_(states), t.outbox.c.next_at <= now)
            .order_by(t.outbox.c.next_at, t.outbox.c.request_id)
            .limit(limit)
        )
        names = Entry.__dataclass_fields__
        with reading(self._engine) as session:
            return [Entry(**{n: getattr(row, n) for n in names}) for row in session.execute(query)]

    def set(self, request_id: int, **values: Any) -> None:
        """Change an entry."""
        with writing(self._engine) as session:
            session.execute(update(t.outbox).where(t.outbox.c.request_id == request_id).values(**values))

    def set_many(
        self, changes: Mapping[int, Mapping[str, Any]], events: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Change several entries and note events of their requests, as one whole."""
        if not changes:
            return
        with writing(self._engine) as session:
            for request_id, values in changes.items():
                session.execute(update(t.outbox).where(t.outbox.c.request_id == request_id).values(**values))
            if events:
                session.execute(insert(t.events), [dict(event) for event in events])

    def requests(self, entries: Sequence[Entry]) -> dict[int, Request]:
        """Return the requests behind entries, by id."""
        ids = [entry.request_id for entry in entries]
        names = Request.__dataclass_fields__
        with reading(self._engine) as session:
            rows = session.execute(select(t.requests).where(t.requests.c.id.in_(ids)))
            return {row.id: Request(**{n: getattr(row, n) for n in names}) for row in rows}

    def by_remote_id(self, remote_id: str) -> int | None:
        """Return the request that has an id at the remote server."""
        query = select(t.outbox.c.request_id).where(
            or_(t.outbox.c.remote_id == remote_id, t.outbox.c.remote_token == remote_id)
        )
        with reading(self._engine) as session:
            return session.execute(query).scalar()

    def counts(self) -> dict[str, int]:
        """Return the number of entries per state."""
        query = select(t.outbox.c.state, func.count()).group_by(t.outbox.c.state)
        with reading(self._engine) as session:
            return {row[0]: row[1] for row in session.execute(query)}
