"""What staff look at: tallies, districts, topics, alarms, posts and trends. Every method only reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.engine import Engine
from sqlalchemy.sql.elements import ColumnElement

from actions.opinion.errors import UnknownAlarmError
from actions.opinion.lexicon import OTHER, Lexicon
from actions.opinion.model import AlarmView, Overview, PostView, Tally, TopicView
from actions.opinion.store import aware, bare
from actions.opinion.tables import alarms, cursors, deeds, hours, notifications, posts, rejects, topics
from city.db import reading

_NEW = timedelta(days=1)


class Queries:
    """Reads the module's tables; safe to use from several threads."""

    def __init__(self, engine: Engine, lexicon: Lexicon, shown_from: int) -> None:
        self._engine, self._lexicon, self._shown_from = engine, lexicon, shown_from

    def overview(self, start: datetime, end: datetime, district: str = "") -> Overview:
        """Return the state of a period `[start, end)` beside the same hours as many whole days before.

        Args:
            start: aware.
            end: aware.
            district: id of the only district to look at; "" for all.
        """
        only = [posts.c.district == district] if district else []
        return Overview(
            start=start,
            end=end,
            now=self.tally(start, end, *only),
            before=self.tally(start - _back(start, end), end - _back(start, end), *only),
            districts=tuple(self._groups(posts.c.district, start, end, *only)),
            categories=tuple(self._groups(posts.c.category, start, end, *only)),
            topics=tuple(self.topics(start, end, district=district)),
            alarms=tuple(
                self.alarms(states=("open", "acknowledged", "handed_over"), since=start - timedelta(days=7))
            ),
            emotions=self.emotions(start, end, district),
        )

    def tally(self, start: datetime, end: datetime, *only: ColumnElement[bool]) -> Tally:
        """Return the counts of a period."""
        with reading(self._engine) as session:
            row = session.execute(
                select(*_COUNTS).where(posts.c.at >= bare(start), posts.c.at < bare(end), *only)
            ).one()
        return Tally(*(int(value or 0) for value in row))

    def _groups(
        self, column: ColumnElement[str], start: datetime, end: datetime, *only: ColumnElement[bool]
    ) -> list[tuple[str, Tally]]:
        """Return tallies by a column, the one with most concerns first; posts without a value are left out."""
        with reading(self._engine) as session:
            rows = session.execute(
                select(column, *_COUNTS)
                .where(posts.c.at >= bare(start), posts.c.at < bare(end), column != "", *only)
                .group_by(column)
            ).all()
        found = [(str(row[0]), Tally(*(int(value or 0) for value in row[1:]))) for row in rows]
        return sorted(found, key=lambda item: (-item[1].negative, -item[1].posts, item[0]))

    def emotions(self, start: datetime, end: datetime, district: str = "") -> Mapping[str, int]:
        """Return posts by emotion."""
        only = [posts.c.district == district] if district else []
        with reading(self._engine) as session:
            rows = session.execute(
                select(posts.c.emotion, func.count())
                .where(posts.c.at >= bare(start), posts.c.at < bare(end), *only)
                .group_by(posts.c.emotion)
            )
            return {str(row[0]): int(row[1]) for row in rows}

    def topics(
        self, start: datetime, end: datetime, *, district: str = "", most: int = 20
    ) -> list[TopicView]:
        """Return the topics of a period, most negative posts and severity first, with the period before beside."""
        only = [posts.c.district == district] if district else []
        back = _back(start, end)
        with reading(self._engine) as session:
            rows = session.execute(
                select(posts.c.topic_id, *_COUNTS, func.max(posts.c.severity))
                .where(
                    posts.c.at >= bare(start), posts.c.at < bare(end), posts.c.topic_id.is_not(None), *only
                )
                .group_by(posts.c.topic_id)
                .having(func.count() >= self._shown_from)
            ).all()
            order = sorted(rows, key=lambda r: (-int(r[2] or 0) - int(r[5] or 0), -int(r[1]), int(r[0])))[
                :most
            ]
            ids = [int(row[0]) for row in order]
            known = {
                int(row["id"]): dict(row)
                for row in session.execute(select(topics).where(topics.c.id.in_(ids))).mappings()
            }
            earlier = {
                int(row[0]): int(row[1])
                for row in session.execute(
                    select(posts.c.topic_id, func.count())
                    .where(
                        posts.c.at >= bare(start - back),
                        posts.c.at < bare(end - back),
                        posts.c.topic_id.in_(ids),
                    )
                    .group_by(posts.c.topic_id)
                )
            }
        return [
            self._topic(
                known[int(r[0])], int(r[1]), int(r[2] or 0), int(r[6] or 0), end, earlier.get(int(r[0]), 0)
            )
            for r in order
            if int(r[0]) in known
        ]

    def topic(self, number: int) -> TopicView:
        """Return one topic with its counts of all time; raises UnknownAlarmError."""
        with reading(self._engine) as session:
            row = session.execute(select(topics).where(topics.c.id == number)).mappings().first()
            if row is not None and row["merged_into"]:
                row = (
                    session.execute(select(topics).where(topics.c.id == row["merged_into"]))
                    .mappings()
                    .first()
                )
            if row is None:
                raise UnknownAlarmError("topic", number)
            counts = session.execute(
                select(*_COUNTS, func.max(posts.c.severity)).where(posts.c.topic_id == row["id"])
            ).one()
        return self._topic(
            dict(row), int(counts[0] or 0), int(counts[1] or 0), int(counts[5] or 0), aware(row["last_at"]), 0
        )

    def _topic(
        self, row: Mapping[str, Any], count: int, negative: int, severity: int, end: datetime, before: int
    ) -> TopicView:
        category = self._lexicon.categories.get(row["category"], self._lexicon.categories[OTHER])
        return TopicView(
            id=int(row["id"]),
            label={"zh": row["label_zh"], "en": row["label_en"]},
            first_at=aware(row["first_at"]),
            last_at=aware(row["last_at"]),
            posts=count,
            negative=negative,
            severity=severity,
            category=category.id,
            department=category.department,
            place=row["place"],
            district=row["district"],
            muted_until=aware(row["muted_until"]) if row["muted_until"] else None,
            is_new=aware(row["first_at"]) >= end - _NEW,
            before=before,
        )

    def posts(
        self,
        *,
        topic_id: int | None = None,
        ids: Sequence[int] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        district: str = "",
        category: str = "",
        sentiment: str = "",
        least_severity: int = 0,
        most: int = 20,
        offset: int = 0,
    ) -> list[PostView]:
        """Return posts, the most severe and newest first, that meet all conditions given."""
        wanted: list[ColumnElement[bool]] = [posts.c.severity >= least_severity] if least_severity else []
        if topic_id is not None:
            wanted.append(posts.c.topic_id == topic_id)
        if ids is not None:
            wanted.append(posts.c.id.in_(list(ids)))
        if start is not None:
            wanted.append(posts.c.at >= bare(start))
        if end is not None:
            wanted.append(posts.c.at < bare(end))
        for column, value in (
            (posts.c.district, district),
            (posts.c.category, category),
            (posts.c.sentiment, sentiment),
        ):
            if value:
                wanted.append(column == value)
        with reading(self._engine) as session:
            rows = session.execute(
                select(posts)
                .where(*wanted)
                .order_by(posts.c.severity.desc(), posts.c.at.desc(), posts.c.id.desc())
                .limit(most)
                .offset(offset)
            ).mappings()
            return [_post(row) for row in rows]

    def alarms(
        self,
        *,
        states: Sequence[str] = (),
        since: datetime | None = None,
        least_level: int = 0,
        most: int = 50,
    ) -> list[AlarmView]:
        """Return alarms, newest first."""
        wanted: list[ColumnElement[bool]] = [alarms.c.level >= least_level]
        if states:
            wanted.append(alarms.c.state.in_(list(states)))
        if since is not None:
            wanted.append(alarms.c.updated_at >= bare(since))
        with reading(self._engine) as session:
            rows = session.execute(
                select(alarms)
                .where(*wanted)
                .order_by(alarms.c.opened_at.desc(), alarms.c.id.desc())
                .limit(most)
            ).mappings()
            return [_alarm(row) for row in rows]

    def alarm(self, number: int) -> AlarmView:
        """Return one alarm; raises UnknownAlarmError."""
        with reading(self._engine) as session:
            row = session.execute(select(alarms).where(alarms.c.id == number)).mappings().first()
        if row is None:
            raise UnknownAlarmError("alarm", number)
        return _alarm(row)

    def trend(self, scope: str, start: datetime, end: datetime) -> list[tuple[datetime, int, int]]:
        """Return (hour, posts, negative) of every hour in `[start, end)`, empty hours included.

        Args:
            scope: "city", "district:ID", "category:ID" or "topic:NUMBER".
            start: aware.
            end: aware.
        """
        first = start.replace(minute=0, second=0, microsecond=0)
        with reading(self._engine) as session:
            rows = session.execute(
                select(hours.c.hour, hours.c.posts, hours.c.negative).where(
                    hours.c.scope == scope, hours.c.hour >= bare(first), hours.c.hour < bare(end)
                )
            )
            known = {aware(row[0]): (int(row[1]), int(row[2])) for row in rows}
        found, at = [], first
        while at < end:
            found.append((at, *known.get(at.astimezone(first.tzinfo), (0, 0))))
            at += timedelta(hours=1)
        return found

    def deeds(self, *, alarm_id: int | None = None, topic_id: int | None = None) -> list[dict[str, Any]]:
        """Return what people did with an alarm or a topic, oldest first."""
        wanted = deeds.c.alarm_id == alarm_id if alarm_id is not None else deeds.c.topic_id == topic_id
        with reading(self._engine) as session:
            rows = session.execute(select(deeds).where(wanted).order_by(deeds.c.id)).mappings()
            return [{**row, "at": aware(row["at"])} for row in rows]

    def notifications(self, *, alarm_id: int | None = None, most: int = 50) -> list[dict[str, Any]]:
        """Return queued and sent notifications, newest first."""
        wanted = [notifications.c.alarm_id == alarm_id] if alarm_id is not None else []
        with reading(self._engine) as session:
            rows = session.execute(
                select(notifications).where(*wanted).order_by(notifications.c.id.desc()).limit(most)
            ).mappings()
            return [dict(row) for row in rows]

    def intake(self) -> dict[str, Any]:
        """Return how far each source is read, and the refused posts by source and reason."""
        with reading(self._engine) as session:
            places = {row[0]: row[1] for row in session.execute(select(cursors.c.source, cursors.c.position))}
            refused = session.execute(
                select(rejects.c.source, rejects.c.reason, func.count(), func.max(rejects.c.at)).group_by(
                    rejects.c.source, rejects.c.reason
                )
            )
            return {
                "cursors": places,
                "rejects": [
                    {"source": r[0], "reason": r[1], "count": int(r[2]), "last_at": aware(r[3])}
                    for r in refused
                ],
            }


