"""Writes and erases traces. Every method is one transaction and safe to call from any thread."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from channels.traces import grams
from channels.traces.digest import ABSTAIN, ANSWER, CLARIFY, ERROR, HANDOFF, TurnRecord
from channels.traces.tables import conversations, details, totals, turns
from city.db import make_engine, migrate, reading, writing
from city.masking import mask

MIGRATIONS = Path(__file__).parent / "migrations"
RATINGS = ("up", "down")
# Upper bounds in ms of the histogram of response times; the last bucket has none.
LATENCY_MS = (10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 10000, 20000)
_COUNTED = {
    ANSWER: "answered",
    CLARIFY: "clarified",
    ABSTAIN: "abstained",
    ERROR: "failed",
    HANDOFF: "handed_over",
}
_PURGED_AT_ONCE = 2_000
_SLIM = tuple(column.name for column in turns.c)
_INSERT: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


@dataclass(frozen=True)
class Rated:
    """A rating that was kept: the turn it belongs to, the rating before ("" when none), and the new one."""

    turn: Mapping[str, Any]
    before: str
    rating: str
    comment: str


class TraceStore:
    """Keeps the traces of turns in a database.

    Args:
        database: SQLAlchemy URL, or an engine of the caller's, made by `city.db.make_engine`.

    Raises:
        DatabaseError: when it cannot be opened.
    """

    def __init__(self, database: str | Engine) -> None:
        self._owns_engine = isinstance(database, str)
        self.engine = make_engine(database, pool_size=4) if isinstance(database, str) else database
        self._upsert = _INSERT[self.engine.dialect.name]
        migrate(self.engine, "traces", MIGRATIONS)

    def close(self) -> None:
        """Close the connections."""
        if self._owns_engine:
            self.engine.dispose()

    def write(self, records: Sequence[TurnRecord]) -> int:
        """Keep turns as one whole; one that is kept already is passed over. Return how many are new."""
        if not records:
            return 0
        with writing(self.engine) as session:
            fresh = self._fresh(session, records)
            texts = []
            for record in fresh:
                row = {name: getattr(record, name) for name in _SLIM if name not in ("id", "rating")}
                key = session.execute(insert(turns).values(**row, rating="")).inserted_primary_key[0]
                session.execute(
                    insert(details).values(
                        turn_id=key, steps=list(record.steps), replies=list(record.replies), comment=""
                    )
                )
                texts.append((int(key), record.text))
            grams.add(session, texts)
            self._count(session, fresh)
            self._add_conversations(session, fresh)
        return len(fresh)

    def rate(self, conversation_id: str, message_id: str, rating: str, comment: str = "") -> Rated | None:
        """Keep a citizen's rating, the latest one only; return `None` when there is no such turn.

        Raises:
            ValueError: when the rating is neither "up" nor "down".
        """
        if rating not in RATINGS:
            raise ValueError(f"rating {rating!r} is none of {', '.join(RATINGS)}")
        with writing(self.engine) as session:
            here = (turns.c.conversation_id == conversation_id) & (turns.c.message_id == message_id)
            row = session.execute(select(turns).where(here)).first()
            if row is None:
                return None
            before = row.rating
            comment = mask(comment)
            session.execute(update(turns).where(turns.c.id == row.id).values(rating=rating))
            session.execute(update(details).where(details.c.turn_id == row.id).values(comment=comment))
            if before != rating:
                self._count_rating(session, row, before, rating)
            return Rated(dict(row._mapping), before, rating, comment)

    def erase(self, conversation_id: str) -> int:
        """Erase a conversation's traces, on SQLite also from the disk's free pages; return how many turns went.

        The anonymous counts stay.
        """
        on_sqlite = self.engine.dialect.name == "sqlite"
        with writing(self.engine) as session:
            if on_sqlite:
                session.execute(text("PRAGMA secure_delete=ON"))
            gone = _delete_turns(session, turns.c.conversation_id == conversation_id)
            session.execute(delete(conversations).where(conversations.c.conversation_id == conversation_id))
        if on_sqlite:
            self.checkpoint()
        return gone

    def checkpoint(self) -> None:
        """Empty SQLite's write-ahead log, where deleted text would otherwise stay readable for a while."""
        connection = self.engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()

    def purge(self, keep_days: int, totals_days: int, now: datetime | None = None) -> int:
        """Delete what is older than the periods allow, a part at a time; return how many turns went.

        Args:
            keep_days: days that conversations are kept.
            totals_days: days that the anonymous counts are kept.
            now: UTC without a zone; the clock's when left out.
        """
        now = now or datetime.now(timezone.utc).replace(tzinfo=None)
        limit, gone, part = now - timedelta(days=keep_days), 0, _PURGED_AT_ONCE
        while part == _PURGED_AT_ONCE:
            with writing(self.engine) as session:
                old = select(turns.c.id).where(turns.c.day < limit.date(), turns.c.at < limit)
                keys = list(session.execute(old.limit(_PURGED_AT_ONCE)).scalars())
                part = _delete_turns(session, turns.c.id.in_(keys)) if keys else 0
                gone += part
        with writing(self.engine) as session:
            session.execute(delete(conversations).where(conversations.c.last_at < limit))
            first_day = (now - timedelta(days=totals_days)).date()
            session.execute(delete(totals).where(totals.c.day < first_day))
        return gone

    def take_abandoned(
        self, idle_s: float, limit: int = 200, now: datetime | None = None
    ) -> list[Mapping[str, Any]]:
        """Return the last turns of conversations that ended with a question back to the citizen, each only once.

        Args:
            idle_s: seconds without a message after which a conversation counts as left.
            limit: at most so many.
            now: UTC without a zone; the clock's when left out.
        """
        now = now or datetime.now(timezone.utc).replace(tzinfo=None)
        with writing(self.engine) as session:
            left = (
                select(conversations.c.conversation_id)
                .where(
                    conversations.c.last_decision == CLARIFY,
                    conversations.c.swept == 0,
                    conversations.c.last_at < now - timedelta(seconds=idle_s),
                )
                .limit(limit)
            )
            keys = list(session.execute(left).scalars())
            if not keys:
                return []
            here = conversations.c.conversation_id.in_(keys)
            session.execute(update(conversations).where(here).values(swept=1))
            rows = session.execute(
                select(turns).where(turns.c.conversation_id.in_(keys)).order_by(turns.c.id)
            ).all()
        return list({row.conversation_id: dict(row._mapping) for row in rows}.values())

    def turn_at(self, conversation_id: str, message_id: str) -> Mapping[str, Any] | None:
        """Return the slim record of one turn."""
        here = (turns.c.conversation_id == conversation_id) & (turns.c.message_id == message_id)
        with reading(self.engine) as session:
            row = session.execute(select(turns).where(here)).first()
            return None if row is None else dict(row._mapping)

    def _fresh(self, session: Session, records: Sequence[TurnRecord]) -> list[TurnRecord]:
        ids = {record.conversation_id for record in records}
        query = select(turns.c.conversation_id, turns.c.message_id).where(turns.c.conversation_id.in_(ids))
        known = {tuple(row) for row in session.execute(query)}
        fresh = []
        for record in records:
            key = (record.conversation_id, record.message_id)
            if key not in known:
                known.add(key)
                fresh.append(record)
        return fresh

    def _count(self, session: Session, records: Iterable[TurnRecord]) -> None:
        counts: dict[tuple[str, date, str, str, str], list[float]] = defaultdict(lambda: [0, 0.0])
        for record in records:
            for dimension, value, amount in _dimensions(record):
                count = counts[(dimension, record.day, record.channel, record.language, value)]
                count[0] += 1
                count[1] += amount
        rows = [
            {
                "dimension": dimension,
                "day": day,
                "channel": channel,
                "language": language,
                "value": value,
                "turns": count[0],
                "amount": count[1],
                "up": 0,
                "down": 0,
            }
            for (dimension, day, channel, language, value), count in sorted(counts.items())
        ]
        self._add_totals(session, rows)

    def _add_totals(self, session: Session, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        query = self._upsert(totals)
        added = {name: totals.c[name] + query.excluded[name] for name in ("turns", "amount", "up", "down")}
        keys = ["dimension", "day", "channel", "language", "value"]
        session.execute(query.on_conflict_do_update(index_elements=keys, set_=added), rows)

    def _count_rating(self, session: Session, row: Any, before: str, rating: str) -> None:
        change = {name: (name == rating) - (name == before) for name in RATINGS}
        rows = [
            {
                "dimension": dimension,
                "day": row.day,
                "channel": row.channel,
                "language": row.language,
                "value": value,
                "turns": 0,
                "amount": 0.0,
                **change,
            }
            for dimension, value, _ in _dimensions(row)
        ]
        self._add_totals(session, rows)
        session.execute(
            update(conversations)
            .where(conversations.c.conversation_id == row.conversation_id)
            .values({name: conversations.c[name] + value for name, value in change.items()})
        )

    def _add_conversations(self, session: Session, records: Sequence[TurnRecord]) -> None:
        rows: dict[str, dict[str, Any]] = {}
        for record in records:
            row = rows.setdefault(
                record.conversation_id,
                {
                    "conversation_id": record.conversation_id,
                    "channel": record.channel,
                    "started_at": record.at,
                    "started_day": record.day,
                    **dict.fromkeys(("turns", *_COUNTED.values(), "up", "down", "swept"), 0),
                },
            )
            row["turns"] += 1
            row[_COUNTED[record.decision]] += 1
            row.update(language=record.language, last_at=record.at, last_decision=record.decision)
        if not rows:
            return
        query = self._upsert(conversations)
        added = ("turns", *_COUNTED.values())
        replaced = ("language", "last_at", "last_decision", "swept")
        changes = {name: conversations.c[name] + query.excluded[name] for name in added}
        changes |= {name: query.excluded[name] for name in replaced}
        session.execute(
            query.on_conflict_do_update(index_elements=["conversation_id"], set_=changes), list(rows.values())
        )


def latency_bucket(ms: float) -> str:
    """Return the name of the histogram's bucket: its upper bound in ms, or "inf"."""
    return next((str(bound) for bound in LATENCY_MS if ms <= bound), "inf")


def _dimensions(record: Any) -> list[tuple[str, str, float]]:
    """Return what a turn counts under: dimension, value, and the amount that is summed beside the count."""
    counted = [
        ("turns", "", record.total_ms),
        ("decision", record.decision, 0.0),
        ("source", record.source, 0.0),
        ("latency", latency_bucket(record.total_ms), record.total_ms),
    ]
    if record.intent:
        counted.append(("intent", record.intent, record.confidence or 0.0))
        if record.decision in (ABSTAIN, CLARIFY, ERROR):
            counted.append(("failing", record.intent, 0.0))
    if record.confidence is not None:
        counted.append(("confidence", "", record.confidence))
    if record.article_id:
        counted.append(("article", record.article_id, 0.0))
    return counted


def _delete_turns(session: Session, condition: Any) -> int:
    keys = select(turns.c.id).where(condition)
    grams.remove(session, session.execute(select(turns.c.id, turns.c.text).where(condition)).all())
    session.execute(delete(details).where(details.c.turn_id.in_(keys)))
    return int(session.execute(delete(turns).where(condition)).rowcount)
