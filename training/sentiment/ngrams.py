"""Trains the n-gram model that stands beside the sentiment network, and chooses how much it counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from nlp.joint_decode import FloatArray, softmax
from nlp.post_ngrams import PostNgrams, count_ngrams, weighted
from training.nlu.calibration import fit_temperature

BUCKETS = 1 << 20
_FEW = 200
_STRENGTH = 10.0
# Codes this small say nothing; leaving them out halves the file.
_LEAST_CODE = 2
# A loss this much above the least is as good.
_NEARLY = 0.01
_SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0)
Labels = npt.NDArray[np.int64]


def train_ngrams(
    texts: Sequence[str], heads: Sequence[tuple[Labels, int]], buckets: int = BUCKETS
) -> PostNgrams:
    """Fit one against the rest, a logistic regression on n-grams scaled by their naive-Bayes log-count ratio.

    That scaling (Wang & Manning 2012) makes a linear model as good as the best on long reviews.

    Args:
        texts: cleaned posts.
        heads: labels (n,), -1 where unknown, and the number of classes, for each group of columns.
        buckets: of the hash.
    """
    counts = count_ngrams(texts, buckets)
    frequency = np.bincount(counts.buckets, minlength=buckets)
    # What occurs in one text only is learned by heart, not learned.
    known = frequency > (0 if len(texts) < _FEW else 1)
    idf = np.where(known, np.log((1 + len(texts)) / (1 + frequency)) + 1, 0).astype(np.float32)
    rows, at, values = weighted(counts, idf)
    used = np.flatnonzero(idf)  # a dense vector over all buckets for every class would cost more than the fit
    matrix = csr_matrix((values, (rows, np.searchsorted(used, at))), shape=(len(texts), len(used)))
    columns = sum(classes for _, classes in heads)
    weights, bias = np.zeros((len(used), columns), np.float32), np.zeros(columns, np.float32)
    start = 0
    for labels, classes in heads:
        rows_known = labels >= 0
        part, gold = matrix[rows_known], labels[rows_known]
        for label in range(classes):
            weights[:, start + label], bias[start + label] = _against_rest(part, gold == label)
        start += classes
    return _quantised(weights, bias, idf, used)


def _against_rest(matrix: csr_matrix, positive: npt.NDArray[np.bool_]) -> tuple[FloatArray, float]:
    """Return weights and bias of one class; nothing but doubt for a class that never or always occurs."""
    hits = int(positive.sum())
    if hits == 0 or hits == len(positive):
        return np.zeros(matrix.shape[1], np.float32), 0.0
    present = (matrix > 0).astype(np.float32)
    inside = np.asarray(present[positive].sum(0)).ravel() + 1
    outside = np.asarray(present[~positive].sum(0)).ravel() + 1
    ratio = np.log((inside / inside.sum()) / (outside / outside.sum()))
    # A rare class counts by the square root of how rare it is, as in the network's loss.
    weight = {
        True: (len(positive) / 2 / hits) ** 0.5,
        False: (len(positive) / 2 / (len(positive) - hits)) ** 0.5,
    }
    model = LogisticRegression(C=_STRENGTH, solver="liblinear", class_weight=weight)
    scaled = matrix.multiply(ratio).tocsr()
    model.fit(scaled, positive)
    return (ratio * model.coef_[0]).astype(np.float32), float(model.intercept_[0])


def _quantised(weights: FloatArray, bias: FloatArray, idf: FloatArray, used: Labels) -> PostNgrams:
    # The largest weights belong to few n-grams; cutting them leaves finer steps for all others.
    high = np.quantile(np.abs(weights), 0.9999, axis=0) if len(used) else np.zeros(len(bias))
    scale = np.maximum(high, 1e-8) / 127
    small = np.clip(np.round(weights / scale), -127, 127).astype(np.int8)
    small[np.abs(small.astype(np.int16)).max(1, initial=0) < _LEAST_CODE] = 0
    codes = np.zeros((len(idf), len(bias)), np.int8)
    codes[used] = small
    return PostNgrams(codes, np.asarray(scale, np.float32), bias, idf)


def choose_share(
    logits: FloatArray, ngrams: FloatArray, labels: Labels, sources: Sequence[str] = ()
) -> tuple[float, float]:
    """Return the share of the n-gram logits and the temperature for posts like the held-out ones.

    Of the shares that make the labels nearly as likely as the best one does, the smallest is taken: what is said
    in a city's posts is in few reviews, and there the network is the steadier of the two.

    Args:
        logits: the network's, (n, classes).
        ngrams: the n-gram model's, (n, classes).
        labels: (n,); -1 for unknown ones.
        sources: of the posts, each of which then counts the same, however many posts it has.
    """
    known = labels >= 0
    if known.sum() < 20:
        return 0.5, 1.0
    names = np.array(sources if len(sources) else [""] * len(labels))[known]
    sizes = {name: int((names == name).sum()) for name in set(names.tolist())}
    # A source of few posts says nothing about itself.
    weight = np.array([1 / sizes[n] if sizes[n] >= min(20, max(sizes.values())) else 0.0 for n in names])
    losses: list[tuple[float, float, float]] = []
    for share in _SHARES:
        both = (logits + share * ngrams)[known]
        temperature = fit_temperature(both, labels[known])
        right = softmax(both, temperature)[np.arange(len(both)), labels[known]]
        losses.append((float(-np.log(right + 1e-9) @ weight / weight.sum()), share, temperature))
    limit = min(losses)[0] * (1 + _NEARLY)
    return next((share, temperature) for loss, share, temperature in losses if loss <= limit)
