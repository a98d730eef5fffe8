"""Heads that start from a softmax regression on vectors of the untrained network, so that training refines, not begins."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import nn

from nlp.joint_decode import FloatArray
from training.sentiment.data import Labelled, even_draw
from training.sentiment.fitting import IGNORED, Rows
from training.sentiment.network import SentimentNetwork, pooled_rows

_MOST = 4_000


def start_heads(network: SentimentNetwork, rows: Rows, posts: Sequence[Labelled]) -> None:
    """Set the three heads to regressions on the network's own vectors of up to 4,000 posts.

    Args:
        network: with untrained adapters, or with adapters whose heads do not fit (see `shorten`).
        rows: encoded posts with their labels.
        posts: the same posts.
    """
    chosen = even_draw(posts, _MOST, seed=29)
    vectors = pooled_rows(network, [rows.ids[row] for row in chosen]).numpy()
    # Regression wants vectors of length one; the heads then get weights for vectors as long as they are.
    norm = float(np.linalg.norm(vectors, axis=1).mean())
    for labels, head in (
        (rows.sentiment, network.sentiment_head),
        (rows.emotion, network.emotion_head),
        (rows.action, network.action_head),
    ):
        gold = labels[chosen].numpy()
        known = gold != IGNORED
        if len(set(gold[known].tolist())) >= 2:
            _fit(head, vectors[known] / norm, gold[known], norm)


def _fit(head: nn.Linear, vectors: FloatArray, gold: np.ndarray, norm: float) -> None:
    classes, counts = np.unique(gold, return_counts=True)
    weights = {int(c): float(w) for c, w in zip(classes, counts.mean() ** 0.5 / counts**0.5, strict=True)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=30.0, max_iter=300, class_weight=weights).fit(vectors, gold)
    weight, bias = model.coef_ / norm, model.intercept_
    with torch.no_grad():
        if head.out_features == 1:
            head.weight.copy_(torch.from_numpy(weight).float())
            head.bias.copy_(torch.from_numpy(bias).float())
            return
        if len(classes) == 2:
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        head.weight.zero_()
        # A class that was never seen must not win.
        head.bias.fill_(float(bias.min()) - 4.0)
        for at, name in enumerate(classes):
            head.weight[int(name)] = torch.from_numpy(weight[at]).float()
            head.bias[int(name)] = float(bias[at])
