"""Trains the character n-gram model that stands beside the network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from nlp.joint_decode import softmax
from nlp.joint_ngrams import BUCKETS, FloatArray, NgramScorer, buckets, weighted
from training.nlu.calibration import IntArray, fit_temperature

_EPOCHS, _BATCH, _RATE, _SMOOTHING = 8, 64, 0.3, 0.05
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
    bag = torch.nn.EmbeddingBag(count, intents, mode="sum", sparse=True)
    torch.nn.init.zeros_(bag.weight)
    with torch.sparse.check_sparse_tensor_invariants(False):
        _descend(bag, rows, torch.tensor(list(labels)), np.random.default_rng(seed))
    weight = bag.weight.detach().numpy()
    scale = np.maximum(np.abs(weight).max(0), 1e-8) / 127
    return NgramScorer(np.round(weight / scale).astype(np.int8), scale.astype(np.float32), idf)


def _descend(
    bag: torch.nn.EmbeddingBag,
    rows: Sequence[tuple[np.ndarray, FloatArray]],
    labels: torch.Tensor,
    rng: np.random.Generator,
) -> None:
    optimiser = torch.optim.Adagrad(bag.parameters(), lr=_RATE)
    for _ in range(_EPOCHS):
        order = rng.permutation(len(rows))
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            at = torch.from_numpy(np.concatenate([rows[row][0] for row in chosen]))
            values = torch.from_numpy(np.concatenate([rows[row][1] for row in chosen]))
            lengths = np.array([len(rows[row][0]) for row in chosen])
            offsets = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)[:-1]]))
            loss = functional.cross_entropy(
                bag(at, offsets, values), labels[chosen], label_smoothing=_SMOOTHING
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()


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
