"""Re-ranking: a cross-encoder reads the question with each of the best candidates, and its word is added to theirs.

Whether there is an answer at all remains the calibration's judgement: the likeliest candidate's probability stays what
it was, and only the order and the others' distance from it change.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from city.settings import Settings
from knowledge.article import Article
from knowledge.calibration import Calibration
from knowledge.catalogue import ArticleFacts
from knowledge.passages import plain_lines
from knowledge.ranking import Candidate, Query
from knowledge.store import ArticleStore

# Candidates that are read again.
TOP = 10
# So much of an answer is read; a cross-encoder cuts it to its own length.
_MAX_CHARS = 400
# Weights of the score, beside the candidates' log-odds, that are tried.
WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2)

Floats = npt.NDArray[np.float64]
logger = logging.getLogger(__name__)


class PairScorer(Protocol):
    """What re-ranking needs of `nlp.cross_encoder.CrossEncoder`."""

    fingerprint: str
    learnt: frozenset[str]

    def score(self, question: str, passages: Sequence[str]) -> Floats:
        """Return how well each passage answers the question, as log-odds."""


@dataclass(frozen=True)
class Judged:
    """The best candidates of a question: their log-odds, the cross-encoder's scores, and which of them are right."""

    log_odds: Floats
    scores: Floats
    right: npt.NDArray[np.bool_]


class Reranker:
    """Orders candidates anew; safe to share between threads."""

    def __init__(self, model: PairScorer, store: ArticleStore) -> None:
        self.model = model
        self.store = store

    @property
    def fingerprint(self) -> str:
        """Tells this cross-encoder from others."""
        return self.model.fingerprint

    def reorder(self, query: Query, candidates: list[Candidate], calibration: Calibration) -> list[Candidate]:
        """Return the candidates, likeliest first, the first few judged anew.

        They come back as they are when an exact match leads them, when there is no choice, or when the weight of the
        score was not chosen for this cross-encoder.
        """
        weight = calibration.rerank if calibration.reranker == self.fingerprint else 0.0
        if weight <= 0 or len(candidates) < 2 or candidates[0].exact:
            return candidates
        head, tail = candidates[:TOP], candidates[TOP:]
        before = log_odds_of(head)
        after = before + weight * self.scores(query, head)
        after += before.max() - after.max()
        probabilities = 1 / (1 + np.exp(-np.clip(after, -30, 30)))
        judged = [
            replace(item, probability=float(value)) for item, value in zip(head, probabilities, strict=True)
        ]
        return sorted([*judged, *tail], key=lambda item: -item.probability)

    def scores(self, query: Query, candidates: Sequence[Candidate]) -> Floats:
        """Return the cross-encoder's score of each candidate."""
        texts = [self._passage(item.facts, query.language) for item in candidates]
        return np.asarray(self.model.score(query.text, texts), float)

    def judge(self, query: Query, candidates: Sequence[Candidate], relevant: Sequence[str]) -> Judged:
        """Return what `best_weight` needs of a question whose answers are known."""
        head = candidates[:TOP]
        right = np.asarray([item.facts.id in relevant for item in head], bool)
        return Judged(log_odds_of(head), self.scores(query, head), right)

    def _passage(self, facts: ArticleFacts, language: str) -> str:
        language = language if language in facts.languages else next(iter(facts.languages), language)
        return passage_text(self.store.version(facts.id, facts.version), language)


def passage_text(article: Article, language: str) -> str:
    """Return an article's title and the beginning of its answer in `language`, as a cross-encoder reads them."""
    title = article.title.get(language) or next(iter(article.title.values()), "")
    answer = " ".join(plain_lines(article.answer.get(language, "")))
    return f"{title}: {answer[:_MAX_CHARS]}"


def log_odds_of(candidates: Sequence[Candidate]) -> Floats:
    """Return the log-odds of the candidates' probabilities."""
    shares = [min(max(item.probability, 1e-9), 1 - 1e-9) for item in candidates]
    return np.asarray([math.log(share / (1 - share)) for share in shares], float)


def best_weight(questions: Sequence[Judged]) -> float:
    """Return the weight under which right candidates stand highest (mean reciprocal rank); the smallest of equals."""
    usable = [item for item in questions if item.right.any() and len(item.right) > 1]
    if not usable:
        return 0.0

    def quality(weight: float) -> float:
        return float(np.mean([1 / _rank(item, weight) for item in usable]))

    found = {weight: quality(weight) for weight in WEIGHTS}
    return max(WEIGHTS, key=lambda weight: (round(found[weight], 6), -weight))


def _rank(item: Judged, weight: float) -> int:
    order = np.argsort(-(item.log_odds + weight * item.scores), kind="stable")
    return int(np.flatnonzero(item.right[order])[0]) + 1


def open_reranker(settings: Settings, store: ArticleStore) -> Reranker | None:
    """Return the re-ranker that `knowledge.reranker` names: a folder, `auto` for the newest trained one; `None` for none.

    Raises:
        CrossEncoderError: the folder is missing or damaged; the message names file, key and mend.
    """
    from nlp.cross_encoder import CrossEncoder, CrossEncoderError, newest

    wanted = settings.knowledge.reranker
    if not wanted:
        return None
    try:
        folder = newest(rerankers_dir(settings.data)) if wanted == "auto" else settings.path(Path(wanted))
        if folder is None:
            logger.warning(
                "knowledge.reranker is auto, but none is trained: run `chengda train reranker`; searching without"
            )
            return None
        return Reranker(CrossEncoder.load(folder, threads=settings.models.threads), store)
    except CrossEncoderError as error:
        raise type(error)(
            f"{settings.source}: knowledge.reranker: {error}; or leave the key out to search without"
        ) from None


def rerankers_dir(data_dir: Path) -> Path:
    """Return the folder of the cross-encoders that this city trained, one folder a version."""
    return data_dir / "models" / "reranker"
