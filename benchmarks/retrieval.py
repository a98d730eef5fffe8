"""Knowledge retrieval: quality on held-out questions, cost by size, and reads while a writer edits.

    python benchmarks/retrieval.py quality [--use]        BM25, dense (base; with --use also USE), hybrid; abstention
    python benchmarks/retrieval.py scale [--sizes 1000,100000,1000000] [--kinds flat,hnsw,ivf,ivfpq]
    python benchmarks/retrieval.py readers [--readers 200] [--edits 20]

Each part writes its tables into benchmarks/retrieval.md, between its own marks. `quality` uses the shipped articles and
base and the questions in tests/data/knowledge; `scale` uses made-up vectors (groups of Gaussian clouds, 384 dimensions)
and made-up passages (20 words, Zipf's law); every size and kind runs in a process of its own, so that memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks" / "retrieval.md"
DATA = ROOT / "tests" / "data" / "knowledge"
TODAY = date(2026, 11, 23)
DIMENSION, QUERIES, TOP = 384, 200, 10
VOCABULARY = 200_000
# Fifty questions a second from 200 readers: what a busy evening asks of two cores, with room for the writer.
PAUSE_S = 4.0


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.machine())


def machine() -> str:
    """Return what this was measured on, with the load of other work at that moment."""
    load = os.getloadavg()[0]
    return f"{processor()}, {os.cpu_count()} cores, load of the machine at the start {load:.1f}"


def write_part(name: str, text: str) -> None:
    """Replace one part of the report."""
    old = OUT.read_text("utf-8") if OUT.exists() else "# Retrieval\n\nMade by `benchmarks/retrieval.py`.\n"
    part = f"<!-- {name} -->\n{text.strip()}\n<!-- /{name} -->"
    pattern = re.compile(f"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
    new = pattern.sub(lambda _: part, old) if pattern.search(old) else f"{old.rstrip()}\n\n{part}\n"
    OUT.write_text(new, "utf-8")
    print(text)


def opened(folder: Path) -> Any:
    """Open the shipped knowledge base in a folder of its own."""
    from city.settings import load_settings
    from knowledge.service import KnowledgeService

    settings = load_settings(ROOT / "city.yml").copy(update={"data_dir": folder})
    return KnowledgeService.open(settings, follow=False)


# Quality


def quality(with_use: bool) -> None:
    """Measure rankings, abstention and answers on the held-out questions."""
    from knowledge.calibrating import read_questions
    from knowledge.evaluation import evaluate_answers, evaluate_retrieval, read_conversations
    from knowledge.service import Question

    note = machine()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        service = opened(Path(folder))
        start_s = time.perf_counter() - started
        questions = read_questions(DATA)
        calibration = service.calibration_of(service.index.snapshot)
        report = evaluate_retrieval(service.index, calibration, questions, cross=True)
        ranking = dict(report["ranking"])
        if with_use:
            ranking["dense (USE)"] = use_ranking(service, questions)
        results = evaluate_answers(
            service.answerer,
            service.index.snapshot,
            calibration,
            read_conversations(DATA / "conversations.yml"),
            TODAY,
        )
        times = []
        for item in questions:
            begun = time.perf_counter()
            service.answer(Question(item.query, item.language, TODAY, "ask_knowledge"))
            times.append((time.perf_counter() - begun) * 1000)
        service.close()
    names = {
        "lexical": "BM25 only",
        "dense": "dense only (base)",
        "dense (USE)": "dense only (USE)",
        "hybrid": "hybrid",
    }
    lines = [
        "## Quality on held-out questions",
        "",
        f"{len(service.index.snapshot)} articles; questions: "
        + ", ".join(
            f"{n['answerable']} + {n['unanswerable']} unanswerable ({k})"
            for k, n in report["questions"].items()
        )
        + f". Encoder {report['encoder']}. {note}.",
        "",
        "| search | language | recall@1 | recall@3 | recall@10 | MRR | nDCG@10 |",
        "|---|---|---|---|---|---|---|",
    ]
    for mode in ("lexical", "dense (USE)", "dense", "hybrid"):
        for language, scores in ranking.get(mode, {}).items():
            cells = (scores[key] for key in ("recall@1", "recall@3", "recall@10", "mrr", "ndcg@10"))
            lines.append(
                f"| {names[mode]} | {language} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |"
            )
    lines += [
        "",
        "| questions | articles only in | recall@1 | recall@3 | recall@10 |",
        "|---|---|---|---|---|",
    ]
    for asked, held in report["cross"].items():
        for language, scores in held.items():
            cells = (scores[key] for key in ("recall@1", "recall@3", "recall@10"))
            lines.append(f"| {asked} | {language} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")
    lines += [
        "",
        "| language | threshold | abstains on unanswerable | falsely | at 5 % falsely |",
        "|---|---|---|---|---|",
    ]
    for language, found in report["abstention"].items():
        lines.append(
            f"| {language} | {found['threshold']:.3f} | {found['abstained']:.1%} | {found['falsely']:.1%} | "
            f"{found['abstained_at_5_percent_falsely']:.1%} |"
        )
    lines += ["", "| kind | questions | recall@1 | recall@3 |", "|---|---|---|---|"]
    for kind, found in report["kinds"].items():
        lines.append(f"| {kind} | {found['questions']} | {found['recall@1']:.3f} | {found['recall@3']:.3f} |")
    failed = sum(bool(item.problems) for item in results)
    lines += [
        "",
        f"Scripted conversations: {len(results) - failed} of {len(results)} turns as expected. "
        f"An answer, encoding included: p50 {np.median(times):.1f} ms, p95 {np.quantile(times, 0.95):.1f} ms. "
        f"First start (import, encode, calibrate): {start_s:.1f} s.",
    ]
    write_part("quality", "\n".join(lines))


def use_ranking(service: Any, questions: Any) -> dict[str, dict[str, float]]:
    """Search the same pieces with USE's vectors alone."""
    from knowledge.evaluation import _ranking
    from knowledge.ranking import Candidate
    from knowledge.text import clean
    from training.base.teachers import UseTeacher

    teacher = UseTeacher()

    def encode(texts: list[str]) -> Any:
        blocks = [np.asarray(teacher.encode(texts[i : i + 64])) for i in range(0, len(texts), 64)]
        vectors = np.concatenate(blocks)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    _, pieces = service.store.pieces()
    snapshot = service.index.snapshot
    vectors = encode([clean(piece.text) for piece in pieces])
    asked = encode([clean(item.query) for item in questions])
    pairs = []
    for item, vector in zip(questions, asked, strict=True):
        order = np.argsort(-(vectors @ vector))
        ids = dict.fromkeys(pieces[row].article_id for row in order[:200])
        refs = [snapshot.find(name) for name in ids]
        pairs.append((item, [Candidate(ref, snapshot.facts(ref), 0.0) for ref in refs[:10]]))
    languages = dict.fromkeys(item.language for item in questions)
    return {name: _ranking([pair for pair in pairs if pair[0].language == name]) for name in languages}


