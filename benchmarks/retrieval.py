"""Knowledge retrieval: quality on held-out questions, cost by size, and reads while a writer edits.

    python benchmarks/retrieval.py quality [--use]        BM25, dense (base; with --use also USE), hybrid; abstention
    python benchmarks/retrieval.py quality --reranker DIR [--opened DATA]   hybrid with and without a cross-encoder
    python benchmarks/retrieval.py scale [--sizes 1000,100000,1000000] [--kinds flat,hnsw,ivf,ivfpq]
    python benchmarks/retrieval.py readers [--readers 200] [--edits 20]

Each part writes its tables into benchmarks/retrieval.md, between its own marks. `quality` uses the shipped articles and
base and the questions in tests/data/knowledge; for `scale` see retrieval_scale.py.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import threading
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from retrieval_report import ROOT, machine, write_part
from retrieval_scale import scale

DATA = ROOT / "tests" / "data" / "knowledge"
TODAY = date(2026, 11, 23)
# Fifty questions a second from 200 readers: what a busy evening asks of two cores, with room for the writer.
PAUSE_S = 4.0


def opened(folder: Path) -> Any:
    """Open the shipped knowledge base in a folder of its own."""
    from city.settings import load_settings
    from knowledge.service import KnowledgeService

    settings = load_settings(ROOT / "city.yml").copy(update={"data_dir": folder})
    return KnowledgeService.open(settings, follow=False)


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
        near = {
            language: [
                service.rehearse(Question(item.query, language, TODAY, "ask_knowledge")).decision
                for item in read_questions(DATA / "near_miss")
                if item.language == language
            ]
            for language in report["abstention"]
        }
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
        "| language | threshold | abstains on unanswerable | falsely | at 5 % falsely | near misses not answered |",
        "|---|---|---|---|---|---|",
    ]
    for language, found in report["abstention"].items():
        lines.append(
            f"| {language} | {found['threshold']:.3f} | {found['abstained']:.1%} | {found['falsely']:.1%} | "
            f"{found['abstained_at_5_percent_falsely']:.1%} | "
            f"{sum(decision != 'answer' for decision in near[language])} of {len(near[language])} |"
        )
    lines += [
        "",
        "Near misses name what an article is about and ask what none says (“who is the captain of the ferry”).",
    ]
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


def reranking(folder: Path, data: Path | None) -> None:
    """Compare the hybrid search with and without a cross-encoder on the held-out questions."""
    from knowledge.calibrating import read_questions, with_reranker
    from knowledge.evaluation import evaluate_retrieval
    from knowledge.remembering import RememberingEncoder
    from knowledge.reranking import Reranker
    from nlp.cross_encoder import CrossEncoder, CrossEncoderManifest

    note = machine()
    manifest = CrossEncoderManifest.read(folder)
    with tempfile.TemporaryDirectory() as scratch:
        service = opened(data or Path(scratch))
        reranker = Reranker(CrossEncoder.load(folder), service.store)
        questions = read_questions(DATA)
        known = read_questions(service.calibration_folder)
        plain = service.calibration_of(service.index.snapshot)
        encoder = RememberingEncoder(service.index.encoder)
        tuned = with_reranker(service.index, reranker, plain, known, encoder)
        lines = [
            "## A cross-encoder over the best ten",
            "",
            f"Cross-encoder {manifest.version if manifest else folder.name}; its weight beside the log-odds, chosen on "
            f"calibration questions that it has not learnt: {tuned.rerank:g}. {note}.",
            "",
            "| search | language | recall@1 | recall@3 | recall@10 | MRR | nDCG@10 | CPU ms a question |",
            "|---|---|---|---|---|---|---|---|",
        ]
        chosen = (("hybrid", None, plain), ("hybrid + cross-encoder", reranker, tuned))
        for name, used, calibration in chosen:
            cpu = time.process_time()
            found = evaluate_retrieval(
                service.index, calibration, questions, modes=("hybrid",), reranker=used
            )
            ms = (time.process_time() - cpu) * 1000 / len(questions)
            for language, scores in found["ranking"]["hybrid"].items():
                cells = (scores[key] for key in ("recall@1", "recall@3", "recall@10", "mrr", "ndcg@10"))
                lines.append(
                    f"| {name} | {language} | "
                    + " | ".join(f"{cell:.3f}" for cell in cells)
                    + f" | {ms:.1f} |"
                )
        service.close()
    if manifest is not None:
        lines += ["", "Trained with: " + ", ".join(f"{k} {v}" for k, v in manifest.training.items()) + "."]
    write_part("reranking", "\n".join(lines))


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
    part.add_argument("--reranker", type=Path, help="folder of a cross-encoder to measure, and only that")
    part.add_argument("--opened", type=Path, help="data directory with an index that is built already")
    part = parts.add_parser("scale")
    part.add_argument("--sizes", default="1000,100000,1000000")
    part.add_argument("--kinds", default="flat,hnsw,ivf,ivfpq")
    part = parts.add_parser("readers")
    part.add_argument("--readers", type=int, default=200)
    part.add_argument("--edits", type=int, default=60)
    arguments = parser.parse_args()
    if arguments.part == "quality" and arguments.reranker is not None:
        reranking(arguments.reranker, arguments.opened)
    elif arguments.part == "quality":
        quality(arguments.use)
    elif arguments.part == "scale":
        scale([int(size) for size in arguments.sizes.split(",")], arguments.kinds.split(","))
    else:
        readers(arguments.readers, arguments.edits)


if __name__ == "__main__":
    main()
