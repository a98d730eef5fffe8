"""Cost of searching 1 000 to 1 000 000 passages: the vector indexes alone, then the whole hybrid search.

Vectors are made up (groups of Gaussian clouds, 384 dimensions), and so are the passages (20 words by Zipf's law, five
passages to an article). Building and searching run in processes of their own, so that memory is their own: the
searching process opens files as a server does. `hybrid` is `knowledge.ranking`: slips mended, both lists, fusion, every
feature of every candidate, probabilities; only the encoder is left out, which takes the same time at any size.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from retrieval_report import ROOT, machine, read_part, write_part

DIMENSION, QUERIES, TOP = 384, 200, 10
VOCABULARY, WORDS, PASSAGES = 200_000, 20, 5
# Above these sizes a kind is left out: exhaustive search and heavy quantisation have lost by then.
LARGEST = {"flat": 100_000, "ivf": 10_000_000, "ivfpq": 100_000, "hnsw": 10_000_000}
SMALLEST = 10_000


def made_up_vectors(count: int, folder: Path) -> tuple[Any, Any, Any]:
    """Return a float16 memory map (count, 384) of unit vectors in groups, queries, and the rows they are near to."""
    generator = np.random.default_rng(7)
    groups = max(16, int(np.sqrt(count)))
    centres = generator.normal(size=(groups, DIMENSION)).astype("f4")
    out = np.memmap(folder / "vectors.f16", np.float16, "w+", shape=(count, DIMENSION))
    for start in range(0, count, 50_000):
        rows = min(50_000, count - start)
        noise = generator.standard_normal(size=(rows, DIMENSION), dtype="f4")
        block = centres[generator.integers(groups, size=rows)] + np.float32(0.7) * noise
        out[start : start + rows] = block / np.linalg.norm(block, axis=1, keepdims=True)
    rows = generator.integers(count, size=QUERIES)
    near = out[rows].astype("f4")
    queries = near + 0.03 * generator.normal(size=near.shape)
    return out, (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype("f4"), rows


def exact_top(vectors: Any, queries: Any) -> Any:
    """Return the rows of the exact nearest neighbours, (queries, TOP)."""
    best = np.full((len(queries), TOP), -2.0, "f4")
    rows = np.zeros((len(queries), TOP), np.int64)
    for start in range(0, len(vectors), 20_000):
        scores = queries @ np.asarray(vectors[start : start + 20_000], "f4").T
        merged = np.concatenate([best, scores], axis=1)
        places = np.concatenate(
            [rows, np.tile(np.arange(start, start + scores.shape[1]), (len(queries), 1))], axis=1
        )
        order = np.argpartition(-merged, TOP, axis=1)[:, :TOP]
        best, rows = np.take_along_axis(merged, order, 1), np.take_along_axis(places, order, 1)
    return rows


def timings(work: Any, queries: Any) -> tuple[dict[str, float], list[Any]]:
    """Return p50 and p95 in milliseconds of one call at a time, and what each gave."""
    for query in queries[:5]:
        work(query)
    times, results = [], []
    for query in queries:
        begun = time.perf_counter()
        results.append(work(query))
        times.append((time.perf_counter() - begun) * 1000)
    return {"p50": float(np.median(times)), "p95": float(np.quantile(times, 0.95))}, results


def rss_mb() -> float:
    """Return the memory of this process in MB."""
    return float(psutil.Process().memory_info().rss) / 1e6


def prepare(count: int, folder: Path) -> dict[str, Any]:
    """Make up vectors and queries, and find the exact answers."""
    vectors, queries, rows = made_up_vectors(count, folder)
    np.savez(folder / "asked.npz", queries=queries, rows=rows, truth=exact_top(vectors, queries))
    return {}


def build_dense(count: int, folder: Path, kind: str) -> dict[str, Any]:
    """Build one vector index."""
    from knowledge.vectors.faiss_store import FaissStore

    vectors = np.memmap(folder / "vectors.f16", np.float16, "r", shape=(count, DIMENSION))
    limit = count if kind == "flat" else 0
    target = folder / kind
    store = FaissStore(target, DIMENSION, flat_limit=limit, kind="hnsw" if kind == "flat" else kind)
    begun = time.perf_counter()
    state = store.build("en", np.arange(count), vectors)
    build_s = time.perf_counter() - begun
    (target / "state.json").write_text(json.dumps(state))
    return {"build_s": build_s, "file_mb": sum(path.stat().st_size for path in target.iterdir()) / 1e6}


def search_dense(count: int, folder: Path, kind: str) -> dict[str, Any]:
    """Open a vector index that another process has built, and search it."""
    from knowledge.vectors.faiss_store import FaissStore

    with np.load(folder / "asked.npz") as asked:
        queries, truth = asked["queries"], asked["truth"]
    store = FaissStore(folder / kind, DIMENSION)
    before, begun = rss_mb(), time.perf_counter()
    reader = store.open(json.loads((folder / kind / "state.json").read_text()))
    open_s = time.perf_counter() - begun
    times, results = timings(lambda query: reader.search(query, TOP)[0], queries)
    hits = [
        len(set(found.tolist()) & set(right.tolist())) / TOP
        for found, right in zip(results, truth, strict=True)
    ]
    return {"open_s": open_s, "rss_mb": rss_mb() - before, **times, "recall": float(np.mean(hits))}


def word(number: int) -> str:
    """Return a made-up word of consonants and vowels, at least four letters long."""
    letters = []
    for _ in range(2):
        number, consonant = divmod(number, 17)
        number, vowel = divmod(number, 5)
        letters.append("bdfghjklmnprstvwz"[consonant] + "aeiou"[vowel])
    while number:
        number, consonant = divmod(number, 17)
        letters.append("bdfghjklmnprstvwz"[consonant] + "o")
    return "".join(letters)


def made_up_texts(count: int) -> Iterator[str]:
    """Yield passages, words by Zipf's law."""
    words = [word(number) for number in range(VOCABULARY + 1)]
    generator = np.random.default_rng(11)
    for start in range(0, count, 20_000):
        shape = (min(20_000, count - start), WORDS)
        for line in np.minimum(generator.zipf(1.25, size=shape), VOCABULARY).tolist():
            yield " ".join(words[number] for number in line)


