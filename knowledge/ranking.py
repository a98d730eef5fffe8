"""Hybrid search: dense and lexical lists fused by reciprocal rank, then a probability for every candidate.

Fusion: Cormack, Clarke & Büttcher, "Reciprocal Rank Fusion" (SIGIR 2009).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from knowledge.calibration import Calibration
from knowledge.catalogue import ArticleFacts
from knowledge.facets import asked_facets
from knowledge.index import SentenceEncoder
from knowledge.snapshot import ArticleRef, DenseHit, Filter, Mask, Snapshot
from knowledge.spelling import mend
from knowledge.text import clean, has_han, search_words

PIECES, ARTICLES = 60, 30
CANDIDATES = 12
# An article that exists only in the other language stands further down at first, for want of words in common.
CANDIDATES_ACROSS = 20
RRF_K = 20
# How much nearer to an article, in cosine, a mended question must be than the original. A Chinese word of the very
# same sound is hardly ever mended wrongly; a rare English word may look like a slip.
MENDING_GAIN = {"zh": -0.05, "en": 0.02}
_OTHER = {"zh": "en", "en": "zh"}

FEATURES = (
    "question",
    "passage",
    "crossing",
    "dense",
    "dense_lead",
    "support",
    "coverage",
    "coverage_lead",
    "lexical",
    "lexical_lead",
    "facets",
    "facets_missing",
    "few_words",
    "only_other",
    "dense_x_coverage",
    "above_rest",
    "missing_word",
    "unknown_words",
    "passage_lead",
    "question_lead",
    "background",
    "background_lead",
    "kind",
    "centred",
    "centred_support",
)


@dataclass(frozen=True)
class Query:
    """A question ready for searching: as it was `asked`, and its `text` with slips mended."""

    asked: str
    text: str
    language: str
    vector: npt.NDArray[np.float32]
    terms: Mapping[str, float]
    facets: frozenset[str] = frozenset()
    background: float = 0.0
    kind: float = 0.0


@dataclass(frozen=True)
class Candidate:
    """An article that may answer, with its probability and what speaks for it."""

    ref: ArticleRef
    facts: ArticleFacts
    probability: float
    exact: bool = False
    features: Mapping[str, float] = field(default_factory=dict)


def make_query(
    text: str,
    language: str,
    snapshot: Snapshot,
    encoder: SentenceEncoder,
    stop_words: frozenset[str] = frozenset(),
) -> Query:
    """Encode a question and weigh its words."""
    asked = text = clean(text)
    mended = mend(asked, snapshot.spellers, _word_test(encoder))
    if mended == asked:
        vector = encoder.encode_one(asked)
    else:
        # A slip rightly mended brings the question nearer to some article; a rare word "mended" does not.
        both = encoder.encode([asked, mended])
        gain = max(_gain(both, snapshot, name) for name in (language, _OTHER[language]))
        text = mended if gain > MENDING_GAIN["zh" if has_han(asked) else "en"] else asked
        vector = both[int(text is mended)]
    words = dict.fromkeys(search_words(text, stop_words))
    return Query(
        asked=asked,
        text=text,
        language=language,
        vector=vector,
        background=snapshot.background(vector, language),
        kind=snapshot.kind(vector, language),
        terms={word: snapshot.lexical.idf(word) for word in words},
        facets=asked_facets(text),
    )


def _gain(both: npt.NDArray[np.float32], snapshot: Snapshot, language: str) -> float:
    """Return how much nearer to a piece in `language` the second vector is than the first; -1 when there is none."""
    before, after = (snapshot.nearest(vector, language) for vector in both)
    return after - before if before or after else -1.0


def _word_test(encoder: SentenceEncoder) -> Callable[[str], bool] | None:
    """Return how to tell a word of the language: the encoder's tokenizer keeps frequent ones whole."""
    tokens = getattr(encoder, "tokens", None)
    return None if tokens is None else lambda word: len(tokens(word)) == 3


