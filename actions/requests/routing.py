"""Which category a text belongs to: a logistic head over sentence vectors, helped by words that name the thing."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from actions.requests.catalogue import Catalogue, Category
from actions.requests.route_heads import Head, Lesson, learned

FloatArray = npt.NDArray[np.float32]
# Of the first keyword that a text holds, and of each further one, beside the head's log probabilities.
FIRST_WEIGHT, FURTHER_WEIGHT = 2.2, 0.6


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
    """Learns from the catalogue's examples when it is made, in a few seconds; what it learned is kept in `cache`.

    Args:
        catalogue: categories with examples and keywords.
        encoder: sentence vectors, of the base or fine-tuned; `None` leaves the keywords alone to decide.
        cache: folder for what was learned.
        keywords: `False` leaves the head alone to decide, for measuring it.
        held_out: marks of examples that the encoder was not tuned on; without any, folds of the examples
            take their place when the confidence is set.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        encoder: SentenceEncoder | None,
        cache: Path | None,
        *,
        keywords: bool = True,
        held_out: Collection[str] = (),
    ) -> None:
        self._catalogue = catalogue
        self._encoder = encoder
        self._lock = threading.Lock()
        self._words = {c.id: _patterns(c) if keywords else [] for c in catalogue.categories.values()}
        self._heads: dict[str, Head] = {}
        if encoder is not None:
            lessons = [lesson for kind in _kinds(catalogue) if (lesson := self._lesson(kind)) is not None]
            self._heads = learned(lessons, encoder.encode, encoder.fingerprint, cache, frozenset(held_out))

    def route(self, text: str, kind: str) -> Route:
        """Return the category of a text among those of one kind."""
        categories = self._catalogue.of_kind(kind)
        head = self._heads.get(kind)
        words = self._hits(text, categories)
        if head is None or self._encoder is None or not text.strip():
            shares = np.exp(words - words.max())
            shares /= shares.sum()
        else:
            with self._lock:
                vector = self._encoder.encode([text])
            shares = head.shares(vector, words[None])[0]
        order = np.argsort(-shares, kind="stable")
        ranking = tuple((categories[i].id, float(shares[i])) for i in order)
        return Route(ranking[0][0], ranking[0][1], ranking)

    def _hits(self, text: str, categories: Sequence[Category]) -> npt.NDArray[np.float64]:
        low = text.lower()
        counts = [sum(1 for p in self._words[c.id] if p.search(low)) for c in categories]
        return np.array([FIRST_WEIGHT + FURTHER_WEIGHT * min(2, n - 1) if n else 0.0 for n in counts])

    def _lesson(self, kind: str) -> Lesson | None:
        categories = self._catalogue.of_kind(kind)
        pairs = [
            (text, row)
            for row, category in enumerate(categories)
            for texts in category.examples.values()
            for text in texts
        ]
        if len({row for _, row in pairs}) < 2:
            return None
        texts = [text for text, _ in pairs]
        return Lesson(
            kind,
            len(categories),
            texts,
            np.array([row for _, row in pairs]),
            np.stack([self._hits(text, categories) for text in texts]),
        )


def _kinds(catalogue: Catalogue) -> list[str]:
    return sorted({c.kind for c in catalogue.categories.values()})


def _patterns(category: Category) -> list[re.Pattern[str]]:
    chinese = [re.compile(re.escape(word.lower())) for word in category.keywords["zh"]]
    english = [
        re.compile(rf"(?<![a-z]){re.escape(word)}(?:e?s)?(?![a-z])") for word in category.keywords["en"]
    ]
    return chinese + english
