"""The life of alarms: opened once, escalated when they grow, cooled down, acknowledged, handed over, closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, or_, select, update
from sqlalchemy.orm import Session

from actions.opinion.alarms import Finding
from actions.opinion.lexicon import OTHER, Lexicon
from actions.opinion.notices import alarm_message, wanted_by
from actions.opinion.settings import OpinionSection
from actions.opinion.store import bare
from actions.opinion.tables import alarms, notifications, posts
from actions.opinion.topics import Topic, TopicBook

_GREW = 2.0
_LIKE_COSINE = 0.72


class AlarmBook:
    """Opens and escalates alarms, and queues their notifications in the same transaction."""

    def __init__(self, section: OpinionSection, lexicon: Lexicon) -> None:
        self.section, self.lexicon = section, lexicon

    def raise_alarm(
        self,
        session: Session,
        finding: Finding,
        at: datetime,
        now: datetime,
        topic: Topic | None,
        label: Mapping[str, str] | None,
        book: TopicBook,
        model: str,
    ) -> int | None:
        """Open an alarm, or add to the one that is about the same; return the id of a new one.

        Args:
            finding: of the rules.
            at: when, by the posts' own time.
            now: the present; alarms about the past are kept but nobody is told.
            topic: the topic behind it, with its label.
            book: all topics, to tell whether two are about the same.
            model: version of the sentiment model.
        """
        before = self._earlier(session, finding, at, topic, book)
        if before is not None:
            self._grow(session, before, finding, at, now)
            return None
        category = self.lexicon.categories.get(
            topic.category if topic else OTHER, self.lexicon.categories[OTHER]
        )
        names = label or {"zh": finding.scope, "en": finding.scope}
        values = {
            "rule": finding.rule, "scope": finding.scope, "topic_id": finding.topic_id, "level": finding.level,
            "state": "open", "opened_at": bare(at), "updated_at": bare(at), "escalations": 0, "peak": finding.peak,
            "reasons": finding.reasons, "evidence": list(finding.evidence), "category": category.id,
            "label_zh": names["zh"][:200], "label_en": names["en"][:200],
            "owner_zh": category.department["zh"], "owner_en": category.department["en"],
            "model": model, "acted_by": "", "note": "", "chart": "",
        }  # fmt: skip
        number = int(session.execute(insert(alarms).values(**values)).inserted_primary_key[0])
        self.notify(session, {**values, "id": number}, now, escalated=False)
        return number

    def _earlier(
        self, session: Session, finding: Finding, at: datetime, topic: Topic | None, book: TopicBook
    ) -> Mapping[str, Any] | None:
        """Return the alarm that still covers this: same scope or topic, or a topic that is nearly the same."""
        since = bare(at - timedelta(hours=self.section.alarms.cool_down_h))
        rows = session.execute(
            select(alarms)
            .where(or_(alarms.c.updated_at >= since, alarms.c.opened_at >= since))
            .order_by(alarms.c.id.desc())
            .limit(200)
        ).mappings()
        for row in rows:
            if row["scope"] == finding.scope or (row["topic_id"] == finding.topic_id and finding.topic_id):
                return dict(row)
            other = book.topics.get(int(row["topic_id"] or 0))
            if topic is None or other is None:
                continue
            likeness = float(topic.centre @ other.centre)
            same_matter = topic.category == other.category and topic.category != OTHER
            here = {topic.place, topic.district} - {""}
            there = {other.place, other.district} - {""}
            if likeness >= _LIKE_COSINE or (
                same_matter and (here & there or (likeness >= 0.5 and not (here and there)))
            ):
                return dict(row)
        return None

    def _grow(
        self, session: Session, alarm: Mapping[str, Any], finding: Finding, at: datetime, now: datetime
    ) -> None:
        stronger = finding.level > alarm["level"] or (
            finding.rule == alarm["rule"] and finding.peak >= _GREW * alarm["peak"]
        )
        values: dict[str, Any] = {"updated_at": max(bare(at), alarm["updated_at"])}
        if stronger:
            evidence = list(dict.fromkeys([*finding.evidence, *alarm["evidence"]]))[:40]
            values |= {
                "level": max(finding.level, alarm["level"]), "peak": max(finding.peak, alarm["peak"]),
                "rule": finding.rule, "reasons": finding.reasons, "evidence": evidence,
                "escalations": alarm["escalations"] + 1,
            }  # fmt: skip
        session.execute(update(alarms).where(alarms.c.id == alarm["id"]).values(**values))
        if stronger and alarm["state"] in ("open", "acknowledged", "handed_over"):
            self.notify(session, {**alarm, **values}, now, escalated=True)

    def overdue(self, session: Session, now: datetime) -> list[int]:
        """Escalate serious alarms that nobody acknowledged in time, once each; return their ids."""
        limit = bare(now - timedelta(minutes=self.section.alarms.escalate_after_min))
        fresh = bare(now - timedelta(hours=self.section.alarms.fresh_h))
        rows = session.execute(
            select(alarms).where(
                alarms.c.state == "open",
                alarms.c.level >= 3,
                alarms.c.escalations == 0,
                alarms.c.opened_at <= limit,
                alarms.c.opened_at >= fresh,
            )
        ).mappings()
        found = []
        for row in [dict(row) for row in rows]:
            session.execute(update(alarms).where(alarms.c.id == row["id"]).values(escalations=1))
            self.notify(session, {**row, "escalations": 1}, now, escalated=True)
            found.append(int(row["id"]))
        return found

    def notify(self, session: Session, alarm: Mapping[str, Any], now: datetime, *, escalated: bool) -> None:
        """Queue one notification a target; its key says alarm, escalation and target, so none is queued twice."""
        if alarm["updated_at"] < bare(now - timedelta(hours=self.section.alarms.fresh_h)):
            return
        category = self.lexicon.categories.get(str(alarm["category"]), self.lexicon.categories[OTHER])
        samples = self._samples(session, list(alarm["evidence"])[:3])
        for target in self.section.targets:
            if wanted_by(target, int(alarm["level"]), category, escalated):
                title, body = alarm_message(alarm, samples, target.language, escalated)
                queue(
                    session, f"alarm-{alarm['id']}-{alarm['escalations']}-{target.name}", target.name, title, body, now,
                    int(alarm["id"]),
                )  # fmt: skip

    @staticmethod
    def _samples(session: Session, ids: Sequence[int]) -> list[str]:
        rows = dict(session.execute(select(posts.c.id, posts.c.text).where(posts.c.id.in_(ids))).all())
        return [rows[i] for i in ids if i in rows]


def queue(
    session: Session, key: str, target: str, title: str, body: str, now: datetime, alarm_id: int | None = None
) -> bool:
    """Put a notification into the queue; `False` when its key was queued before."""
    if session.scalar(select(notifications.c.id).where(notifications.c.key == key)) is not None:
        return False
    session.execute(
        insert(notifications).values(
            key=key, target=target, alarm_id=alarm_id, title=title[:200], body=body, state="waiting", attempts=0,
            next_at=bare(now), sent_at=None, error="",
        )
    )  # fmt: skip
    return True
