"""One contract, several vector stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knowledge.vectors import VectorStore, VectorStoreError, make_vector_store
from knowledge.vectors.faiss_store import FaissStore
from knowledge.vectors.memory import MemoryReader

DIMENSION = 32


def unit(count: int, seed: int = 0, groups: int = 0) -> Any:
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(count, DIMENSION)).astype("f4")
    if groups:
        centres = generator.normal(size=(groups, DIMENSION)).astype("f4") * 1.5
        vectors += centres[generator.integers(groups, size=count)]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(params=["faiss", "qdrant"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorStore]:
    if request.param == "qdrant":
        pytest.importorskip("qdrant_client")
    made = make_vector_store(request.param, tmp_path / "vectors", DIMENSION)
    yield made
    getattr(made, "close", lambda: None)()


def test_search_is_exact_and_best_first(store: VectorStore) -> None:
    keys, vectors = np.arange(100, 300), unit(200)
    reader = store.open(store.build("zh", keys, vectors))
    query = unit(1, seed=5)[0]
    found, scores = reader.search(query, 10)
    exact, expected = MemoryReader(keys, vectors).search(query, 10)
    assert found.tolist() == exact.tolist()
    assert np.allclose(scores, expected, atol=1e-4)
    assert (np.abs(scores) <= 1).all()


def test_search_among_allowed_keys(store: VectorStore) -> None:
    keys, vectors = np.arange(200), unit(200)
    reader = store.open(store.build("zh", keys, vectors))
    allowed = np.asarray([3, 50, 51, 199])
    found, _ = reader.search(vectors[7], 10, allowed)
    assert sorted(found.tolist()) == allowed.tolist()


def test_update_adds_and_removes_and_leaves_the_old_state(store: VectorStore) -> None:
    keys, vectors = np.arange(50), unit(50)
    old = store.build("zh", keys, vectors)
    before = store.open(old)
    added = unit(3, seed=9)
    new = store.update("zh", old, np.asarray([60, 61, 62]), added, np.asarray([0, 1]))
    after = store.open(new, before)
    assert after.search(added[1], 1)[0].tolist() == [61]
    assert not {0, 1} & set(after.search(vectors[0], 60)[0].tolist())
    assert before.search(vectors[0], 1)[0].tolist() == [0]


def test_many_updates_in_a_row(store: VectorStore) -> None:
    keys, vectors = np.arange(40), unit(40)
    state = store.build("en", keys, vectors)
    live = dict(zip(keys.tolist(), vectors, strict=True))
    for number in range(12):
        key = 100 + number
        gone = sorted(live)[0]
        fresh = unit(1, seed=key)
        state = store.update("en", state, np.asarray([key]), fresh, np.asarray([gone]))
        live.pop(gone)
        live[key] = fresh[0]
        store.discard([state])
    reader = store.open(state)
    found, _ = reader.search(unit(1, seed=3)[0], 100)
    assert sorted(found.tolist()) == sorted(live)
    wanted = np.asarray(sorted(live))
    assert np.allclose(reader.fetch(wanted), np.stack([live[key] for key in sorted(live)]), atol=1e-4)


def test_fetch_gives_zeros_for_unknown_keys(store: VectorStore) -> None:
    vectors = unit(5)
    reader = store.open(store.build("zh", np.arange(5), vectors))
    got = reader.fetch(np.asarray([3, 77, -1]))
    assert np.allclose(got[0], vectors[3], atol=1e-5)
    assert not got[1:].any()


def test_empty_collection(store: VectorStore) -> None:
    empty = np.zeros((0, DIMENSION), "f4")
    state = store.build("zh", np.zeros(0, np.int64), empty)
    reader = store.open(state)
    assert len(reader.search(unit(1)[0], 5)[0]) == 0
    assert not reader.fetch(np.asarray([1])).any()
    grown = store.update("zh", state, np.asarray([4]), unit(1), np.zeros(0, np.int64))
    assert store.open(grown).search(unit(1)[0], 5)[0].tolist() == [4]


def test_discard_keeps_what_a_state_needs(store: VectorStore) -> None:
    first = store.build("zh", np.arange(10), unit(10))
    second = store.build("zh", np.arange(10), unit(10, seed=1))
    store.discard([second])
    assert store.open(second).search(unit(1)[0], 1)[0].size == 1
    with pytest.raises(VectorStoreError, match="reindex"):
        store.open(first)


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_approximate_kinds_find_nearly_what_an_exact_search_finds(tmp_path: Path, kind: str) -> None:
    keys, vectors = np.arange(4000), unit(4000, groups=60)
    store = FaissStore(tmp_path, DIMENSION, flat_limit=500, kind=kind)
    state = store.build("zh", keys, vectors)
    reader, exact = store.open(state), MemoryReader(keys, vectors)
    queries = unit(40, seed=3, groups=60)
    hits = sum(
        len(set(reader.search(q, 10)[0].tolist()) & set(exact.search(q, 10)[0].tolist())) for q in queries
    )
    assert hits >= 0.9 * 400
    some = np.arange(0, 4000, 3)
    found, _ = reader.search(queries[0], 10, some)
    assert set(found.tolist()) <= set(some.tolist())
    assert len(found) == 10
    state = store.update("zh", state, np.asarray([9000]), queries[:1], keys[:2])
    assert store.open(state, reader).search(queries[0], 1)[0].tolist() == [9000]
    assert (np.abs(store.open(state).fetch(keys[5:6])[0] - vectors[5]) < 0.05).all()


def test_damaged_file_is_noticed(tmp_path: Path) -> None:
    store = FaissStore(tmp_path, DIMENSION)
    state = store.build("zh", np.arange(10), unit(10))
    (file,) = tmp_path.glob("*.faiss")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(bytes(data))
    with pytest.raises(VectorStoreError, match="checksum"):
        store.open(state)


def test_unknown_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(VectorStoreError, match="'milvus' cannot be used"):
        make_vector_store("milvus", tmp_path, DIMENSION)
