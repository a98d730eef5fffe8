"""Notices, subscriptions and deliveries in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import and_, delete, func, insert, select, update
from sqlalchemy.engine import Engine, Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from actions.notices.errors import UnknownNoticeError
from actions.notices.records import ACTIVE, CANCELLED, REPLACED, Notice, Subscription
from actions.notices.tables import deliveries, notices, references, subscriptions
from city.db import migrate, reading, writing

MIGRATIONS = Path(__file__).parent / "migrations"
# What a delivery is: the notice itself, its end, or that it does not concern the person.
NEWS, END, SKIP = "news", "end", "skip"
_FIELDS = frozenset(Notice.__dataclass_fields__)


class NoticeStore:
    """The notices' memory. Every method is one transaction and safe from any thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        migrate(engine, "notices", MIGRATIONS)

    # Notices

    def add(
        self, values: Mapping[str, Any], refers_to: Sequence[str] = (), msg_type: str = ""
    ) -> Notice | None:
        """Keep a notice, and end those that it replaces or cancels; `None` when its key is known.

        Args:
            values: columns of `tables.notices`.
            refers_to: keys of earlier messages.
            msg_type: "Update" or "Cancel", which says what becomes of them.
        """
        try:
            with writing(self.engine) as session:
                ended_by = session.execute(
                    select(references).where(references.c.key == values["key"])
                ).first()
                row = dict(values)
                if ended_by is not None and row["state"] == ACTIVE:
                    # The message that ends this one came first.
                    row.update(state=_ended(ended_by.msg_type), why=ended_by.by_key)
                key = session.execute(insert(notices).values(**row)).inserted_primary_key[0]
                for referred in refers_to:
                    self._end(session, referred, str(row["key"]), msg_type)
        except IntegrityError:
            return None
        return self.get(int(key))

    @staticmethod
    def _end(session: Session, key: str, by_key: str, msg_type: str) -> None:
        known = session.execute(select(references.c.key).where(references.c.key == key)).first()
        if known is None:
            session.execute(insert(references).values(key=key, by_key=by_key, msg_type=msg_type))
        session.execute(
            update(notices)
            .where(notices.c.key == key, notices.c.state == ACTIVE)
            .values(state=_ended(msg_type), why=by_key)
        )

    def known(self, key: str) -> Notice | None:
        """Return the notice of a key."""
        with reading(self.engine) as session:
            row = session.execute(select(notices).where(notices.c.key == key)).first()
            return None if row is None else _notice(row)

    def get(self, notice_id: int) -> Notice:
        """Return one notice; raises `UnknownNoticeError`."""
        with reading(self.engine) as session:
            row = session.execute(select(notices).where(notices.c.id == notice_id)).first()
        if row is None:
            raise UnknownNoticeError(notice_id)
        return _notice(row)

    def current(self, now: datetime) -> list[Notice]:
        """Return the notices that hold now, newest first."""
        holds = and_(notices.c.state == ACTIVE, notices.c.starts_at <= now, notices.c.expires_at > now)
        return self._find(holds, 200)

    def ended(self, since: datetime) -> list[Notice]:
        """Return the notices that were cancelled and would still hold at `since`."""
        return self._find(and_(notices.c.state == CANCELLED, notices.c.expires_at > since), 200)

    def latest(self, limit: int = 50, offset: int = 0) -> list[Notice]:
        """Return all notices, newest first."""
        return self._find(notices.c.id.is_not(None), limit, offset)

    def _find(self, condition: Any, limit: int, offset: int = 0) -> list[Notice]:
        query = select(notices).where(condition).order_by(notices.c.id.desc()).limit(limit).offset(offset)
        with reading(self.engine) as session:
            return [_notice(row) for row in session.execute(query)]

    def cancel(self, notice_id: int, why: str) -> bool:
        """End a notice; return whether it was active."""
        chosen = and_(notices.c.id == notice_id, notices.c.state == ACTIVE)
        with writing(self.engine) as session:
            return bool(
                session.execute(update(notices).where(chosen).values(state=CANCELLED, why=why)).rowcount
            )

    # Subscriptions

    def subscribe(
        self, conversation_id: str, language: str, channel: str, districts: Sequence[str], now: datetime
    ) -> None:
        """Keep what somebody asked for; it replaces what they asked for before."""
        values = {
            "language": language,
            "channel": channel,
            "districts": list(districts),
            "active": True,
            "since": now,
        }
        chosen = subscriptions.c.conversation_id == conversation_id
        with writing(self.engine) as session:
            if not session.execute(update(subscriptions).where(chosen).values(**values)).rowcount:
                session.execute(insert(subscriptions).values(conversation_id=conversation_id, **values))
            # What did not concern them before may do so now.
            session.execute(
                delete(deliveries).where(
                    deliveries.c.conversation_id == conversation_id, deliveries.c.kind == SKIP
                )
            )

    def unsubscribe(self, conversation_id: str) -> bool:
        """End a subscription; return whether there was one."""
        chosen = and_(subscriptions.c.conversation_id == conversation_id, subscriptions.c.active.is_(True))
        with writing(self.engine) as session:
            return bool(session.execute(update(subscriptions).where(chosen).values(active=False)).rowcount)

    def subscription(self, conversation_id: str) -> Subscription | None:
        """Return somebody's subscription."""
        query = select(subscriptions).where(
            subscriptions.c.conversation_id == conversation_id, subscriptions.c.active.is_(True)
        )
        with reading(self.engine) as session:
            row = session.execute(query).first()
            return None if row is None else _subscription(row)

    def subscribers(self) -> dict[str, int]:
        """Return the number of subscriptions per channel."""
        query = select(subscriptions.c.channel, func.count()).where(subscriptions.c.active.is_(True))
        with reading(self.engine) as session:
            return {
                str(name): int(count)
                for name, count in session.execute(query.group_by(subscriptions.c.channel))
            }

    def untold(self, notice_id: int, limit: int = 500) -> list[Subscription]:
        """Return subscribers who have no delivery of a notice yet."""
        done = select(deliveries.c.conversation_id).where(
            deliveries.c.notice_id == notice_id, deliveries.c.kind.in_((NEWS, SKIP))
        )
        query = select(subscriptions).where(
            subscriptions.c.active.is_(True), subscriptions.c.conversation_id.not_in(done)
        )
        with reading(self.engine) as session:
            return [_subscription(row) for row in session.execute(query.limit(limit))]

    # Deliveries

    def claim(
        self, notice_id: int, people: Sequence[tuple[str, str]], kind: str, told: bool, now: datetime
    ) -> list[str]:
        """Take it on to tell people of a notice; return whom: those that nobody has taken on before.

        Args:
            people: conversation and language of each.
            told: whether they are being told at this moment; else `to_tell` returns them.
        """

        def unknown(session: Session) -> list[dict[str, Any]]:
            query = select(deliveries.c.conversation_id).where(
                deliveries.c.notice_id == notice_id,
                deliveries.c.kind == kind,
                deliveries.c.conversation_id.in_([person for person, _ in people]),
            )
            known = set(session.execute(query).scalars())
            base = {"notice_id": notice_id, "kind": kind, "told": told, "at": now}
            return [
                {**base, "conversation_id": person, "language": language}
                for person, language in people
                if person not in known
            ]

        # Nearly every turn finds that all was told; that needs no lock.
        with reading(self.engine) as session:
            if not people or not unknown(session):
                return []
        try:
            with writing(self.engine) as session:
                rows = unknown(session)
                if rows:
                    session.execute(insert(deliveries), rows)
        except IntegrityError:
            # Another process took some of them on at this moment; the rest is found again.
            return []
        return [str(row["conversation_id"]) for row in rows]

    def to_tell(self, limit: int = 500) -> list[tuple[int, str, str, str]]:
        """Return what was taken on and has not reached the outbox: notice, conversation, kind, language."""
        query = select(deliveries).where(deliveries.c.told.is_(False)).limit(limit)
        with reading(self.engine) as session:
            return [(r.notice_id, r.conversation_id, r.kind, r.language) for r in session.execute(query)]

    def mark_told(self, told: Sequence[tuple[int, str, str]]) -> None:
        """Remember that people were told: notice, conversation, kind."""
        with writing(self.engine) as session:
            for notice_id, conversation_id, kind in told:
                session.execute(
                    update(deliveries)
                    .where(
                        deliveries.c.notice_id == notice_id,
                        deliveries.c.conversation_id == conversation_id,
                        deliveries.c.kind == kind,
                    )
                    .values(told=True)
                )

    def drop(self, notice_id: int) -> None:
        """Forget who was still to be told the news of a notice that has ended; they hear nothing of it."""
        with writing(self.engine) as session:
            session.execute(
                delete(deliveries).where(
                    deliveries.c.notice_id == notice_id,
                    deliveries.c.kind == NEWS,
                    deliveries.c.told.is_(False),
                )
            )

    def knowing(self, notice_id: int, limit: int = 500) -> list[tuple[str, str]]:
        """Return those who were told a notice and not yet that it has ended: conversation, language."""
        ended = select(deliveries.c.conversation_id).where(
            deliveries.c.notice_id == notice_id, deliveries.c.kind == END
        )
        query = select(deliveries.c.conversation_id, deliveries.c.language).where(
            deliveries.c.notice_id == notice_id,
            deliveries.c.kind == NEWS,
            deliveries.c.told.is_(True),
            deliveries.c.conversation_id.not_in(ended),
        )
        with reading(self.engine) as session:
            return [(row.conversation_id, row.language) for row in session.execute(query.limit(limit))]

    def reached(self, notice_id: int) -> int:
        """Return how many people were told of a notice."""
        query = select(func.count()).where(
            deliveries.c.notice_id == notice_id, deliveries.c.kind == NEWS, deliveries.c.told.is_(True)
        )
        with reading(self.engine) as session:
            return int(session.execute(query).scalar() or 0)

    def erase(self, conversation_id: str) -> None:
        """Delete what is kept of a conversation."""
        with writing(self.engine) as session:
            session.execute(delete(subscriptions).where(subscriptions.c.conversation_id == conversation_id))
            session.execute(delete(deliveries).where(deliveries.c.conversation_id == conversation_id))

    def purge(self, before: datetime) -> int:
        """Delete notices that ended before a moment; return how many."""
        old = select(notices.c.id).where(notices.c.expires_at < before)
        with writing(self.engine) as session:
            session.execute(delete(deliveries).where(deliveries.c.notice_id.in_(old)))
            return int(session.execute(delete(notices).where(notices.c.expires_at < before)).rowcount)


def _ended(msg_type: str) -> str:
    return CANCELLED if msg_type == "Cancel" else REPLACED


def _notice(row: Row) -> Notice:
    return Notice(**{name: value for name, value in row._mapping.items() if name in _FIELDS})


def _subscription(row: Row) -> Subscription:
    return Subscription(row.conversation_id, row.language, row.channel, row.districts, row.since)
