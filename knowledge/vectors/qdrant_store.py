"""Qdrant as vector store, for cities that outgrow one machine; its local mode keeps files of one process."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from knowledge.vectors.base import Keys, State, VectorReader, Vectors, VectorStore, VectorStoreError

_BATCH = 256


def create(folder: Path, dimension: int, address: str = "") -> QdrantStore:
    """Return the store.

    Args:
        folder: keeps the local mode's files, and this index's name in a shared server.
        dimension: length of a vector.
        address: `http://host:6333`; empty for the local mode.

    Raises:
        VectorStoreError: when `qdrant-client` is not installed or the server cannot be reached.
    """
    try:
        from qdrant_client import QdrantClient
    except ImportError:
        raise VectorStoreError(
            "knowledge.vector_store is qdrant: install the package qdrant-client"
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    try:
        client = QdrantClient(url=address) if address else QdrantClient(path=str(folder / "qdrant"))
        client.get_collections()
    except Exception as error:  # the client passes on whatever its transport raises
        raise VectorStoreError(
            f"Qdrant at {address or folder} cannot be reached ({error}); is it running?"
        ) from error
    return QdrantStore(client, folder, dimension)


class QdrantStore(VectorStore):
    """Keeps each build of a collection as a Qdrant collection of its own.

    An update works in place: new points are unknown to older states, which skip them, and removed points are
    deleted one update later, when no state needs them any more.

    Args:
        client: a `QdrantClient`.
        folder: keeps the name that this index's collections begin with.
        dimension: length of a vector.
    """

    def __init__(self, client: Any, folder: Path, dimension: int) -> None:
        self.client = client
        self.dimension = dimension
        name_file = folder / "qdrant-name"
        if not name_file.exists():
            name_file.write_text(f"chengda-{secrets.token_hex(4)}")
        self.prefix = name_file.read_text().strip()

    def build(self, collection: str, keys: Keys, vectors: Vectors) -> State:
        from qdrant_client import models

        name = f"{self.prefix}-{collection}-{secrets.token_hex(4)}"
        self.client.create_collection(
            name,
            vectors_config=models.VectorParams(size=self.dimension, distance=models.Distance.DOT),
        )
        self._upsert(name, keys, vectors)
        return {"collection": name, "removed": []}

    def update(self, collection: str, state: State, keys: Keys, vectors: Vectors, removed: Keys) -> State:
        name = state["collection"]
        if state["removed"]:
            self.client.delete(name, points_selector=state["removed"])
        self._upsert(name, keys, vectors)
        return {"collection": name, "removed": removed.tolist()}

    def open(self, state: State, previous: VectorReader | None = None) -> QdrantReader:
        if not self.client.collection_exists(state["collection"]):
            raise VectorStoreError(
                f"Qdrant has no collection {state['collection']}; run `chengda knowledge reindex`"
            )
        return QdrantReader(self.client, state, self.dimension)

    def discard(self, kept: Sequence[State]) -> None:
        names = {state["collection"] for state in kept}
        for found in self.client.get_collections().collections:
            if found.name.startswith(f"{self.prefix}-") and found.name not in names:
                self.client.delete_collection(found.name)

    def close(self) -> None:
        """Close the connection."""
        self.client.close()

    def _upsert(self, name: str, keys: Keys, vectors: Vectors) -> None:
        from qdrant_client import models

        for start in range(0, len(keys), _BATCH):
            points = [
                models.PointStruct(id=int(key), vector=[float(value) for value in vector])
                for key, vector in zip(
                    keys[start : start + _BATCH], vectors[start : start + _BATCH], strict=True
                )
            ]
            self.client.upsert(name, points=points, wait=True)


class QdrantReader(VectorReader):
    """Searches a Qdrant collection."""

    def __init__(self, client: Any, state: State, dimension: int) -> None:
        self.client = client
        self.collection = state["collection"]
        self.removed = np.asarray(sorted(state["removed"]), np.int64)
        self.dimension = dimension

    def search(self, vector: Vectors, k: int, allowed: Keys | None = None) -> tuple[Keys, Vectors]:
        from qdrant_client import models

        condition = None
        if allowed is not None:
            condition = models.Filter(must=[models.HasIdCondition(has_id=allowed.tolist())])
        points = self.client.query_points(
            self.collection,
            query=[float(value) for value in vector],
            limit=k + min(len(self.removed), k),
            query_filter=condition,
            with_payload=False,
        ).points
        keys = np.asarray([point.id for point in points], np.int64)
        scores = np.clip(np.asarray([point.score for point in points], np.float32), -1, 1)
        alive = ~np.isin(keys, self.removed)
        return keys[alive][:k], scores[alive][:k]

    def fetch(self, keys: Keys) -> Vectors:
        out = np.zeros((len(keys), self.dimension), np.float32)
        rows = {int(key): row for row, key in enumerate(keys) if key >= 0}
        for batch in _batches(list(rows)):
            for point in self.client.retrieve(
                self.collection, ids=batch, with_vectors=True, with_payload=False
            ):
                out[rows[int(point.id)]] = point.vector
        return out


def _batches(keys: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(keys), _BATCH):
        yield list(keys[start : start + _BATCH])
