"""Looks conversations up: lists with filters, and one conversation whole. Texts are masked here, always."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, literal_column, select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from channels.traces import grams
from channels.traces.tables import conversations, details, turns
from city.db import reading

MAX_TURNS = 500
_SCANNED = 600
# Turns that are read one after the other before pairs of characters are asked.
_WINDOW = 10_000
# So many found there promise enough among those before them.
_OFTEN = 10
_FEW = 2_000
_PART = 400


@dataclass(frozen=True)
class Wanted:
    """Which conversations to list; what is empty sets no condition. Days are the city's, both included."""

    text: str = ""
    channel: str = ""
    language: str = ""
    decision: str = ""
    intent: str = ""
    rating: str = ""
    first: date | None = None
    last: date | None = None

    @property
    def by_turn(self) -> bool:
        """Whether single turns must be looked at."""
        return bool(self.text or self.decision or self.intent or self.rating)


@dataclass(frozen=True)
class ConversationLine:
    """One conversation in a list; `text` is the message that matched, or the first one. Times are UTC."""

    id: str
    channel: str
    language: str
    started_at: datetime
    last_at: datetime
    turns: int
    answered: int
    clarified: int
    abstained: int
    failed: int
    handed_over: int
    up: int
    down: int
    last_decision: str
    text: str


@dataclass(frozen=True)
class FullTurn:
    """Everything that is kept of one turn; `at` is UTC."""

    id: int
    conversation_id: str
    message_id: str
    at: datetime
    day: date
    channel: str
    language: str
    text: str
    intent: str
    confidence: float | None
    runner_up: str
    runner_up_confidence: float | None
    decision: str
    source: str
    article_id: str
    total_ms: float
    model: str
    index_version: str
    rating: str
    steps: Sequence[Mapping[str, Any]]
    replies: Sequence[Mapping[str, Any]]
    comment: str


@dataclass(frozen=True)
class Page:
    """A part of a list; `after` asks for the next part, empty when this is the last."""

    lines: Sequence[ConversationLine]
    after: str


class CursorError(ValueError):
    """A list was continued from a place that is none."""


