"""One state of the index, opened for searching; it never changes and may be read by any number of threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from knowledge.article import LANGUAGES
from knowledge.background import Background
from knowledge.catalogue import ArticleFacts, Segment, day_number, text_hash
from knowledge.kind import log_odds_of
from knowledge.lexical import LexicalSearch
from knowledge.passages import KINDS
from knowledge.spelling import Speller
from knowledge.text import fold
from knowledge.vectors import VectorReader

# (segment, number in it)
ArticleRef = tuple[int, int]
Mask = npt.NDArray[np.bool_]
# Above this share of hidden pieces the vector store is told what it may find; below, a few more are asked for.
_HIDDEN_SHARE = 0.2
# Titles and phrasings whose mean is a language's centre, and articles whose pieces seen from there are kept.
_CENTRED_FROM, _CENTRED_KEPT = 3_000, 2_000
_NONE = np.zeros((0, 0), np.float32)
# A background question is not compared with itself when the calibration is computed from it.
SAME = 0.995


@dataclass(frozen=True)
class Filter:
    """Which articles may be found; `None` sets no condition.

    `day` leaves out articles that are not true on that day; a `district` keeps those of the whole city, too.
    """

    day: date | None = None
    department: str | None = None
    district: str | None = None
    category: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class DenseHit:
    """A piece near the query: its article, its kind, and the cosine."""

    article: ArticleRef
    kind: str
    cosine: float


class Snapshot:
    """Searches one state of the index.

    Args:
        manifest: what the index's manifest says.
        segments: the opened segments.
        readers: the opened vector collection of each language.
        background: questions that no city article answers.
    """

    def __init__(
        self,
        manifest: Mapping[str, Any],
        segments: Sequence[Segment],
        readers: Mapping[str, VectorReader],
        background: Background | None = None,
    ) -> None:
        self.manifest = manifest
        self.known_background = background or Background()
        self._centred: dict[tuple[ArticleRef, str], Any] = {}
        self._centres: dict[tuple[str, str], Any] = {}
        self.segments = list(segments)
        self.readers = dict(readers)
        self.alive: list[Mask] = []
        self._by_id: dict[str, ArticleRef] = {}
        self._by_topic: dict[str, list[ArticleRef]] = {}
        for number, (record, segment) in enumerate(zip(manifest["segments"], segments, strict=True)):
            gone = set(record["gone"])
            self.alive.append(np.asarray([facts.id not in gone for facts in segment.facts], bool))
            for row, facts in enumerate(segment.facts):
                if facts.id not in gone:
                    self._by_id[facts.id] = (number, row)
                    if facts.topic:
                        self._by_topic.setdefault(facts.topic, []).append((number, row))
        self.lexical = LexicalSearch([segment.postings for segment in segments], self.alive)
        self._masks: dict[Filter, list[Mask]] = {}

    @property
    def calibration(self) -> dict[str, Any] | None:
        """The calibration stored with the index."""
        return self.manifest.get("calibration")

    @property
    def version(self) -> str:
        """The last change of the store that this state holds."""
        return str(self.manifest["seq"])

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def ids(self) -> list[str]:
        """The ids of all articles."""
        return list(self._by_id)

    def facts(self, article: ArticleRef) -> ArticleFacts:
        """Return an article's facts."""
        return self.segments[article[0]].facts[article[1]]

    def find(self, article_id: str) -> ArticleRef | None:
        """Return where an article is, or `None` when it is not public."""
        return self._by_id.get(article_id)

    def family(self, topic: str) -> list[ArticleRef]:
        """Return the articles of a topic."""
        return self._by_topic.get(topic, [])

    def masks(self, condition: Filter) -> list[Mask]:
        """Return for each segment which articles a filter lets through."""
        cached = self._masks.get(condition)
        if cached is None:
            cached = [
                np.asarray(
                    [
                        bool(lives) and _passes(facts, condition)
                        for facts, lives in zip(segment.facts, alive, strict=True)
                    ],
                    bool,
                )
                for segment, alive in zip(self.segments, self.alive, strict=True)
            ]
            if len(self._masks) > 32:
                self._masks.clear()
            self._masks[condition] = cached
        return cached

    def exact(self, text: str, masks: Sequence[Mask]) -> list[ArticleRef]:
        """Return the articles one of whose titles or phrasings is this text."""
        folded = fold(text)
        if not folded:
            return []
        wanted = np.uint64(text_hash(folded))
        found = []
        for number, segment in enumerate(self.segments):
            first = int(np.searchsorted(segment.exact_hashes, wanted, side="left"))
            last = int(np.searchsorted(segment.exact_hashes, wanted, side="right"))
            rows = segment.exact_articles[first:last].tolist()
            found += [(number, row) for row in rows if masks[number][row]]
        return found

    def dense(self, vector: Any, language: str, k: int, masks: Sequence[Mask]) -> list[DenseHit]:
        """Return the `k` pieces in `language` nearest to a unit vector, best first."""
        reader = self.readers[language]
        hidden = [~mask for mask in masks]
        total = sum(len(mask) for mask in masks)
        allowed = None
        if total and sum(int(mask.sum()) for mask in hidden) > _HIDDEN_SHARE * total:
            code = LANGUAGES.index(language)
            allowed = np.sort(
                np.concatenate(
                    [
                        segment.keys[(segment.piece_languages == code) & mask[segment.piece_articles]]
                        for segment, mask in zip(self.segments, masks, strict=True)
                    ]
                )
            )
        keys, scores = reader.search(vector, k if allowed is not None else k + k // 4, allowed)
        hits: list[tuple[int, DenseHit]] = []
        for number, (segment, mask) in enumerate(zip(self.segments, masks, strict=True)):
            if not len(segment.keys):
                continue
            rows = np.clip(np.searchsorted(segment.keys, keys), 0, len(segment.keys) - 1)
            articles = segment.piece_articles[rows]
            places = np.flatnonzero((segment.keys[rows] == keys) & mask[articles])
            for place in places.tolist():
                ref = (number, int(articles[place]))
                kind = KINDS[segment.piece_kinds[rows[place]]]
                hits.append((place, DenseHit(ref, kind, float(scores[place]))))
        return [hit for _, hit in sorted(hits, key=lambda item: item[0])][:k]

    def background(self, vector: Any, language: str) -> float:
        """Return how near a query is to the nearest question that no article answers; not to itself."""
        known = self.known_background.vectors.get(language)
        if known is None or not len(known):
            return 0.0
        cosines = known @ vector
        return float(cosines[cosines < SAME].max(initial=0.0))

    def kind(self, vector: Any, language: str) -> float:
        """Return the log-odds that a question is of the kind that articles answer; 0 where nothing is learnt."""
        weights = self.known_background.kinds.get(language)
        return log_odds_of(vector, weights) if weights is not None and len(weights) else 0.0

    def centred(self, vector: Any, article: ArticleRef, language: str) -> tuple[float, float]:
        """Return the largest cosine of a question in `language` with an article's pieces in the other one, and the mean
        of the three largest, when each language's vectors are seen from their own centre.

        Texts of one language lie together whatever they say, and that hides what two of different ones share (Libovický
        et al., "On the Language Neutrality of Pre-trained Multilingual Representations", Findings of EMNLP 2020).
        """
        pieces = self._centred_pieces(article, LANGUAGES[1 - LANGUAGES.index(language)])
        if not len(pieces):
            return 0.0, 0.0
        question = _unit(vector - self._centre("background", language))
        cosines = np.sort(pieces @ question)[-3:]
        return float(cosines[-1]), float(cosines.mean())

    def _centred_pieces(self, article: ArticleRef, language: str) -> Any:
        found = self._centred.get((article, language))
        if found is None:
            segment = self.segments[article[0]]
            chosen = (segment.piece_articles == article[1]) & (
                segment.piece_languages == LANGUAGES.index(language)
            )
            vectors = self.readers[language].fetch(segment.keys[chosen])
            found = _unit(vectors - self._centre("asked", language))
            if len(self._centred) >= _CENTRED_KEPT:
                self._centred.clear()
            self._centred[article, language] = found
        return found

    def _centre(self, what: str, language: str) -> Any:
        """Return the mean of the background questions in a language, or of what articles are asked for in it."""
        found = self._centres.get((what, language))
        if found is None:
            if what == "background":
                vectors = self.known_background.vectors.get(language, _NONE)
            else:
                vectors = self.asked_vectors(language, _CENTRED_FROM)
            found = vectors.mean(axis=0) if len(vectors) else np.float32(0)
            self._centres[what, language] = found
        return found

    def asked_vectors(self, language: str, most: int) -> Any:
        """Return the vectors of titles and phrasings in `language`; evenly chosen ones when there are more than `most`."""
        code = LANGUAGES.index(language)
        keys = np.concatenate(
            [np.zeros(0, np.int64)]
            + [
                segment.keys[
                    (segment.piece_languages == code)
                    & (segment.piece_kinds != KINDS.index("passage"))
                    & alive[segment.piece_articles]
                ]
                for segment, alive in zip(self.segments, self.alive, strict=True)
            ]
        )
        if len(keys) > most:
            keys = keys[np.linspace(0, len(keys) - 1, most).astype(int)]
        return self.readers[language].fetch(np.sort(keys))

    def nearest(self, vector: Any, language: str) -> float:
        """Return the cosine of the piece nearest to a vector."""
        _, scores = self.readers[language].search(vector, 1)
        return float(scores[0]) if len(scores) else 0.0

    @property
    def spellers(self) -> list[Speller]:
        """Those who know the articles' words."""
        return [segment.speller for segment in self.segments]

    def keys_of(self, article_ids: set[str]) -> npt.NDArray[np.int64]:
        """Return the keys of the pieces of articles."""
        found = [np.zeros(0, np.int64)]
        for name in article_ids:
            ref = self._by_id.get(name)
            if ref is not None:
                segment = self.segments[ref[0]]
                found.append(segment.keys[segment.piece_articles == ref[1]])
        return np.sort(np.concatenate(found))

    def known_vectors(self, hashes: npt.NDArray[np.uint64], language: str) -> tuple[Mask, Any]:
        """Return which of these text hashes have a vector here, and the vectors (zeros where there is none)."""
        keys = np.full(len(hashes), -1, np.int64)
        for segment in self.segments:
            order = np.argsort(segment.text_hashes, kind="stable")
            if not len(order):
                continue
            rows = order[np.clip(np.searchsorted(segment.text_hashes[order], hashes), 0, len(order) - 1)]
            code = LANGUAGES.index(language)
            hit = (segment.text_hashes[rows] == hashes) & (segment.piece_languages[rows] == code)
            keys[hit] = segment.keys[rows[hit]]
        vectors = self.readers[language].fetch(keys)
        return (np.abs(vectors).sum(axis=1) > 0) & (keys >= 0), vectors


def _passes(facts: ArticleFacts, condition: Filter) -> bool:
    if condition.day is not None and not facts.first_day <= day_number(condition.day) <= facts.last_day:
        return False
    if condition.district and facts.districts and condition.district not in facts.districts:
        return False
    return (
        condition.department in (None, facts.department)
        and condition.category in (None, facts.category)
        and (condition.language is None or condition.language in facts.languages)
    )


def _unit(vectors: Any) -> Any:
    """Return vectors at unit length; one without a direction stays as it is."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
