"""Counts how often each article was given as an answer, in memory first and then by day in the database."""

from __future__ import annotations

from collections import Counter
from datetime import date
from threading import Lock

from sqlalchemy import insert, update
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from city.db import writing
from knowledge import tables


class UsageCounter:
    """Counts answers without touching the database until `flush`.

    Args:
        engine: the store's database, migrated.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._counts: Counter[tuple[str, date]] = Counter()
        self._lock = Lock()

    def count(self, article_id: str, day: date) -> None:
        """Count one answer."""
        with self._lock:
            self._counts[(article_id, day)] += 1

    def flush(self) -> None:
        """Write what was counted; it is kept for the next time when the database fails."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            try:
                self._write(counts)
            except IntegrityError:
                # Another process wrote the first row of a day in between.
                self._write(counts)
        except Exception:
            self._keep(counts)
            raise

    def _keep(self, counts: Counter[tuple[str, date]]) -> None:
        with self._lock:
            self._counts.update(counts)

    def _write(self, counts: Counter[tuple[str, date]]) -> None:
        table = tables.usage
        with writing(self.engine) as session:
            for (article_id, day), number in sorted(counts.items()):
                changed = session.execute(
                    update(table)
                    .where(table.c.article_id == article_id, table.c.day == day)
                    .values(answers=table.c.answers + number)
                )
                if changed.rowcount == 0:
                    session.execute(insert(table).values(article_id=article_id, day=day, answers=number))