def build_lexical(count: int, folder: Path, _kind: str) -> dict[str, Any]:
    """Build the index's segment: postings, facts, words."""
    from knowledge.article import Article
    from knowledge.catalogue import build_segment, write_segment
    from knowledge.records import StoredPiece

    texts = list(made_up_texts(count))
    articles = [
        Article(f"a{number}", {"en": texts[number * PASSAGES]}, answer={"en": "-"}, status="published")
        for number in range(-(-count // PASSAGES))
    ]
    pieces = [
        StoredPiece(row, f"a{row // PASSAGES}", 1, "en", "passage", text) for row, text in enumerate(texts)
    ]
    begun = time.perf_counter()
    segment = build_segment("made-up", articles, pieces)
    build_s = time.perf_counter() - begun
    with (folder / "segment.npz").open("wb") as stream:
        write_segment(segment, stream)
    with np.load(folder / "asked.npz") as asked:
        rows = asked["rows"].tolist()
    generator = np.random.default_rng(3)
    # A question has six of its passage's words, one of them misspelt in every fourth question.
    questions = []
    for number, row in enumerate(rows):
        words = generator.choice(texts[row].split(), 6).tolist()
        questions.append(" ".join([*words[:5], words[5][:-1] + "q" if number % 4 == 0 else words[5]]))
    (folder / "questions.json").write_text(json.dumps(questions))
    return {"build_s": build_s, "file_mb": (folder / "segment.npz").stat().st_size / 1e6}


class Asked:
    """Stands for the encoder: gives each question the vector that was made up for it."""

    fingerprint, dimension = "made-up", DIMENSION

    def __init__(self, vectors: dict[str, Any]) -> None:
        self.vectors, self.current = vectors, ""

    def encode(self, texts: Any) -> Any:
        """Return the current question's vector for each of its spellings."""
        return np.stack([self.vectors[self.current]] * len(texts))

    def encode_one(self, text: str) -> Any:
        """Return the current question's vector."""
        return self.vectors[self.current]


def search_hybrid(_count: int, folder: Path, kind: str) -> dict[str, Any]:
    """Open segment and vectors as a server does; search BM25 alone, then the whole hybrid search."""
    from knowledge.calibrating import NEUTRAL
    from knowledge.catalogue import read_segment
    from knowledge.ranking import make_query, search
    from knowledge.snapshot import Filter, Snapshot
    from knowledge.vectors.faiss_store import FaissStore

    with np.load(folder / "asked.npz") as asked:
        queries, rows = asked["queries"], asked["rows"].tolist()
    questions = json.loads((folder / "questions.json").read_text())
    store = FaissStore(folder / kind, DIMENSION)
    before, begun = rss_mb(), time.perf_counter()
    segment = read_segment("made-up", (folder / "segment.npz").read_bytes())
    lexical_mb, lexical_s = rss_mb() - before, time.perf_counter() - begun
    readers = {
        "en": store.open(json.loads((folder / kind / "state.json").read_text())),
        "zh": store.open({"parts": []}),
    }
    snapshot = Snapshot(
        {"segments": [{"file": "made-up", "gone": []}], "seq": 1, "calibration": None}, [segment], readers
    )
    masks = snapshot.masks(Filter())
    open_s = time.perf_counter() - begun
    encoder = Asked(dict(zip(questions, queries, strict=True)))

    def words(question: str) -> Any:
        encoder.current = question
        terms = make_query(question, "en", snapshot, encoder).terms
        begun = time.perf_counter()
        snapshot.lexical.search(terms, 30, masks)
        return (time.perf_counter() - begun) * 1000

    def whole(question: str) -> Any:
        encoder.current = question
        return search(make_query(question, "en", snapshot, encoder), snapshot, Filter(), NEUTRAL)

    alone = [words(question) for question in questions]
    times, results = timings(whole, questions)
    found = [
        any(hit.facts.id == f"a{row // PASSAGES}" for hit in hits[:TOP])
        for row, hits in zip(rows, results, strict=True)
    ]
    return {
        "lexical": {
            "open_s": lexical_s,
            "rss_mb": lexical_mb,
            "p50": float(np.median(alone)),
            "p95": float(np.quantile(alone, 0.95)),
        },
        "hybrid": {"open_s": open_s, "rss_mb": rss_mb() - before, **times, "found": float(np.mean(found))},
    }


MEASURES = {
    "build-dense": build_dense,
    "search-dense": search_dense,
    "build-lexical": build_lexical,
    "search-hybrid": search_hybrid,
    "prepare": lambda count, folder, _kind: prepare(count, folder),
}


def child(what: str, count: int, folder: Path, kind: str = "") -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, what, str(count), str(folder), kind],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(what, count, kind, json.dumps(result), flush=True)
    return result


def scale(sizes: list[int], kinds: list[str]) -> None:
    """Measure cost by size and write the table; rows of sizes that are not measured now stay as they are."""
    note = f"Measured last: {', '.join(f'{count:,}' for count in sizes)}; {machine()}"
    kept = [line for line in read_part("scale").splitlines() if _count_of(line) not in (0, *sizes)]
    rows: list[dict[str, Any]] = []
    for count in sizes:
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
            folder = Path(name)
            child("prepare", count, folder)
            built: dict[str, dict[str, Any]] = {}
            fitting = [k for k in kinds if count <= LARGEST[k] and (k == "flat" or count >= SMALLEST)]
            # A size that none of the kinds asked for fits is measured with the one that always does.
            for kind in fitting or ["flat"]:
                built[kind] = child("build-dense", count, folder, kind)
                found = child("search-dense", count, folder, kind)
                rows.append({"what": kind, "count": count, **built[kind], **found})
            best = next(kind for kind in ("hnsw", "ivf", "flat") if kind in built)
            segment = child("build-lexical", count, folder)
            found = child("search-hybrid", count, folder, best)
            rows.append({"what": "BM25", "count": count, **segment, **found["lexical"]})
            build_s = segment["build_s"] + built[best]["build_s"]
            rows.append({"what": f"hybrid ({best})", "count": count, **found["hybrid"], "build_s": build_s})
    columns = (
        ("build_s", 1),
        ("open_s", 2),
        ("rss_mb", 0),
        ("file_mb", 0),
        ("p50", 2),
        ("p95", 2),
        ("recall", 3),
        ("found", 3),
    )
    lines = [
        "## Cost by size",
        "",
        f"{DIMENSION} dimensions, top {TOP}, one question at a time on one thread; building uses all cores. {note}.",
        "",
        "| passages | index | build s | open s | RSS MB | file MB | p50 ms | p95 ms | recall of exact | finds its article |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    measured = []
    for row in rows:
        cells = [f"{row['count']:,}", row["what"]]
        cells += [f"{row[key]:.{digits}f}" if key in row else "–" for key, digits in columns]
        measured.append("| " + " | ".join(cells) + " |")
    write_part("scale", "\n".join([*lines, *sorted([*kept, *measured], key=_count_of)]))


def _count_of(line: str) -> int:
    """Return how many passages a row of the table is about; 0 for any other line."""
    found = re.match(r"\| ([\d,]+) \|", line)
    return int(found[1].replace(",", "")) if found else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="One measurement; called by retrieval.py.")
    parser.add_argument("what", choices=sorted(MEASURES))
    parser.add_argument("count", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("kind", nargs="?", default="")
    asked = parser.parse_args()
    print(json.dumps(MEASURES[asked.what](asked.count, asked.folder, asked.kind)))