class TraceReader:
    """Reads traces; safe to share between threads.

    Args:
        engine: the trace store's database.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def conversations(self, wanted: Wanted, after: str = "", limit: int = 50) -> Page:
        """Return conversations, the latest first.

        Args:
            wanted: the conditions.
            after: `Page.after` of the part before.
            limit: at most so many.

        Raises:
            CursorError: when `after` is not what a page gave out.
        """
        with reading(self.engine) as session:
            if wanted.by_turn:
                return self._by_turn(session, wanted, after, limit)
            return self._by_conversation(session, wanted, after, limit)

    def conversation(self, conversation_id: str) -> list[FullTurn]:
        """Return a conversation's turns, oldest first; none when it is unknown or erased."""
        query = (
            select(turns, details.c.steps, details.c.replies, details.c.comment)
            .join(details, details.c.turn_id == turns.c.id)
            .where(turns.c.conversation_id == conversation_id)
            .order_by(turns.c.id)
            .limit(MAX_TURNS)
        )
        with reading(self.engine) as session:
            return [FullTurn(**row._mapping) for row in session.execute(query)]

    def line(self, conversation_id: str) -> ConversationLine | None:
        """Return what a list would say of a conversation."""
        query = select(conversations).where(conversations.c.conversation_id == conversation_id)
        with reading(self.engine) as session:
            row = session.execute(query).first()
            return None if row is None else _line(row, self._first_texts(session, [conversation_id]))

    def recent(self, limit: int = 5_000) -> list[Mapping[str, Any]]:
        """Return the slim records of the latest turns, newest first."""
        query = select(turns).order_by(turns.c.id.desc()).limit(limit)
        with reading(self.engine) as session:
            return [dict(row._mapping) for row in session.execute(query)]

    def newest(self) -> int:
        """Return the number of the latest turn, 0 when there is none: what was computed before it is out of date."""
        with reading(self.engine) as session:
            return int(session.execute(select(func.max(turns.c.id))).scalar() or 0)

    def values(self, column: str) -> list[str]:
        """Return the channels or languages there are, for filters: each is one step in the column's index."""
        chosen, found = conversations.c[column], list[str]()
        with reading(self.engine) as session:
            while True:
                query = select(func.min(chosen))
                if found:
                    query = query.where(chosen > found[-1])
                value = session.execute(query).scalar()
                if value is None:
                    return found
                found.append(str(value))

    def _by_conversation(self, session: Session, wanted: Wanted, after: str, limit: int) -> Page:
        table = conversations
        query = select(table)
        if wanted.channel:
            query = query.where(table.c.channel == wanted.channel)
        if wanted.language:
            query = query.where(table.c.language == wanted.language)
        if wanted.first:
            query = query.where(table.c.started_day >= wanted.first)
        if wanted.last:
            query = query.where(table.c.started_day <= wanted.last)
        if after:
            at, key = _time_cursor(after)
            query = query.where(
                (table.c.last_at < at) | ((table.c.last_at == at) & (table.c.conversation_id < key))
            )
        order = (table.c.last_at.desc(), table.c.conversation_id.desc())
        rows = session.execute(query.order_by(*order).limit(limit + 1)).all()
        more, rows = len(rows) > limit, rows[:limit]
        texts = self._first_texts(session, [row.conversation_id for row in rows])
        cursor = f"{rows[-1].last_at.isoformat()}~{rows[-1].conversation_id}" if more else ""
        return Page([_line(row, texts) for row in rows], cursor)

    def _by_turn(self, session: Session, wanted: Wanted, after: str, limit: int) -> Page:
        """Walk back through the turns until enough conversations are found."""
        if after and not (after.isascii() and after.isdigit() and len(after) <= 18):
            raise CursorError(f"{after!r} continues no list")
        found: dict[str, str] = {}
        last, more = 0, False
        for row in self._matching(session, wanted, int(after) if after else None):
            if len(found) == limit and row.conversation_id not in found:
                more = True
                break
            found.setdefault(row.conversation_id, row.text)
            last = row.id
        else:
            more = False
        rows = session.execute(
            select(conversations).where(conversations.c.conversation_id.in_(list(found)))
        ).all()
        by_id = {row.conversation_id: row for row in rows}
        lines = [_line(by_id[key], found) for key in found if key in by_id]
        return Page(lines, str(last) if more else "")

    def _matching(self, session: Session, wanted: Wanted, before: int | None) -> Iterator[Any]:
        """Yield the turns that meet the conditions, the latest first, at most `_SCANNED`."""
        query = select(turns.c.id, turns.c.conversation_id, turns.c.text).order_by(turns.c.id.desc())
        for condition in self._conditions(wanted):
            query = query.where(condition)
        low, high = self._bounds(session, wanted, before)
        start = max(low, high - _WINDOW) if wanted.text else low
        left = _SCANNED
        # What is asked for often is found among the latest turns soonest.
        for row in session.execute(query.where(turns.c.id.between(start, high)).limit(left)):
            yield row
            left -= 1
        if start == low or not left:
            return
        often = _SCANNED - left >= _OFTEN
        likely = None if often else self._candidates(session, wanted, low, start - 1)
        if likely is None:
            yield from session.execute(query.where(turns.c.id.between(low, start - 1)).limit(left))
            return
        for place in range(0, len(likely), _PART):
            part = query.where(turns.c.id.in_(likely[place : place + _PART]))
            for row in session.execute(part.limit(left)):
                yield row
                left -= 1
            if not left:
                return

    def _candidates(self, session: Session, wanted: Wanted, low: int, high: int) -> list[int] | None:
        """Return the turns that may hold the wanted words, `None` when the other conditions leave fewer to read."""
        others = self._conditions(replace(wanted, text=""))
        if others:
            some = select(turns.c.id).where(*others, turns.c.id.between(low, high)).limit(_FEW).subquery()
            if int(session.execute(select(func.count()).select_from(some)).scalar() or 0) < _FEW:
                return None
        return grams.candidates(session, wanted.text, low, high)

    def _bounds(self, session: Session, wanted: Wanted, before: int | None) -> tuple[int, int]:
        """Return the first and last number that a turn of the wanted days can have."""
        query = select(func.min(turns.c.id), func.max(turns.c.id))
        if wanted.first:
            query = query.where(turns.c.day >= wanted.first)
        if wanted.last:
            query = query.where(turns.c.day <= wanted.last)
        if wanted.first or wanted.last:
            low, high = session.execute(query).one()
        else:
            # Each bound alone is one step in the key; both at once would read all of it.
            low, high = (session.execute(select(f(turns.c.id))).scalar() for f in (func.min, func.max))
        low, high = int(low or 0), int(high or 0)
        return low, high if before is None else min(high, before - 1)

    def _conditions(self, wanted: Wanted) -> list[Any]:
        found = [
            turns.c[name] == value
            for name in ("channel", "language", "decision", "intent", "rating")
            if (value := getattr(wanted, name))
        ]
        if wanted.rating:
            # The index of ratings leaves out turns without one, and is used only where that is said.
            found.append(turns.c.rating != literal_column("''"))
        if wanted.first:
            found.append(turns.c.day >= wanted.first)
        if wanted.last:
            found.append(turns.c.day <= wanted.last)
        if wanted.text:
            pattern = "%" + like_literal(wanted.text) + "%"
            # SQLite's LIKE folds ASCII letters by itself, and faster than lower() of every row.
            like = turns.c.text.like if self.engine.dialect.name == "sqlite" else turns.c.text.ilike
            found.append(like(pattern, escape="\\"))
        return found

    def _first_texts(self, session: Session, ids: Sequence[str]) -> dict[str, str]:
        first = (
            select(func.min(turns.c.id))
            .where(turns.c.conversation_id.in_(ids))
            .group_by(turns.c.conversation_id)
        )
        query = select(turns.c.conversation_id, turns.c.text).where(turns.c.id.in_(first))
        return {row.conversation_id: row.text for row in session.execute(query)} if ids else {}


def like_literal(text: str) -> str:
    """Return text in which the wildcards of LIKE stand for themselves; the escape character is a backslash."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _line(row: Any, texts: Mapping[str, str]) -> ConversationLine:
    values = {key: value for key, value in row._mapping.items() if key not in ("started_day", "swept")}
    key = values.pop("conversation_id")
    return ConversationLine(id=key, text=texts.get(key, ""), **values)


def _time_cursor(after: str) -> tuple[datetime, str]:
    at, _, key = after.partition("~")
    try:
        return datetime.fromisoformat(at), key
    except ValueError:
        raise CursorError(f"{after!r} continues no list") from None
