"""Turns search features into the probability that an article answers the question, and finds the thresholds.

Within a language a ridge logistic regression over (question, candidate) pairs; Platt (1999) in several variables.
Across languages, where an article has fewer and weaker signs, the order is learnt for itself: a softmax over each
question's candidates (Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", ICML 2007).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

# Share of the questions without an answer that may at most be met with a choice of titles or a department's number.
CLARIFIED, CLARIFY_SHARE = 0.9, 0.5
FOLDS = 5
# Strength of the ridge in learning the order.
_LISTWISE_RIDGE = 0.003

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Weights and thresholds; kept as JSON in the index's manifest.

    `answer`: from this probability on an article is given as the answer; `clarify`: from here on its title is offered;
    `close`: two articles are ambiguous when their probabilities' log-odds differ by less. `across`: by the question's
    language, the weights and thresholds for articles that exist only in the other one, where they are known.
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
    across: Mapping[str, Calibration] = field(default_factory=dict)

    def of(self, language: str, held: Sequence[str]) -> Calibration:
        """Return the calibration for a question in `language` and an article that is `held` in these languages."""
        return self if language in held else self.across.get(language, self)

    def probabilities(self, features: Floats) -> Floats:
        """Return the probability of every row of (n, features)."""
        scaled = (features - np.asarray(self.mean)) / np.asarray(self.scale)
        return np.asarray(1 / (1 + np.exp(-np.clip(scaled @ np.asarray(self.weights) + self.bias, -30, 30))))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "features": list(self.features)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None, features: Sequence[str]) -> Calibration | None:
        """Read the JSON form; `None` when there is none, or it was made for other features."""
        if not data or list(data.get("features", ())) != list(features):
            return None
        across = {
            language: calibration
            for language, item in data["across"].items()
            if (calibration := cls.from_dict(item, features)) is not None
        }
        return cls(**{**data, "across": across})


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
    by_order: bool = False,
) -> Calibration:
    """Fit a calibration; the thresholds are set on questions that the weights were not fitted to (five folds).

    Args:
        examples: answerable and unanswerable questions.
        feature_names: names of the columns.
        source: where the questions came from, for the record.
        false_abstention: share of answerable questions that may be left unanswered.
        by_order: learn which candidate comes first, and then how probable it is; else the probability alone.

    Raises:
        ValueError: when there are no answerable or no unanswerable questions.
    """
    examples = [example for example in examples if len(example.features)]
    if len({bool(example.relevant.any()) for example in examples}) < 2:
        raise ValueError("calibration needs questions with an answer among the candidates, and some without")
    fit_weights = _fit_order if by_order else _fit_weights
    right: list[float] = []
    wrong: list[float] = []
    for fold in range(FOLDS):
        rest = [example for number, example in enumerate(examples) if number % FOLDS != fold]
        model = fit_weights(rest, feature_names, source)
        for example in examples[fold::FOLDS]:
            (right if example.relevant.any() else wrong).append(
                float(model.probabilities(example.features).max())
            )
    answer = float(np.clip(np.quantile(right, false_abstention), 0.02, 0.6))
    clarify = float(np.clip(np.quantile(wrong, CLARIFIED), CLARIFY_SHARE * answer, 0.9 * answer))
    return replace(fit_weights(examples, feature_names, source), answer=answer, clarify=clarify)


def _fit_weights(examples: Sequence[Example], feature_names: Sequence[str], source: str) -> Calibration:
    x, mean, scale = _scaled(examples)
    y = np.concatenate([example.relevant for example in examples]).astype(float)
    weights, bias = _logistic(x, y, ridge=1.0)
    return _calibration(feature_names, mean, scale, weights, bias, len(examples), source)


def _fit_order(examples: Sequence[Example], feature_names: Sequence[str], source: str) -> Calibration:
    x, mean, scale = _scaled(examples)
    y = np.concatenate([example.relevant for example in examples]).astype(float)
    starts = np.cumsum([0, *(len(example.features) for example in examples)])
    lists = [
        (x[start:end], example.relevant)
        for start, end, example in zip(starts, starts[1:], examples, strict=False)
        if example.relevant.any()
    ]
    order = _listwise(lists, x.shape[1])
    # What is the same for all candidates of a question cannot tell their order, but whether there is an answer.
    same = np.asarray(
        [
            all(np.ptp(example.features[:, place]) < 1e-9 for example in examples)
            for place in range(x.shape[1])
        ]
    )
    weights, bias = _logistic(np.column_stack([x @ order, x[:, same]]), y, ridge=1.0)
    combined = order * weights[0]
    combined[same] = weights[1:]
    return _calibration(feature_names, mean, scale, combined, bias, len(examples), source)


def _listwise(lists: Sequence[tuple[Floats, npt.NDArray[np.bool_]]], width: int) -> Floats:
    """Return weights under which the right candidates' share of a softmax is largest."""

    def loss(weights: Floats) -> tuple[float, Floats]:
        value, gradient = 0.0, np.zeros(width)
        for x, right in lists:
            scores = x @ weights
            share = np.exp(scores - scores.max())
            share /= share.sum()
            hit = share[right].sum() + 1e-12
            value -= float(np.log(hit))
            gradient -= x.T @ (np.where(right, share / hit, 0.0) - share)
        ridge = _LISTWISE_RIDGE
        penalty = float(ridge * weights @ weights / 2)
        return value / len(lists) + penalty, np.asarray(gradient / len(lists) + ridge * weights)

    found = minimize(loss, np.zeros(width), jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return np.asarray(found.x)


def _scaled(examples: Sequence[Example]) -> tuple[Floats, Floats, Floats]:
    x = np.concatenate([example.features for example in examples])
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale < 1e-6, 1.0, scale)
    return (x - mean) / scale, mean, scale


def _calibration(
    names: Sequence[str],
    mean: Floats,
    scale: Floats,
    weights: Floats,
    bias: float,
    questions: int,
    source: str,
) -> Calibration:
    return Calibration(
        tuple(names), mean.tolist(), scale.tolist(), weights.tolist(), bias, 0.5, 0.2, 0.5, questions, source
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
