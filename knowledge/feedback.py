"""What citizens asked in vain or were unhappy with: kept masked, clustered, and turned into articles or phrasings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.engine import Engine

from city.db import reading, writing
from city.masking import mask
from knowledge import tables
from knowledge.article import ArticleError
from knowledge.index import SentenceEncoder
from knowledge.store import now
from knowledge.text import clean, tidy

KINDS = ("unanswered", "unclear", "abandoned", "down", "up")
STATUSES = ("new", "accepted", "dismissed")
MAX_CHARS = 500
# Cosine from which two questions are about the same.
SAME_QUESTION = 0.72


class FeedbackNotFound(ArticleError):
    """There is no feedback of this number, or it was dealt with already."""


@dataclass(frozen=True)
class Feedback:
    """One question that was not answered well (or was: `up`), with personal data masked."""

    id: int
    question: str
    language: str
    kind: str
    article_id: str | None
    probability: float | None
    comment: str
    status: str
    resolution: str
    resolved_by: str
    created_at: datetime


@dataclass(frozen=True)
class Cluster:
    """Questions about the same: the most typical one first. `article_id` is the article they may belong to."""

    items: Sequence[Feedback]
    article_id: str | None = None
    probability: float = 0.0

    @property
    def suggestion(self) -> str:
        """What to do: `phrasing` adds them to the article, `article` means a new one is missing."""
        return "phrasing" if self.article_id else "article"


class FeedbackQueue:
    """Keeps feedback in the store's database.

    Args:
        engine: the store's database, migrated.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def record(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Keep questions; personal data is masked first.

        Args:
            entries: each with `question`, `language`, `kind` (one of `KINDS`) and, where known, `article_id`,
                `probability`, `comment` and `conversation_id`.
        """
        rows = []
        for entry in entries:
            if entry["kind"] not in KINDS:
                raise ValueError(f"feedback kind {entry['kind']!r} is none of {', '.join(KINDS)}")
            rows.append(
                {
                    "question": mask(tidy(str(entry["question"]))[:MAX_CHARS]),
                    "language": entry["language"],
                    "kind": entry["kind"],
                    "article_id": entry.get("article_id"),
                    "probability": entry.get("probability"),
                    "comment": mask(tidy(str(entry.get("comment") or ""))[:MAX_CHARS]),
                    "conversation_id": entry.get("conversation_id"),
                    "status": "new",
                    "resolution": "",
                    "resolved_by": "",
                    "created_at": now(),
                }
            )
        if rows:
            with writing(self.engine) as session:
                session.execute(insert(tables.feedback), rows)

    def entries(
        self,
        *,
        status: str | None = "new",
        kinds: Sequence[str] = KINDS,
        article_id: str | None = None,
        ids: Sequence[int] | None = None,
        limit: int = 500,
        offset: int = 0,
    ) -> list[Feedback]:
        """Return feedback, newest first; `article_id` keeps what was said of that article, `ids` only these."""
        columns = [column for column in tables.feedback.c if column.name != "conversation_id"]
        query = select(*columns).where(tables.feedback.c.kind.in_(list(kinds)))
        if ids is not None:
            query = query.where(tables.feedback.c.id.in_(list(ids)))
        if status:
            query = query.where(tables.feedback.c.status == status)
        if article_id:
            query = query.where(tables.feedback.c.article_id == article_id)
        query = query.order_by(tables.feedback.c.id.desc()).limit(limit).offset(offset)
        with reading(self.engine) as session:
            return [Feedback(**row._mapping) for row in session.execute(query)]

    def state(self) -> tuple[int, int]:
        """Return the newest entry's number and how many entries are new; unchanged while the queue is."""
        table = tables.feedback
        with reading(self.engine) as session:
            newest = session.execute(select(func.max(table.c.id))).scalar()
            waiting = session.execute(select(func.count()).where(table.c.status == "new")).scalar()
            return int(newest or 0), int(waiting or 0)

    def waiting(self, ids: Sequence[int]) -> set[int]:
        """Return which of these entries nobody has dealt with yet."""
        table = tables.feedback
        with reading(self.engine) as session:
            query = select(table.c.id).where(table.c.id.in_(list(ids)), table.c.status == "new")
            return set(session.execute(query).scalars())

    def resolve(self, ids: Sequence[int], *, status: str, resolution: str, by: str) -> list[Feedback]:
        """Mark new feedback as dealt with and return it.

        Raises:
            FeedbackNotFound: when one of them is not there or not new; then none is marked.
        """
        wanted = sorted(set(ids))
        table = tables.feedback
        with writing(self.engine) as session:
            changed = session.execute(
                update(table)
                .where(table.c.id.in_(wanted), table.c.status == "new")
                .values(status=status, resolution=resolution, resolved_by=by)
            )
            if changed.rowcount != len(wanted) or not wanted:
                raise FeedbackNotFound(f"feedback {', '.join(map(str, wanted))}: not all are there and new")
            columns = [column for column in table.c if column.name != "conversation_id"]
            rows = session.execute(select(*columns).where(table.c.id.in_(wanted)).order_by(table.c.id))
            return [Feedback(**row._mapping) for row in rows]

    def reopen(self, ids: Sequence[int]) -> None:
        """Make feedback new again, when what it was accepted for failed."""
        with writing(self.engine) as session:
            session.execute(
                update(tables.feedback)
                .where(tables.feedback.c.id.in_(list(ids)))
                .values(status="new", resolution="", resolved_by="")
            )

    def withdraw(self, conversation_id: str, question: str, kind: str) -> int:
        """Take back new feedback on a question of a conversation; return how many entries there were."""
        table = tables.feedback
        with writing(self.engine) as session:
            done = session.execute(
                delete(table).where(
                    table.c.conversation_id == conversation_id,
                    table.c.question == mask(tidy(question)[:MAX_CHARS]),
                    table.c.kind == kind,
                    table.c.status == "new",
                )
            )
            return int(done.rowcount)

    def erase(self, conversation_id: str) -> int:
        """Erase all feedback of a conversation, the disk's copy included; return how many entries there were."""
        with writing(self.engine) as session:
            if self.engine.dialect.name == "sqlite":
                session.execute(text("PRAGMA secure_delete=ON"))
            done = session.execute(
                delete(tables.feedback).where(tables.feedback.c.conversation_id == conversation_id)
            )
            return int(done.rowcount)


def cluster(
    items: Sequence[Feedback], encoder: SentenceEncoder, same: float = SAME_QUESTION
) -> list[list[Feedback]]:
    """Group questions that ask the same, in either language; large groups first, the most typical question first.

    Leader clustering: each question joins the first group whose mean vector is near enough, else starts one.
    """
    if not items:
        return []
    vectors = encoder.encode([clean(item.question) for item in items])
    groups: list[list[int]] = []
    sums: list[Any] = []
    for row, vector in enumerate(vectors):
        best, place = same, -1
        for number, total in enumerate(sums):
            cosine = float(total @ vector) / max(float((total @ total) ** 0.5), 1e-9)
            if cosine >= best:
                best, place = cosine, number
        if place < 0:
            groups.append([row])
            sums.append(vector.copy())
        else:
            groups[place].append(row)
            sums[place] = sums[place] + vector
    ordered = sorted(zip(groups, sums, strict=True), key=lambda pair: (-len(pair[0]), pair[0][0]))
    return [
        [items[row] for row in sorted(rows, key=lambda row: -float(total @ vectors[row]))]
        for rows, total in ordered
    ]
