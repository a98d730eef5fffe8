"""Reads and writes the module's tables. One batch of posts is one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions.opinion.tables import cursors, hours, notifications, posts, rejects, seen, topics
from actions.opinion.topics import Tally, Topic
from city.db import migrate, writing

MIGRATIONS = Path(__file__).parent / "migrations"
_UPSERT: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_AT_ONCE = 400
_KEPT_REJECTS = 1000


def bare(at: datetime) -> datetime:
    """Return an aware time as the database keeps it: UTC without an offset."""
    return at.astimezone(timezone.utc).replace(tzinfo=None)


def aware(at: datetime) -> datetime:
    """Return a time of the database as an aware one."""
    return at.replace(tzinfo=timezone.utc)


class OpinionStore:
    """The tables behind one engine; raises DatabaseError when they cannot be opened."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._upsert = _UPSERT[engine.dialect.name]
        migrate(engine, "opinion", MIGRATIONS)

    def known_keys(self, session: Session, keys: Sequence[str]) -> set[str]:
        """Return the keys that were read before."""
        found: set[str] = set()
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            found |= set(session.scalars(select(seen.c.key).where(seen.c.key.in_(part))))
        return found

    def originals(self, session: Session, prints: Sequence[str], since: datetime) -> dict[str, int]:
        """Return the post that first had each content since a time, by fingerprint."""
        found: dict[str, int] = {}
        for start in range(0, len(prints), _AT_ONCE):
            rows = session.execute(
                select(posts.c.fingerprint, func.min(posts.c.id))
                .where(posts.c.fingerprint.in_(prints[start : start + _AT_ONCE]), posts.c.at >= bare(since))
                .group_by(posts.c.fingerprint)
            )
            found.update({row[0]: int(row[1]) for row in rows})
        return found

    def add_posts(self, session: Session, rows: Sequence[dict[str, Any]]) -> list[int]:
        """Insert posts and return their ids, in order."""
        if not rows:
            return []
        session.execute(insert(posts), list(rows))
        keys = [row["key"] for row in rows]
        found: dict[str, int] = {}
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            found.update(
                {
                    k: int(i)
                    for k, i in session.execute(select(posts.c.key, posts.c.id).where(posts.c.key.in_(part)))
                }
            )
        return [found[key] for key in keys]

    def add_seen(self, session: Session, rows: Sequence[dict[str, Any]]) -> None:
        """Note keys as read."""
        if rows:
            session.execute(insert(seen), list(rows))

    def add_copies(self, session: Session, copies: Mapping[int, tuple[int, float]]) -> None:
        """Count reposts on their originals, and add the people they reached."""
        for post_id, (count, reach) in copies.items():
            session.execute(
                update(posts)
                .where(posts.c.id == post_id)
                .values(copies=posts.c.copies + count, reach=posts.c.reach + reach)
            )

    def add_hours(self, session: Session, counts: Mapping[tuple[str, datetime], Sequence[int]]) -> None:
        """Add posts, negative, concern and severe to hourly counts by (scope, hour)."""
        rows = [
            {"scope": s, "hour": bare(h), "posts": c[0], "negative": c[1], "concern": c[2], "severe": c[3]}
            for (s, h), c in counts.items()
        ]
        if rows:
            statement = self._upsert(hours)
            sums = {
                name: hours.c[name] + statement.excluded[name]
                for name in ("posts", "negative", "concern", "severe")
            }
            session.execute(
                statement.on_conflict_do_update(index_elements=[hours.c.scope, hours.c.hour], set_=sums), rows
            )

    def history(
        self, session: Session, scope: str, since: datetime, before: datetime
    ) -> tuple[dict[datetime, tuple[int, int, int]], datetime]:
        """Return (posts, negative, concern) by hour of a scope, and the first hour the whole city is known from."""
        found = {
            aware(row[0]): (int(row[1]), int(row[2]), int(row[3]))
            for row in session.execute(
                select(hours.c.hour, hours.c.posts, hours.c.negative, hours.c.concern).where(
                    hours.c.scope == scope, hours.c.hour >= bare(since), hours.c.hour < bare(before)
                )
            )
        }
        first = session.scalar(select(func.min(hours.c.hour)).where(hours.c.scope == "city"))
        return found, aware(first) if first else before

    def load_topics(self, session: Session) -> tuple[list[Topic], int]:
        """Return the topics that are awake, and the number of the next new one."""
        found = [
            Topic(
                id=int(row.id),
                first_at=aware(row.first_at),
                last_at=aware(row.last_at),
                centre=np.frombuffer(row.centre, np.float16).astype(np.float32),
                size=int(row.size),
                terms={k: dict(v) for k, v in row.terms.items()},
                categories=Tally(row.categories),
                places=Tally(row.places),
                districts=Tally(row.districts),
                muted_until=aware(row.muted_until) if row.muted_until else None,
                changed=False,
            )
            for row in session.execute(select(topics).where(topics.c.state == "awake").order_by(topics.c.id))
        ]
        highest = session.scalar(select(func.max(topics.c.id))) or 0
        return found, int(highest) + 1

    def save_topics(self, session: Session, rows: Iterable[tuple[Topic, Mapping[str, str]]]) -> None:
        """Write topics with their labels; who muted one meanwhile is not undone."""
        values = [_topic_row(topic, label) for topic, label in rows]
        if not values:
            return
        statement = self._upsert(topics)
        kept = {
            name: statement.excluded[name]
            for name in values[0]
            if name not in ("id", "muted_until", "merged_into")
        }
        session.execute(statement.on_conflict_do_update(index_elements=[topics.c.id], set_=kept), values)

    def retire_topics(self, session: Session, asleep: Sequence[int], merged: Mapping[int, int]) -> None:
        """Note topics as asleep or merged; posts of a merged one move to the older topic."""
        if asleep:
            session.execute(update(topics).where(topics.c.id.in_(list(asleep))).values(state="asleep"))
        for younger, older in merged.items():
            session.execute(
                update(topics).where(topics.c.id == younger).values(state="merged", merged_into=older)
            )
            session.execute(update(posts).where(posts.c.topic_id == younger).values(topic_id=older))
            moved: dict[tuple[str, datetime], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
            for row in session.execute(select(hours).where(hours.c.scope == f"topic:{younger}")):
                mine = moved[f"topic:{older}", aware(row.hour)]
                for at, name in enumerate(("posts", "negative", "concern", "severe")):
                    mine[at] += int(getattr(row, name))
            session.execute(delete(hours).where(hours.c.scope == f"topic:{younger}"))
            self.add_hours(session, moved)

    def muted(self, session: Session) -> dict[int, datetime]:
        """Return the topics that are muted and until when."""
        rows = session.execute(
            select(topics.c.id, topics.c.muted_until).where(topics.c.muted_until.is_not(None))
        )
        return {int(row[0]): aware(row[1]) for row in rows}

    def cursor(self, source: str) -> dict[str, Any]:
        """Return how far a source was read; empty when never."""
        with Session(self.engine, future=True) as session:
            found = session.scalar(select(cursors.c.position).where(cursors.c.source == source))
        return dict(found or {})

    def save_cursor(self, session: Session, source: str, position: Mapping[str, Any]) -> None:
        """Write how far a source was read."""
        statement = self._upsert(cursors).values(source=source, position=dict(position))
        session.execute(
            statement.on_conflict_do_update(
                index_elements=[cursors.c.source], set_={"position": dict(position)}
            )
        )

    def add_rejects(self, session: Session, rows: Sequence[dict[str, Any]]) -> None:
        """Keep what was refused, the newest thousand."""
        if not rows:
            return
        session.execute(insert(rejects), list(rows)[-_KEPT_REJECTS:])
        newest = session.scalar(select(func.max(rejects.c.id))) or 0
        session.execute(delete(rejects).where(rejects.c.id <= newest - _KEPT_REJECTS))

    def prune(self, before: datetime) -> int:
        """Delete posts, keys and counts from before a time; return how many posts. Alarms and deeds stay."""
        limit = bare(before)
        with writing(self.engine) as session:
            gone = session.execute(delete(posts).where(posts.c.at < limit)).rowcount
            session.execute(delete(seen).where(seen.c.at < limit))
            session.execute(delete(hours).where(hours.c.hour < limit))
            session.execute(delete(topics).where(topics.c.last_at < limit, topics.c.state != "awake"))
            session.execute(
                delete(notifications).where(
                    notifications.c.next_at < limit - timedelta(days=90),
                    notifications.c.state.in_(("sent", "dead", "unknown")),
                )
            )
        return int(gone)


def _topic_row(topic: Topic, label: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": topic.id,
        "first_at": bare(topic.first_at),
        "last_at": bare(topic.last_at),
        "size": topic.size,
        "centre": topic.centre.astype(np.float16).tobytes(),
        "terms": topic.terms,
        "categories": topic.categories,
        "places": topic.places,
        "districts": topic.districts,
        "category": topic.category,
        "place": topic.place,
        "district": topic.district,
        "label_zh": label["zh"][:200],
        "label_en": label["en"][:200],
        "state": "awake",
        "muted_until": None,
        "merged_into": None,
    }
