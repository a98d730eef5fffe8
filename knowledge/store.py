"""The article store: versions, publishing with optimistic locking, and the change log that indexes follow."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from city.db import make_engine, migrate, reading, writing
from knowledge import tables
from knowledge.article import Article, ArticleError, ArticleNotFound, StaleVersion, WrongStatus, make_article
from knowledge.passages import pieces_of
from knowledge.records import StoredPiece, VersionRecord

MIGRATIONS = Path(__file__).parent / "migrations"
_CACHED = 4096
# What staff may do with the newest version of an article.
_NEXT = {
    "draft": {"review", "published", "archived"},
    "review": {"draft", "published", "archived"},
    "published": {"archived", "draft"},
    "archived": {"draft", "published"},
}


def now() -> datetime:
    """Return the time in UTC, without a zone as databases keep it."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


class ArticleStore:
    """Articles in a database. Every method is one transaction and safe to call from any thread.

    A published article may have a newer head that staff are still working on; citizens read the published one.

    Args:
        database: SQLAlchemy URL, or an engine of the caller's.
    """

    def __init__(self, database: str | Engine) -> None:
        self.engine = make_engine(database) if isinstance(database, str) else database
        self._owns_engine = isinstance(database, str)
        self._cache: OrderedDict[tuple[str, int], Article] = OrderedDict()
        self._cache_lock = Lock()
        migrate(self.engine, "knowledge", MIGRATIONS)

    def close(self) -> None:
        """Close the connections."""
        if self._owns_engine:
            self.engine.dispose()

    # Reading

    def get(self, article_id: str, version: int | None = None) -> Article:
        """Return the newest version of an article, or the given one.

        Raises:
            ArticleNotFound: when there is no such article or version.
        """
        with reading(self.engine) as session:
            row = _row(session, article_id)
            status = row.status if version in (None, row.head_version) else "archived"
            if version is not None and version == row.published_version:
                status = "published"
            article = self._load(session, article_id, row.head_version if version is None else version)
        return replace(article, status=status)

    def version(self, article_id: str, version: int) -> Article:
        """Return one version as published; kept in memory, because a version never changes.

        Raises:
            ArticleNotFound: when there is no such version.
        """
        key = (article_id, version)
        with self._cache_lock:
            cached = self._cache.get(key)
            if cached is not None:
                self._cache.move_to_end(key)
                return cached
        with reading(self.engine) as session:
            article = replace(self._load(session, article_id, version), status="published")
        with self._cache_lock:
            self._cache[key] = article
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return article

    def published(self) -> dict[str, int]:
        """Return the published version of every article that citizens may read."""
        query = select(tables.articles.c.id, tables.articles.c.published_version)
        with reading(self.engine) as session:
            rows = session.execute(query.where(tables.articles.c.published_version.is_not(None)))
            return {row.id: row.published_version for row in rows}

    def published_version(self, article_id: str) -> int | None:
        """Return the version of an article that citizens read, `None` when they read none."""
        query = select(tables.articles.c.published_version).where(tables.articles.c.id == article_id)
        with reading(self.engine) as session:
            return session.execute(query).scalar()

    def history(self, article_id: str) -> list[VersionRecord]:
        """Return all versions of an article, newest first.

        Raises:
            ArticleNotFound: when there is no such article.
        """
        columns = [column for column in tables.versions.c if column.name != "content"]
        query = select(*columns).where(tables.versions.c.article_id == article_id)
        with reading(self.engine) as session:
            _row(session, article_id)
            rows = session.execute(query.order_by(tables.versions.c.version.desc()))
            return [VersionRecord(**row._mapping) for row in rows]

    def change_seq(self) -> int:
        """Return the number of the latest change."""
        with reading(self.engine) as session:
            return int(session.scalar(select(func.max(tables.changes.c.seq))) or 0)

    def changed_since(self, seq: int) -> tuple[int, set[str]]:
        """Return the number of the latest change, and the articles changed after change `seq`."""
        query = select(tables.changes.c.seq, tables.changes.c.article_id).where(tables.changes.c.seq > seq)
        with reading(self.engine) as session:
            rows = session.execute(query).all()
        return max((row.seq for row in rows), default=seq), {row.article_id for row in rows}

    def pieces(self, article_ids: Sequence[str] | None = None) -> tuple[int, list[StoredPiece]]:
        """Return the latest change's number and the searchable pieces of published articles (all, or some).

        Both are read in one transaction, so the pieces hold exactly the changes up to that number.
        """
        columns = ("key", "article_id", "version", "language", "kind", "text")
        query = select(*(tables.passages.c[name] for name in columns)).order_by(tables.passages.c.key)
        if article_ids is not None:
            query = query.where(tables.passages.c.article_id.in_(list(article_ids)))
        with Session(_repeatable(self.engine), future=True) as session:
            seq = int(session.scalar(select(func.max(tables.changes.c.seq))) or 0)
            return seq, [StoredPiece(**row._mapping) for row in session.execute(query)]

    # Writing

    def save(self, article: Article, *, author: str, base_version: int | None, comment: str = "") -> Article:
        """Save a new version as a draft; what citizens read does not change until it is published.

        Args:
            article: the new content; its `version` and `status` are not looked at.
            author: who saves it.
            base_version: the version the edit started from; `None` makes a new article.
            comment: why.

        Raises:
            StaleVersion: when the article has another newest version by now.
            ArticleNotFound: when `base_version` is given and there is no such article.
        """
        make_article(article.to_dict())
        with writing(self.engine) as session:
            version = self._write(session, article, author, base_version, "save", comment)
            _set(session, article.id, status="draft")
            _log(session, article.id, "save", version, author)
        return replace(article, version=version, status="draft")

    def set_status(
        self, article_id: str, status: str, *, author: str, base_version: int | None = None
    ) -> Article:
        """Move the newest version to another status; `published` shows it to citizens, `archived` hides it.

        Raises:
            ArticleNotFound, StaleVersion: as `save`.
            WrongStatus: when the article cannot go there from where it is.
        """
        with writing(self.engine) as session:
            row = _row(session, article_id, base_version)
            if status not in _NEXT[row.status]:
                allowed = ", ".join(sorted(_NEXT[row.status]))
                raise WrongStatus(f"{article_id}: is {row.status}; it can become {allowed}, not {status}")
            self._apply_status(session, article_id, row.head_version, status)
            _log(session, article_id, status, row.head_version, author)
        return self.get(article_id)

    def publish(
        self, article: Article, *, author: str, base_version: int | None, comment: str = ""
    ) -> Article:
        """Save and publish in one step; arguments and errors as `save`."""
        make_article(article.to_dict())
        with writing(self.engine) as session:
            version = self._write(session, article, author, base_version, "publish", comment)
            self._apply_status(session, article.id, version, "published")
            _log(session, article.id, "published", version, author)
        return replace(article, version=version, status="published")

    def rollback(
        self, article_id: str, version: int, *, author: str, base_version: int | None = None
    ) -> Article:
        """Make an older version the newest again, as a copy; a published article shows it at once.

        Raises:
            ArticleNotFound, StaleVersion: as `save`; the former also when there is no such version.
        """
        with writing(self.engine) as session:
            row = _row(session, article_id, base_version)
            article = self._load(session, article_id, version)
            new = self._write(
                session, article, author, row.head_version, "rollback", f"from version {version}"
            )
            public = row.published_version is not None
            self._apply_status(session, article_id, new, "published" if public else "draft")
            _log(session, article_id, "rollback", new, author)
        return self.get(article_id)

    def import_article(self, article: Article, content_hash: str, *, author: str) -> str:
        """Take over an article from a file, unless staff have edited it since it was last imported.

        Args:
            article: the article, with the status it should get.
            content_hash: the file's hash, to know a changed file; may begin with `owner:`.
            author: who imports.

        Returns:
            `added`, `updated`, `unchanged`, or `kept` when the staff's edit stayed in place.
        """
        with writing(self.engine) as session:
            row = session.execute(
                select(tables.articles).where(tables.articles.c.id == article.id)
            ).one_or_none()
            if row is not None and bare_hash(row.import_hash) == bare_hash(content_hash):
                return "unchanged"
            # The city's own file stays known, so that it does not undo what another file brought.
            owned = row is not None and ":" in (row.import_hash or "")
            kept_hash = row.import_hash if owned and ":" not in content_hash else content_hash
            edited = row is not None and row.head_version != row.imported_version
            if row is not None and self._is_same(session, article, row):
                if not edited or ":" in content_hash:
                    _set(session, article.id, import_hash=kept_hash, imported_version=row.head_version)
                return "unchanged"
            if edited:
                return "kept"
            base = row.head_version if row is not None else None
            version = self._write(session, article, article.updated_by or author, base, "import", "")
            _set(session, article.id, import_hash=kept_hash, imported_version=version)
            self._apply_status(session, article.id, version, article.status)
            _log(session, article.id, "import", version, author)
        return "added" if row is None else "updated"

    def imported(self) -> dict[str, tuple[str, bool]]:
        """Return for every imported article the hash of its file, and whether staff have edited it since."""
        columns = ("id", "import_hash", "imported_version", "head_version")
        query = select(*(tables.articles.c[name] for name in columns))
        with reading(self.engine) as session:
            rows = session.execute(query.where(tables.articles.c.import_hash.is_not(None)))
            return {row.id: (row.import_hash, row.head_version != row.imported_version) for row in rows}

    def _is_same(self, session: Session, article: Article, row: Any) -> bool:
        """Whether the newest version has this content and status."""
        return (
            article.status == row.status
            and self._load(session, row.id, row.head_version).content() == article.content()
        )

    def _load(self, session: Session, article_id: str, version: int) -> Article:
        query = select(tables.versions).where(
            tables.versions.c.article_id == article_id, tables.versions.c.version == version
        )
        row = session.execute(query).one_or_none()
        if row is None:
            raise ArticleNotFound(f"{article_id}: has no version {version}")
        article = make_article({"id": article_id, **row.content, "version": version}, where=article_id)
        return replace(
            article, updated_at=row.created_at.isoformat(timespec="seconds"), updated_by=row.author
        )

    def _write(
        self, session: Session, article: Article, author: str, base: int | None, action: str, comment: str
    ) -> int:
        """Add a version after `base` and point the article's row to it; return its number."""
        time = now()
        fields: dict[str, Any] = {
            "category": article.category,
            "department": article.department,
            "title_zh": article.title.get("zh", ""),
            "title_en": article.title.get("en", ""),
            "languages": ",".join(article.languages),
            "valid_from": article.valid_from,
            "valid_until": article.valid_until,
            "updated_at": time,
            "updated_by": author,
        }
        version = 1
        if base is None:
            try:
                session.execute(
                    insert(tables.articles).values(
                        id=article.id, head_version=1, status="draft", created_at=time, **fields
                    )
                )
            except IntegrityError:
                raise StaleVersion(
                    f"{article.id}: exists already; choose another id, or edit that article"
                ) from None
        else:
            _row(session, article.id)
            version = base + 1
            changed = session.execute(
                update(tables.articles)
                .where(tables.articles.c.id == article.id, tables.articles.c.head_version == base)
                .values(head_version=version, **fields)
            )
            if changed.rowcount == 0:
                _row(session, article.id, base)
        session.execute(
            insert(tables.versions).values(
                article_id=article.id,
                version=version,
                content=article.content(),
                action=action,
                comment=comment,
                author=author,
                created_at=time,
            )
        )
        return version

    def _apply_status(self, session: Session, article_id: str, version: int, status: str) -> None:
        values: dict[str, Any] = {"status": status}
        if status == "published":
            values["published_version"] = version
        elif status == "archived":
            values["published_version"] = None
        _set(session, article_id, **values)
        if status in ("published", "archived"):
            session.execute(delete(tables.passages).where(tables.passages.c.article_id == article_id))
        if status == "published":
            article = self._load(session, article_id, version)
            if article.unwritten:
                raise ArticleError(
                    f"{article_id}: `answer.{article.unwritten[0]}` is still to be written; write it, then publish"
                )
            rows = [
                {"article_id": article_id, "version": version, **vars(piece)} for piece in pieces_of(article)
            ]
            if rows:
                session.execute(insert(tables.passages), rows)


def bare_hash(content_hash: str | None) -> str:
    """Return an imported file's hash without its owner."""
    return (content_hash or "").rpartition(":")[2]


def _repeatable(engine: Engine) -> Engine:
    """Return the engine for transactions that see one state; SQLite's always do."""
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ")


def _row(session: Session, article_id: str, base_version: int | None = None) -> Any:
    row = session.execute(select(tables.articles).where(tables.articles.c.id == article_id)).one_or_none()
    if row is None:
        raise ArticleNotFound(f"{article_id}: no such article")
    if base_version is not None and row.head_version != base_version:
        raise StaleVersion(
            f"{article_id}: {row.updated_by} saved version {row.head_version} after you opened {base_version}; "
            "look at it, then save again"
        )
    return row


def _set(session: Session, article_id: str, **values: Any) -> None:
    session.execute(update(tables.articles).where(tables.articles.c.id == article_id).values(**values))


def _log(session: Session, article_id: str, action: str, version: int, author: str) -> None:
    session.execute(
        insert(tables.changes).values(
            article_id=article_id, action=action, version=version, author=author, created_at=now()
        )
    )
