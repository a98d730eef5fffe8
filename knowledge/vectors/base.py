"""The interface of a vector store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Keys = npt.NDArray[np.int64]
State = dict[str, Any]


class VectorStoreError(Exception):
    """A vector store cannot be opened, read or written; the message says what to do."""


class VectorReader(ABC):
    """One state of a collection, for searching from any number of threads."""

    @abstractmethod
    def search(self, vector: Vectors, k: int, allowed: Keys | None = None) -> tuple[Keys, Vectors]:
        """Return the `k` nearest keys and their inner products, best first; fewer when there are fewer.

        Args:
            vector: (dimension,), of length 1.
            k: how many.
            allowed: sorted keys to search among; `None` for all.
        """

    @abstractmethod
    def fetch(self, keys: Keys) -> Vectors:
        """Return the vectors of keys, (n, dimension), as exactly as they are kept; unknown keys give zeros."""


class VectorStore(ABC):
    """Writes collections of unit vectors under int64 keys that are never used twice.

    A state is a small JSON value that says where a collection's content lies. The index keeps it in its manifest:
    whatever was written becomes visible when the manifest is swapped, and old states stay readable until
    `discard`. There is one writer at a time; the index holds a lock for it.
    """

    @abstractmethod
    def build(self, collection: str, keys: Keys, vectors: Vectors) -> State:
        """Write a collection anew; return its state.

        Args:
            collection: name of lower-case letters.
            keys: (n,), rising.
            vectors: (n, dimension), unit length; a memory map will do.
        """

    @abstractmethod
    def update(self, collection: str, state: State, keys: Keys, vectors: Vectors, removed: Keys) -> State:
        """Add vectors and remove keys; return the new state. Arguments as `build`."""

    @abstractmethod
    def open(self, state: State, previous: VectorReader | None = None) -> VectorReader:
        """Open a state for searching; parts that `previous` has open already are shared.

        Raises:
            VectorStoreError: when its files are missing or damaged.
        """

    @abstractmethod
    def discard(self, kept: Sequence[State]) -> None:
        """Remove everything that no state in `kept` needs."""
