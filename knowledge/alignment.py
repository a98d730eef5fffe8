"""Learns which words translate each other from pairs of texts that say the same in two languages.

IBM Model 1: Brown et al., "The Mathematics of Statistical Machine Translation" (Computational Linguistics, 1993).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ROUNDS = 5
# Added to each word's count, so that what was seen once or twice stays unsure.
_DOUBT = 0.3

Pair = tuple[Sequence[str], Sequence[str]]


@dataclass(frozen=True)
class Alignment:
    """Word pairs with `forth`, the probability of the second word given the first, and `back`, the reverse."""

    first: Sequence[str]
    second: Sequence[str]
    forth: npt.NDArray[np.float64]
    back: npt.NDArray[np.float64]


def align(pairs: Sequence[Pair], rounds: int = ROUNDS) -> Alignment:
    """Return how probably words translate each other.

    Args:
        pairs: for each pair of texts its words in the first and in the second language; neither may be empty.
        rounds: of expectation maximisation.
    """
    if not pairs:
        nothing = np.zeros(0)
        return Alignment((), (), nothing, nothing)
    first: dict[str, int] = {}
    second: dict[str, int] = {}
    cells: list[list[npt.NDArray[np.int64]]] = [[], [], [], []]
    seen = [0, 0]
    for left, right in pairs:
        rows = np.asarray([first.setdefault(word, len(first)) for word in left], np.int64)
        columns = np.asarray([second.setdefault(word, len(second)) for word in right], np.int64)
        cells[0].append(np.repeat(rows, len(columns)))
        cells[1].append(np.tile(columns, len(rows)))
        cells[2].append(np.repeat(np.arange(seen[0], seen[0] + len(rows)), len(columns)))
        cells[3].append(np.tile(np.arange(seen[1], seen[1] + len(columns)), len(rows)))
        seen[0] += len(rows)
        seen[1] += len(columns)
    row, column, left_token, right_token = (np.concatenate(part) for part in cells)
    kinds, kind_of_cell = np.unique(row * len(second) + column, return_inverse=True)
    rows, columns = kinds // len(second), kinds % len(second)
    words, others = list(first), list(second)
    return Alignment(
        [words[number] for number in rows.tolist()],
        [others[number] for number in columns.tolist()],
        _translate(rows, kind_of_cell, right_token, rounds),
        _translate(columns, kind_of_cell, left_token, rounds),
    )


def _translate(
    given: npt.NDArray[np.int64],
    kind_of_cell: npt.NDArray[np.int64],
    token: npt.NDArray[np.int64],
    rounds: int,
) -> npt.NDArray[np.float64]:
    """Return for each kind of word pair the probability of its other word, `given` this one.

    `token` tells of every cell which place in the texts is to be explained by the words opposite.
    """
    probability = 1.0 / np.bincount(given)[given]
    for _ in range(rounds):
        share = probability[kind_of_cell]
        share = share / np.bincount(token, share)[token]
        count = np.bincount(kind_of_cell, share, minlength=len(given))
        probability = count / (np.bincount(given, count)[given] + _DOUBT)
    return probability