def search(
    query: Query,
    snapshot: Snapshot,
    condition: Filter,
    calibration: Calibration,
    *,
    mode: str = "hybrid",
    also: Sequence[ArticleRef] = (),
    limit: int = CANDIDATES,
    masks: Sequence[Mask] | None = None,
    use_exact: bool = True,
) -> list[Candidate]:
    """Return the articles that may answer, likeliest first.

    Args:
        query: the question.
        snapshot: the index.
        condition: which articles may be found.
        calibration: turns features into a probability.
        mode: `hybrid`, or `dense` or `lexical` for that list alone, in its own order (for comparisons).
        also: articles to consider even when neither list names them.
        limit: how many.
        masks: which articles may be found, instead of `condition`.
        use_exact: whether an article with this very title or phrasing comes first for certain.
    """
    masks = masks or snapshot.masks(condition)
    exact = dict.fromkeys(snapshot.exact(query.asked, masks) if use_exact else [])
    dense: dict[str, list[DenseHit]] = {"zh": [], "en": []}
    lexical: list[tuple[int, int, float]] = []
    if mode != "lexical":
        dense = {language: snapshot.dense(query.vector, language, PIECES, masks) for language in dense}
    if mode != "dense":
        lexical = snapshot.lexical.search(query.terms, ARTICLES, masks)
    table = _Evidence(dense, lexical, query, snapshot)
    fused = table.fused(max(limit, CANDIDATES_ACROSS))
    across = [ref for ref in fused[limit:] if query.language not in snapshot.facts(ref).languages]
    refs = [ref for ref in [*fused[:limit], *across] if ref not in exact]
    refs = [
        *exact,
        *refs,
        *(ref for ref in also if ref not in refs and ref not in exact and masks[ref[0]][ref[1]]),
    ]
    if not refs:
        return []
    if mode != "hybrid":
        scores = table.single(mode)
        refs.sort(key=lambda ref: -scores.get(ref, 0.0))
        return [Candidate(ref, snapshot.facts(ref), scores.get(ref, 0.0)) for ref in refs]
    features = table.features(refs)
    probabilities = calibration.probabilities(features)
    only_other = features[:, FEATURES.index("only_other")] > 0
    if only_other.any():
        other = calibration.of(query.language, (_OTHER[query.language],))
        probabilities = np.where(only_other, other.probabilities(features), probabilities)
    candidates = [
        Candidate(
            ref,
            snapshot.facts(ref),
            1.0 if ref in exact else float(probability),
            ref in exact,
            dict(zip(FEATURES, row.tolist(), strict=True)),
        )
        for ref, probability, row in zip(refs, probabilities, features, strict=True)
    ]
    return sorted(candidates, key=lambda candidate: (not candidate.exact, -candidate.probability))


