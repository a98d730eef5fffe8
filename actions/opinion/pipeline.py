"""One batch of posts from the door to alarms, in one transaction: exactly-once effect under at-least-once delivery.

A killed process has either committed a batch with its cursor, or not; a source that delivers again meets the keys
that were kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from actions.opinion.alarm_book import AlarmBook
from actions.opinion.alarms import Rules
from actions.opinion.errors import PostError
from actions.opinion.intake import Door
from actions.opinion.judging import Judge, Judged
from actions.opinion.model import IngestReport, Post, RawPost
from actions.opinion.recent import WINDOW, Entry, Recent, scopes_of
from actions.opinion.settings import OpinionSection
from actions.opinion.severity import weigh
from actions.opinion.store import OpinionStore, aware, bare
from actions.opinion.tables import posts
from actions.opinion.topics import Topic, TopicBook
from city.db import reading, writing
from city.masking import mask

CONCERN = 0.5
_TIDY_EVERY = timedelta(hours=6)
_GROWTH_FROM = 3
# A short text ("好", "ok") is no content that a repost could be told by.
_LEAST_REPOST_CHARS = 8


@dataclass(frozen=True)
class Prepared:
    """A batch that was admitted and judged but not kept; `judged` by the posts' keys."""

    now: datetime
    admitted: Sequence[Post]
    refused: Sequence[dict[str, Any]]
    judged: Mapping[str, Judged]
    report: IngestReport


