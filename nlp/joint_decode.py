"""Turns the joint graph's numbers into probabilities, novelty features and tagged spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Span:
    """A tagged stretch of text: character positions, entity name, mean probability of its tokens."""

    entity: str
    start: int
    end: int
    confidence: float


def softmax(logits: FloatArray, temperature: float = 1.0) -> FloatArray:
    """Return probabilities over the last axis of `logits` divided by `temperature`."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    exponent = np.exp(scaled)
    return np.asarray(exponent / exponent.sum(axis=-1, keepdims=True), np.float32)


def novelty_features(
    logits: FloatArray, distance: FloatArray, temperature: float, oos_columns: Sequence[int]
) -> FloatArray:
    """Return what speaks for a text being out of scope, one row a text.

    Columns: 1 - maximum probability (Hendrycks & Gimpel 2017); energy (Liu et al. 2020); least Mahalanobis
    distance to a class (Podolskiy et al. 2021); probability of the out-of-scope classes.

    Args:
        logits: intent logits, (n, intents).
        distance: from the graph, (n,).
        temperature: of the calibrated probabilities.
        oos_columns: columns of `logits` that are trained out-of-scope classes.
    """
    probabilities = softmax(logits, temperature)
    inside = np.ones(logits.shape[1], bool)
    inside[list(oos_columns)] = False
    known = logits[:, inside if inside.any() else ~inside].astype(np.float64)
    top = known.max(axis=1)
    energy = -(top + np.log(np.exp(known - top[:, None]).sum(axis=1)))
    oos = probabilities[:, list(oos_columns)].sum(axis=1) if oos_columns else np.zeros(len(logits))
    best = probabilities[:, inside].max(axis=1) if inside.any() else probabilities.max(axis=1)
    return np.stack([1.0 - best, energy, distance.astype(np.float64), oos], axis=1).astype(np.float32)


def between(plain: FloatArray, repaired: FloatArray, rows: Sequence[int]) -> FloatArray:
    """Return `plain` with the mean of it and `repaired` in the given rows.

    Neither reading is trusted alone: the repair may be wrong, and the slip may have hidden the word.

    Args:
        plain: values of all texts as they were written, (n, …).
        repaired: values of some of them after the repair of their spelling, (rows, …).
        rows: which ones.
    """
    mixed = plain.copy()
    if len(rows):
        mixed[list(rows)] = (plain[list(rows)] + repaired) / 2
    return mixed


def sigmoid(value: FloatArray) -> FloatArray:
    """Return the logistic function, safe for any size."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(value.astype(np.float64), -60, 60))), np.float32)


def decode_tags(
    probabilities: FloatArray,
    tags: Sequence[str],
    offsets: Sequence[tuple[int, int]],
    text: str,
    least: float,
) -> list[Span]:
    """Read spans from token probabilities in the BIO scheme.

    A lone `I-` opens a span of its own, so one wrong `B-` does not lose an entity.

    Args:
        probabilities: (tokens, tags).
        tags: "O", "B-x", "I-x", … as the columns stand.
        offsets: character range of each token; special tokens have an empty one.
        text: the text that the offsets belong to.
        least: spans whose mean probability is lower are dropped.
    """
    if len(tags) <= 1:
        return []
    spans: list[tuple[str, int, int, list[float]]] = []
    best = probabilities.argmax(axis=1)
    previous = "O"
    for row, (start, end) in enumerate(offsets):
        if end <= start:
            continue
        tag = tags[int(best[row])]
        probability = float(probabilities[row, best[row]])
        if tag == "O":
            previous = "O"
            continue
        prefix, name = tag.split("-", 1)
        joined = previous == name and prefix == "I" and spans
        # A capital-B in the middle of a written word ("Renmin" as two pieces) does not start a new entity.
        if joined or (previous == name and spans and spans[-1][2] == start and _inside_word(text, start)):
            entity, first, _, confidences = spans[-1]
            spans[-1] = (entity, first, end, [*confidences, probability])
        else:
            spans.append((name, start, end, [probability]))
        previous = name
    found = []
    for name, start, end, confidences in spans:
        while start < end and text[start].isspace():
            start += 1
        while end > start and text[end - 1].isspace():
            end -= 1
        confidence = sum(confidences) / len(confidences)
        if end > start and confidence >= least:
            found.append(Span(name, start, end, confidence))
    return found


def _inside_word(text: str, at: int) -> bool:
    def letter(char: str) -> bool:
        return char.isascii() and char.isalnum()

    return 0 < at < len(text) and letter(text[at - 1]) and letter(text[at])
