"""Learns of what kind the questions are that the articles answer, so that others are told from them.

A question may have every word in common with an article and still ask what none says: who built the library, what the
tigers eat. A ridge logistic regression over the sentence vector separates the two kinds; both languages share weights
and each adds its own (Daumé III, "Frustratingly Easy Domain Adaptation", ACL 2007).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from knowledge.article import LANGUAGES
from knowledge.calibration import FOLDS

# With fewer unanswerable questions than this nothing is learnt from them.
ENOUGH = 100
# How much a phrasing of an article counts beside a question that a citizen asked.
PHRASING = 0.1
# Strength of the ridge, the scale of the unit vectors, and how much of the weights a language has to itself.
_RIDGE, _SCALE, _OWN = 3.0, 10.0, 0.7
# Around so many questions the others are gathered, so that those about the same fall into one fold.
_ANCHORS = 80

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


def learn_kind(
    vectors: Matrix, languages: Sequence[str], answered: Sequence[bool], phrasings: Mapping[str, Matrix]
) -> tuple[dict[str, Matrix], Floats]:
    """Return the weights by language, and each question's log-odds under weights learnt without its like.

    Args:
        vectors: (n, dimension) unit vectors of questions.
        languages: of the questions.
        answered: which of them an article answers.
        phrasings: by language, unit vectors of what articles are known to answer.

    Returns:
        For each language (dimension + 1,), the last being the bias; zeros when there is too little to learn from.
    """
    right = np.asarray(answered, bool)
    spoken = np.asarray(languages)
    dimension = vectors.shape[1] if vectors.ndim == 2 else 0
    weights = {language: np.zeros(dimension + 1, np.float32) for language in LANGUAGES}
    log_odds = np.zeros(len(right))
    if (~right).sum() < ENOUGH or not right.any():
        return weights, log_odds
    centre = {
        language: np.concatenate([vectors[spoken == language], phrasings[language]]).mean(axis=0)
        if (spoken == language).any() or len(phrasings[language])
        else np.zeros(dimension, np.float32)
        for language in LANGUAGES
    }
    folds = _folds_by_subject(vectors - np.stack([centre[language] for language in languages]))

    def learnt_from(chosen: npt.NDArray[np.bool_]) -> dict[str, Floats]:
        blocks = {}
        for language in LANGUAGES:
            rows = chosen & (spoken == language)
            known = phrasings[language]
            x = _SCALE * (np.concatenate([vectors[rows], known]) - centre[language])
            y = np.concatenate([right[rows].astype(float), np.ones(len(known))])
            weight = np.concatenate([np.ones(int(rows.sum())), np.full(len(known), PHRASING)])
            blocks[language] = (x.astype(float), y, weight)
        return {
            language: np.append(_SCALE * w, bias - _SCALE * float(w @ centre[language]))
            for language, (w, bias) in _fit(blocks, dimension).items()
        }

    for fold in range(FOLDS):
        held = folds == fold
        model = learnt_from(~held)
        for row in np.flatnonzero(held):
            log_odds[row] = log_odds_of(vectors[row], model[languages[row]])
    weights = {name: w.astype(np.float32) for name, w in learnt_from(np.ones(len(right), bool)).items()}
    return weights, log_odds


def log_odds_of(vector: npt.NDArray[np.floating], weights: npt.NDArray[np.floating]) -> float:
    """Return the log-odds that articles answer questions of this kind."""
    return float(vector @ weights[:-1] + weights[-1])


def _fit(
    blocks: Mapping[str, tuple[Floats, Floats, Floats]], dimension: int
) -> dict[str, tuple[Floats, float]]:
    """Return weights and bias of each language, from (rows, labels, row weights)."""
    parts = 1 + len(blocks)

    def loss(flat: Floats) -> tuple[float, Floats]:
        shared, *own = flat[:-1].reshape(parts, dimension)
        value, gradient = 0.0, np.zeros((parts, dimension))
        bias_gradient = 0.0
        for number, (x, y, weight) in enumerate(blocks.values()):
            scores = x @ (shared + _OWN * own[number]) + flat[-1]
            value += float(weight @ (np.logaddexp(0.0, scores) - y * scores))
            slope = weight * (1 / (1 + np.exp(-np.clip(scores, -50, 50))) - y)
            toward = x.T @ slope
            gradient[0] += toward
            gradient[1 + number] = _OWN * toward
            bias_gradient += float(slope.sum())
        penalised = flat[:-1]
        return (
            value + _RIDGE / 2 * float(penalised @ penalised),
            np.append(gradient.ravel() + _RIDGE * penalised, bias_gradient),
        )

    start = np.zeros(parts * dimension + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 60}).x
    shared, *own = found[:-1].reshape(parts, dimension)
    return {
        language: (shared + _OWN * part, float(found[-1])) for language, part in zip(blocks, own, strict=True)
    }


def _folds_by_subject(vectors: Matrix) -> npt.NDArray[np.int64]:
    """Return each row's fold; rows near the same anchor share one."""
    rows = np.linspace(0, len(vectors) - 1, min(_ANCHORS, len(vectors))).astype(int)
    anchors = vectors[rows]
    norms = np.maximum(np.linalg.norm(anchors, axis=1), 1e-9)
    return np.asarray((vectors @ anchors.T / norms).argmax(axis=1) % FOLDS, np.int64)
