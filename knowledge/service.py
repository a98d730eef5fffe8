"""The knowledge base as one object: opened once in a process, asked from any thread, edited in place."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from city.settings import Settings
from knowledge.answering import Answerer
from knowledge.article import Article
from knowledge.calibrating import calibrate, source_of
from knowledge.calibration import Calibration
from knowledge.comparing import FieldChange, compare
from knowledge.curation import OPEN_KINDS, Curator
from knowledge.exchange import import_path
from knowledge.feedback import Cluster
from knowledge.importing import ImportReport, Progress, sync_folder
from knowledge.index import Index, SentenceEncoder
from knowledge.listing import ArticleQuery, Page, list_articles, values_of
from knowledge.ranking import FEATURES, Candidate, make_query, search
from knowledge.records import Summary, VersionRecord
from knowledge.reranking import Reranker, open_reranker
from knowledge.snapshot import Filter, Snapshot
from knowledge.store import ArticleStore
from knowledge.text import warm_up
from knowledge.turns import Outcome, Preview, Question
from knowledge.validating import Finding, check_article
from knowledge.vectors import make_vector_store

__all__ = ["ArticleQuery", "KnowledgeService", "Outcome", "Page", "Preview", "Question"]

# How often a process looks for edits made by others.
FOLLOW_SECONDS = 0.25

logger = logging.getLogger(__name__)


class KnowledgeService:
    """Answers questions from the city's articles. Use `open`; `close` when done. Safe to share between threads."""

    def __init__(
        self,
        settings: Settings,
        store: ArticleStore,
        index: Index,
        answerer: Answerer,
        reranker: Reranker | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.index = index
        self.answerer = answerer
        self.reranker = reranker
        self.curator = Curator(store, index)
        self.import_report = ImportReport()
        self._calibration: tuple[Snapshot, Calibration] | None = None
        self._stop = threading.Event()
        self._follower: threading.Thread | None = None

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        progress: Callable[[str, int, int], None] | None = None,
        encoder: SentenceEncoder | None = None,
        follow: bool = True,
    ) -> KnowledgeService:
        """Open the knowledge base below the data directory; import articles and build the index where needed.

        Articles are taken over when their files are new or changed; an article that staff have edited stays as it is.

        Args:
            settings: the city's settings.
            progress: told what is done, how many of how many.
            encoder: turns texts into vectors; `None` loads the base of `models.base`.
            follow: keep up with edits of other processes.

        Raises:
            ArticleError: when the article folder does not exist.
            DatabaseError: when the store cannot be opened.
            EncoderError: when the base or the re-ranker cannot be loaded.
            KnowledgeIndexError: when another process has been writing the index for too long.
        """
        warm_up()
        folder = settings.data / "knowledge"
        store = ArticleStore(settings.knowledge.store_url or f"sqlite:///{folder / 'articles.db'}")
        reranker = open_reranker(settings, store)
        encoder = encoder or _load_encoder(settings)
        vectors = make_vector_store(
            settings.knowledge.vector_store, folder / "index" / "vectors", encoder.dimension
        )
        index = Index(folder / "index", store, encoder, vectors, settings.knowledge.stop_words)
        answerer = Answerer(settings, store, encoder, index.stop_words, reranker=reranker)
        service = cls(settings, store, index, answerer, reranker)
        articles = settings.path(settings.knowledge.articles)
        service.import_report = sync_folder(store, articles, prune=True, progress=progress)
        for problem in service.import_report.problems:
            logger.warning("article left out: %s", problem)
        index.catch_up(progress, wait_s=600)
        service._ensure_calibration(progress)
        if follow:
            service._follower = threading.Thread(target=service._follow, name="knowledge-follow", daemon=True)
            service._follower.start()
        return service

    def close(self) -> None:
        """Stop following and close the store."""
        self._stop.set()
        if self._follower is not None:
            self._follower.join(timeout=10)
        self.curator.flush()
        self.store.close()

    def ready(self) -> bool:
        """Whether questions can be answered."""
        return self.index.is_open and not self._stop.is_set()

    def answer(self, question: Question) -> Outcome:
        """Answer one question; see `Answerer`."""
        snapshot = self.index.snapshot
        outcome = self.answerer.answer(question, snapshot, self.calibration_of(snapshot))
        self.curator.notice(question, outcome)
        return outcome

    def rehearse(self, question: Question) -> Outcome:
        """Answer as a citizen would be answered now, without noting the question down."""
        snapshot = self.index.snapshot
        return self.answerer.answer(question, snapshot, self.calibration_of(snapshot))

    def search(
        self,
        text: str,
        language: str,
        *,
        condition: Filter | None = None,
        mode: str = "hybrid",
        limit: int = 10,
    ) -> list[Candidate]:
        """Return the articles found for a text, likeliest first; for staff, tests and evaluation."""
        snapshot = self.index.snapshot
        query = make_query(text, language, snapshot, self.index.encoder, self.index.stop_words)
        calibration = self.calibration_of(snapshot)
        found = search(query, snapshot, condition or Filter(), calibration, mode=mode)
        if self.reranker is not None and mode == "hybrid":
            found = self.reranker.reorder(query, found, calibration)
        return found[:limit]

    def try_out(self, question: Question) -> Preview:
        """Return what the bot would answer and why, for staff; nothing is counted or kept."""
        snapshot = self.index.snapshot
        calibration = self.calibration_of(snapshot)
        outcome = self.answerer.answer(question, snapshot, calibration)
        query = make_query(
            question.text, question.language, snapshot, self.index.encoder, self.index.stop_words
        )
        found = search(query, snapshot, Filter(day=question.today), calibration)
        if self.reranker is not None:
            found = self.reranker.reorder(query, found, calibration)
        calibration = calibration.of(query.language, (query.language,))
        return Preview(outcome, found, calibration.answer, calibration.clarify)

    def today(self) -> date:
        """Return the city's date."""
        return datetime.now(self.settings.zone).date()

    def calibration_of(self, snapshot: Snapshot) -> Calibration:
        """Return the calibration stored with a state of the index."""
        cached = self._calibration
        if cached is not None and cached[0] is snapshot:
            return cached[1]
        calibration = Calibration.from_dict(snapshot.calibration, FEATURES)
        if calibration is None:
            calibration = cached[1] if cached is not None else self.calibrate()
        self._calibration = (snapshot, calibration)
        return calibration

    # Editing; each change can be searched when the call returns, in other processes within a second.

    def save(self, article: Article, *, author: str, base_version: int | None, comment: str = "") -> Article:
        """Save a draft; see `ArticleStore.save`."""
        return self.store.save(article, author=author, base_version=base_version, comment=comment)

    def publish(
        self, article: Article, *, author: str, base_version: int | None, comment: str = ""
    ) -> Article:
        """Save and publish at once; see `ArticleStore.publish`."""
        saved = self.store.publish(article, author=author, base_version=base_version, comment=comment)
        self.index.catch_up()
        return saved

    def set_status(
        self, article_id: str, status: str, *, author: str, base_version: int | None = None
    ) -> Article:
        """Send a draft to review, publish or archive it; see `ArticleStore.set_status`."""
        article = self.store.set_status(article_id, status, author=author, base_version=base_version)
        self.index.catch_up()
        return article

    def rollback(
        self, article_id: str, version: int, *, author: str, base_version: int | None = None
    ) -> Article:
        """Go back to an older version; see `ArticleStore.rollback`."""
        article = self.store.rollback(article_id, version, author=author, base_version=base_version)
        self.index.catch_up()
        return article

    def get(self, article_id: str, version: int | None = None) -> Article:
        """Return an article; see `ArticleStore.get`."""
        return self.store.get(article_id, version)

    def articles(self, **conditions: Any) -> Sequence[Summary]:
        """Return articles without their texts; the conditions are `ArticleQuery`'s."""
        return self.page(ArticleQuery(**conditions)).items

    def page(self, query: ArticleQuery) -> Page:
        """Return one page of a list of articles with usage and ratings, and the number of all that fit."""
        self.curator.flush()
        return list_articles(self.store.engine, query, self.today())

    def values_of(self, column: str) -> Sequence[tuple[str, int]]:
        """Return the categories or departments in use (`column`), each with its number of articles."""
        return values_of(self.store.engine, column)

    def compare(self, article_id: str, before: int, after: int | None = None) -> Sequence[FieldChange]:
        """Return what differs between two versions of an article; `after` is the newest when left out.

        Raises:
            ArticleNotFound: when there is no such article or version.
        """
        return compare(self.store.get(article_id, before), self.store.get(article_id, after))

    def check(self, article: Article) -> Sequence[Finding]:
        """Return what is wrong with an article as it stands in the editor; see `check_article`."""
        return check_article(article, self.index, self.today())

    def import_path(
        self,
        path: Path,
        *,
        author: str,
        publish: bool = False,
        category: str = "",
        department: str = "",
        progress: Progress | None = None,
    ) -> ImportReport:
        """Import a Markdown folder, a table (.csv, .xlsx, .jsonl) or a document (.html, .pdf, .docx).

        What staff have edited since its last import stays as it is. A document gives one draft for each section.

        Args:
            path: the folder or file.
            author: who imports.
            publish: publish a document's sections at once.
            category, department: for a document's sections.
            progress: told how far it is.

        Raises:
            ArticleError: when it cannot be read at all; what is wrong with a part stands in the report.
        """
        report = import_path(
            self.store, path, author=author, publish=publish, category=category, department=department
        )
        self.index.catch_up(progress)
        return report

    def history(self, article_id: str) -> Sequence[VersionRecord]:
        """Return an article's versions; see `ArticleStore.history`."""
        return self.store.history(article_id)

    def open_questions(self, limit: int = 500, kinds: Sequence[str] = OPEN_KINDS) -> Sequence[Cluster]:
        """Return the questions that were not answered well, grouped; act on them with `curator`."""
        return self.curator.clusters(self.calibration_of(self.index.snapshot), limit, kinds)

    def record_feedback(
        self,
        question: str,
        language: str,
        rating: str,
        *,
        article_id: str | None = None,
        comment: str = "",
        conversation_id: str | None = None,
    ) -> None:
        """Keep a citizen's thumb ("up" or "down"), or "abandoned", with the question it was given for, personal data masked."""
        entry = {"question": question, "language": language, "kind": rating, "article_id": article_id}
        self.curator.queue.record([{**entry, "comment": comment, "conversation_id": conversation_id}])

    def withdraw_feedback(self, conversation_id: str, question: str, rating: str) -> int:
        """Take back a rating that the citizen changed, unless staff have dealt with it."""
        return self.curator.queue.withdraw(conversation_id, question, rating)

    def erase_feedback(self, conversation_id: str) -> int:
        """Erase what was kept of a conversation."""
        self.curator.flush()
        return self.curator.queue.erase(conversation_id)

    def reindex(self, progress: Progress | None = None) -> None:
        """Build the index and its calibration anew; the old one answers until then."""
        self.index.rebuild(progress)
        self.calibrate(progress)

    def calibrate(self, progress: Progress | None = None) -> Calibration:
        """Compute the calibration from the questions beside the article folder, and store it with the index."""
        return calibrate(self.index, self.calibration_folder, reranker=self.reranker, progress=progress)

    @property
    def calibration_folder(self) -> Path:
        """The folder with calibration questions: `calibration` beside the article folder."""
        return self.settings.path(self.settings.knowledge.articles).parent / "calibration"

    def _ensure_calibration(self, progress: Progress | None) -> None:
        calibration = Calibration.from_dict(self.index.snapshot.calibration, FEATURES)
        if calibration is None or calibration.source != source_of(self.calibration_folder, self.reranker):
            self.calibrate(progress)

    def _follow(self) -> None:
        while not self._stop.wait(FOLLOW_SECONDS):
            try:
                self.curator.flush()
                self.index.catch_up(wait_s=0.05)
                self.index.compact()
            except Exception:
                # The state at hand goes on answering; the next round tries again.
                continue


def _load_encoder(settings: Settings) -> SentenceEncoder:
    from nlp.encoder import Encoder

    encoder: SentenceEncoder = Encoder.load(
        settings.path(settings.models.base), threads=settings.models.threads
    )
    return encoder
