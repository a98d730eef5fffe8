"""Requests in the database: filed once, changed as one whole, never lost."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from actions.requests import tables as t
from actions.requests.errors import UnknownRequestError
from actions.requests.lifecycle import CLOSED
from actions.requests.photo_rows import PhotoRows
from actions.requests.records import Event, Filter, Nearby, Request
from city.db import make_engine, migrate, reading, writing

MIGRATIONS = Path(__file__).parent / "migrations"
_FIELDS = tuple(Request.__dataclass_fields__)


def utc_now() -> datetime:
    """Return the time now, UTC without an offset."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


def distance_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Return the great-circle distance in m (haversine, mean earth radius)."""
    a, b = math.radians(lat1), math.radians(lat2)
    h = math.sin((b - a) / 2) ** 2
    h += math.cos(a) * math.cos(b) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    return 2 * 6_371_009 * math.asin(min(1.0, math.sqrt(h)))


class RequestStore(PhotoRows):
    """The tables of one city's requests; safe to use from several threads.

    Args:
        engine: a database whose tables are migrated.
    """

    @classmethod
    def open(cls, url: str) -> RequestStore:
        """Open and migrate the database at `url`; raises `DatabaseError`."""
        engine = make_engine(url)
        migrate(engine, "requests", MIGRATIONS)
        return cls(engine)

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def add(
        self, values: Mapping[str, Any], first: Mapping[str, Any], photos: Sequence[str]
    ) -> Request | None:
        """File a request with its first event; `None` when its number is taken already.

        One whose `filing_key` was filed before is returned as it stands, and nothing is changed.
        """
        try:
            with writing(self.engine) as session:
                known = self._by(session, t.requests.c.filing_key == values["filing_key"])
                if known is not None:
                    return known
                token = secrets.token_urlsafe(24)
                result = session.execute(insert(t.requests).values(**values, token=token))
                request_id = result.inserted_primary_key[0]
                session.execute(insert(t.events).values(request_id=request_id, **first))
                self._attach(session, request_id, values["conversation_id"], photos)
                return self._by(session, t.requests.c.id == request_id)
        except IntegrityError:
            with reading(self.engine) as session:
                return self._by(session, t.requests.c.filing_key == values["filing_key"])

    def attach(self, request_id: int, conversation_id: str | None, photos: Sequence[str]) -> int:
        """Put a conversation's unfiled photos with a request; return how many."""
        with writing(self.engine) as session:
            return self._attach(session, request_id, conversation_id, photos)

    @staticmethod
    def _attach(session: Session, request_id: int, conversation_id: str | None, photos: Sequence[str]) -> int:
        if not photos:
            return 0
        query = (
            update(t.photos)
            .where(t.photos.c.id.in_(list(photos)), t.photos.c.request_id.is_(None))
            .where(t.photos.c.conversation_id == conversation_id)
            .values(request_id=request_id)
        )
        return int(session.execute(query).rowcount)

    @staticmethod
    def _by(session: Session, condition: Any) -> Request | None:
        row = session.execute(select(t.requests).where(condition)).first()
        return _request(row) if row is not None else None

    def by_number(self, number: str) -> Request:
        """Return a request; raises `UnknownRequestError`."""
        with reading(self.engine) as session:
            found = self._by(session, t.requests.c.number == number)
        if found is None:
            raise UnknownRequestError(number)
        return found

    def by_token(self, token: str) -> Request | None:
        """Return the request with an Open311 token."""
        with reading(self.engine) as session:
            return self._by(session, t.requests.c.token == token)

    def by_key(self, key: str) -> Request | None:
        """Return the request filed under a key."""
        with reading(self.engine) as session:
            return self._by(session, t.requests.c.filing_key == key)

    def code_hash(self, number: str) -> str | None:
        """Return the kept hash of a request's access code."""
        with reading(self.engine) as session:
            query = select(t.requests.c.code_hash).where(t.requests.c.number == number)
            return session.execute(query).scalar()

    def change(
        self, request_id: int, values: Mapping[str, Any], event: Mapping[str, Any], expect: str | None = None
    ) -> Request | None:
        """Change a request and note it in its history, as one whole.

        Args:
            expect: the state the request must still be in; `None` is returned when somebody else was faster.
        """
        with writing(self.engine) as session:
            condition = t.requests.c.id == request_id
            if expect is not None:
                condition = and_(condition, t.requests.c.state == expect)
            done = session.execute(
                update(t.requests).where(condition).values(**values, updated_at=event["at"])
            )
            if not done.rowcount:
                return None
            session.execute(insert(t.events).values(request_id=request_id, **event))
            return self._by(session, t.requests.c.id == request_id)

    def history(self, request_id: int, public_only: bool = False) -> list[Event]:
        """Return a request's events, oldest first."""
        query = select(t.events).where(t.events.c.request_id == request_id).order_by(t.events.c.id)
        if public_only:
            query = query.where(t.events.c.public.is_(True))
        with reading(self.engine) as session:
            return [_event(row) for row in session.execute(query)]

    def find(self, wanted: Filter, now: datetime) -> tuple[list[Request], int]:
        """Return one page of the requests wanted, and how many there are in all."""
        c = t.requests.c
        conditions: list[Any] = [
            column == value
            for column, value in (
                (c.kind, wanted.kind),
                (c.category, wanted.category),
                (c.department, wanted.department),
                (c.urgency, wanted.urgency),
                (c.district, wanted.district),
                (c.assignee, wanted.assignee),
            )
            if value
        ]
        if wanted.states:
            conditions.append(c.state.in_(list(wanted.states)))
        if wanted.text:
            like = "%" + wanted.text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
            conditions.append(
                or_(*(column.ilike(like, escape="!") for column in (c.description, c.address, c.number)))
            )
        if wanted.overdue is not None:
            late = and_(
                c.state != CLOSED,
                or_(
                    and_(c.responded_at.is_(None), c.respond_due < now),
                    and_(c.resolved_at.is_(None), c.resolve_due < now),
                ),
            )
            conditions.append(late if wanted.overdue else ~late)
        if wanted.needs_review is not None:
            conditions.append(c.needs_review.is_(wanted.needs_review))
        if wanted.since is not None:
            conditions.append(c.created_at >= wanted.since)
        if wanted.until is not None:
            conditions.append(c.created_at < wanted.until)
        order = c.id.desc() if wanted.newest_first else c.id.asc()
        with reading(self.engine) as session:
            total = session.execute(select(func.count()).select_from(t.requests).where(*conditions)).scalar()
            rows = session.execute(
                select(t.requests)
                .where(*conditions)
                .order_by(order)
                .offset(wanted.offset)
                .limit(wanted.limit)
            )
            return [_request(row) for row in rows], int(total or 0)

    def of_conversation(self, conversation_id: str, limit: int = 20) -> list[Request]:
        """Return what a conversation filed or follows, newest first."""
        followed = select(t.followers.c.request_id).where(t.followers.c.conversation_id == conversation_id)
        query = (
            select(t.requests)
            .where(or_(t.requests.c.conversation_id == conversation_id, t.requests.c.id.in_(followed)))
            .order_by(t.requests.c.id.desc())
            .limit(limit)
        )
        with reading(self.engine) as session:
            return [_request(row) for row in session.execute(query)]

    def nearby(self, category: str, lat: float, lon: float, radius_m: float, since: datetime) -> list[Nearby]:
        """Return open requests of a category within `radius_m`, nearest first."""
        c = t.requests.c
        d_lat = radius_m / 111_000
        d_lon = d_lat / max(0.01, math.cos(math.radians(lat)))
        query = select(t.requests).where(
            c.category == category,
            c.state != CLOSED,
            c.created_at >= since,
            c.lat.between(lat - d_lat, lat + d_lat),
            c.lon.between(lon - d_lon, lon + d_lon),
        )
        with reading(self.engine) as session:
            found = [_request(row) for row in session.execute(query)]
            people = self._people(session, [r.id for r in found])
        near = [
            Nearby(r, distance_m(lat, lon, r.lat, r.lon), people[r.id])
            for r in found
            if r.lat is not None and r.lon is not None
        ]
        return sorted((n for n in near if n.distance_m <= radius_m), key=lambda n: n.distance_m)

    @staticmethod
    def _people(session: Session, ids: Sequence[int]) -> dict[int, int]:
        query = select(t.followers.c.request_id, func.count()).where(t.followers.c.request_id.in_(list(ids)))
        counts = {row[0]: row[1] for row in session.execute(query.group_by(t.followers.c.request_id))}
        return {i: 1 + counts.get(i, 0) for i in ids}

    def follow(self, request_id: int, conversation_id: str, language: str, now: datetime) -> bool:
        """Let a conversation follow a request; `False` when it did so before."""
        values = {
            "request_id": request_id,
            "conversation_id": conversation_id,
            "language": language,
            "created_at": now,
        }
        try:
            with writing(self.engine) as session:
                session.execute(insert(t.followers).values(values))
        except IntegrityError:
            return False
        return True

    def untold(self, limit: int = 100) -> list[tuple[Event, Request, list[tuple[str, str]]]]:
        """Return public news not told yet: the event, its request, and (conversation, language) of each reader."""
        query = (
            select(t.events)
            .where(t.events.c.public.is_(True), t.events.c.told.is_(False))
            .order_by(t.events.c.id)
            .limit(limit)
        )
        found = []
        with reading(self.engine) as session:
            for row in session.execute(query).all():
                request = self._by(session, t.requests.c.id == row.request_id)
                if request is None:
                    continue
                readers = [(request.conversation_id, request.language)] if request.conversation_id else []
                follow = select(t.followers).where(t.followers.c.request_id == request.id)
                readers += [(f.conversation_id, f.language) for f in session.execute(follow)]
                found.append((_event(row), request, list(dict.fromkeys(readers))))
        return found

    def mark_told(self, event_ids: Sequence[int]) -> None:
        """Note that news was handed to the outbox."""
        if event_ids:
            with writing(self.engine) as session:
                session.execute(update(t.events).where(t.events.c.id.in_(list(event_ids))).values(told=True))

    def filed_since(self, since: datetime, conversation_id: str | None = None) -> int:
        """Return how many requests were filed since then, by one conversation or by all."""
        query = select(func.count()).select_from(t.requests).where(t.requests.c.created_at >= since)
        if conversation_id is not None:
            query = query.where(t.requests.c.conversation_id == conversation_id)
        with reading(self.engine) as session:
            return int(session.execute(query).scalar() or 0)

    def details_since(self, since: datetime, request_id: int) -> int:
        """Return how many details citizens added to a request since then."""
        query = select(func.count()).select_from(t.events)
        query = query.where(
            t.events.c.request_id == request_id, t.events.c.kind == "detail", t.events.c.at >= since
        )
        with reading(self.engine) as session:
            return int(session.execute(query).scalar() or 0)

    def note_miss(self, conversation_id: str, now: datetime) -> None:
        """Note a wrong number or code."""
        with writing(self.engine) as session:
            session.execute(delete(t.misses).where(t.misses.c.at < now - timedelta(days=1)))
            session.execute(insert(t.misses).values(conversation_id=conversation_id, at=now))

    def misses_since(self, since: datetime, conversation_id: str) -> int:
        """Return how many wrong numbers a conversation tried since then."""
        query = select(func.count()).select_from(t.misses)
        query = query.where(t.misses.c.conversation_id == conversation_id, t.misses.c.at >= since)
        with reading(self.engine) as session:
            return int(session.execute(query).scalar() or 0)

    def forget(self, conversation_id: str) -> None:
        """Cut every tie between a conversation and what it filed or followed."""
        with writing(self.engine) as session:
            mine = t.requests.c.conversation_id == conversation_id
            session.execute(update(t.requests).where(mine).values(conversation_id=None))
            session.execute(delete(t.followers).where(t.followers.c.conversation_id == conversation_id))
            session.execute(delete(t.misses).where(t.misses.c.conversation_id == conversation_id))
            session.execute(
                update(t.photos)
                .where(t.photos.c.conversation_id == conversation_id)
                .values(conversation_id=None)
            )


def _request(row: Row) -> Request:
    return Request(**{name: getattr(row, name) for name in _FIELDS})


def _event(row: Row) -> Event:
    return Event(row.id, row.request_id, row.at, row.actor, row.kind, row.state, row.public, row.text)
