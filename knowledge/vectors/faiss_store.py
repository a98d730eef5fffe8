"""FAISS as vector store: a large immutable part, a small one for recent edits, flat or approximate by size."""

from __future__ import annotations

import os
import secrets
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from knowledge.files import check, write_atomic
from knowledge.vectors.base import Keys, State, VectorReader, Vectors, VectorStore, VectorStoreError

# Up to so many vectors an exhaustive search, which misses nothing, takes less than 10 ms; measured, like the kind and
# the effort below, by benchmarks/retrieval.py.
FLAT_LIMIT = 50_000
# What HNSW looks at: of a million vectors' ten nearest it then finds 94 % in some 2 ms, with 96 it would find 85 %.
EF_SEARCH = 512
# Recent edits are kept apart up to this size, so that an edit writes little.
RECENT_LIMIT = 4_000
# Share of removed vectors in the large part from which it is written anew.
REMOVED_SHARE = 0.2
# More lists than that cost more in training and adding than they save in searching a few million vectors.
MIN_LISTS, MAX_LISTS, TRAIN_PER_LIST = 64, 2_048, 40

_thread = threading.local()


def create(folder: Path, dimension: int, address: str = "") -> FaissStore:
    """Return the store; `address` is not used."""
    return FaissStore(folder, dimension)


