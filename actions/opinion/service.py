"""Everything the command line, the dialogue and the console ask of the opinion module."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

from filelock import FileLock, Timeout
from sqlalchemy import insert, update
from threadpoolctl import threadpool_limits

from actions.opinion.alarm_book import AlarmBook
from actions.opinion.charts import trend_chart
from actions.opinion.errors import UnknownAlarmError, WriterBusyError
from actions.opinion.intake import Door
from actions.opinion.judging import Judge
from actions.opinion.lexicon import FILE as LEXICON
from actions.opinion.lexicon import load_lexicon
from actions.opinion.model import AlarmView, Overview
from actions.opinion.notify import Notifier, Send
from actions.opinion.pipeline import Pipeline
from actions.opinion.queries import Queries
from actions.opinion.settings import OpinionSection
from actions.opinion.sources.opening import ASSISTANT
from actions.opinion.sources.webhook import put
from actions.opinion.store import OpinionStore, bare
from actions.opinion.tables import alarms, deeds, topics
from actions.opinion.words import WordCutter
from city.db import make_engine, writing
from nlp.entities.gazetteer import Gazetteer
from nlp.sentiment import ADAPTER_DIR, SentimentModel, model_dir

STATES = ("open", "acknowledged", "handed_over", "closed")
_MOST_THREADS = 4
MakeJudge = Callable[[], Judge]


def adapter_of(section: OpinionSection | None, path: Callable[[Path], Path]) -> Path:
    """Return the folder of the sentiment adapters that the settings mean."""
    return path(section.adapter) if section is not None and section.adapter is not None else ADAPTER_DIR


class OpinionService:
    """The opinion module of one city; safe to use from several threads.

    Args:
        section: the `opinion:` section of city.yml.
        path: makes paths of the settings absolute.
        zone: the city's time zone.
        data_dir: the run-time data directory.
        clock: returns the aware present.
        make_judge: makes what reads posts, for tests; the models by default.
        send: how notifications leave, for tests; apprise by default.

    Raises:
        DatabaseError: the database cannot be opened.
        OpinionError: the word lists cannot be read.
    """

    def __init__(
        self,
        section: OpinionSection,
        path: Callable[[Path], Path],
        zone: ZoneInfo,
        data_dir: Path,
        *,
        clock: Callable[[], datetime] | None = None,
        make_judge: MakeJudge | None = None,
        send: Send | None = None,
    ) -> None:
        self.section, self.zone, self.data_dir = section, zone, data_dir
        self.path = path
        self._clock = clock or (lambda: datetime.now(timezone.utc))
        own = data_dir / "opinion" / "lexicon.yml"
        self.lexicon = load_lexicon(own if own.is_file() else LEXICON)
        gazetteer = path(section.gazetteer)
        self.gazetteer = Gazetteer.read(gazetteer) if gazetteer.is_file() else None
        self.engine = make_engine(section.database_url or f"sqlite:///{data_dir / 'opinion.db'}")
        self.store = OpinionStore(self.engine)
        self.queries = Queries(self.engine, self.lexicon, section.topics.shown_from)
        self.alarm_book = AlarmBook(section, self.lexicon)
        self.notifier = Notifier(self.engine, section.targets, send)
        self._make_judge = make_judge or self._models
        self._judge: Judge | None = None
        self._judging = threading.Lock()

    def now(self) -> datetime:
        """The present."""
        return self._clock()

    def close(self) -> None:
        """Close connections and threads."""
        if self._judge is not None:
            self._judge.close()
        self.engine.dispose()

    # --- reading posts in

    @contextmanager
    def reader(self) -> Iterator[Pipeline]:
        """Yield the pipeline; one process at a time reads posts in.

        Raises:
            WriterBusyError: another process does.
            SentimentModelError: the model cannot be opened.
        """
        lock = FileLock(str(self.data_dir / "opinion.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise WriterBusyError(lock.lock_file) from None
        try:
            door, judge = Door.open(self.data_dir / "opinion", self.section.max_chars), self.judge()
            # Small products of matrices, on threads of their own, would take cores from the network's threads.
            with threadpool_limits(1):
                yield Pipeline(self.store, door, judge, self.section, self.alarm_book)
        finally:
            lock.release()

    def judge(self) -> Judge:
        """Return what reads posts; the models are opened on first use."""
        with self._judging:
            if self._judge is None:
                self._judge = self._make_judge()
            return self._judge

    def _models(self) -> Judge:
        threads = self.section.threads or min(_MOST_THREADS, os.cpu_count() or 1)
        folder = model_dir(self.data_dir, adapter_of(self.section, self.path))
        reader = SentimentModel.load(folder, threads=threads)
        cutter = WordCutter(self.gazetteer, self.data_dir / "opinion")
        return Judge(reader, self.lexicon, self.gazetteer, cutter)

    def note_complaint(self, text: str, conversation_id: str, message_id: str = "") -> None:
        """Keep what a citizen complained about to the assistant, until the watch reads it in.

        The conversation stands for the author and is hashed at the door like any other.
        """
        if self.section.complaints and text.strip():
            item = {"text": text[:4000], "author": conversation_id, "at": self.now().isoformat()}
            if message_id:
                item["id"] = message_id
            put(self.engine, ASSISTANT, [item])

    # --- looking

    def period(self, days: int, until: datetime | None = None) -> tuple[datetime, datetime]:
        """Return the last `days` days of the city's calendar, today included, as aware times."""
        end = (until or self.now()).astimezone(self.zone)
        start = end.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
        return start, end

    def overview(self, days: int = 1, district: str = "") -> Overview:
        """Return today's overview, or of the last `days` days."""
        start, end = self.period(days)
        return self.queries.overview(start, end, district)

    def chart(self, scope: str, start: datetime, end: datetime, title: str, language: str) -> Path:
        """Draw the trend of a scope below `charts/` and return the picture."""
        series = self.queries.trend(scope, start.astimezone(timezone.utc), end)
        return trend_chart(series, title, language, self.zone, self.data_dir / "charts")

    def draw(self, ids: Sequence[int]) -> None:
        """Give alarms their trend pictures."""
        for number in ids:
            alarm = self.queries.alarm(number)
            scope = f"topic:{alarm.topic_id}" if alarm.topic_id else alarm.scope
            series = self.queries.trend(
                scope, alarm.opened_at - timedelta(days=2), alarm.opened_at + timedelta(hours=1)
            )
            picture = trend_chart(
                series, alarm.label["zh"], "zh", self.zone, self.data_dir / "charts", alarm.opened_at
            )
            with writing(self.engine) as session:
                session.execute(update(alarms).where(alarms.c.id == number).values(chart=picture.name))

    # --- what people decide

    def acknowledge(self, number: int, by: str, note: str = "") -> AlarmView:
        """Note that somebody looks into an alarm; it does not escalate by time any more."""
        return self._act(number, by, "acknowledged", note)

    def hand_over(self, number: int, by: str, to: str, note: str = "") -> AlarmView:
        """Give an alarm to a department or person."""
        return self._act(number, by, "handed_over", note, owner=to)

    def close_alarm(self, number: int, by: str, note: str = "") -> AlarmView:
        """Close an alarm, with what came of it."""
        return self._act(number, by, "closed", note)

    def _act(self, number: int, by: str, state: str, note: str, owner: str = "") -> AlarmView:
        values = {"state": state, "acted_by": by[:80], "note": note[:2000]}
        if owner:
            values |= {"owner_zh": owner[:80], "owner_en": owner[:80]}
        with writing(self.engine) as session:
            changed = session.execute(update(alarms).where(alarms.c.id == number).values(**values))
            if not changed.rowcount:
                raise UnknownAlarmError("alarm", number)
            session.execute(
                insert(deeds).values(
                    at=bare(self.now()),
                    by=by[:80],
                    deed=state,
                    alarm_id=number,
                    topic_id=None,
                    note=(owner + " " + note).strip()[:2000],
                )
            )
        return self.queries.alarm(number)

    def mute(self, topic_id: int, by: str, hours: float = 24) -> datetime:
        """Silence a topic: its posts are kept and shown, but raise no alarm; return until when."""
        until = self.now() + timedelta(hours=hours)
        self._mute(topic_id, by, until, "muted")
        return until

    def unmute(self, topic_id: int, by: str) -> None:
        """Let a topic raise alarms again."""
        self._mute(topic_id, by, None, "unmuted")

    def _mute(self, topic_id: int, by: str, until: datetime | None, deed: str) -> None:
        with writing(self.engine) as session:
            changed = session.execute(
                update(topics)
                .where(topics.c.id == topic_id)
                .values(muted_until=bare(until) if until else None)
            )
            if not changed.rowcount:
                raise UnknownAlarmError("topic", topic_id)
            session.execute(
                insert(deeds).values(
                    at=bare(self.now()),
                    by=by[:80],
                    deed=deed,
                    alarm_id=None,
                    topic_id=topic_id,
                    note=until.isoformat() if until else "",
                )
            )

    # --- time passing

    def tick(self) -> dict[str, int]:
        """Escalate what nobody acknowledged, queue digests that are due, and send what waits."""
        from actions.opinion.report import queue_digests

        with writing(self.engine) as session:
            overdue = len(self.alarm_book.overdue(session, self.now()))
        digests = queue_digests(self)
        return {"overdue": overdue, "digests": digests, **self.notifier.deliver(self.now())}

    def prune(self) -> int:
        """Delete what is older than `keep_days`; return how many posts."""
        return self.store.prune(self.now() - timedelta(days=self.section.keep_days))
