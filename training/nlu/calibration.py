"""Honest probabilities and out-of-scope limits, chosen on the dev set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from nlp.joint_decode import novelty_features, sigmoid, softmax
from nlp.joint_manifest import OosScorer, Thresholds

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
# Share of in-scope dev texts that may be refused when no out-of-scope example is there to weigh against.
_REFUSED = 0.02
_LEAST_OOS = 20


@dataclass(frozen=True)
class Novelty:
    """Whitening map and class centres for the Mahalanobis distance: (width, kept) and (classes, kept)."""

    mean: FloatArray
    whiten: FloatArray
    centres: FloatArray

    def distance(self, pooled: FloatArray) -> FloatArray:
        """Return the least squared distance to a class centre, per kept dimension, (n,)."""
        projected = (pooled - self.mean) @ self.whiten
        squares = (projected**2).sum(1)[:, None] - 2 * projected @ self.centres.T + (self.centres**2).sum(1)
        return np.asarray(squares.min(1) / self.whiten.shape[1], np.float32)


@dataclass(frozen=True)
class Calibration:
    """All that is fitted after training."""

    temperature: float
    thresholds: Thresholds
    scorer: OosScorer
    measures: dict[str, float]


def fit_novelty(pooled: FloatArray, labels: IntArray, skip: Sequence[int] = ()) -> Novelty:
    """Fit class centres and one shared covariance with shrinkage (Lee et al. 2018).

    Args:
        pooled: training vectors, (n, width).
        labels: (n,).
        skip: labels whose vectors are not a class of their own, such as out of scope.
    """
    kept = ~np.isin(labels, list(skip))
    if kept.sum() < 2:
        kept = np.ones(len(labels), bool)
    vectors, numbers = pooled[kept].astype(np.float64), labels[kept]
    mean = vectors.mean(0)
    vectors = vectors - mean
    classes = np.unique(numbers)
    centres = np.stack([vectors[numbers == label].mean(0) for label in classes])
    inside = vectors - centres[np.searchsorted(classes, numbers)]
    covariance = inside.T @ inside / len(inside)
    # Shrinkage keeps the inverse sane where there are fewer texts than dimensions.
    covariance += 0.1 * np.trace(covariance) / len(covariance) * np.eye(len(covariance)) + 1e-8 * np.eye(
        len(covariance)
    )
    values, directions = np.linalg.eigh(covariance)
    whiten = directions / np.sqrt(np.maximum(values, 1e-10))
    return Novelty(mean.astype(np.float32), whiten.astype(np.float32), (centres @ whiten).astype(np.float32))


def fit_temperature(logits: FloatArray, labels: IntArray) -> float:
    """Return the temperature that makes dev probabilities most likely (Guo et al. 2017), between 0.2 and 5."""
    known = labels >= 0
    if known.sum() < 5:
        return 1.0
    rows, chosen = logits[known].astype(np.float64), labels[known]

    def loss(log_temperature: float) -> float:
        scaled = rows / np.exp(log_temperature)
        top = scaled.max(1)
        normal = top + np.log(np.exp(scaled - top[:, None]).sum(1))
        return float((normal - scaled[np.arange(len(rows)), chosen]).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.2), np.log(5.0)), method="bounded")
    return float(np.exp(found.x))


def calibrate(
    logits: FloatArray, distance: FloatArray, labels: IntArray, oos_columns: Sequence[int]
) -> Calibration:
    """Choose temperature, out-of-scope score and thresholds on dev outputs.

    With out-of-scope examples the score is a logistic regression on the novelty features, else the mean of
    their standard scores; then 2 % of in-scope dev texts may be refused.

    Args:
        logits: dev intent logits, (n, intents).
        distance: dev distances, (n,).
        labels: dev intents, -1 for a text of no known intent, (n,).
        oos_columns: intents that mean out of scope.
    """
    temperature = fit_temperature(logits, labels)
    features = novelty_features(logits, distance, temperature, oos_columns)
    outside = np.isin(labels, list(oos_columns)) | (labels < 0)
    inside = ~outside
    reference = features[inside] if inside.any() else features
    centre, spread = reference.mean(0), reference.std(0) + 1e-6
    scaled = np.clip((features - centre) / spread, -8, 8)
    trained = outside.sum() >= _LEAST_OOS and inside.sum() >= _LEAST_OOS
    if trained:
        model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=500).fit(scaled, outside)
        weights, bias = (
            model.coef_[0] / spread,
            float(model.intercept_[0] - (model.coef_[0] * centre / spread).sum()),
        )
    else:
        # Energy and distance tell more than the maximum probability; a constant feature tells nothing.
        parts = np.array([0.5, 1.0, 1.0, 0.0]) * (spread > 1e-5)
        parts = parts / max(parts.sum(), 1e-9)
        weights, bias = parts / spread, float(-(parts * centre / spread).sum() - 2.0)
    scorer = OosScorer(tuple(float(w) for w in weights), bias)
    scores = sigmoid(features @ np.asarray(scorer.weights, np.float32) + scorer.bias)
    probabilities = softmax(logits, temperature)
    right = probabilities.argmax(1) == labels
    limit = _oos_limit(scores, inside, outside, trained)
    return Calibration(
        temperature,
        Thresholds(accept=_accept_limit(probabilities.max(1), right, inside), oos=limit),
        scorer,
        {
            "dev_accuracy": float(right[inside].mean()) if inside.any() else float(right.mean()),
            "dev_ece": expected_calibration_error(probabilities.max(1), right),
            "dev_refused_in_scope": float((scores[inside] >= limit).mean()) if inside.any() else 0.0,
            "dev_refused_out_of_scope": float((scores[outside] >= limit).mean()) if outside.any() else 0.0,
        },
    )


def _oos_limit(
    scores: FloatArray, inside: npt.NDArray[np.bool_], outside: npt.NDArray[np.bool_], trained: bool
) -> float:
    if trained:
        candidates = np.unique(scores)
        # Refusing a citizen who asked for something we do is worse than a try at something we do not.
        gain = [(scores[outside] >= c).mean() - 1.5 * (scores[inside] >= c).mean() for c in candidates]
        return float(candidates[int(np.argmax(gain))])
    known = scores[inside] if inside.any() else scores
    return float(min(0.999, np.quantile(known, 1 - _REFUSED))) if len(known) else 0.9


def _accept_limit(
    confidence: FloatArray, right: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_]
) -> float:
    """Return the lowest confidence at which a reading is at least as likely right as wrong, at most 0.5."""
    confidence, right = confidence[inside], right[inside]
    for limit in np.arange(0.1, 0.5, 0.05):
        near = (confidence >= limit) & (confidence < limit + 0.1)
        if near.sum() >= 5 and right[near].mean() >= 0.5:
            return float(round(limit, 2))
    return 0.3


def expected_calibration_error(confidence: FloatArray, right: npt.NDArray[np.bool_], bins: int = 15) -> float:
    """Return the expected calibration error with equal-width bins (Guo et al. 2017), between 0 and 1."""
    if not len(confidence):
        return 0.0
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    total = 0.0
    for number in range(bins):
        inside = index == number
        if inside.any():
            total += inside.mean() * abs(float(confidence[inside].mean()) - float(right[inside].mean()))
    return float(total)
