"""Vectors in memory, searched exhaustively: for held-out questions and for comparisons."""

from __future__ import annotations

import numpy as np

from knowledge.vectors.base import Keys, VectorReader, Vectors


class MemoryReader(VectorReader):
    """Searches a matrix.

    Args:
        keys: (n,), rising.
        vectors: (n, dimension), unit length.
    """

    def __init__(self, keys: Keys, vectors: Vectors) -> None:
        self.keys, self.matrix = keys, vectors

    def search(self, vector: Vectors, k: int, allowed: Keys | None = None) -> tuple[Keys, Vectors]:
        rows = np.arange(len(self.keys)) if allowed is None else np.flatnonzero(np.isin(self.keys, allowed))
        scores = self.matrix[rows] @ vector
        best = np.argpartition(-scores, k)[:k] if k < len(scores) else np.arange(len(scores))
        best = best[np.argsort(-scores[best], kind="stable")]
        return self.keys[rows[best]], scores[best]

    def fetch(self, keys: Keys) -> Vectors:
        if not len(self.keys):
            return np.zeros((len(keys), self.matrix.shape[1]), np.float32)
        rows = np.clip(np.searchsorted(self.keys, keys), 0, len(self.keys) - 1)
        return np.where((self.keys[rows] == keys)[:, None], self.matrix[rows], 0).astype(np.float32)