class _Evidence:
    """What the lists say about each article.

    An article that does not exist in the question's language is judged by its pieces in the other one, as if they
    were in the question's.
    """

    def __init__(
        self,
        dense: Mapping[str, Sequence[DenseHit]],
        lexical: Sequence[tuple[int, int, float]],
        query: Query,
        snapshot: Snapshot,
    ) -> None:
        self.query, self.snapshot = query, snapshot
        self.lists: list[list[ArticleRef]] = []
        self.best: dict[tuple[ArticleRef, str], float] = {}
        self.near: dict[ArticleRef, list[float]] = {}
        self.floor = {"question": 0.0, "passage": 0.0, "crossing": 0.0}
        for language, hits in dense.items():
            own = language == query.language
            for hit in hits:
                kind = "passage" if hit.kind == "passage" else "question"
                stands_in = not own and query.language not in snapshot.facts(hit.article).languages
                for name in (kind,) if own else (kind, "crossing") if stands_in else ("crossing",):
                    key = (hit.article, name)
                    self.best[key] = max(self.best.get(key, -1.0), hit.cosine)
                if own or stands_in:
                    self.near.setdefault(hit.article, []).append(hit.cosine)
            if hits:
                # An article that is not in the list is at most as near as the last of it.
                for name in ("question", "passage") if own else ("crossing",):
                    self.floor[name] = hits[-1].cosine
            self.lists.append(list(dict.fromkeys(hit.article for hit in hits)))
        if not dense.get(query.language):
            self.floor["question"] = self.floor["passage"] = self.floor["crossing"]
        self.bm25 = {(segment, article): score for segment, article, score in lexical}
        self.lists.append(list(self.bm25))

    def fused(self, limit: int) -> list[ArticleRef]:
        """Return the articles by reciprocal rank."""
        scores: dict[ArticleRef, float] = {}
        for ranked in self.lists:
            for rank, ref in enumerate(ranked):
                scores[ref] = scores.get(ref, 0.0) + 1 / (RRF_K + rank)
        return sorted(scores, key=lambda ref: -scores[ref])[:limit]

    def single(self, mode: str) -> dict[ArticleRef, float]:
        """Return the scores of one list."""
        if mode == "lexical":
            return self.bm25
        scores: dict[ArticleRef, float] = {}
        for (ref, _), cosine in self.best.items():
            scores[ref] = max(scores.get(ref, -1.0), cosine)
        return scores

    def features(self, refs: Sequence[ArticleRef]) -> npt.NDArray[np.float64]:
        """Return (refs, FEATURES)."""
        query, snapshot = self.query, self.snapshot
        question, passage, crossing = (
            np.asarray([self.best.get((ref, name), self.floor[name]) for ref in refs])
            for name in ("question", "passage", "crossing")
        )
        dense = np.maximum(np.maximum(question, passage), crossing)
        support = np.asarray([_mean_of_best(self.near.get(ref, []), self.floor["question"]) for ref in refs])
        weights = np.asarray(list(query.terms.values()), float)
        present = snapshot.lexical.presence(list(query.terms), list(refs))
        coverage = weights @ present / weights.sum() if len(weights) else np.zeros(len(refs))
        bm25 = np.asarray([self.bm25.get(ref, 0.0) for ref in refs])
        facts = [snapshot.facts(ref) for ref in refs]
        asked = query.facets - {"how-to"}
        return np.column_stack(
            [
                question,
                passage,
                crossing,
                dense,
                _lead(dense),
                support,
                coverage,
                _lead(coverage),
                bm25 / (bm25 + 20.0),
                _lead(bm25 / max(bm25.max(), 1e-6)),
                [len(asked & item.facets) / len(asked) if asked else 0.0 for item in facts],
                [float(bool(asked) and not asked & item.facets) for item in facts],
                np.full(len(refs), 1.0 / (1.0 + len(query.terms))),
                [float(query.language not in item.languages) for item in facts],
                dense * coverage,
                dense - max(self.floor.values()),
                _heaviest_missing(weights, present),
                np.full(len(refs), self._unknown()),
                _lead(passage),
                _lead(question),
                np.full(len(refs), query.background),
                dense - query.background,
                np.full(len(refs), query.kind),
                *self._centred(refs),
            ]
        )

    def _centred(self, refs: Sequence[ArticleRef]) -> tuple[Sequence[float], Sequence[float]]:
        """Return what `Snapshot.centred` says of articles that exist only in the other language, 0 for the others."""
        query, snapshot = self.query, self.snapshot
        found = [
            (0.0, 0.0)
            if query.language in snapshot.facts(ref).languages
            else snapshot.centred(query.vector, ref, query.language)
            for ref in refs
        ]
        best, support = zip(*found, strict=True) if found else ((), ())
        return best, support

    def _unknown(self) -> float:
        """Return which share of the query's weight no article has."""
        terms = self.query.terms
        total = sum(terms.values())
        lexical = self.snapshot.lexical
        return (
            sum(weight for term, weight in terms.items() if not lexical.knows(term)) / total if total else 1.0
        )


def _heaviest_missing(
    weights: npt.NDArray[np.float64], present: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Return the weight of the weightiest word that an article lacks, as a share of the query's weightiest."""
    if not len(weights):
        return np.zeros(present.shape[1])
    return np.asarray(np.where(present, 0.0, weights[:, None]).max(axis=0) / weights.max())


def _lead(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return how far each value lies above the best of the others."""
    if len(values) < 2:
        return values.astype(float)
    first, second = np.sort(values)[::-1][:2]
    return np.where(values == first, values - second, values - first)


def _mean_of_best(cosines: Sequence[float], floor: float) -> float:
    best = [*cosines[:3], floor, floor, floor][:3]
    return sum(best) / 3
