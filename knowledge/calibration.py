"""Turns search features into the probability that an article answers the question, and finds the thresholds.

A ridge logistic regression over (question, candidate) pairs; Platt (1999) in several variables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

# Share of the questions without an answer that may at most be met with a choice of titles or a department's number.
CLARIFIED, CLARIFY_SHARE = 0.9, 0.5
FOLDS = 5

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Weights and thresholds; kept as JSON in the index's manifest.

    `answer`: from this probability on an article is given as the answer; `clarify`: from here on its title is offered;
    `close`: two articles are ambiguous when their probabilities' log-odds differ by less. `across`: the weights and
    thresholds for articles that exist only in the other language than the question's, where they are known.
    """

    features: Sequence[str]
    mean: Sequence[float]
    scale: Sequence[float]
    weights: Sequence[float]
    bias: float
    answer: float
    clarify: float
    close: float
    questions: int = 0
    source: str = ""
    across: Calibration | None = None

    def of(self, is_across: bool) -> Calibration:
        """Return the calibration for an article in the question's language, or only in the other one."""
        return self.across if is_across and self.across is not None else self

    def probabilities(self, features: Floats, is_across: npt.NDArray[np.bool_] | None = None) -> Floats:
        """Return the probability of every row of (n, features); `is_across` tells which exist only in the other language."""
        if self.across is not None and is_across is not None:
            return np.where(is_across, self.across.probabilities(features), self.probabilities(features))
        scaled = (features - np.asarray(self.mean)) / np.asarray(self.scale)
        return np.asarray(1 / (1 + np.exp(-np.clip(scaled @ np.asarray(self.weights) + self.bias, -30, 30))))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        across = self.across.to_dict() if self.across is not None else None
        return {**vars(self), "features": list(self.features), "across": across}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None, features: Sequence[str]) -> Calibration | None:
        """Read the JSON form; `None` when there is none, or it was made for other features."""
        if not data or list(data.get("features", ())) != list(features):
            return None
        return cls(**{**data, "across": cls.from_dict(data.get("across"), features)})


@dataclass(frozen=True)
class Example:
    """One calibration question: its candidates' features, and which of them answer it (none: unanswerable)."""

    features: Floats
    relevant: npt.NDArray[np.bool_]


def fit(
    examples: Sequence[Example],
    feature_names: Sequence[str],
    *,
    source: str = "",
    false_abstention: float = 0.05,
) -> Calibration:
    """Fit a calibration; the thresholds are set on questions that the weights were not fitted to (five folds).

    Args:
        examples: answerable and unanswerable questions.
        feature_names: names of the columns.
        source: where the questions came from, for the record.
        false_abstention: share of answerable questions that may be left unanswered.

    Raises:
        ValueError: when there are no answerable or no unanswerable questions.
    """
    examples = [example for example in examples if len(example.features)]
    if len({bool(example.relevant.any()) for example in examples}) < 2:
        raise ValueError("calibration needs questions with an answer among the candidates, and some without")
    right: list[float] = []
    wrong: list[float] = []
    for fold in range(FOLDS):
        rest = [example for number, example in enumerate(examples) if number % FOLDS != fold]
        model = _fit_weights(rest, feature_names, source)
        for example in examples[fold::FOLDS]:
            (right if example.relevant.any() else wrong).append(
                float(model.probabilities(example.features).max())
            )
    answer = float(np.clip(np.quantile(right, false_abstention), 0.02, 0.6))
    clarify = float(np.clip(np.quantile(wrong, CLARIFIED), CLARIFY_SHARE * answer, 0.9 * answer))
    return replace(_fit_weights(examples, feature_names, source), answer=answer, clarify=clarify)


def _fit_weights(examples: Sequence[Example], feature_names: Sequence[str], source: str) -> Calibration:
    x = np.concatenate([example.features for example in examples])
    y = np.concatenate([example.relevant for example in examples]).astype(float)
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale < 1e-6, 1.0, scale)
    weights, bias = _logistic((x - mean) / scale, y, ridge=1.0)
    return Calibration(
        tuple(feature_names),
        mean.tolist(),
        scale.tolist(),
        weights.tolist(),
        bias,
        0.5,
        0.2,
        0.5,
        len(examples),
        source,
    )


def _logistic(x: Floats, y: Floats, ridge: float) -> tuple[Floats, float]:
    """Newton's method on the penalised log-likelihood; the bias is not penalised."""
    design = np.column_stack([x, np.ones(len(x))])
    penalty = np.append(np.full(x.shape[1], ridge), 0.0)
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (y - p) - penalty * beta
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag(penalty + 1e-9)
        step = np.linalg.solve(hessian, gradient)
        beta += step
        if np.abs(step).max() < 1e-6:
            break
    return beta[:-1], float(beta[-1])
