"""Heads that start from a softmax regression on the base's own sentence vectors, so that training refines, not begins."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import nn

from nlp.encoder import ONNX_NAMES, Encoder
from nlp.joint_decode import FloatArray
from training.sentiment.fitting import IGNORED, Rows
from training.sentiment.network import SentimentNetwork, pooled_rows

_MOST = 20_000
_WITHOUT_GRAPH = 2_000


def start_heads(network: SentimentNetwork, base: Path, rows: Rows, texts: Sequence[str], tokens: int) -> None:
    """Set the three heads to regressions on frozen vectors.

    Args:
        network: with untrained adapters.
        base: encoder folder; with an ONNX graph in it, its vectors are used, else fewer posts through the network.
        rows: encoded posts with their labels.
        texts: the same posts.
        tokens: length that a post is cut to.
    """
    vectors, norm = _vectors(network, base, rows, texts, tokens)
    count = len(vectors)
    for labels, head in (
        (rows.sentiment, network.sentiment_head),
        (rows.emotion, network.emotion_head),
        (rows.action, network.action_head),
    ):
        gold = labels[:count].numpy()
        known = gold != IGNORED
        if len(set(gold[known].tolist())) >= 2:
            _fit(head, vectors[known], gold[known], norm)


def _vectors(
    network: SentimentNetwork, base: Path, rows: Rows, texts: Sequence[str], tokens: int
) -> tuple[FloatArray, float]:
    """Return unit vectors of the first posts, and how long the network's own vectors are on average."""
    few = pooled_rows(network, rows.ids[:64]).numpy()
    norm = float(np.linalg.norm(few, axis=1).mean())
    if network.pooling == "mean" and any((base / name).is_file() for name in ONNX_NAMES):
        return Encoder.load(base, max_tokens=tokens).encode(list(texts[:_MOST])), norm
    own = pooled_rows(network, rows.ids[:_WITHOUT_GRAPH]).numpy()
    return own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-9), norm


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
