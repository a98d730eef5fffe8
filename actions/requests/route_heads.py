"""The logistic heads of the router: learned from examples, their confidence set by examples that were left out."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from nlp.routing import mark_of

logger = logging.getLogger(__name__)

Vectors = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
_FORMAT = 1
# Set by hand: weak, since the examples are few and the vectors have unit length.
_REGULARISATION = 20.0
_UNKNOWN = -12.0  # score of a category without an example
_FOLDS = 4
_LEAST_HELD_OUT = 60
_WORD_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
_TEMPERATURES = tuple(float(t) for t in np.geomspace(0.4, 4.0, 33))


@dataclass(frozen=True)
class Lesson:
    """One kind's examples: texts (n), their category's row (n,), and the keywords' weights (n, categories)."""

    kind: str
    categories: int
    texts: Sequence[str]
    labels: Labels
    words: Floats


@dataclass(frozen=True)
class Head:
    """Scores of unit vectors: weights (categories, width), bias (categories,), and how they become shares."""

    weight: Floats
    bias: Floats
    word_share: float = 1.0
    temperature: float = 1.0

    def scores(self, vectors: Vectors) -> Floats:
        """Return log shares before the keywords, (n, categories)."""
        raw: Floats = vectors @ self.weight.T + self.bias
        return (
            raw
            - np.log(np.exp(raw - raw.max(1, keepdims=True)).sum(1, keepdims=True))
            - raw.max(1, keepdims=True)
        )

    def shares(self, vectors: Vectors, words: Floats) -> Floats:
        """Return calibrated probabilities, (n, categories), of vectors and their keywords' weights."""
        return _shares(self.scores(vectors), words, self.word_share, self.temperature)


def learned(
    lessons: Sequence[Lesson],
    encode: Callable[[Sequence[str]], Vectors],
    fingerprint: str,
    cache: Path | None,
    held_out: frozenset[str],
) -> dict[str, Head]:
    """Return a head for each kind, from the cache where the examples, keywords and encoder are the same.

    Args:
        lessons: one for each kind with two categories or more.
        encode: texts to unit vectors.
        fingerprint: of the encoder.
        cache: folder; `None` keeps nothing.
        held_out: marks of examples that the encoder was not tuned on.
    """
    key = _key(lessons, fingerprint, held_out)
    file = cache / f"router-{key}.npz" if cache is not None else None
    if file is not None and (kept := _kept(file, lessons)) is not None:
        return kept
    heads = {lesson.kind: _learn(lesson, encode(lesson.texts), held_out) for lesson in lessons}
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".part.npz")
        np.savez(
            temporary,
            **{
                f"{kind}.{name}": value
                for kind, head in heads.items()
                for name, value in (
                    ("weight", head.weight),
                    ("bias", head.bias),
                    ("set", np.array([head.word_share, head.temperature])),
                )
            },
        )
        temporary.replace(file)
    return heads


def _learn(lesson: Lesson, vectors: Vectors, held_out: frozenset[str]) -> Head:
    head = _fit(vectors, lesson.labels, lesson.categories)
    aside = _aside(lesson, held_out)
    if aside.sum() >= _LEAST_HELD_OUT:
        parts = [(np.flatnonzero(~aside), np.flatnonzero(aside))]
    else:
        rarest = int(np.bincount(lesson.labels, minlength=lesson.categories)[np.unique(lesson.labels)].min())
        if rarest < 2:
            return head
        folds = StratifiedKFold(min(_FOLDS, rarest), shuffle=True, random_state=7)
        parts = list(folds.split(vectors, lesson.labels))
    scores, words, labels = [], [], []
    for learn, rest in parts:
        if len(np.unique(lesson.labels[learn])) < 2:
            continue
        scores.append(_fit(vectors[learn], lesson.labels[learn], lesson.categories).scores(vectors[rest]))
        words.append(lesson.words[rest])
        labels.append(lesson.labels[rest])
    if not scores:
        return head
    share, temperature = _set(np.concatenate(scores), np.concatenate(words), np.concatenate(labels))
    if len(parts) > 1:
        # Keywords are often written from the same examples, which folds then flatter.
        share, temperature = min(share, 1.0), max(temperature, 1.0)
    return Head(head.weight, head.bias, share, temperature)


def _aside(lesson: Lesson, held_out: frozenset[str]) -> npt.NDArray[np.bool_]:
    """Return which examples were left out of fine-tuning; of a category without any, every fifth joins them."""
    aside = np.array([mark_of(text) in held_out for text in lesson.texts])
    if aside.any():
        for category in np.unique(lesson.labels):
            rows = np.flatnonzero(lesson.labels == category)
            if not aside[rows].any():
                aside[rows[4::5]] = True
    return aside


def _fit(vectors: Vectors, labels: Labels, categories: int) -> Head:
    model = LogisticRegression(C=_REGULARISATION, max_iter=300, class_weight="balanced").fit(vectors, labels)
    weight = np.zeros((categories, vectors.shape[1]))
    bias = np.full(categories, float(model.intercept_.min()) + _UNKNOWN)
    coefficients, intercept = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        coefficients, intercept = (np.concatenate([-part, part]) / 2 for part in (coefficients, intercept))
    weight[model.classes_], bias[model.classes_] = coefficients, intercept
    return Head(weight, bias)


def _set(scores: Floats, words: Floats, labels: Labels) -> tuple[float, float]:
    """Return the keywords' share and the temperature that make the left-out labels likeliest (Guo et al. 2017)."""
    rows = np.arange(len(labels))

    def loss(share: float, temperature: float) -> float:
        return -float(np.log(_shares(scores, words, share, temperature)[rows, labels] + 1e-9).mean())

    shares = _WORD_SHARES if words.any() else (1.0,)
    return min(((s, t) for s in shares for t in _TEMPERATURES), key=lambda pair: loss(*pair))


def _shares(scores: Floats, words: Floats, share: float, temperature: float) -> Floats:
    raw = (scores + share * words) / temperature
    raw = np.exp(raw - raw.max(1, keepdims=True))
    return raw / raw.sum(1, keepdims=True)


def _key(lessons: Sequence[Lesson], fingerprint: str, held_out: frozenset[str]) -> str:
    digest = hashlib.sha256(json.dumps([_FORMAT, fingerprint, sorted(held_out)]).encode())
    for lesson in lessons:
        digest.update(json.dumps([lesson.kind, lesson.categories, list(lesson.texts)]).encode())
        digest.update(lesson.labels.tobytes() + lesson.words.tobytes())
    return digest.hexdigest()[:24]


def _kept(file: Path, lessons: Sequence[Lesson]) -> dict[str, Head] | None:
    try:
        with np.load(file, allow_pickle=False) as kept:
            return {
                lesson.kind: Head(
                    kept[f"{lesson.kind}.weight"],
                    kept[f"{lesson.kind}.bias"],
                    *(float(value) for value in kept[f"{lesson.kind}.set"]),
                )
                for lesson in lessons
            }
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError):
        logger.warning("%s is damaged; it is made again", file)
        return None
