"""A linear model of character n-grams beside the network: steady on rare words, slips and noisy labels.

The network reads meaning, this reads letters; their logits are added (a product of experts, Hinton 2002). The
weights are hashed (Weinberger et al. 2009) and stored in eight bits.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt

BUCKETS = 1 << 15
LONGEST = 4
_MAX_CHARS, _LONG_WORD = 300, 16
FloatArray = npt.NDArray[np.float32]


def buckets(prepared: str, count: int = BUCKETS) -> Counter[int]:
    """Return how often each n-gram of one to four characters, hashed to `count` numbers, occurs; words end in spaces."""
    text = unicodedata.normalize("NFKC", prepared[:_MAX_CHARS]).lower()
    found: Counter[int] = Counter()
    for word in text.split():
        found.update(_hashed(word, count) if len(word) > _LONG_WORD else _cached(word, count))
    return found


def _hashed(word: str, count: int) -> tuple[int, ...]:
    raw = f" {word} "
    return tuple(
        zlib.crc32(raw[start : start + size].encode("utf-8", "replace")) % count
        for size in range(1, LONGEST + 1)
        for start in range(len(raw) - size + 1)
    )


# Words of spaced languages come again and again; a Chinese sentence, which is one word here, does not.
_cached = lru_cache(maxsize=8192)(_hashed)


class NgramScorer:
    """Weights (buckets, intents) as int8 with one scale an intent, and one inverse document frequency a bucket."""

    def __init__(self, codes: npt.NDArray[np.int8], scale: FloatArray, idf: FloatArray) -> None:
        self._codes, self._scale, self._idf = codes, scale, idf

    @classmethod
    def read(cls, path: Path) -> NgramScorer:
        """Read what `write` wrote. Raises OSError, ValueError or KeyError for another file."""
        with np.load(path, allow_pickle=False) as stored:
            codes, scale, idf = stored["codes"], stored["scale"], stored["idf"]
        if idf.ndim != 1 or codes.shape != (len(idf), len(scale)):
            raise ValueError("has wrong shapes")
        return cls(codes, scale, idf)

    def write(self, path: Path) -> None:
        """Write the weights, compressed."""
        np.savez_compressed(path, codes=self._codes, scale=self._scale, idf=self._idf)

    def features(self, prepared: str) -> tuple[npt.NDArray[np.int64], FloatArray]:
        """Return the buckets of a text and their weights, of Euclidean length one."""
        return weighted(buckets(prepared, len(self._idf)), self._idf)

    def score(self, prepared: Sequence[str]) -> FloatArray:
        """Return logits to be added to the network's, (n, intents)."""
        found = np.zeros((len(prepared), len(self._scale)), np.float32)
        for row, text in enumerate(prepared):
            at, values = self.features(text)
            if len(at):
                found[row] = (values @ self._codes[at].astype(np.float32)) * self._scale
        return found


def weighted(counts: Counter[int], idf: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Return bucket numbers and length-one weights (1 + log count) * idf; buckets without an idf are left out."""
    at = np.fromiter(counts.keys(), np.int64, len(counts))
    known = idf[at].astype(np.float64)
    times = np.fromiter(counts.values(), np.float64, len(counts))
    kept = known > 0
    at, values = at[kept], ((1.0 + np.log(times[kept])) * known[kept]).astype(np.float32)
    length = sqrt(float((values * values).sum()))
    return at, (values / length if length else values)
