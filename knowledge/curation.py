"""The feedback loop: unanswered questions become phrasings or articles, with effect at once."""

from __future__ import annotations

import re
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from knowledge.answering import Outcome, Question
from knowledge.article import UNWRITTEN, Article, ArticleError, StaleVersion, with_phrasing
from knowledge.calibration import Calibration
from knowledge.feedback import Cluster, FeedbackQueue, cluster
from knowledge.index import Index
from knowledge.ranking import make_query, search
from knowledge.snapshot import Filter
from knowledge.store import ArticleStore
from knowledge.usage import UsageCounter

_WAITING = 2_000
# What staff are shown when they ask for no kind in particular.
OPEN_KINDS = ("unanswered", "unclear", "abandoned", "down")


class Curator:
    """Collects what was answered badly, and lets staff act on it.

    Args:
        store: the articles.
        index: brought up to date after each change.
    """

    def __init__(self, store: ArticleStore, index: Index) -> None:
        self.store = store
        self.index = index
        self.queue = FeedbackQueue(store.engine)
        self.usage = UsageCounter(store.engine)
        self._waiting: deque[dict[str, Any]] = deque(maxlen=_WAITING)

    def notice(self, question: Question, outcome: Outcome) -> None:
        """Count an answer, or remember a question that found none; the next `flush` writes it, not the answering."""
        if outcome.decision == "answer":
            for citation in outcome.replies[0].citations:
                self.usage.count(citation.article_id, question.today)
            return
        if question.intent == "out_of_scope":
            return
        search_step = next((step for step in outcome.steps if step["step"] == "knowledge.search"), None)
        if search_step is None:
            return
        best = (search_step["found"] or [{}])[0]
        self._waiting.append(
            {
                "question": search_step["completed"] or question.text,
                "language": "en" if question.language == "en" else "zh",
                "kind": "unanswered" if outcome.decision == "abstain" else "unclear",
                "article_id": best.get("article"),
                "probability": best.get("probability"),
                "conversation_id": question.conversation_id,
            }
        )

    def flush(self) -> None:
        """Write what was noticed."""
        entries = []
        while self._waiting:
            entries.append(self._waiting.popleft())
        self.queue.record(entries)
        self.usage.flush()

    def clusters(
        self, calibration: Calibration, limit: int = 500, kinds: Sequence[str] = OPEN_KINDS
    ) -> list[Cluster]:
        """Return the open questions of some kinds in groups, each with the article it may belong to."""
        self.flush()
        items = self.queue.entries(kinds=kinds, limit=limit)
        snapshot = self.index.snapshot
        found = []
        for group in cluster(items, self.index.encoder):
            query = make_query(
                group[0].question, group[0].language, snapshot, self.index.encoder, self.index.stop_words
            )
            hits = search(query, snapshot, Filter(), calibration)
            offered = calibration.of(query.language, (query.language,)).clarify
            near = hits[0] if hits and hits[0].probability >= offered else None
            found.append(Cluster(group, near.facts.id if near else None, near.probability if near else 0.0))
        return found

    def add_phrasings(self, ids: Sequence[int], article_id: str, *, by: str) -> Article:
        """Add questions as phrasings to a published article; the next citizen finds it by them.

        Raises:
            FeedbackNotFound, ArticleNotFound, ArticleError: nothing is changed then.
        """
        items = self.queue.resolve(ids, status="accepted", resolution=f"phrasing of {article_id}", by=by)

        def change(article: Article) -> Article:
            for item in items:
                article = with_phrasing(article, item.language, item.question)
            return article

        try:
            article = change_published(self.store, article_id, change, author=by)
        except Exception:
            self.queue.reopen(ids)
            raise
        self.index.catch_up()
        return article

    def start_article(self, ids: Sequence[int], *, by: str, article_id: str = "") -> Article:
        """Start a draft that answers questions; its answer is left for staff to write.

        Raises:
            FeedbackNotFound, StaleVersion: nothing is changed then.
        """
        article_id = article_id or f"draft-{secrets.token_hex(4)}"
        items = self.queue.resolve(ids, status="accepted", resolution=f"article {article_id}", by=by)
        questions: dict[str, list[str]] = {}
        for item in items:
            questions.setdefault(item.language, []).append(item.question)
        draft = Article(
            id=article_id,
            title={language: texts[0] for language, texts in questions.items()},
            questions=questions,
            answer={language: UNWRITTEN[language] for language in questions},
        )
        try:
            return self.store.save(draft, author=by, base_version=None, comment="from citizens' questions")
        except Exception:
            self.queue.reopen(ids)
            raise

    def training_examples(self, ids: Sequence[int], intent: str, *, by: str) -> str:
        """Return questions as Rasa NLU training data for an intent, and mark them as accepted."""
        if not re.fullmatch(r"[a-z][a-z0-9_/]*", intent):
            raise ValueError(f"intent {intent!r} must be lower-case letters, digits and underscores")
        items = self.queue.resolve(ids, status="accepted", resolution=f"training example of {intent}", by=by)
        lines = "\n".join(
            f"    - {' '.join(re.sub(r'[][(){}]', ' ', item.question).split())}" for item in items
        )
        return f'version: "3.1"\n\nnlu:\n- intent: {intent}\n  examples: |\n{lines}\n'

    def dismiss(self, ids: Sequence[int], *, by: str, reason: str = "") -> None:
        """Put questions aside."""
        self.queue.resolve(ids, status="dismissed", resolution=reason, by=by)


def change_published(
    store: ArticleStore, article_id: str, change: Callable[[Article], Article], *, author: str
) -> Article:
    """Change the published version of an article and publish the result, again when somebody was quicker.

    Raises:
        ArticleError: when staff are working on a draft, which must not be published by the way.
    """
    for _ in range(5):
        head = store.get(article_id)
        if head.status != "published":
            raise ArticleError(f"{article_id}: is {head.status}; publish or archive that version first")
        try:
            return store.publish(change(head), author=author, base_version=head.version)
        except StaleVersion:
            continue
    raise StaleVersion(f"{article_id}: is being changed by somebody else; try again")