# Scale


def made_up_vectors(count: int, folder: Path) -> tuple[Any, Any]:
    """Return a float16 memory map (count, 384) of unit vectors in groups, and queries near some of them."""
    generator = np.random.default_rng(7)
    groups = max(16, int(np.sqrt(count)))
    centres = generator.normal(size=(groups, DIMENSION)).astype("f4")
    path = folder / "vectors.f16"
    out = np.memmap(path, np.float16, "w+", shape=(count, DIMENSION))
    for start in range(0, count, 50_000):
        rows = min(50_000, count - start)
        block = centres[generator.integers(groups, size=rows)] + 0.7 * generator.normal(
            size=(rows, DIMENSION)
        )
        out[start : start + rows] = block / np.linalg.norm(block, axis=1, keepdims=True)
    near = out[generator.integers(count, size=QUERIES)].astype("f4")
    queries = near + 0.03 * generator.normal(size=near.shape)
    return out, (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype("f4")


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
        order = np.argsort(-merged, axis=1)[:, :TOP]
        best, rows = np.take_along_axis(merged, order, 1), np.take_along_axis(places, order, 1)
    return rows


def timings(work: Any, queries: Any) -> tuple[list[float], list[Any]]:
    """Return the milliseconds of each call and what it gave."""
    for query in queries[:5]:
        work(query)
    times, results = [], []
    for query in queries:
        begun = time.perf_counter()
        results.append(work(query))
        times.append((time.perf_counter() - begun) * 1000)
    return times, results


def measure_dense(count: int, kind: str, folder: Path) -> dict[str, Any]:
    """Build and search one dense index; runs in a process of its own."""
    from knowledge.vectors.faiss_store import FaissStore

    vectors, queries = made_up_vectors(count, folder)
    truth = exact_top(vectors, queries)
    limit = count if kind == "flat" else 0
    store = FaissStore(folder / "index", DIMENSION, flat_limit=limit, kind=kind if kind != "flat" else "hnsw")
    begun = time.perf_counter()
    state = store.build("zh", np.arange(count), vectors)
    build_s = time.perf_counter() - begun
    del vectors
    (folder / "state.json").write_text(json.dumps(state))
    np.savez(folder / "asked.npz", queries=queries, truth=truth)
    found = child("search", str(count), kind, "--folder", str(folder))
    size = sum(path.stat().st_size for path in (folder / "index").iterdir())
    return {"what": kind, "count": count, "build_s": build_s, "file_mb": size / 1e6, **found}


def measure_search(folder: Path) -> dict[str, Any]:
    """Open an index that another process has built, and search it."""
    from knowledge.vectors.faiss_store import FaissStore

    with np.load(folder / "asked.npz") as asked:
        queries, truth = asked["queries"], asked["truth"]
    store = FaissStore(folder / "index", DIMENSION)
    before = psutil.Process().memory_info().rss
    begun = time.perf_counter()
    reader = store.open(json.loads((folder / "state.json").read_text()))
    open_s = time.perf_counter() - begun
    times, results = timings(lambda query: reader.search(query, TOP)[0], queries)
    rss = psutil.Process().memory_info().rss - before
    hits = [
        len(set(found.tolist()) & set(right.tolist())) / TOP
        for found, right in zip(results, truth, strict=True)
    ]
    return {
        "open_s": open_s,
        "rss_mb": rss / 1e6,
        "p50": float(np.median(times)),
        "p95": float(np.quantile(times, 0.95)),
        "recall": float(np.mean(hits)),
    }


def made_up_passages(count: int) -> Iterator[tuple[int, Counter[str]]]:
    """Yield passages of 20 words by Zipf's law, five to an article."""
    generator = np.random.default_rng(11)
    for start in range(0, count, 20_000):
        words = np.minimum(generator.zipf(1.25, size=(min(20_000, count - start), 20)), VOCABULARY)
        for row, line in enumerate(words.tolist()):
            yield (start + row) // 5, Counter(f"w{word}" for word in line)


def measure_lexical(count: int) -> dict[str, Any]:
    """Build and search one BM25 index; runs in a process of its own."""
    from knowledge.lexical import LexicalSearch, build_postings

    before = psutil.Process().memory_info().rss
    begun = time.perf_counter()
    postings = build_postings(made_up_passages(count))
    build_s = time.perf_counter() - begun
    search = LexicalSearch([postings], [np.ones(int(postings.document_articles[-1]) + 1, bool)])
    rss = psutil.Process().memory_info().rss - before
    generator = np.random.default_rng(5)
    queries = [
        [f"w{word}" for word in np.minimum(generator.zipf(1.25, size=7), VOCABULARY).tolist()]
        for _ in range(QUERIES)
    ]
    times, _ = timings(lambda words: search.search({word: search.idf(word) for word in words}, 30), queries)
    return {
        "what": "BM25",
        "count": count,
        "build_s": build_s,
        "rss_mb": rss / 1e6,
        "p50": float(np.median(times)),
        "p95": float(np.quantile(times, 0.95)),
        "times": times,
    }


def measure_fused(count: int, kind: str, folder: Path) -> dict[str, Any]:
    """Search dense and BM25 one after the other and fuse them; runs in a process of its own."""
    from knowledge.lexical import LexicalSearch, build_postings
    from knowledge.vectors.faiss_store import FaissStore

    vectors, queries = made_up_vectors(count, folder)
    limit = count if kind == "flat" else 0
    store = FaissStore(folder / "index", DIMENSION, flat_limit=limit, kind=kind if kind != "flat" else "hnsw")
    reader = store.open(store.build("zh", np.arange(count), vectors))
    postings = build_postings(made_up_passages(count))
    search = LexicalSearch([postings], [np.ones(int(postings.document_articles[-1]) + 1, bool)])
    generator = np.random.default_rng(5)
    words = [
        [f"w{word}" for word in np.minimum(generator.zipf(1.25, size=7), VOCABULARY).tolist()]
        for _ in range(QUERIES)
    ]

    def both(number: int) -> list[int]:
        keys, _ = reader.search(queries[number], 60)
        found = search.search({word: search.idf(word) for word in words[number]}, 30)
        scores: dict[int, float] = {}
        for ranked in (
            dict.fromkeys(postings.document_articles[keys].tolist()),
            [row for _, row, _ in found],
        ):
            for rank, article in enumerate(ranked):
                scores[article] = scores.get(article, 0.0) + 1 / (20 + rank)
        return sorted(scores, key=lambda article: -scores[article])[:TOP]

    times, _ = timings(both, list(range(QUERIES)))
    return {
        "what": f"{kind} + BM25, fused",
        "count": count,
        "p50": float(np.median(times)),
        "p95": float(np.quantile(times, 0.95)),
        "rss_mb": psutil.Process().memory_info().rss / 1e6,
    }


def child(*arguments: str) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "measure", *arguments],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def scale(sizes: list[int], kinds: list[str], fused: str) -> None:
    """Measure cost by size."""
    note = machine()
    rows = []
    for count in sizes:
        for kind in kinds:
            # Small bases are flat anyway; at a million only the kinds that held their ground before are built.
            if (kind == "flat" or count >= 10_000) and (kind in ("hnsw", "ivf") or count <= 500_000):
                rows.append(child("dense", str(count), kind))
                print({key: value for key, value in rows[-1].items() if key != "times"}, flush=True)
        rows.append(child("lexical", str(count), "-"))
        rows.append(child("fused", str(count), "flat" if count < 50_000 else fused))
        print({key: value for key, value in rows[-1].items() if key != "times"}, flush=True)
    lines = [
        "## Cost by size",
        "",
        f"384 dimensions, top {TOP}, one query at a time on one thread. {note}.",
        "",
        "| passages | index | build s | open s | RSS MB | file MB | p50 ms | p95 ms | recall of exact |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            f"{row['count']:,}",
            row["what"],
            *(
                f"{row[key]:.{digits}f}" if key in row else "–"
                for key, digits in (
                    ("build_s", 1),
                    ("open_s", 2),
                    ("rss_mb", 0),
                    ("file_mb", 0),
                    ("p50", 2),
                    ("p95", 2),
                    ("recall", 3),
                )
            ),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    write_part("scale", "\n".join(lines))


# Readers


def readers(count: int, edits: int) -> None:
    """Let many readers ask while a writer publishes new versions; count failed and torn reads."""
    from knowledge.service import Question

    note = machine()
    with tempfile.TemporaryDirectory() as folder:
        service = opened(Path(folder))
        item = service.get("library-opening-hours")
        question = Question(item.title["zh"], "zh", TODAY, "ask_knowledge")
        stop, problems, reads = threading.Event(), [], [0] * count
        shown: list[float] = []

        def read(number: int) -> None:
            last = 0
            while not stop.is_set():
                try:
                    text = service.answer(question).replies[0].text
                except Exception as error:
                    problems.append(repr(error))
                    continue
                found = re.fullmatch(r"版本(\d+)：((?:内容)*)", text)
                if found:
                    version = int(found[1])
                    if len(found[2]) != 2 * version or version < last:
                        problems.append(text)
                    last = version
                elif text != item.answer["zh"] or last:
                    problems.append(text)
                reads[number] += 1
                time.sleep(PAUSE_S)

        threads = [threading.Thread(target=read, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        version = item.version
        for number in range(1, edits + 1):
            begun = time.perf_counter()
            changed = replace(item, answer={**item.answer, "zh": f"版本{number}：" + "内容" * number})
            version = service.publish(changed, author="benchmark", base_version=version).version
            assert service.answer(question).replies[0].text.startswith(f"版本{number}：")
            shown.append(time.perf_counter() - begun)
        stop.set()
        for thread in threads:
            thread.join()
        service.close()
    write_part(
        "readers",
        f"## Readers while a writer edits\n\n{count} readers (a question each every {PAUSE_S:.0f} s), {edits} edits: "
        f"{sum(reads)} reads, {len(problems)} failed or torn. "
        f"An edit could be searched after p50 {np.median(shown) * 1000:.0f} ms, "
        f"at most {max(shown) * 1000:.0f} ms. {note}.",
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("quality")
    part.add_argument("--use", action="store_true")
    part = parts.add_parser("scale")
    part.add_argument("--sizes", default="1000,100000,1000000")
    part.add_argument("--kinds", default="flat,hnsw,ivf,ivfpq")
    part.add_argument("--fused", default="hnsw")
    part = parts.add_parser("readers")
    part.add_argument("--readers", type=int, default=200)
    part.add_argument("--edits", type=int, default=60)
    part = parts.add_parser("measure")
    part.add_argument("what")
    part.add_argument("count", type=int)
    part.add_argument("kind")
    part.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.part == "quality":
        quality(arguments.use)
    elif arguments.part == "scale":
        sizes = [int(size) for size in arguments.sizes.split(",")]
        scale(sizes, arguments.kinds.split(","), arguments.fused)
    elif arguments.part == "readers":
        readers(arguments.readers, arguments.edits)
    else:
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
            measures = {
                "search": lambda: measure_search(arguments.folder),
                "dense": lambda: measure_dense(arguments.count, arguments.kind, Path(folder)),
                "lexical": lambda: measure_lexical(arguments.count),
                "fused": lambda: measure_fused(arguments.count, arguments.kind, Path(folder)),
            }
            print(json.dumps(measures[arguments.what]()))


if __name__ == "__main__":
    main()