def _back(start: datetime, end: datetime) -> timedelta:
    """Return how far back the period to compare with lies: whole days, so that night stands beside night."""
    return timedelta(days=max(1, math.ceil((end - start) / timedelta(days=1))))


_COUNTS = (
    func.count(),
    func.sum(case((posts.c.sentiment == "negative", 1), else_=0)),
    func.sum(case((posts.c.sentiment == "positive", 1), else_=0)),
    func.sum(case((posts.c.unsure, 1), else_=0)),
    func.sum(case((posts.c.severity >= 3, 1), else_=0)),
)


def _post(row: Mapping[str, Any]) -> PostView:
    names = (
        "id", "source", "text", "language", "url", "sentiment", "unsure", "emotion", "needs_action", "severity",
        "factors", "copies", "topic_id", "category", "district", "place", "model",
    )  # fmt: skip
    return PostView(at=aware(row["at"]), **{name: row[name] for name in names})


def _alarm(row: Mapping[str, Any]) -> AlarmView:
    names = (
        "id",
        "rule",
        "scope",
        "topic_id",
        "level",
        "state",
        "escalations",
        "reasons",
        "model",
        "note",
        "chart",
    )
    return AlarmView(
        opened_at=aware(row["opened_at"]),
        updated_at=aware(row["updated_at"]),
        evidence=tuple(row["evidence"]),
        owner={"zh": row["owner_zh"], "en": row["owner_en"]},
        label={"zh": row["label_zh"], "en": row["label_en"]},
        by=row["acted_by"],
        **{name: row[name] for name in names},
    )
