"""BM25 over weighted fields: postings as flat arrays, so that a segment of the index is one small file.

Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009); fields are weighted in the
term frequency, as in BM25F.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

K1, B = 1.2, 0.6
# Postings that are added up for one query; the terms beyond, which are the commonest, only re-rank what was found.
POSTINGS_BUDGET = 150_000
# With fewer documents than this at hand, asking which of them can still be among the best costs more than it saves.
_WORTH_PRUNING = 2_000


@dataclass(frozen=True)
class Postings:
    """The inverted index of one segment.

    `starts` (terms + 1,) delimits each term's documents in `documents` (rising) and `impacts`, its BM25 weight
    there before the inverse document frequency; `document_articles` gives each document's article.
    """

    vocabulary: Mapping[str, int]
    starts: npt.NDArray[np.int64]
    documents: Ints
    impacts: Floats
    document_articles: Ints

    @property
    def size(self) -> int:
        """The number of documents."""
        return len(self.document_articles)

    def of(self, term: str) -> tuple[Ints, Floats]:
        """Return a term's documents and impacts; both are empty when it does not occur."""
        row = self.vocabulary.get(term)
        if row is None:
            return self.documents[:0], self.impacts[:0]
        part = slice(self.starts[row], self.starts[row + 1])
        return self.documents[part], self.impacts[part]

    def frequency(self, term: str) -> int:
        """Return in how many documents a term occurs."""
        row = self.vocabulary.get(term)
        return 0 if row is None else int(self.starts[row + 1] - self.starts[row])

    def highest(self, term: str) -> float:
        """Return a known term's largest impact."""
        return float(self._highest[self.vocabulary[term]])

    @cached_property
    def _highest(self) -> Floats:
        # No term of the vocabulary is without a document, so no span is empty.
        return np.maximum.reduceat(self.impacts, self.starts[:-1])


def build_postings(documents: Iterable[tuple[int, Mapping[str, float]]]) -> Postings:
    """Index documents.

    Args:
        documents: for each its article number and its terms with their weighted frequencies.
    """
    vocabulary: dict[str, int] = {}
    # Plain arrays: a million passages have tens of millions of postings.
    rows, places, weights = array("i"), array("i"), array("f")
    lengths, articles = array("f"), array("i")
    for number, (article, terms) in enumerate(documents):
        articles.append(article)
        lengths.append(sum(terms.values()))
        for term, weight in terms.items():
            rows.append(vocabulary.setdefault(term, len(vocabulary)))
            places.append(number)
            weights.append(weight)
    row_array = np.asarray(rows, np.int32)
    order = np.argsort(row_array, kind="stable")
    length_array = np.asarray(lengths, np.float32)
    mean = float(length_array.mean()) if len(lengths) else 1.0
    document_array = np.asarray(places, np.int32)[order]
    tf = np.asarray(weights, np.float32)[order]
    norm = K1 * (1 - B + B * length_array[document_array] / max(mean, 1e-6)) if len(tf) else tf
    starts = np.zeros(len(vocabulary) + 1, np.int64)
    np.cumsum(np.bincount(row_array, minlength=len(vocabulary)), out=starts[1:])
    return Postings(
        vocabulary,
        starts,
        document_array,
        (tf * (K1 + 1) / (tf + norm)).astype(np.float32),
        np.asarray(articles, np.int32),
    )


def weighted_terms(fields: Sequence[tuple[float, Sequence[str]]]) -> Counter[str]:
    """Return terms with frequencies, each occurrence counted with its field's weight."""
    terms: Counter[str] = Counter()
    for weight, words in fields:
        for word in words:
            terms[word] += weight  # type: ignore[assignment]
    return terms


