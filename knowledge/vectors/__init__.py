"""Vector stores: where passage vectors are kept and searched."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from knowledge.vectors.base import VectorReader, VectorStore, VectorStoreError

__all__ = ["VectorReader", "VectorStore", "VectorStoreError", "make_vector_store"]


def make_vector_store(name: str, folder: Path, dimension: int) -> VectorStore:
    """Return the vector store of `knowledge.vector_store` in city.yml.

    Args:
        name: `faiss`, or `qdrant` with an optional address (`qdrant:http://host:6333`); a further kind is one more
            file `knowledge/vectors/<name>_store.py` with a function `create(folder, dimension, address)`.
        folder: where a local store keeps its files.
        dimension: length of a vector.

    Raises:
        VectorStoreError: when there is no such store.
    """
    kind, _, address = name.partition(":")
    try:
        module = import_module(f"knowledge.vectors.{kind}_store")
    except ModuleNotFoundError as error:
        raise VectorStoreError(
            f"knowledge.vector_store: {kind!r} cannot be used ({error}); use faiss or qdrant"
        ) from None
    store: VectorStore = module.create(folder, dimension, address)
    return store
