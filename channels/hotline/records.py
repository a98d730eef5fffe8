"""Calls in the database: their state between turns, and a record with masked personal data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Column, DateTime, MetaData, String, Table, delete, insert, select, update

from channels.hotline.call import Call, Step
from city.db import make_engine, migrate, reading, writing

MIGRATIONS = Path(__file__).parent / "migrations"
metadata = MetaData()

# Times are UTC without an offset. `step` is the answer to turn `state.turn`, given again when it is asked for twice.
calls = Table(
    "hotline_calls",
    metadata,
    Column("provider", String(16), primary_key=True),
    Column("call_id", String(128), primary_key=True),
    Column("caller", String(32), nullable=False),
    Column("conversation_id", String(36), nullable=False),
    Column("started_at", DateTime, nullable=False),
    Column("ended_at", DateTime),
    Column("outcome", String(16), nullable=False),
    Column("state", JSON, nullable=False),
    Column("step", JSON(none_as_null=True)),
    Column("stages", JSON, nullable=False),
)


@dataclass(frozen=True)
class CallRecord:
    """One call. `caller` is masked; `stages` holds the durations of each turn in ms."""

    provider: str
    call: Call
    caller: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str = ""
    step: Step | None = None
    stages: Sequence[Mapping[str, float]] = ()


def masked_caller(number: str) -> str:
    """Return a telephone number of which only the first three and the last four digits are left."""
    kept = "".join(c for c in number if c.isdecimal() or c == "+")[:20]
    return f"{kept[:3]}****{kept[-4:]}" if len(kept) >= 9 else "****" if kept else ""


class CallStore:
    """Keeps calls; safe to use from any thread."""

    def __init__(self, url: str) -> None:
        self.engine = make_engine(url)
        migrate(self.engine, "hotline", MIGRATIONS)

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def find(self, provider: str, call_id: str) -> CallRecord | None:
        """Return a call, `None` when it is unknown."""
        query = select(calls).where(calls.c.provider == provider, calls.c.call_id == call_id)
        with reading(self.engine) as session:
            row = session.execute(query).first()
        return None if row is None else _record(row)

    def save(self, record: CallRecord) -> None:
        """Insert or replace a call's record."""
        values = {
            "caller": record.caller,
            "conversation_id": record.call.conversation_id,
            "started_at": record.started_at,
            "ended_at": record.ended_at,
            "outcome": record.outcome,
            "state": record.call.to_dict(),
            "step": record.step.to_dict() if record.step else None,
            "stages": [dict(stage) for stage in record.stages],
        }
        key = {"provider": record.provider, "call_id": record.call.id}
        where = (calls.c.provider == record.provider, calls.c.call_id == record.call.id)
        with writing(self.engine) as session:
            if not session.execute(update(calls).where(*where).values(values)).rowcount:
                session.execute(insert(calls).values(**key, **values))

    def end(self, record: CallRecord, outcome: str) -> None:
        """Close a call's record; what it still remembers of the conversation is dropped, its counts stay."""
        call = record.call
        bare = Call(
            call.id, call.conversation_id, call.language, turn=call.turn, misses=call.misses, outcome=outcome
        )
        self.save(replace(record, call=bare, ended_at=_now(), outcome=outcome, step=None))

    def recent(self, limit: int = 100) -> list[CallRecord]:
        """Return the last calls, newest first."""
        with reading(self.engine) as session:
            rows = session.execute(select(calls).order_by(calls.c.started_at.desc()).limit(limit)).all()
        return [_record(row) for row in rows]

    def purge(self, keep_days: int) -> int:
        """Delete calls that began more than `keep_days` ago and return how many."""
        with writing(self.engine) as session:
            before = _now() - timedelta(days=keep_days)
            return int(session.execute(delete(calls).where(calls.c.started_at < before)).rowcount)


def new_record(provider: str, call: Call, caller: str) -> CallRecord:
    """Return the record of a call that begins now."""
    return CallRecord(provider, call, masked_caller(caller), _now())


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(tzinfo=None)


def _record(row: Any) -> CallRecord:
    return CallRecord(
        row.provider,
        Call.from_dict(row.state),
        row.caller,
        row.started_at,
        row.ended_at,
        row.outcome,
        Step.from_dict(row.step) if row.step else None,
        row.stages,
    )
