"""Which category a text belongs to: a logistic head over sentence vectors, helped by words that name the thing."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from actions.requests.catalogue import Catalogue, Category

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float32]
# Set by hand: weak, since the examples are few and the vectors have unit length.
REGULARISATION = 20.0
KEYWORD_WEIGHT, FURTHER_WEIGHT = 2.2, 0.6


class SentenceEncoder(Protocol):
    """What the router needs of `nlp.encoder.Encoder`."""

    fingerprint: str

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector a text."""
        ...


@dataclass(frozen=True)
class Route:
    """The likeliest category, how sure that is (0 to 1), and the ranking behind it."""

    category: str
    confidence: float
    ranking: tuple[tuple[str, float], ...]


class Router:
    """Learns from the catalogue's examples when it is made, in a few seconds; vectors are cached in `cache`.

    Args:
        catalogue: categories with examples and keywords.
        encoder: sentence vectors; `None` leaves the keywords alone to decide.
        cache: folder for the vectors of the examples.
        keywords: `False` leaves the head alone to decide, for measuring it.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        encoder: SentenceEncoder | None,
        cache: Path | None,
        *,
        keywords: bool = True,
    ) -> None:
        self._catalogue = catalogue
        self._encoder = encoder
        self._lock = threading.Lock()
        self._words = {c.id: _patterns(c) if keywords else [] for c in catalogue.categories.values()}
        self._heads: dict[str, LogisticRegression] = {}
        if encoder is not None:
            self._learn(encoder, cache)

    def route(self, text: str, kind: str) -> Route:
        """Return the category of a text among those of one kind."""
        categories = self._catalogue.of_kind(kind)
        scores = np.zeros(len(categories))
        head = self._heads.get(kind)
        if head is not None and self._encoder is not None and text.strip():
            with self._lock:
                vector = self._encoder.encode([text])
            known = dict(zip(head.classes_, np.log(head.predict_proba(vector)[0] + 1e-9), strict=True))
            scores = np.array([known.get(c.id, -12.0) for c in categories])
        low = text.lower()
        for i, category in enumerate(categories):
            hits = sum(1 for pattern in self._words[category.id] if pattern.search(low))
            if hits:
                scores[i] += KEYWORD_WEIGHT + FURTHER_WEIGHT * min(2, hits - 1)
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable")
        ranking = tuple((categories[i].id, float(shares[i])) for i in order)
        return Route(ranking[0][0], ranking[0][1], ranking)

    def _learn(self, encoder: SentenceEncoder, cache: Path | None) -> None:
        pairs = [
            (c.kind, c.id, text)
            for c in self._catalogue.categories.values()
            for texts in c.examples.values()
            for text in texts
        ]
        vectors = _vectors([text for _, _, text in pairs], encoder, cache)
        for kind in {kind for kind, _, _ in pairs}:
            rows = [i for i, pair in enumerate(pairs) if pair[0] == kind]
            labels = [pairs[i][1] for i in rows]
            if len(set(labels)) > 1:
                head = LogisticRegression(C=REGULARISATION, max_iter=500, class_weight="balanced")
                self._heads[kind] = head.fit(vectors[rows], labels)


def _patterns(category: Category) -> list[re.Pattern[str]]:
    chinese = [re.compile(re.escape(word.lower())) for word in category.keywords["zh"]]
    english = [
        re.compile(rf"(?<![a-z]){re.escape(word)}(?:e?s)?(?![a-z])") for word in category.keywords["en"]
    ]
    return chinese + english


def _vectors(texts: list[str], encoder: SentenceEncoder, cache: Path | None) -> FloatArray:
    if cache is None:
        return encoder.encode(texts)
    key = hashlib.sha256(json.dumps([encoder.fingerprint, texts]).encode()).hexdigest()[:24]
    file = cache / f"examples-{key}.npy"
    try:
        kept = np.load(file, allow_pickle=False)
        if kept.shape[0] == len(texts):
            return np.asarray(kept, np.float32)
    except FileNotFoundError:
        pass
    except (OSError, ValueError):
        logger.warning("%s is damaged; it is made again", file)
    vectors = encoder.encode(texts)
    cache.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".part.npy")
    np.save(temporary, vectors)
    temporary.replace(file)
    return vectors