class Pipeline:
    """Reads batches in; one at a time (see `OpinionService.reader`)."""

    def __init__(
        self, store: OpinionStore, door: Door, judge: Judge, section: OpinionSection, book: AlarmBook
    ) -> None:
        self.store, self._door, self._judge, self._section, self._alarms = store, door, judge, section, book
        self._rules = Rules(section.alarms)
        self.opened: list[int] = []
        self._reload()

    def _reload(self) -> None:
        """Take topics and the last hours from the store, as after a start."""
        section = self._section.topics
        with reading(self.store.engine) as session:
            found, next_id = self.store.load_topics(session)
            latest = session.scalar(select(posts.c.at).order_by(posts.c.at.desc()).limit(1))
            self.topics = TopicBook(found, next_id, section.cosine, section.most, section.days)
            self._recent = Recent()
            self._watermark = aware(latest) if latest else datetime.min.replace(tzinfo=timezone.utc)
            self._tidied = self._watermark
            if latest is not None:
                rows = session.execute(
                    select(posts).where(posts.c.at > latest - WINDOW).order_by(posts.c.at).limit(20_000)
                )
                for row in rows:
                    entry = Entry(
                        int(row.id), aware(row.at), int(row.topic_id or 0), row.author, row.sentiment == "negative",
                        _concern(row.sentiment, row.needs_action, row.p_positive), int(row.severity), row.text, row.copies,
                    )  # fmt: skip
                    self._recent.add(scopes_of(entry.topic_id, row.category, row.district), entry)

    def ingest(
        self,
        raws: Sequence[RawPost],
        *,
        cursors: Mapping[str, Mapping[str, Any]] | None = None,
        now: datetime | None = None,
    ) -> IngestReport:
        """Take a batch in; when this returns, it is kept together with `cursors`, and may be acknowledged.

        Args:
            raws: as the source gave them.
            cursors: how far each source is read with this batch.
            now: the present, for tests and replays.
        """
        return self.keep(self.prepare(raws, now), cursors)

    def prepare(self, raws: Sequence[RawPost], now: datetime | None = None) -> Prepared:
        """Admit and judge a batch, and keep nothing; may run while another batch is being kept."""
        now = now or datetime.now(timezone.utc)
        report = IngestReport(read=len(raws))
        admitted, refused = self._admit(raws, now, report)
        with reading(self.store.engine) as session:
            fresh, _, _ = self._sort(session, admitted, IngestReport())
        return Prepared(now, admitted, refused, self._judged(fresh), report)

    def keep(self, batch: Prepared, cursors: Mapping[str, Mapping[str, Any]] | None = None) -> IngestReport:
        """Keep a prepared batch together with `cursors`; one at a time."""
        now, report = batch.now, batch.report
        # Batches kept since may hold some of the same posts, so new and known ones are parted again.
        with reading(self.store.engine) as session:
            fresh, copies, keys = self._sort(session, batch.admitted, report)
        late = self._judged([post for post in fresh if post.key not in batch.judged])
        judged = [batch.judged.get(post.key) or late[post.key] for post in fresh]
        try:
            with writing(self.store.engine) as session:
                self._keep(session, fresh, judged, copies, keys, now, report)
                self.store.add_rejects(session, batch.refused)
                for source, position in (cursors or {}).items():
                    self.store.save_cursor(session, source, position)
        except BaseException:
            # Memory ran ahead of the tables: begin again from what is kept.
            self._reload()
            raise
        return report

    def _judged(self, fresh: Sequence[Post]) -> dict[str, Judged]:
        read = self._judge.read([post.text for post in fresh], [post.district for post in fresh])
        return {post.key: one for post, one in zip(fresh, read, strict=True)}

    def _admit(
        self, raws: Sequence[RawPost], now: datetime, report: IngestReport
    ) -> tuple[list[Post], list[dict[str, Any]]]:
        admitted: list[Post] = []
        refused: list[dict[str, Any]] = []
        for raw in raws:
            try:
                admitted.append(self._door.admit(raw, now))
            except PostError as error:
                report.rejected[error.reason] = report.rejected.get(error.reason, 0) + 1
                sample = mask(str(raw.text)[:200]) if isinstance(raw.text, str) else ""
                refused.append(
                    {
                        "at": bare(now),
                        "source": str(raw.source)[:40],
                        "reason": error.reason,
                        "sample": sample,
                    }
                )
        return admitted, refused

    def _sort(
        self, session: Session, admitted: Sequence[Post], report: IngestReport
    ) -> tuple[list[Post], dict[int | str, list[Post]], set[str]]:
        """Part posts into new ones and copies: of a kept post (by its id), or of one in this batch (by its key)."""
        known = self.store.known_keys(session, [post.key for post in admitted])
        window = timedelta(hours=self._section.repost_window_h)
        earliest = min((post.at for post in admitted), default=datetime.now(timezone.utc)) - window
        tellable = [p for p in admitted if len(p.text) >= _LEAST_REPOST_CHARS]
        stored = self.store.originals(session, sorted({p.fingerprint for p in tellable}), earliest)
        fresh: list[Post] = []
        copies: dict[int | str, list[Post]] = defaultdict(list)
        keys: set[str] = set()
        here: dict[str, str] = {}
        for post in admitted:
            if post.key in known or post.key in keys:
                report.repeated += 1
                continue
            keys.add(post.key)
            tell = len(post.text) >= _LEAST_REPOST_CHARS
            if tell and post.fingerprint in stored:
                copies[stored[post.fingerprint]].append(post)
                report.reposts += 1
            elif tell and post.fingerprint in here:
                copies[here[post.fingerprint]].append(post)
                report.reposts += 1
            else:
                if tell:
                    here[post.fingerprint] = post.key
                fresh.append(post)
                report.new += 1
        return fresh, copies, keys

    def _keep(
        self,
        session: Session,
        fresh: Sequence[Post],
        judged: Sequence[Judged],
        copies: Mapping[int | str, Sequence[Post]],
        keys: set[str],
        now: datetime,
        report: IngestReport,
    ) -> None:
        muted = self.store.muted(session)
        counts: dict[tuple[str, datetime], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        rows: list[dict[str, Any]] = []
        pending: list[tuple[list[str], Entry]] = []
        touched: dict[int, Topic] = {}
        if judged:
            self.topics.expect(np.stack([read.vector for read in judged]))
        order = sorted(range(len(fresh)), key=lambda at: fresh[at].at)
        for at in order:
            post, read = fresh[at], judged[at]
            topic = self.topics.place(read.vector, post.at, read.where, read.words, post.language, at)
            touched[topic.id] = topic
            folded = copies.get(post.key, ())
            row, entry = self._row(post, read, topic, len(folded), sum(p.reach for p in folded))
            scopes = scopes_of(topic.id, read.where.category, read.where.district)
            hour = post.at.replace(minute=0, second=0, microsecond=0)
            for scope in scopes:
                count = counts[scope, hour]
                count[0] += 1
                count[1] += entry.negative
                count[2] += entry.concern
                count[3] += entry.severity >= 3
            rows.append(row)
            pending.append((scopes, entry))
        ids = self.store.add_posts(session, rows)
        by_key = {row["key"]: id_ for row, id_ in zip(rows, ids, strict=True)}
        checked: dict[str, datetime] = {}
        for (scopes, entry), id_ in zip(pending, ids, strict=True):
            kept = Entry(id_, *(getattr(entry, name) for name in _ENTRY_FIELDS))
            self._recent.add(scopes, kept)
            if entry.concern:
                checked.update((scope, max(checked.get(scope, entry.at), entry.at)) for scope in scopes)
        self._fold(session, copies, by_key)
        self.store.add_seen(session, self._seen_rows(fresh, copies, by_key))
        self.store.add_hours(session, counts)
        self._watermark = max([self._watermark, *(post.at for post in fresh)])
        labels = {
            number: self.topics.label(topic, self._judge.lexicon, self._judge.gazetteer)
            for number, topic in touched.items()
        }
        self.store.save_topics(session, [(topic, labels[number]) for number, topic in touched.items()])
        self._check(session, checked, muted, now, report)
        self._recent.forget(self._watermark)
        if self._watermark - self._tidied > _TIDY_EVERY:
            self._tidy(session)

    def _row(
        self, post: Post, read: Judged, topic: Topic, folded: int, folded_reach: float
    ) -> tuple[dict[str, Any], Entry]:
        feeling = read.feeling
        last_hour = self._recent.within(f"topic:{topic.id}", post.at, timedelta(hours=1))
        age_h = max((post.at - topic.first_at).total_seconds() / 3600, 1.0)
        usual = max(topic.size / age_h, 1.0)
        growth = (len(last_hour) + 1) / usual if len(last_hour) >= _GROWTH_FROM else 0.0
        again = sum(e.author == post.author for e in last_hour) if post.author else 0
        reach = post.reach + folded_reach
        severity = weigh(
            post.text, feeling, self._judge.lexicon, self._section.severity,
            reach=reach, growth=growth, copies=folded, again=again,
        )  # fmt: skip
        concern = _concern(feeling.sentiment, feeling.needs_action, feeling.positive)
        row = {
            "key": post.key, "source": post.source, "external_id": post.external_id, "at": bare(post.at),
            "received_at": bare(post.received_at), "text": post.text, "language": post.language[:8], "author": post.author,
            "url": post.url, "reach": reach, "sentiment": feeling.sentiment, "p_negative": feeling.negative,
            "p_positive": feeling.positive, "unsure": feeling.unsure, "emotion": feeling.emotion,
            "needs_action": feeling.needs_action, "severity": severity.level, "score": severity.score,
            "factors": severity.to_list(), "topic_id": topic.id, "category": read.where.category,
            "district": read.where.district[:60], "place": read.where.place[:60], "copies": folded,
            "fingerprint": post.fingerprint, "notes": list(post.notes), "model": self._judge.version,
        }  # fmt: skip
        entry = Entry(
            0,
            post.at,
            topic.id,
            post.author,
            feeling.sentiment == "negative",
            concern,
            severity.level,
            post.text,
            folded,
        )
        return row, entry

    def _fold(
        self, session: Session, copies: Mapping[int | str, Sequence[Post]], by_key: Mapping[str, int]
    ) -> None:
        """Count copies on originals that were kept before this batch; those of this batch came with their row."""
        self.store.add_copies(
            session,
            {
                target: (len(folded), sum(post.reach for post in folded))
                for target, folded in copies.items()
                if isinstance(target, int)
            },
        )

    def _seen_rows(
        self, fresh: Sequence[Post], copies: Mapping[int | str, Sequence[Post]], by_key: Mapping[str, int]
    ) -> list[dict[str, Any]]:
        rows = [(post, by_key[post.key]) for post in fresh]
        for target, folded in copies.items():
            original = target if isinstance(target, int) else by_key[target]
            rows += [(post, original) for post in folded]
        return [
            {"key": post.key, "post_id": id_, "at": bare(post.at), "author": post.author}
            for post, id_ in rows
        ]

    def _check(
        self,
        session: Session,
        checked: Mapping[str, datetime],
        muted: Mapping[int, datetime],
        now: datetime,
        report: IngestReport,
    ) -> None:
        def history(scope: str) -> tuple[dict[datetime, tuple[int, int, int]], datetime]:
            days = timedelta(days=self._section.alarms.season_days + 1)
            return self.store.history(session, scope, at - days, at - timedelta(hours=1))

        # Topics first: an alarm on a matter says more than one on a whole district.
        for scope in sorted(checked, key=lambda s: (not s.startswith("topic"), not s.startswith("cd"), s)):
            at = checked[scope]
            finding = self._rules.check(scope, self._recent, at, history)
            if finding is None or muted.get(finding.topic_id, at) > at:
                continue
            topic = self.topics.topics.get(finding.topic_id)
            label = self.topics.label(topic, self._judge.lexicon, self._judge.gazetteer) if topic else None
            opened = self._alarms.raise_alarm(
                session, finding, at, now, topic, label, self.topics, self._judge.version
            )
            if opened is not None:
                self.opened.append(opened)
                report.alarms += 1

    def _tidy(self, session: Session) -> None:
        self._tidied = self._watermark
        before = dict(self.topics.topics)
        self.topics.asleep.clear()
        self.topics.merged.clear()
        self.topics.tidy(self._watermark)
        self.store.retire_topics(session, self.topics.asleep, self.topics.merged)
        changed = {older for older in self.topics.merged.values() if older in self.topics.topics}
        self.store.save_topics(
            session,
            [
                (before[n], self.topics.label(before[n], self._judge.lexicon, self._judge.gazetteer))
                for n in sorted(changed)
            ],
        )


_ENTRY_FIELDS = ("at", "topic_id", "author", "negative", "concern", "severity", "text", "copies")


def _concern(sentiment: str, needs_action: float, positive: float) -> bool:
    """Whether a post speaks of something that somebody may have to look into."""
    return sentiment == "negative" or (needs_action >= CONCERN and positive < 0.5)
