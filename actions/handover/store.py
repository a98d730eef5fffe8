"""Conversations at the desk in the database. What must not happen twice is decided by one conditional update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.engine import Engine, Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from actions.handover.errors import UnknownCaseError
from actions.handover.records import CLOSED, MESSAGE, OPEN, WAITING, Case, Entry
from actions.handover.tables import cases, entries, misses, operators
from city.db import migrate, reading, writing

MIGRATIONS = Path(__file__).parent / "migrations"
_CASE_FIELDS = frozenset(Case.__dataclass_fields__)
_QUEUE_ORDER = (cases.c.urgent.desc(), cases.c.queued_at, cases.c.id)


class HandoverStore:
    """The desk's memory. Every method is one transaction and safe from any thread.

    Args:
        engine: its database.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        migrate(engine, "handover", MIGRATIONS)

    # Conversations

    def live(self, conversation_id: str) -> Case | None:
        """Return the conversation's place at the desk, `None` when the bot has it."""
        return self._one(cases.c.live == conversation_id)

    def get(self, case_id: int) -> Case:
        """Return one conversation; raises `UnknownCaseError`."""
        found = self._one(cases.c.id == case_id)
        if found is None:
            raise UnknownCaseError(case_id)
        return found

    def last_closed(self, conversation_id: str, since: datetime) -> Case | None:
        """Return the conversation's last stay at the desk that an operator took up and that ended after `since`."""
        return self._one(
            and_(
                cases.c.conversation_id == conversation_id,
                cases.c.state == CLOSED,
                cases.c.closed_at >= since,
                cases.c.opened_at.is_not(None),
            )
        )

    def last_with(self, conversation_id: str, outcome: str, since: datetime) -> Case | None:
        """Return the conversation's last stay that ended in some way, and began after `since`."""
        mine = cases.c.conversation_id == conversation_id
        return self._one(and_(mine, cases.c.outcome == outcome, cases.c.created_at >= since))

    def _one(self, condition: Any) -> Case | None:
        query = select(cases).where(condition).order_by(cases.c.id.desc()).limit(1)
        with reading(self.engine) as session:
            row = session.execute(query).first()
            return None if row is None else _case(row)

    def find(self, condition: Any, *order: Any, limit: int = 500) -> list[Case]:
        """Return the conversations that meet a condition on `tables.cases`."""
        query = select(cases).where(condition).order_by(*(order or _QUEUE_ORDER)).limit(limit)
        with reading(self.engine) as session:
            return [_case(row) for row in session.execute(query)]

    def queue(self) -> list[Case]:
        """Return who waits, first come first; urgent ones before."""
        return self.find(cases.c.state == WAITING)

    def held_by(self, operator: str) -> list[Case]:
        """Return the conversations an operator holds, the longest held first."""
        return self.find(
            and_(cases.c.state == OPEN, cases.c.operator == operator), cases.c.opened_at, cases.c.id
        )

    def open(self, values: Mapping[str, Any]) -> tuple[Case, bool]:
        """Bring a conversation to the desk; return its place and whether it is new (it may stand there already)."""
        try:
            with writing(self.engine) as session:
                key = session.execute(insert(cases).values(**values)).inserted_primary_key[0]
        except IntegrityError:
            there = self.live(str(values["live"]))
            if there is None:
                raise
            return there, False
        return self.get(int(key)), True

    def move(
        self, case_id: int, condition: Any, values: Mapping[str, Any], event: Mapping[str, Any] | None
    ) -> bool:
        """Change a conversation if `condition` still holds, and write down the event; return whether it did.

        Of several callers at once one finds the condition true.
        """
        with writing(self.engine) as session:
            changed = session.execute(
                update(cases).where(cases.c.id == case_id, condition).values(**values)
            ).rowcount
            if changed and event is not None:
                session.execute(insert(entries).values(case_id=case_id, **event))
        return bool(changed)

    def asked_since(self, conversation_id: str, since: datetime) -> int:
        """Return how often a conversation came to the desk since a moment."""
        query = select(func.count()).where(
            cases.c.conversation_id == conversation_id, cases.c.created_at >= since
        )
        with reading(self.engine) as session:
            return int(session.execute(query).scalar() or 0)

    def set(self, case_id: int, **values: Any) -> None:
        """Change fields of a conversation."""
        with writing(self.engine) as session:
            session.execute(update(cases).where(cases.c.id == case_id).values(**values))

    # Lines

    def add(
        self,
        case_id: int,
        values: Mapping[str, Any],
        condition: Any = None,
        touch: Mapping[str, Any] | None = None,
    ) -> int | None:
        """Add a line and touch its conversation; return its number.

        Args:
            values: columns of `tables.entries`; a `message_id` seen before in this conversation adds nothing.
            condition: must hold of the conversation, else nothing is added and `None` returned.
            touch: what changes in the conversation with it.
        """
        known = and_(
            entries.c.case_id == case_id,
            entries.c.kind == values["kind"],
            entries.c.message_id == values.get("message_id"),
        )
        with writing(self.engine) as session:
            if values.get("message_id") is not None:
                before = session.execute(select(entries.c.id).where(known)).scalar()
                if before is not None:
                    return int(before)
            if condition is not None or touch:
                chosen = [cases.c.id == case_id] + ([condition] if condition is not None else [])
                # Written even where nothing changes: the row is then ours until the line stands.
                done = session.execute(update(cases).where(*chosen).values(**(touch or {"id": case_id})))
                if not done.rowcount:
                    return None
            made = session.execute(insert(entries).values(case_id=case_id, **values))
            return int(made.inserted_primary_key[0])

    def lines(self, case_id: int, after: int = 0, limit: int = 1000) -> list[Entry]:
        """Return a conversation's lines after one, oldest first."""
        query = select(entries).where(entries.c.case_id == case_id, entries.c.id > after)
        with reading(self.engine) as session:
            rows = session.execute(query.order_by(entries.c.id).limit(limit)).all()
        return [_entry(row) for row in rows]

    def newest(self) -> int:
        """Return the number of the newest line of all: it grows with everything that happens."""
        with reading(self.engine) as session:
            return int(session.execute(select(func.max(entries.c.id))).scalar() or 0)

    def unsent(self, limit: int = 200) -> list[tuple[int, str, list[dict[str, Any]]]]:
        """Return what is to be said and has not reached the outbox: number, conversation, replies."""
        query = (
            select(entries.c.id, cases.c.conversation_id, entries.c.replies)
            .join(cases, cases.c.id == entries.c.case_id)
            .where(entries.c.sent.is_(False))
            .order_by(entries.c.id)
            .limit(limit)
        )
        with reading(self.engine) as session:
            return [(row.id, row.conversation_id, row.replies) for row in session.execute(query)]

    def mark_sent(self, ids: Sequence[int]) -> None:
        """Remember that lines are in the outbox."""
        with writing(self.engine) as session:
            session.execute(update(entries).where(entries.c.id.in_(ids)).values(sent=True))

    # Operators

    def seen(self, name: str, now: datetime, away: bool | None = None) -> None:
        """Note that an operator is there."""
        values: dict[str, Any] = {"last_seen": now, **({} if away is None else {"away": away})}
        with writing(self.engine) as session:
            if not session.execute(
                update(operators).where(operators.c.name == name).values(**values)
            ).rowcount:
                session.execute(insert(operators).values(name=name, **{"away": False, **values}))

    def present(self, since: datetime) -> list[tuple[str, bool, datetime, int]]:
        """Return the operators seen since a moment: name, away, last seen, conversations held."""
        held = (
            select(func.count())
            .where(cases.c.state == OPEN, cases.c.operator == operators.c.name)
            .scalar_subquery()
        )
        query = select(operators, held.label("held")).where(operators.c.last_seen >= since)
        with reading(self.engine) as session:
            return [
                (r.name, r.away, r.last_seen, r.held)
                for r in session.execute(query.order_by(operators.c.name))
            ]

    def abandoned(self, since: datetime) -> list[Case]:
        """Return open conversations whose operator was not seen since a moment."""
        there = select(operators.c.name).where(operators.c.last_seen >= since)
        return self.find(and_(cases.c.state == OPEN, cases.c.operator.not_in(there)))

    # Misses in a row

    def miss(self, conversation_id: str, missed: bool, now: datetime) -> int:
        """Count an answer that did not help, or end the row with one that did; return the length of the row."""
        with reading(self.engine) as session:
            count = int(
                session.execute(
                    select(misses.c.count).where(misses.c.conversation_id == conversation_id)
                ).scalar()
                or 0
            )
        if not missed and not count:
            return 0
        with writing(self.engine) as session:
            session.execute(delete(misses).where(misses.c.conversation_id == conversation_id))
            if missed:
                session.execute(
                    insert(misses).values(conversation_id=conversation_id, count=count + 1, updated_at=now)
                )
        return count + 1 if missed else 0

    # Figures and forgetting

    def paces(self, since: datetime, limit: int = 50) -> tuple[list[float], list[float]]:
        """Return seconds to pick up when somebody was free, and seconds handled, of the latest conversations."""
        query = (
            select(cases.c.created_at, cases.c.opened_at, cases.c.closed_at, cases.c.ahead)
            .where(cases.c.opened_at >= since)
            .order_by(cases.c.opened_at.desc())
            .limit(limit)
        )
        with reading(self.engine) as session:
            rows = session.execute(query).all()
        pickups = [(r.opened_at - r.created_at).total_seconds() for r in rows if r.ahead == 0]
        handled = [(r.closed_at - r.opened_at).total_seconds() for r in rows if r.closed_at is not None]
        return pickups, handled

    def since(self, moment: datetime) -> list[Case]:
        """Return the conversations that came to the desk since a moment, oldest first."""
        return self.find(
            and_(cases.c.created_at >= moment, cases.c.state != MESSAGE), cases.c.created_at, limit=100_000
        )

    def erase(self, conversation_id: str) -> None:
        """Delete what was said; times without a name stay for the figures."""
        mine = select(cases.c.id).where(cases.c.conversation_id == conversation_id)
        with writing(self.engine) as session:
            session.execute(delete(entries).where(entries.c.case_id.in_(mine)))
            session.execute(delete(misses).where(misses.c.conversation_id == conversation_id))
            _blank(session, cases.c.conversation_id == conversation_id)

    def purge(self, before: datetime) -> int:
        """Delete what ended before a moment; return how many conversations."""
        old = and_(cases.c.state == CLOSED, cases.c.closed_at < before)
        with writing(self.engine) as session:
            session.execute(delete(entries).where(entries.c.case_id.in_(select(cases.c.id).where(old))))
            session.execute(delete(misses).where(misses.c.updated_at < before))
            return int(session.execute(delete(cases).where(old)).rowcount)

    def silent(self, before: datetime) -> list[Case]:
        """Return open conversations in which the operator spoke last, before a moment."""
        spoke = func.coalesce(cases.c.last_operator_at, cases.c.opened_at)
        answered = or_(cases.c.last_citizen_at.is_(None), cases.c.last_citizen_at <= spoke)
        return self.find(
            and_(cases.c.state == OPEN, cases.c.last_operator_at.is_not(None), answered, spoke < before)
        )


def _blank(session: Session, condition: Any) -> None:
    session.execute(
        update(cases)
        .where(condition)
        .values(
            conversation_id="",
            live=None,
            state=CLOSED,
            summary={},
            topic="",
            detail="",
            to_file=False,
            closed_at=func.coalesce(cases.c.closed_at, cases.c.created_at),
        )
    )


def _case(row: Row) -> Case:
    return Case(**{name: value for name, value in row._mapping.items() if name in _CASE_FIELDS})


def _entry(row: Row) -> Entry:
    photos = tuple(row.photos or ())
    return Entry(row.id, row.case_id, row.kind, row.author, row.text, row.at, row.sent, photos)
