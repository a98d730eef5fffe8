"""Turns search features into the probability that an article answers the question, and finds the thresholds.

Within a language a ridge logistic regression over (question, candidate) pairs; Platt (1999) in several variables.
Across languages, where an article has fewer and weaker signs, the order is learnt for itself: a softmax over each
question's candidates (Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", ICML 2007).
Whether the question has an answer at all, a second regression judges by the best candidate alone; the others keep
their distance from it in log-odds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

# Share of the questions without an answer that may at most be met with a choice of titles or a department's number.
CLARIFIED, CLARIFY_SHARE = 0.9, 0.5
# Share of the answerable questions that may be left unanswered. At most a twentieth is aimed at; thresholds that
# left just so many of the known questions would leave more of the unknown ones every other time.
FALSE_ABSTENTION = 0.05
FOLDS = 5
# Strength of the ridge in learning the order.
_LISTWISE_RIDGE = 0.003
# Strength of the ridge in judging the best candidate, and the folds in which it is seen as a new question's would be.
_JUDGE_RIDGE, _JUDGE_FOLDS = 3.0, 3
# With fewer questions than this each candidate's own probability is left as it is.
JUDGED_FROM = 200
# The lead, in log-odds, of a candidate that is the only one.
_ALONE = 3.0
# The thresholds' bounds.
_LOWEST, _HIGHEST = 0.02, 0.8
# From so many answerable questions of a language on it has thresholds of its own.
ENOUGH_OF_A_LANGUAGE = 60

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judge:
    """Tells from the best candidate whether a question has an answer.

    The columns are its log-odds, their lead over the next candidate's, and its features.
    """

    mean: Sequence[float]
    scale: Sequence[float]
    weights: Sequence[float]
    bias: float

    def log_odds(self, columns: Floats) -> float:
        """Return the log-odds that there is an answer."""
        scaled = (columns - np.asarray(self.mean)) / np.asarray(self.scale)
        return float(np.clip(scaled @ np.asarray(self.weights) + self.bias, -30, 30))


@dataclass(frozen=True)
class Calibration:
    """Weights and thresholds; kept as JSON in the index's manifest.

    `answer`: from this probability on an article is given as the answer; `clarify`: from here on its title is offered;
    `close`: two articles are ambiguous when their probabilities' log-odds differ by less. `thresholds`: `answer` and
    `clarify` by the question's language. `across`: by the question's language, the weights and thresholds for articles
    that exist only in the other one, where they are known. `rerank`: weight of the score of the cross-encoder whose
    fingerprint is `reranker`.
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
    judge: Judge | None = None
    thresholds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    across: Mapping[str, Calibration] = field(default_factory=dict)
    rerank: float = 0.0
    reranker: str = ""

    def of(self, language: str, held: Sequence[str]) -> Calibration:
        """Return the calibration for a question in `language` and an article that is `held` in these languages."""
        chosen = self if language in held else self.across.get(language, self)
        if language not in chosen.thresholds:
            return chosen
        answer, clarify = chosen.thresholds[language]
        return replace(chosen, answer=answer, clarify=clarify)

    def probabilities(self, features: Floats) -> Floats:
        """Return the probability of each of a question's candidates, given all their features (n, features)."""
        log_odds = self.plain_log_odds(features)
        if self.judge is not None and len(log_odds):
            log_odds = log_odds - log_odds.max() + self.judge.log_odds(_best_of(features, log_odds))
        return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -30, 30))))

    def plain_log_odds(self, features: Floats) -> Floats:
        """Return each candidate's log-odds by itself."""
        scaled = (features - np.asarray(self.mean)) / np.asarray(self.scale)
        return np.asarray(np.clip(scaled @ np.asarray(self.weights) + self.bias, -30, 30))

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
        judge = Judge(**data["judge"]) if data["judge"] else None
        return cls(**{**data, "judge": judge, "across": across})


@dataclass(frozen=True)
class Example:
    """One calibration question: its candidates' features, and which of them answer it (none: unanswerable)."""

    features: Floats
    relevant: npt.NDArray[np.bool_]
    language: str = ""


def fit(
    examples: Sequence[Example],
    feature_names: Sequence[str],
    *,
    source: str = "",
    false_abstention: float = FALSE_ABSTENTION,
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

    def learnt_from(chosen: Sequence[Example]) -> Calibration:
        return replace(
            fit_weights(chosen, feature_names, source), judge=_fit_judge(chosen, feature_names, fit_weights)
        )

    right: dict[str, list[float]] = {"": []}
    wrong: dict[str, list[float]] = {"": []}
    for fold in range(FOLDS):
        model = learnt_from([example for number, example in enumerate(examples) if number % FOLDS != fold])
        for example in examples[fold::FOLDS]:
            best = float(model.probabilities(example.features).max())
            for language in {"", example.language}:
                (right if example.relevant.any() else wrong).setdefault(language, []).append(best)

    def thresholds(language: str) -> tuple[float, float]:
        answer = float(np.clip(np.quantile(right[language], false_abstention), _LOWEST, _HIGHEST))
        offered = np.quantile(wrong[language], CLARIFIED)
        return answer, float(np.clip(offered, CLARIFY_SHARE * answer, 0.9 * answer))

    answer, clarify = thresholds("")
    by_language = {
        language: thresholds(language)
        for language, found in right.items()
        if language and len(found) >= ENOUGH_OF_A_LANGUAGE and wrong.get(language)
    }
    return replace(learnt_from(examples), answer=answer, clarify=clarify, thresholds=by_language)


def _fit_judge(
    examples: Sequence[Example], feature_names: Sequence[str], fit_weights: Callable[..., Calibration]
) -> Judge | None:
    """Learn to judge the best candidates of questions that the weights were not fitted to; `None` from too few."""
    if len(examples) < JUDGED_FROM:
        return None
    rows, answered = [], []
    for fold in range(_JUDGE_FOLDS):
        rest = [example for number, example in enumerate(examples) if number % _JUDGE_FOLDS != fold]
        model = fit_weights(rest, feature_names, "")
        for example in examples[fold::_JUDGE_FOLDS]:
            rows.append(_best_of(example.features, model.plain_log_odds(example.features)))
            answered.append(bool(example.relevant.any()))
    x = np.stack(rows)
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale < 1e-6, 1.0, scale)
    weights, bias = _logistic((x - mean) / scale, np.asarray(answered, float), _JUDGE_RIDGE)
    return Judge(mean.tolist(), scale.tolist(), weights.tolist(), bias)


def _best_of(features: Floats, log_odds: Floats) -> Floats:
    """Return what a `Judge` is told."""
    best = int(log_odds.argmax())
    others = np.delete(log_odds, best)
    lead = float(log_odds[best] - others.max()) if len(others) else _ALONE
    return np.concatenate([[log_odds[best], lead], features[best]])


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

    longest = max((len(x) for x, _ in lists), default=0)
    rows = np.zeros((len(lists), longest, width))
    there, right = np.zeros((2, len(lists), longest), bool)
    for number, (x, relevant) in enumerate(lists):
        rows[number, : len(x)], there[number, : len(x)], right[number, : len(x)] = x, True, relevant

    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = np.where(there, rows @ weights, -np.inf)
        share = np.exp(scores - scores.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        hit = (share * right).sum(axis=1) + 1e-12
        slope = share - right * share / hit[:, None]
        gradient = np.tensordot(slope, rows, axes=2) / len(lists) + _LISTWISE_RIDGE * weights
        return (
            float(-np.log(hit).mean() + _LISTWISE_RIDGE * weights @ weights / 2),
            np.asarray(gradient),
        )

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
