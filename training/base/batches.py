"""Deterministic batches: which texts stand in step n depends on the seed and n only, so a run can resume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


class BatchStream:
    """Endless batches of similar length over `lengths`, reshuffled each epoch."""

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        if not len(lengths):
            raise ValueError("no texts to draw batches from")
        self.lengths = np.asarray(lengths)
        self.batch = min(batch, len(self.lengths))
        self.count = len(self.lengths) // self.batch
        self.seed = seed
        self._epoch = -1
        self._order: IntArray = np.empty(0, np.int64)
        self._turn: IntArray = np.empty(0, np.int64)

    def get(self, number: int) -> IntArray:
        """Return the text numbers of batch `number` (0, 1, …)."""
        epoch, place = divmod(number, self.count)
        if epoch != self._epoch:
            self._shuffle(epoch)
        start = int(self._turn[place]) * self.batch
        return self._order[start : start + self.batch]

    def _shuffle(self, epoch: int) -> None:
        rng = np.random.default_rng((self.seed, epoch))
        jitter = self.lengths + rng.random(len(self.lengths)) * 2
        self._order = np.argsort(jitter, kind="stable").astype(np.int64)
        self._turn = rng.permutation(self.count)
        self._epoch = epoch
