"""Trains the character n-gram model that stands beside the network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from nlp.joint_decode import softmax
from nlp.joint_ngrams import BUCKETS, FloatArray, NgramScorer, buckets, weighted
from training.nlu.calibration import IntArray, fit_temperature

_EPOCHS, _BATCH, _RATE, _SMOOTHING, _TINY = 8, 64, 0.3, 0.05, 1e-10
# Shares of the n-gram logits that are tried on the dev set.
_SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)


def train_ngrams(
    texts: Sequence[str], labels: Sequence[int], intents: int, seed: int, count: int = BUCKETS
) -> NgramScorer:
    """Fit a softmax regression on hashed n-grams by Adagrad.

    Args:
        texts: prepared texts.
        labels: their intents.
        intents: how many there are.
        seed: of the order of batches.
        count: hash buckets; long texts need more of them.
    """
    counted = [buckets(text, count) for text in texts]
    frequency: Counter[int] = Counter(bucket for counts in counted for bucket in counts)
    idf = np.zeros(count, np.float32)
    for bucket, times in frequency.items():
        # What occurs in one text only is learned by heart, not learned.
        if times > 1 or len(texts) < 200:
            idf[bucket] = np.log((1 + len(texts)) / (1 + times)) + 1
    rows = [weighted(counts, idf) for counts in counted]
    weight = _descend(rows, np.asarray(list(labels)), count, intents, np.random.default_rng(seed))
    scale = np.maximum(np.abs(weight).max(0), 1e-8) / 127
    return NgramScorer(np.round(weight / scale).astype(np.int8), scale.astype(np.float32), idf)


def _descend(
    rows: Sequence[tuple[IntArray, FloatArray]],
    labels: IntArray,
    count: int,
    intents: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Return weights (count, intents) by Adagrad (Duchi et al. 2011), touching only what a batch holds."""
    weight = np.zeros((count, intents), np.float32)
    squares = np.zeros_like(weight)
    for _ in range(_EPOCHS):
        order = rng.permutation(len(rows))
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            at, place = np.unique(np.concatenate([rows[row][0] for row in chosen]), return_inverse=True)
            if not len(at):
                continue
            values = np.concatenate([rows[row][1] for row in chosen])
            ends = np.cumsum([0, *(len(rows[row][0]) for row in chosen)])
            texts = csr_matrix((values, place, ends), shape=(len(chosen), len(at)))
            error = softmax(texts @ weight[at]) - _SMOOTHING / intents
            error[np.arange(len(chosen)), labels[chosen]] -= 1 - _SMOOTHING
            gradient = texts.T @ error / len(chosen)
            squares[at] += gradient * gradient
            weight[at] -= _RATE * gradient / (np.sqrt(squares[at]) + _TINY)
    return weight


def choose_share(logits: FloatArray, ngrams: FloatArray, labels: IntArray) -> float:
    """Return the share of the n-gram logits that makes the dev labels most likely, each at its best temperature.

    Args:
        logits: the network's, (n, intents).
        ngrams: the n-gram model's, (n, intents).
        labels: dev intents, (n,); -1 for unknown ones.
    """
    known = labels >= 0
    if known.sum() < 20:
        return 0.2
    losses = []
    for share in _SHARES:
        both = (logits + share * ngrams)[known]
        probabilities = softmax(both, fit_temperature(both, labels[known]))
        losses.append(-float(np.log(probabilities[np.arange(len(both)), labels[known]] + 1e-9).mean()))
    return _SHARES[int(np.argmin(losses))]
