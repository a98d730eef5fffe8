"""The durable outbound queue: what any room wants said to a citizen later; the gateway carries it out.

A parcel is put once per idempotency key and stays until it is delivered or declared dead. Parcels of one
conversation leave in the order in which they were put; a parcel that waits for its next attempt holds back
the later ones of its conversation and nobody else's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError

from city.messages import Reply
from city.outbox_rows import (
    BEGUN,
    KEY_CHARS,
    Mark,
    Parcel,
    delivered,
    is_unsure,
    metadata,
    no_lease,
    outbox_table,
    parcel_of,
    utc_now,
)

__all__ = [
    "Mark",
    "Outbox",
    "OutboxError",
    "OutboxNotConfiguredError",
    "Parcel",
    "get_outbox",
    "metadata",
    "outbox_table",
    "set_outbox",
    "utc_now",
]

_older = outbox_table.alias("older")
# Only the oldest waiting parcel of a conversation may leave.
_FIRST = ~(
    select(_older.c.seq)
    .where(_older.c.conversation_id == outbox_table.c.conversation_id)
    .where(_older.c.state == "waiting")
    .where(_older.c.seq < outbox_table.c.seq)
    .exists()
)


class OutboxError(Exception):
    """Something cannot be put into the outbox; the message names it and the mend."""


class OutboxNotConfiguredError(OutboxError):
    """No gateway has opened the outbox of this process."""

    def __init__(self) -> None:
        super().__init__(
            "the outbox is not open: start the gateway, or call city.outbox.set_outbox(Outbox(engine))"
        )


class Outbox:
    """Parcels in one database table; every method is synchronous and safe from any thread.

    Args:
        engine: the gateway's database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._listeners: list[Callable[[], None]] = []

    def create_tables(self) -> None:
        """Create the table when it is missing."""
        metadata.create_all(self._engine)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each `put` in this process, in the putting thread."""
        self._listeners.append(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        """Call `listener` no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def put(
        self,
        conversation_id: str,
        replies: Sequence[Reply],
        *,
        key: str,
        context: Mapping[str, Any] | None = None,
    ) -> bool:
        """Keep replies for a conversation; they are durable when this returns.

        Args:
            conversation_id: whom they are for.
            replies: at least one.
            key: names this event for good, such as `request:42:closed`; the same key again changes nothing.
            context: what the channel needs for this delivery; the address last used when left out.

        Returns:
            `False` when the key was put before.

        Raises:
            OutboxError: no replies, or a key that is empty or longer than 255 characters.
        """
        if not replies:
            raise OutboxError(f"outbox key {key!r}: there are no replies to send; put at least one")
        if not 0 < len(key) <= KEY_CHARS:
            raise OutboxError(f"outbox key {key[:40]!r} has {len(key)} characters; use 1 to {KEY_CHARS}")
        now = utc_now()
        row = {
            "key": key,
            "conversation_id": conversation_id,
            "replies": [reply.to_dict() for reply in replies],
            "context": dict(context or {}),
            "state": "waiting",
            "attempts": 0,
            "parts_sent": 0,
            "next_at": now,
            "error": "",
            "created_at": now,
        }
        try:
            with self._writing() as connection:
                connection.execute(insert(outbox_table).values(row))
        except IntegrityError:
            return False
        for listener in tuple(self._listeners):
            listener()
        return True

    def take(self, owner: str, limit: int, lease_s: float) -> list[Parcel]:
        """Lease the parcels that are due, the oldest of each conversation only, oldest first.

        Args:
            owner: name of this process; others leave its parcels alone for `lease_s` seconds.
        """
        with self._writing() as connection:
            return self._take(connection, owner, limit, lease_s)

    def _take(self, connection: Connection, owner: str, limit: int, lease_s: float) -> list[Parcel]:
        box = outbox_table
        now = utc_now()
        free = or_(box.c.lease_until.is_(None), box.c.lease_until < now)
        due = and_(box.c.state == "waiting", box.c.next_at <= now, free)
        query = select(box).where(due, _FIRST).order_by(box.c.seq).limit(limit)
        if self._engine.dialect.name == "postgresql":
            query = query.with_for_update(skip_locked=True)
        rows = connection.execute(query).all()
        for name, chosen in ((owner, False), (owner + BEGUN, True)):
            leased = [row.seq for row in rows if is_unsure(row) is chosen]
            if leased:
                values = {
                    "lease_owner": name,
                    "lease_until": now + timedelta(seconds=lease_s),
                    "attempts": box.c.attempts + 1,
                }
                connection.execute(update(box).where(box.c.seq.in_(leased)).values(values))
        return [parcel_of(row, attempts=row.attempts + 1, unsure=is_unsure(row)) for row in rows]

    def waiting(self, conversation_id: str) -> int:
        """Return how many parcels of a conversation wait."""
        query = select(func.count()).where(
            outbox_table.c.conversation_id == conversation_id, outbox_table.c.state == "waiting"
        )
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar() or 0)

    def pull(self, conversation_id: str, owner: str, limit: int, lease_s: float) -> list[Parcel]:
        """Lease the waiting parcels of one conversation, due or not, in order, for a send that begins now.

        Those that `owner` has taken but not begun to send are pulled too.
        """
        box = outbox_table
        with self._writing() as connection:
            now = utc_now()
            free = or_(box.c.lease_until.is_(None), box.c.lease_until < now, box.c.lease_owner == owner)
            chosen = and_(box.c.conversation_id == conversation_id, box.c.state == "waiting", free)
            rows = connection.execute(select(box).where(chosen).order_by(box.c.seq).limit(limit)).all()
            values = {
                "lease_owner": owner + BEGUN,
                "lease_until": now + timedelta(seconds=lease_s),
                "attempts": box.c.attempts + 1,
            }
            seqs = [row.seq for row in rows]
            connection.execute(update(box).where(box.c.seq.in_(seqs)).values(values))
        return [parcel_of(row, attempts=row.attempts + 1, unsure=is_unsure(row)) for row in rows]

    def next_due_s(self) -> float | None:
        """Return the seconds until the next parcel is due (0 when one is), `None` when none waits."""
        with self._engine.connect() as connection:
            return self._due_s(connection)

    def take_and_look(self, owner: str, limit: int, lease_s: float) -> tuple[list[Parcel], float | None]:
        """Return what `take` does, and what `next_due_s` returns after it."""
        with self._writing() as connection:
            return self._take(connection, owner, limit, lease_s), self._due_s(connection)

    def _due_s(self, connection: Connection) -> float | None:
        now = utc_now()
        free = or_(outbox_table.c.lease_until.is_(None), outbox_table.c.lease_until < now)
        query = select(func.min(outbox_table.c.next_at)).where(
            outbox_table.c.state == "waiting", free, _FIRST
        )
        soonest = connection.execute(query).scalar()
        return None if soonest is None else max(0.0, (soonest - now).total_seconds())

    def mark(self, marks: Sequence[Mark], lease_s: float) -> None:
        """Write down what happened to parcels of this process, all in one transaction.

        Args:
            lease_s: for how many seconds the unfinished ones are kept from now on.
        """
        box, now = outbox_table, utc_now()
        until = now + timedelta(seconds=lease_s)
        with self._writing() as connection:
            for mark in marks:
                here = box.c.seq == mark.seq
                if mark.kind == "begun":
                    owned = and_(here, box.c.lease_owner.is_not(None), ~box.c.lease_owner.endswith(BEGUN))
                    values: dict[str, Any] = {"lease_owner": box.c.lease_owner + BEGUN, "lease_until": until}
                    connection.execute(update(box).where(owned).values(values))
                elif mark.kind == "part":
                    values = {"parts_sent": mark.parts, "lease_until": until}
                    connection.execute(update(box).where(here, box.c.parts_sent < mark.parts).values(values))
                else:
                    connection.execute(update(box).where(here).values(delivered(now)))

    def part_sent(self, seq: int, parts: int, lease_s: float) -> None:
        """Remember that `parts` messages of a parcel have left, and keep it for `lease_s` seconds more."""
        self.mark([Mark("part", seq, parts)], lease_s)

    def sent(self, seq: int) -> None:
        """Close a delivered parcel; its text is kept no longer (the history has it), its key is."""
        self.mark([Mark("sent", seq)], 0.0)

    def taken(self, parts: Sequence[tuple[str, int]]) -> None:
        """Remember what a platform reports to have taken.

        Args:
            parts: (key of a parcel, number of its messages that were taken); unknown keys change nothing.
        """
        box, now = outbox_table, utc_now()
        idle = or_(box.c.lease_until.is_(None), box.c.lease_until < now)
        with self._writing() as connection:
            for key, count in parts:
                here = and_(box.c.key == key, box.c.state == "waiting", box.c.parts_sent < count)
                # Nobody is sending it now, so the doubt about that part is gone too.
                settled = {"parts_sent": count, "next_at": now, **no_lease()}
                if not connection.execute(update(box).where(here, idle).values(settled)).rowcount:
                    connection.execute(update(box).where(here).values(parts_sent=count))

    def again(
        self, seq: int, error: str, delay_s: float, *, counted: bool = True, unsure: bool = False
    ) -> None:
        """Try a parcel again in `delay_s` seconds.

        Args:
            counted: `False` takes the attempt back.
            unsure: whether the part that was being sent may have been taken.
        """
        now = utc_now()
        values: dict[str, Any] = {
            "next_at": now + timedelta(seconds=delay_s),
            "error": error,
            "lease_owner": BEGUN if unsure else None,
            "lease_until": now if unsure else None,
        }
        if not counted:
            values["attempts"] = outbox_table.c.attempts - 1
        self._set(seq, **values)

    def hold(self, parcel: Parcel, owner: str, reason: str, delay_s: float) -> None:
        """Look at a parcel again in `delay_s` seconds, unless it was pulled since `owner` took it."""
        box, now = outbox_table, utc_now()
        taken = and_(box.c.seq == parcel.seq, box.c.lease_owner == owner + (BEGUN if parcel.unsure else ""))
        values = {
            "next_at": now + timedelta(seconds=delay_s),
            "error": reason,
            "attempts": box.c.attempts - 1,
            "lease_owner": BEGUN if parcel.unsure else None,
            "lease_until": now if parcel.unsure else None,
        }
        with self._writing() as connection:
            connection.execute(update(box).where(taken).values(values))

    def dead(self, seq: int, error: str) -> None:
        """Give a parcel up; it stays visible among the dead letters and holds back no other."""
        self._set(seq, state="dead", error=error, **no_lease(), finished_at=utc_now())

    def dead_letters(self, limit: int = 200) -> list[Parcel]:
        """Return what was given up, newest first."""
        query = select(outbox_table).where(outbox_table.c.state == "dead")
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(outbox_table.c.seq.desc()).limit(limit)).all()
        return [parcel_of(row) for row in rows]

    def retry(self, seq: int | None = None) -> int:
        """Let dead letters wait again, one or all; return how many."""
        chosen = outbox_table.c.state == "dead"
        if seq is not None:
            chosen = and_(chosen, outbox_table.c.seq == seq)
        fresh = {"state": "waiting", "attempts": 0, "next_at": utc_now(), "finished_at": None, **no_lease()}
        with self._writing() as connection:
            count = int(connection.execute(update(outbox_table).where(chosen).values(fresh)).rowcount)
        for listener in tuple(self._listeners):
            listener()
        return count

    def counts(self) -> Mapping[str, int]:
        """Return the number of parcels per state."""
        query = select(outbox_table.c.state, func.count()).group_by(outbox_table.c.state)
        with self._engine.connect() as connection:
            return {str(state): int(count) for state, count in connection.execute(query)}

    def erase(self, conversation_id: str) -> None:
        """Delete everything kept for a conversation."""
        with self._writing() as connection:
            connection.execute(delete(outbox_table).where(outbox_table.c.conversation_id == conversation_id))

    def prune(self, older_than_days: float) -> int:
        """Forget delivered parcels older than that, keys too; return how many."""
        limit = utc_now() - timedelta(days=older_than_days)
        chosen = and_(outbox_table.c.state == "sent", outbox_table.c.finished_at < limit)
        with self._writing() as connection:
            return int(connection.execute(delete(outbox_table).where(chosen)).rowcount)

    def release(self, owner: str | None = None) -> None:
        """Give back the leases of `owner`, or all of them: on SQLite, those of a process that has ended.

        What it had begun to send stays unsure.
        """
        box = outbox_table
        leased = and_(box.c.state == "waiting", box.c.lease_owner.is_not(None))
        if owner is not None:
            leased = and_(leased, box.c.lease_owner.in_([owner, owner + BEGUN]))
        begun = box.c.lease_owner.endswith(BEGUN)
        with self._writing() as connection:
            connection.execute(update(box).where(leased, ~begun).values(no_lease()))
            connection.execute(update(box).where(leased, begun).values(lease_until=utc_now()))

    def _set(self, seq: int, **values: Any) -> None:
        with self._writing() as connection:
            connection.execute(update(outbox_table).where(outbox_table.c.seq == seq).values(values))

    def _writing(self) -> Any:
        return self._engine.execution_options(writes=True).begin()


_lock = threading.Lock()
_current: Outbox | None = None


def set_outbox(outbox: Outbox | None) -> None:
    """Make `outbox` the one of this process; `None` closes it."""
    global _current
    with _lock:
        _current = outbox


def get_outbox() -> Outbox:
    """Return the outbox of this process.

    Raises:
        OutboxNotConfiguredError: no gateway has opened one.
    """
    with _lock:
        if _current is None:
            raise OutboxNotConfiguredError
        return _current
