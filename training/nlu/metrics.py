"""Measures of intent, out-of-scope and entity predictions, on plain lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

Spans = frozenset[tuple[str, int, int]]


@dataclass(frozen=True)
class Score:
    """Precision, recall and F1 of one label, between 0 and 1; `support` is how often it was right to give it."""

    precision: float
    recall: float
    f1: float
    support: int


def per_label(gold: Sequence[str], guess: Sequence[str]) -> dict[str, Score]:
    """Return the scores of every gold label, sorted by name."""
    asked, given = Counter(gold), Counter(guess)
    right = Counter(g for g, p in zip(gold, guess, strict=True) if g == p)
    return {label: _score(right[label], given[label], asked[label]) for label in sorted(asked)}


def _score(right: int, given: int, asked: int) -> Score:
    precision = right / given if given else 0.0
    recall = right / asked if asked else 0.0
    both = precision + recall
    return Score(precision, recall, 2 * precision * recall / both if both else 0.0, asked)


def accuracy(gold: Sequence[str], guess: Sequence[str]) -> float:
    """Return the share of right guesses (0 for none)."""
    return sum(g == p for g, p in zip(gold, guess, strict=True)) / len(gold) if gold else 0.0


def reliability(confidence: Sequence[float], right: Sequence[bool], bins: int = 15) -> list[dict[str, float]]:
    """Return mean confidence, accuracy and count of each non-empty confidence bin (Guo et al. 2017)."""
    values, hits = np.asarray(confidence, float), np.asarray(right, bool)
    index = np.minimum((values * bins).astype(int), bins - 1)
    found = []
    for number in range(bins):
        inside = index == number
        if inside.any():
            found.append(
                {
                    "from": number / bins,
                    "to": (number + 1) / bins,
                    "confidence": float(values[inside].mean()),
                    "accuracy": float(hits[inside].mean()),
                    "count": int(inside.sum()),
                }
            )
    return found


def calibration_error(table: Sequence[dict[str, float]]) -> float:
    """Return the expected calibration error of a reliability table."""
    total = sum(row["count"] for row in table)
    if not total:
        return 0.0
    return float(sum(row["count"] * abs(row["confidence"] - row["accuracy"]) for row in table) / total)


def separation(inside: Sequence[float], outside: Sequence[float]) -> dict[str, float] | None:
    """Return AUROC, area under precision-recall and FPR at 95 % detection of out-of-scope scores.

    Args:
        inside: scores of in-scope texts.
        outside: scores of out-of-scope texts; these are the class to be detected.

    Returns:
        `None` when either is empty. `fpr95` is the share of in-scope texts refused when 95 % of the others are.
    """
    if not inside or not outside:
        return None
    labels = np.r_[np.zeros(len(inside)), np.ones(len(outside))]
    scores = np.r_[np.asarray(inside), np.asarray(outside)]
    wrongly, detected, _ = roc_curve(labels, scores)
    return {
        "auroc": float(roc_auc_score(labels, scores)),
        "aupr": float(average_precision_score(labels, scores)),
        "fpr95": float(wrongly[int(np.argmax(detected >= 0.95))]),
        "inside": len(inside),
        "outside": len(outside),
    }


def entity_scores(gold: Sequence[Spans], guess: Sequence[Spans]) -> tuple[Score, dict[str, Score]]:
    """Return micro-averaged and per-entity scores; a span counts when name and both ends are right."""
    right: Counter[str] = Counter()
    given: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for wanted, found in zip(gold, guess, strict=True):
        asked.update(name for name, _, _ in wanted)
        given.update(name for name, _, _ in found)
        right.update(name for name, _, _ in wanted & found)
    total = _score(sum(right.values()), sum(given.values()), sum(asked.values()))
    return total, {name: _score(right[name], given[name], asked[name]) for name in sorted(asked | given)}
