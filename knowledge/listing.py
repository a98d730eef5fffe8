"""Lists of articles for staff: filtered, counted, and with how often each was given and how it was rated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.engine import Engine

from city.db import reading
from knowledge import tables
from knowledge.article import LANGUAGES, STATUSES, ArticleError
from knowledge.records import Summary

MAX_ROWS = 1_000_000
ORDERS = ("changed", "id", "used", "disliked", "expires")


@dataclass(frozen=True)
class ArticleQuery:
    """Which articles a list shows; what is left out sets no condition. Conditions hold together.

    Attributes:
        text: stands in the id or a title.
        status: of the newest version.
        public: whether citizens read it (some version of it).
        category, department: exactly these.
        language: has an answer in it; `missing`: has none in it.
        expiring_days: is public and stops being true within so many days, or has stopped.
        unused_days: is public, older than so many days, and was not given as an answer within them.
        disliked: has thumbs down within the period.
        period_days: what usage and ratings are counted over.
        order: one of `ORDERS`; the newest change, the most used, most disliked or soonest to expire first.
    """

    text: str = ""
    status: str | None = None
    public: bool | None = None
    category: str | None = None
    department: str | None = None
    language: str | None = None
    missing: str | None = None
    expiring_days: int | None = None
    unused_days: int | None = None
    disliked: bool = False
    period_days: int = 90
    order: str = "changed"
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True)
class Page:
    """One page of a list, and how many articles there are on all pages."""

    items: Sequence[Summary]
    total: int


def list_articles(engine: Engine, query: ArticleQuery, today: date) -> Page:
    """Return one page of articles.

    Args:
        engine: the store's database.
        query: which ones.
        today: the city's date.

    Raises:
        ArticleError: when the query names an unknown status, language or order, or a negative number.
    """
    _check(query)
    table = tables.articles
    since = today - timedelta(days=query.period_days)
    used = _used(since).subquery()
    rated = _rated(since).subquery()
    down = func.coalesce(rated.c.down, 0)
    answers = func.coalesce(used.c.answers, 0)
    conditions = _conditions(query, today)
    if query.disliked:
        conditions.append(down > 0)
    if query.unused_days is not None:
        last = today - timedelta(days=query.unused_days)
        recent = select(tables.usage.c.article_id).where(tables.usage.c.day >= last)
        conditions += [
            table.c.published_version.is_not(None),
            table.c.created_at < datetime.combine(last, datetime.min.time()),
            table.c.id.not_in(recent),
        ]
    joined = table.outerjoin(used, used.c.article_id == table.c.id).outerjoin(
        rated, rated.c.article_id == table.c.id
    )
    orders: dict[str, list[Any]] = {
        "changed": [table.c.updated_at.desc()],
        "id": [],
        "used": [answers.desc()],
        "disliked": [down.desc()],
        "expires": [table.c.valid_until.is_(None), table.c.valid_until],
    }
    rows = (
        select(table, answers.label("answers"), func.coalesce(rated.c.up, 0).label("up"), down.label("down"))
        .select_from(joined)
        .where(*conditions)
        .order_by(*orders[query.order], table.c.id)
        .limit(query.limit)
        .offset(query.offset)
    )
    with reading(engine) as session:
        total = session.scalar(select(func.count()).select_from(joined).where(*conditions))
        return Page([_summary(row) for row in session.execute(rows)], int(total or 0))


def values_of(engine: Engine, column: str) -> list[tuple[str, int]]:
    """Return the categories or departments in use and how many articles each has, by name.

    Args:
        engine: the store's database.
        column: `category` or `department`.
    """
    if column not in ("category", "department"):
        raise ArticleError(f"{column!r} is neither category nor department")
    field = tables.articles.c[column]
    query = select(field, func.count()).where(field != "").group_by(field).order_by(field)
    with reading(engine) as session:
        return [(str(name), int(count)) for name, count in session.execute(query)]


def _check(query: ArticleQuery) -> None:
    for name, value, known in (
        ("status", query.status, STATUSES),
        ("language", query.language, LANGUAGES),
        ("missing", query.missing, LANGUAGES),
        ("order", query.order, ORDERS),
    ):
        if value and value not in known:
            raise ArticleError(f"`{name}` {value!r} must be one of {', '.join(known)}")
    for name in ("expiring_days", "unused_days", "period_days", "limit", "offset"):
        number = getattr(query, name)
        if number is not None and not 0 <= number <= MAX_ROWS:
            raise ArticleError(f"`{name}` {number} must lie between 0 and {MAX_ROWS}")


def _conditions(query: ArticleQuery, today: date) -> list[Any]:
    table = tables.articles
    found: list[Any] = [
        table.c[column] == value
        for column, value in (
            ("status", query.status),
            ("category", query.category),
            ("department", query.department),
        )
        if value
    ]
    if query.text.strip():
        like = "%" + query.text.strip().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
        columns = (table.c.id, table.c.title_zh, table.c.title_en)
        found.append(or_(*(column.ilike(like, escape="\\") for column in columns)))
    if query.public is not None:
        is_public = table.c.published_version.is_not(None)
        found.append(is_public if query.public else ~is_public)
    if query.language:
        found.append(table.c.languages.like(f"%{query.language}%"))
    if query.missing:
        found.append(table.c.languages.not_like(f"%{query.missing}%"))
    if query.expiring_days is not None:
        last = today + timedelta(days=query.expiring_days)
        found.append(and_(table.c.published_version.is_not(None), table.c.valid_until <= last))
    return found


def _used(since: date) -> Any:
    usage = tables.usage
    total = func.sum(usage.c.answers).label("answers")
    return select(usage.c.article_id, total).where(usage.c.day >= since).group_by(usage.c.article_id)


def _rated(since: date) -> Any:
    feedback = tables.feedback
    counts = [
        func.count(feedback.c.id).filter(feedback.c.kind == kind).label(kind) for kind in ("up", "down")
    ]
    start = datetime.combine(since, datetime.min.time())
    return (
        select(feedback.c.article_id, *counts)
        .where(feedback.c.article_id.is_not(None), feedback.c.created_at >= start)
        .group_by(feedback.c.article_id)
    )


def _summary(row: Any) -> Summary:
    title = {language: text for language, text in (("zh", row.title_zh), ("en", row.title_en)) if text}
    return Summary(
        row.id,
        title,
        row.category,
        row.department,
        row.status,
        row.head_version,
        row.published_version,
        row.updated_at,
        row.updated_by,
        tuple(filter(None, row.languages.split(","))),
        row.valid_from,
        row.valid_until,
        int(row.answers),
        int(row.up),
        int(row.down),
    )