class LexicalSearch:
    """BM25 over several segments, with one inverse document frequency for all of them.

    Args:
        segments: the postings.
        alive: for each segment, which articles are still there (bool, by article number).
    """

    def __init__(self, segments: Sequence[Postings], alive: Sequence[npt.NDArray[np.bool_]]) -> None:
        self.segments = list(segments)
        self.alive = list(alive)
        self.size = sum(postings.size for postings in segments)

    def idf(self, term: str) -> float:
        """Return the inverse document frequency; a term that occurs nowhere gets the largest."""
        df = sum(postings.frequency(term) for postings in self.segments)
        return math.log(1 + (self.size - df + 0.5) / (df + 0.5))

    def knows(self, term: str) -> bool:
        """Return whether a term occurs at all."""
        return any(term in postings.vocabulary for postings in self.segments)

    def search(
        self, terms: Mapping[str, float], k: int, allowed: Sequence[npt.NDArray[np.bool_]] | None = None
    ) -> list[tuple[int, int, float]]:
        """Return the best articles as (segment, article, score), best first.

        Args:
            terms: the query's terms with their inverse document frequencies.
            k: how many articles.
            allowed: for each segment, which articles may be found (bool); `None` for all that are there.
        """
        found: list[tuple[int, int, float]] = []
        for number, postings in enumerate(self.segments):
            may = (self.alive if allowed is None else allowed)[number]
            documents, scores = self._best_documents(postings, terms, 4 * k + 16, None if may.all() else may)
            articles = postings.document_articles[documents]
            best: dict[int, float] = {}
            for article, score in zip(articles.tolist(), scores.tolist(), strict=True):
                if score > best.get(article, 0.0):
                    best[article] = score
            found += [(number, article, score) for article, score in best.items()]
        return sorted(found, key=lambda item: -item[2])[:k]

    def coverage(
        self, terms: Mapping[str, float], articles: Sequence[tuple[int, int]]
    ) -> npt.NDArray[np.float32]:
        """Return which share of the query's weight occurs in each (segment, article), 0 to 1."""
        weights = np.asarray(list(terms.values()), np.float32)
        total = weights.sum()
        if not total:
            return np.zeros(len(articles), np.float32)
        return np.asarray(weights @ self.presence(list(terms), articles) / total, np.float32)

    def presence(self, terms: Sequence[str], articles: Sequence[tuple[int, int]]) -> npt.NDArray[np.bool_]:
        """Return which terms occur in which (segment, article), (terms, articles)."""
        out = np.zeros((len(terms), len(articles)), bool)
        for number, postings in enumerate(self.segments):
            columns = [i for i, (segment, _) in enumerate(articles) if segment == number]
            if not columns:
                continue
            # Of the postings' own type: NumPy would convert the long arrays instead of the short ones.
            wanted = np.asarray([articles[i][1] for i in columns], np.int32)
            first = np.searchsorted(postings.document_articles, wanted, side="left").astype(np.int32)
            last = np.searchsorted(postings.document_articles, wanted, side="right").astype(np.int32)
            for row, term in enumerate(terms):
                documents, _ = postings.of(term)
                if len(documents):
                    out[row, columns] = np.searchsorted(documents, last) > np.searchsorted(documents, first)
        return out

    def _best_documents(
        self, postings: Postings, terms: Mapping[str, float], k: int, may: npt.NDArray[np.bool_] | None
    ) -> tuple[Ints, Floats]:
        """Return the `k` best documents of the articles that `may` be found (`None`: of all), the best first.

        Terms are added up from the rarest on. As soon as the terms to come are worth too little to carry a new
        document among the best, they only re-rank those at hand, and those too far behind are dropped (Turtle &
        Flood, "Query evaluation: strategies and optimizations", 1995).
        """
        known = sorted((postings.frequency(term), term) for term in terms if term in postings.vocabulary)
        worth = [terms[term] * postings.highest(term) for _, term in known]
        scores = np.zeros(postings.size, np.float32)
        found: list[Ints] = []
        spent, rest = 0, len(known)
        for number, (frequency, term) in enumerate(known):
            if number and spent + frequency > POSTINGS_BUDGET:
                rest = number
                break
            if number and spent >= _WORTH_PRUNING:
                at_hand = np.concatenate(found)
                if _kth(scores[at_hand], k) > sum(worth[number:]):
                    rest = number
                    break
            documents, impacts = postings.of(term)
            if may is not None:
                shown = may[postings.document_articles[documents]]
                documents, impacts = documents[shown], impacts[shown]
            before = scores[documents]
            found.append(documents[before == 0])
            # A document stands once in a term's postings, so plain indexing adds correctly.
            scores[documents] = before + np.float32(terms[term]) * impacts
            spent += frequency
        touched = np.concatenate(found) if found else np.zeros(0, np.int32)
        for number in range(rest, len(known)):
            if len(touched) > _WORTH_PRUNING:
                values = scores[touched]
                touched = touched[values + sum(worth[number:]) >= _kth(values, k)]
            documents, impacts = postings.of(known[number][1])
            places = np.minimum(np.searchsorted(documents, touched), len(documents) - 1)
            hit = documents[places] == touched
            scores[touched[hit]] += np.float32(terms[known[number][1]]) * impacts[places[hit]]
        values = scores[touched]
        if len(values) > k:
            best = np.argpartition(-values, k)[:k]
            touched, values = touched[best], values[best]
        order = np.lexsort((touched, -values))
        return touched[order], values[order]


def _kth(values: Floats, k: int) -> float:
    """Return the `k`-th largest value; minus infinity when there are fewer."""
    return float(np.partition(values, -k)[-k]) if len(values) >= k else -math.inf