class FaissStore(VectorStore):
    """Keeps collections as FAISS index files of inner products.

    Args:
        folder: where the files lie; made when missing.
        dimension: length of a vector.
        flat_limit: up to how many vectors a part is searched exhaustively.
        kind: what larger parts are: `hnsw` (Malkov & Yashunin 2018, vectors in 8 bits) or `ivf` (inverted lists,
            vectors in 8 bits), or `ivfpq` (product quantisation, Jégou et al. 2011).
        search_effort: HNSW's efSearch or the number of probed lists; 0 for the default.
    """

    def __init__(
        self,
        folder: Path,
        dimension: int,
        *,
        flat_limit: int = FLAT_LIMIT,
        kind: str = "hnsw",
        search_effort: int = 0,
    ) -> None:
        self.folder = folder
        self.dimension = dimension
        self.flat_limit = flat_limit
        self.kind = kind
        self.search_effort = search_effort
        folder.mkdir(parents=True, exist_ok=True)

    def build(self, collection: str, keys: Keys, vectors: Vectors) -> State:
        return {"parts": [self._write(collection, keys, vectors)] if len(keys) else []}

    def update(self, collection: str, state: State, keys: Keys, vectors: Vectors, removed: Keys) -> State:
        parts = [dict(part) for part in state["parts"]]
        reader = self.open(state)
        assert isinstance(reader, FaissReader)
        gone = np.unique(
            np.concatenate([np.asarray(part["removed"], np.int64) for part in parts] + [removed])
        )
        if (len(parts) >= 2 and parts[-1]["count"] <= RECENT_LIMIT) or (
            len(parts) == 1 and self._is_small(parts[0])
        ):
            # The part of recent edits is written anew with the new ones.
            part = parts.pop()
            old_keys, old_vectors = reader.parts[-1].keys, reader.parts[-1].vectors()
            stays = ~np.isin(old_keys, np.concatenate([gone, keys]))
            keys = np.concatenate([old_keys[stays], keys])
            vectors = np.concatenate([old_vectors[stays], vectors])
        for part, opened in zip(parts, reader.parts, strict=False):
            part["removed"] = np.intersect1d(opened.keys, gone).tolist()
        order = np.argsort(keys, kind="stable")
        keys, vectors = keys[order], vectors[order]
        if sum(len(part["removed"]) > REMOVED_SHARE * part["count"] for part in parts):
            old = [
                (opened.keys[stays], opened.vectors()[stays])
                for part, opened in zip(parts, reader.parts, strict=False)
                for stays in [~np.isin(opened.keys, part["removed"])]
            ]
            keys = np.concatenate([old_keys for old_keys, _ in old] + [keys])
            vectors = np.concatenate([old_vectors for _, old_vectors in old] + [vectors])
            order = np.argsort(keys, kind="stable")
            return self.build(collection, keys[order], vectors[order])
        if len(keys):
            parts.append(self._write(collection, keys, vectors))
        return {"parts": parts}

    def open(self, state: State, previous: VectorReader | None = None) -> FaissReader:
        known = {part.file: part for part in previous.parts} if isinstance(previous, FaissReader) else {}
        return FaissReader(
            [known.get(part["file"]) or self._read(part) for part in state["parts"]], state, self
        )

    def discard(self, kept: Sequence[State]) -> None:
        names = {part["file"] for state in kept for part in state["parts"]}
        for path in self.folder.glob("*.faiss"):
            if path.name not in names:
                path.unlink(missing_ok=True)
        for path in self.folder.glob(".*.part"):
            path.unlink(missing_ok=True)

    def _is_small(self, part: dict[str, Any]) -> bool:
        return bool(part["count"] <= max(RECENT_LIMIT, self.flat_limit // 8))

    def _write(self, collection: str, keys: Keys, vectors: Vectors) -> dict[str, Any]:
        index = self._index(vectors)
        wrapped = faiss.IndexIDMap(index)
        for start in range(0, len(keys), 20_000):
            block = np.ascontiguousarray(vectors[start : start + 20_000], np.float32)
            wrapped.add_with_ids(block, np.ascontiguousarray(keys[start : start + 20_000]))
        name = f"{collection}-{secrets.token_hex(6)}.faiss"
        handle, scratch = tempfile.mkstemp(suffix=".part", prefix=".", dir=self.folder)
        os.close(handle)
        try:
            faiss.write_index(wrapped, scratch)
            with open(scratch, "rb") as source:
                record = write_atomic(self.folder / name, lambda target: _copy(source, target))
        finally:
            Path(scratch).unlink(missing_ok=True)
        return {**record, "count": len(keys), "removed": []}

    def _index(self, vectors: Vectors) -> Any:
        """Return an empty, trained index that suits the number of vectors."""
        count, dimension = vectors.shape
        metric = faiss.METRIC_INNER_PRODUCT
        if count <= self.flat_limit:
            return faiss.IndexFlatIP(dimension)
        lists = min(max(MIN_LISTS, int(4 * np.sqrt(count))), MAX_LISTS)
        rows = np.random.default_rng(0).choice(count, min(count, lists * TRAIN_PER_LIST), replace=False)
        sample = np.ascontiguousarray(vectors[np.sort(rows)], np.float32)
        if self.kind == "hnsw":
            index = faiss.IndexHNSWSQ(dimension, faiss.ScalarQuantizer.QT_8bit, 24, metric)
            index.hnsw.efConstruction = 80
        elif self.kind in ("ivf", "ivfpq"):
            quantizer = faiss.IndexFlatIP(dimension)
            if self.kind == "ivf":
                index = faiss.IndexIVFScalarQuantizer(
                    quantizer, dimension, lists, faiss.ScalarQuantizer.QT_8bit, metric
                )
            else:
                index = faiss.IndexIVFPQ(quantizer, dimension, lists, dimension // 4, 8, metric)
            index.own_fields, index.cp.niter = True, 5
            quantizer.this.disown()
        else:
            raise VectorStoreError(f"index kind {self.kind!r} is none of hnsw, ivf, ivfpq")
        index.train(sample)
        return index

    def _read(self, part: dict[str, Any]) -> _Part:
        problem = check(self.folder, part)
        if problem:
            raise VectorStoreError(f"{problem}; run `chengda knowledge reindex`")
        index = faiss.read_index(str(self.folder / part["file"]))
        return _Part(part["file"], index, self.search_effort)


class _Part:
    """One FAISS file, opened."""

    def __init__(self, file: str, index: Any, effort: int) -> None:
        self.file = file
        self.index = index
        self.keys: Keys = faiss.vector_to_array(index.id_map).copy()
        self.inner = faiss.downcast_index(index.index)
        self.is_flat = isinstance(self.inner, faiss.IndexFlat)
        if isinstance(self.inner, faiss.IndexHNSW):
            self.inner.hnsw.efSearch = effort or EF_SEARCH
        elif isinstance(self.inner, faiss.IndexIVF):
            self.inner.nprobe = effort or 48
            self.inner.make_direct_map()
        self.matrix: Vectors | None = None
        if self.is_flat:
            # The matrix lies in FAISS's own memory, which this object keeps alive.
            flat = faiss.rev_swig_ptr(self.inner.get_xb(), self.inner.ntotal * self.inner.d)
            self.matrix = flat.reshape(self.inner.ntotal, self.inner.d)

    def vectors(self) -> Vectors:
        """Return all vectors, as exactly as they are kept."""
        if self.matrix is not None:
            return self.matrix
        return np.asarray(self.inner.reconstruct_n(0, self.inner.ntotal))

    def search(self, vector: Vectors, k: int, allowed: Keys | None) -> tuple[Vectors, Keys]:
        if not hasattr(_thread, "single"):
            # One question is too small to share among cores; OpenMP keeps this setting by thread.
            faiss.omp_set_num_threads(1)
            _thread.single = True
        if allowed is None:
            scores, keys = self.index.search(vector[None, :], k)
            return scores[0], keys[0]
        rows = np.flatnonzero(np.isin(self.keys, allowed))
        if self.matrix is not None or len(rows) < 2_000:
            matrix = self.matrix[rows] if self.matrix is not None else self._some(rows)
            scores = matrix @ vector
            best = np.argsort(-scores)[:k]
            return scores[best], self.keys[rows[best]]
        selector = faiss.IDSelectorBatch(rows)
        if isinstance(self.inner, faiss.IndexHNSW):
            parameters = faiss.SearchParametersHNSW(sel=selector, efSearch=self.inner.hnsw.efSearch)
        else:
            parameters = faiss.SearchParametersIVF(sel=selector, nprobe=self.inner.nprobe)
        scores, found = self.inner.search(vector[None, :], k, params=parameters)
        return scores[0], np.where(found[0] >= 0, self.keys[found[0]], -1)

    def _some(self, rows: Any) -> Vectors:
        if not len(rows):
            return np.zeros((0, self.inner.d), np.float32)
        return np.stack([self.inner.reconstruct(int(row)) for row in rows])


class FaissReader(VectorReader):
    """An opened state: its parts, and which keys of each are no longer there."""

    def __init__(self, parts: Sequence[_Part], state: State, store: FaissStore) -> None:
        self.parts = list(parts)
        self.dimension = store.dimension
        self.removed = np.sort(
            np.asarray([key for part in state["parts"] for key in part["removed"]], np.int64)
        )

    def search(self, vector: Vectors, k: int, allowed: Keys | None = None) -> tuple[Keys, Vectors]:
        if not self.parts:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        # Some of the removed vectors may stand among the best: as many more are asked for.
        wanted = k + min(len(self.removed), 4 * k)
        found = [part.search(vector, wanted, allowed) for part in self.parts]
        scores = np.concatenate([part[0] for part in found])
        keys = np.concatenate([part[1] for part in found])
        alive = keys >= 0
        if len(self.removed):
            alive &= ~np.isin(keys, self.removed)
        scores, keys = scores[alive], keys[alive]
        best = np.argsort(-scores, kind="stable")[:k]
        return keys[best], np.clip(scores[best], -1, 1)

    def fetch(self, keys: Keys) -> Vectors:
        out = np.zeros((len(keys), self.dimension), np.float32)
        for part in self.parts:
            # A part's keys are written in rising order.
            rows = np.clip(np.searchsorted(part.keys, keys), 0, len(part.keys) - 1)
            hits = np.flatnonzero(part.keys[rows] == keys)
            if part.matrix is not None:
                out[hits] = part.matrix[rows[hits]]
            else:
                for hit in hits:
                    out[hit] = part.inner.reconstruct(int(rows[hit]))
        return out


def _copy(source: Any, target: Any) -> None:
    while block := source.read(1 << 22):
        target.write(block)
