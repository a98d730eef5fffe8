"""Linear probes: how much of a labelled task a frozen sentence vector already holds."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from training.base.corpus import read_lines
from training.base.parents import FloatArray

PENALTIES = (1e-5, 1e-4, 1e-3)
CHOOSING_ROWS = 3000


def read_labelled(path: Path) -> tuple[list[str], list[str]]:
    """Read a TSV with the columns `text` and `intent`; return both columns."""
    rows = list(csv.DictReader(read_lines(path), delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row["text"] for row in rows], [row["intent"] for row in rows]


def _fit(x: torch.Tensor, y: torch.Tensor, classes: int, penalty: float) -> torch.Tensor:
    weight = torch.zeros(x.shape[1] + 1, classes, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight], max_iter=60, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        logits = x @ weight[:-1] + weight[-1]
        loss = functional.cross_entropy(logits, y) + penalty * weight[:-1].square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return weight.detach()


def probe(
    train: FloatArray, train_labels: Sequence[str], tests: Sequence[tuple[FloatArray, Sequence[str]]]
) -> list[float]:
    """Fit softmax regression on unit vectors (n, d) and return the accuracy on each test set (0 to 1).

    The L2 penalty is the best of three on a tenth of (at most 3 000 rows of) the training data, so that vectors of different width
    meet the same procedure.
    """
    names = sorted(set(train_labels))
    index = {name: number for number, name in enumerate(names)}
    # Unit vectors times their width's root have entries near one, which suits one penalty scale for all widths.
    scale = float(np.sqrt(train.shape[1]))
    x = torch.from_numpy(np.asarray(train, np.float32)) * scale
    y = torch.tensor([index[label] for label in train_labels])
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(x)))
    order = order[:CHOOSING_ROWS]
    held, kept = order[: len(order) // 10], order[len(order) // 10 :]

    def score(weight: torch.Tensor, features: torch.Tensor, labels: torch.Tensor) -> float:
        guess = (features @ weight[:-1] + weight[-1]).argmax(1)
        return float((guess == labels).float().mean())

    best = max(PENALTIES, key=lambda p: score(_fit(x[kept], y[kept], len(names), p), x[held], y[held]))
    weight = _fit(x, y, len(names), best)
    results = []
    for features, labels in tests:
        numbers = torch.tensor([index.get(label, -1) for label in labels])
        results.append(score(weight, torch.from_numpy(np.asarray(features, np.float32)) * scale, numbers))
    return results


def transfer_probe(
    source: FloatArray, target: FloatArray, labels: Sequence[str], folds: int = 5
) -> tuple[float, float]:
    """Train on `source` folds, test on the other fold of `source` and of its translation `target`.

    Both are (n, d), row for row the same sentences in two languages; returns (same language, across).
    """
    order = np.random.default_rng(1).permutation(len(labels))
    same, across = [], []
    for fold in range(folds):
        test = order[fold::folds]
        train = np.setdiff1d(order, test)
        answers = [labels[row] for row in test]
        results = probe(
            source[train], [labels[row] for row in train], [(source[test], answers), (target[test], answers)]
        )
        same.append(results[0])
        across.append(results[1])
    return float(np.mean(same)), float(np.mean(across))
