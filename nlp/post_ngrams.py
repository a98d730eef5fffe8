"""A linear model of character and word n-grams beside the sentiment network: steady on long posts and fixed phrases.

The network reads a post's head and tail, this reads every word of it; their logits are added (a product of experts,
Hinton 2002). Weights are hashed (Weinberger et al. 2009) and stored in eight bits. All n-grams of a batch are hashed
at once, which is what makes it cheap beside the network.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
_SIZES = (1, 2, 3)
_LATIN_SIZES = (4, 5)  # Chinese says in three characters what English says in five or more
_WORD = re.compile(r"[a-z][a-z0-9']*")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SPACE, _END = np.uint64(32), np.uint64(10)


@dataclass(frozen=True)
class Counts:
    """How often each bucket occurs in each text: three arrays of like length, sorted by row."""

    rows: IntArray
    buckets: IntArray
    times: IntArray
    texts: int


def count_ngrams(texts: Sequence[str], buckets: int) -> Counts:
    """Count hashed n-grams of prepared texts.

    These are one to three characters (up to five in Latin script) within a word, whose border counts as a
    character, and Latin words and pairs of words.
    """
    if not texts:
        nothing = np.zeros(0, np.int64)
        return Counts(nothing, nothing, nothing, 0)
    words = [" ".join(text.lower().split()) for text in texts]
    lines = [f" {line} " if line else "" for line in words]
    codes = np.frombuffer("\n".join([*lines, ""]).encode("utf-32-le", "replace"), np.uint32).astype(np.uint64)
    starts = np.cumsum([0, *(len(line) + 1 for line in lines)])
    row_of = np.repeat(np.arange(len(lines)), np.diff(starts))
    latin = (codes >= 97) & (codes <= 122)
    spaces = (codes == _SPACE).astype(np.int64)
    before = np.concatenate([[0], np.cumsum(spaces)])
    keys = [_words(lines, buckets)]
    mixed = np.zeros(len(codes), np.uint64)
    for size in range(1, max(_LATIN_SIZES) + 1):
        count = len(codes) - size + 1
        if count <= 0:
            break
        mixed = (mixed[:count] ^ (codes[size - 1 :] + np.uint64(size))) * _MULTIPLIER
        mixed ^= mixed >> np.uint64(29)
        fits = row_of[:count] == row_of[size - 1 :]
        fits &= codes[size - 1 :] != _END
        if size == 1:
            fits &= codes != _SPACE
        else:  # a space may stand at either end only
            fits &= before[size - 1 : size - 1 + count] - before[1 : 1 + count] == 0
        if size in _LATIN_SIZES:
            fits &= latin[1 : 1 + count]
        bucket = (mixed[fits] >> np.uint64(20)).astype(np.int64) % buckets
        keys.append(row_of[:count][fits] * buckets + bucket)
    found, times = np.unique(np.concatenate(keys), return_counts=True)
    return Counts(found // buckets, found % buckets, times.astype(np.int64), len(lines))


def _words(lines: Sequence[str], buckets: int) -> IntArray:
    found: list[int] = []
    for row, line in enumerate(lines):
        words = _WORD.findall(line)
        grams = words + [f"{first} {second}" for first, second in itertools.pairwise(words)]
        found += [row * buckets + zlib.crc32(gram.encode()) % buckets for gram in grams]
    return np.array(found, np.int64)


def weighted(counts: Counts, idf: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Return rows, buckets and (1 + log count) * idf, of Euclidean length one a row; unknown buckets are left out."""
    known = idf[counts.buckets] > 0
    rows, buckets = counts.rows[known], counts.buckets[known]
    values = (1.0 + np.log(counts.times[known])) * idf[buckets]
    lengths = np.sqrt(np.bincount(rows, values * values, counts.texts))
    return rows, buckets, (values / lengths[rows]).astype(np.float32)


class PostNgrams:
    """Weights (buckets, columns) as int8 with one scale and bias a column, and an inverse document frequency a bucket.

    Args:
        codes: weights.
        scale, bias: by column.
        idf: by bucket; 0 for n-grams that training never met.
    """

    def __init__(
        self, codes: npt.NDArray[np.int8], scale: FloatArray, bias: FloatArray, idf: FloatArray
    ) -> None:
        self._codes, self._scale, self._bias, self._idf = codes, scale, bias, idf

    @classmethod
    def read(cls, path: Path) -> PostNgrams:
        """Read what `write` wrote. Raises OSError, ValueError or KeyError for another file."""
        with np.load(path, allow_pickle=False) as stored:
            steps, codes, scale, bias = stored["steps"], stored["codes"], stored["scale"], stored["bias"]
            count, told, values = int(stored["count"]), stored["told"], stored["idf"].astype(np.float32)
        at = np.cumsum(steps.astype(np.int64))
        if len(values) != len(at) or len(told) != len(at) or codes.shape != (told.sum(), len(scale)):
            raise ValueError("has wrong shapes")
        if len(bias) != len(scale) or (len(at) and int(at[-1]) >= count):
            raise ValueError("has wrong shapes")
        idf = np.zeros(count, np.float32)
        idf[at] = values
        full = np.zeros((count, len(scale)), np.int8)
        full[at[told]] = codes
        return cls(full, scale, bias, idf)

    def write(self, path: Path) -> None:
        """Write the buckets in use, compressed."""
        at = np.flatnonzero(self._idf > 0)
        told = self._codes[at].any(1)
        np.savez_compressed(
            path,
            steps=np.diff(at, prepend=0).astype(np.uint32),
            told=told,
            codes=self._codes[at[told]],
            scale=self._scale,
            bias=self._bias,
            idf=self._idf[at].astype(np.float16),
            count=np.int64(len(self._idf)),
        )

    def score(self, prepared: Sequence[str]) -> FloatArray:
        """Return logits to be added to the network's, (n, columns)."""
        counts = count_ngrams(prepared, len(self._idf))
        rows, buckets, values = weighted(counts, self._idf)
        found = np.tile(self._bias, (counts.texts, 1)).astype(np.float32)
        for column, scale in enumerate(self._scale):
            part = np.bincount(rows, values * self._codes[buckets, column], counts.texts)
            found[:, column] += (scale * part).astype(np.float32)
        return found
