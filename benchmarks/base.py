"""Measure the shipped base beside its parents and write benchmarks/base.md.

    python -m benchmarks.base --work WORK --nlu NLU [--finetune] [--report benchmarks/base.md]

WORK is the pipeline's folder (held-out sets), NLU the folder with cic_zh, clinc150 and xsid files.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from nlp.encoder import BASE_DIR, Encoder

SENTENCE = "请问明天早上从火车站到市图书馆应该坐哪一路公交车，大概需要多长时间才能到"
Scores = dict[str, float]


def latency_ms(encode: Callable[[str], object], runs: int = 300) -> tuple[float, float]:
    """Return (p50, p95) milliseconds of a single call."""
    for _ in range(20):
        encode(SENTENCE)
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        encode(SENTENCE)
        times.append(1000 * (time.perf_counter() - started))
    return float(np.percentile(times, 50)), float(np.percentile(times, 95))


def speed(texts: list[str]) -> Scores:
    """Time the int8 encoder on one core: one sentence, batches of 32, opening it."""
    started = time.perf_counter()
    encoder = Encoder.load(BASE_DIR, threads=1)
    opened = time.perf_counter() - started
    p50, p95 = latency_ms(encoder.encode_one)
    started = time.perf_counter()
    encoder.encode(texts, batch_size=32)
    rate = len(texts) / (time.perf_counter() - started)
    return {
        "tokens in the sentence": len(encoder.tokens(SENTENCE)),
        "p50 ms": p50,
        "p95 ms": p95,
        "sentences/s in batches of 32": rate,
        "load ms": 1000 * opened,
        "int8 MB": (BASE_DIR / "model.int8.onnx").stat().st_size / 1e6,
        "fp16 MB": (BASE_DIR / "model.safetensors").stat().st_size / 1e6,
        "RSS MB of a process that encodes": resident_mb(),
    }


def resident_mb() -> float:
    """Return the peak resident memory of a fresh process that opens the encoder and encodes 200 texts."""
    code = (
        "import re; from pathlib import Path; from nlp.encoder import Encoder, BASE_DIR\n"
        "e = Encoder.load(BASE_DIR)\n"
        f"e.encode([{SENTENCE!r}] * 200)\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) / 1024)"
    )
    root = Path(__file__).parent.parent
    return float(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
        ).stdout
    )


def article_questions() -> list[tuple[str, str, str]]:
    """Read (article, language, question) from the demo city's articles; they were never trained on."""
    found = []
    for path in sorted((Path(__file__).parent.parent / "knowledge" / "articles").rglob("*.md")):
        language, inside = "", False
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("questions:"):
                inside = True
            elif inside and not line.startswith(" "):
                break
            elif inside and line.strip() in ("zh:", "en:"):
                language = line.strip()[:2]
            elif inside and line.strip().startswith("- "):
                found.append((path.stem, language, line.strip()[2:].strip("\"'")))
    return found


def article_search(embed: Callable[[list[str]], np.ndarray[Any, Any]]) -> Scores:
    """Share of questions whose nearest other question (of the language asked) belongs to the same article."""
    questions = article_questions()
    if not questions:
        return {}
    vectors = embed([text for _, _, text in questions])
    owner, language = np.array([q[0] for q in questions]), np.array([q[1] for q in questions])
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -1)
    result = {}
    for asked in ("zh", "en"):
        for answered in ("zh", "en"):
            part = np.where(language[None] == answered, scores, -1)[language == asked]
            result[f"articles {asked}→{answered}"] = float(
                np.mean(owner[part.argmax(1)] == owner[language == asked])
            )
    return result


def embeddings(work: Path, nlu: Path, wanted: list[str], articles_only: bool) -> Iterator[tuple[str, Scores]]:
    """Measure USE, MiniLM, the torch student and the shipped int8 graph by the same yardsticks."""
    from training.base.evaluate import Embed, Yardsticks, in_batches
    from training.base.student import embed, load_student
    from training.base.teachers import MiniLmTeacher, UseTeacher

    yardsticks = Yardsticks(work, nlu)
    student, encoder = load_student(BASE_DIR), Encoder.load(BASE_DIR, threads=2)
    models: dict[str, Embed] = {
        "USE (teacher)": in_batches(UseTeacher().encode),
        "MiniLM": in_batches(MiniLmTeacher().encode),
        "base": lambda texts: embed(student, texts),
        "base, 512-d head": lambda texts: embed(student, texts, head=True),
        "base int8": lambda texts: encoder.encode(texts, batch_size=32),
    }
    for name, model in models.items():
        if wanted and name not in wanted:
            continue
        started = time.perf_counter()
        scores = (
            article_search(model) if articles_only else {**yardsticks.all(model), **article_search(model)}
        )
        logging.info("%s measured in %.0f s", name, time.perf_counter() - started)
        yield name, scores


def fine_tuning(nlu: Path) -> Iterator[tuple[str, Scores]]:
    """Fine-tune base and MiniLM on the intent sets, and measure transfer between languages on xsid."""
    from training.base.finetune import fine_tune
    from training.base.parents import minilm_dir
    from training.base.probe import read_labelled

    yield "base", fine_tuned_transfer(nlu)
    # MiniLM reads no Chinese, so only the English set is fair to it.
    for model, folder, name in (
        ("base", BASE_DIR, "cic_zh"),
        ("base", BASE_DIR, "clinc150"),
        ("MiniLM", minilm_dir(), "clinc150"),
    ):
        texts, labels = read_labelled(nlu / f"{name}.train.tsv")
        score = fine_tune(folder, texts, labels).accuracy(*read_labelled(nlu / f"{name}.dev.tsv"))
        logging.info("%s %s %.4f", model, name, score)
        yield model, {f"fine-tune {name}": score}


def fine_tuned_transfer(nlu: Path, folds: int = 3) -> Scores:
    """Fine-tune on one language of xsid and test unseen sentences in both; mean over folds."""
    from training.base.finetune import fine_tune
    from training.base.probe import read_labelled

    texts = {lang: read_labelled(nlu / f"xsid_{lang}.dev.tsv")[0] for lang in ("en", "zh")}
    labels = read_labelled(nlu / "xsid_en.dev.tsv")[1]
    order = np.random.default_rng(1).permutation(len(labels))
    totals: dict[str, list[float]] = {}
    for source, other in (("en", "zh"), ("zh", "en")):
        for fold in range(folds):
            test = order[fold::folds]
            train = np.setdiff1d(order, test)
            model = fine_tune(
                BASE_DIR, [texts[source][i] for i in train], [labels[i] for i in train], epochs=10, batch=16
            )
            goal = [labels[i] for i in test]
            for lang in (source, other):
                score = model.accuracy([texts[lang][i] for i in test], goal)
                totals.setdefault(f"fine-tune xsid {source}→{lang}", []).append(score)
    return {name: float(np.mean(values)) for name, values in totals.items()}


def report(results: dict[str, Scores], timing: Scores, conditions: str) -> str:
    """Lay everything out as Markdown."""
    from training.base.evaluate import as_table

    lines = ["# The shipped base, measured", "", conditions, "", "Shares in per cent; higher is better.", ""]
    lines += [
        as_table(results),
        "",
        "Speed and size of the int8 graph, one thread:",
        "",
        "| | |",
        "|---|---|",
    ]
    lines += [f"| {name} | {value:.1f} |" for name, value in timing.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--nlu", type=Path, required=True)
    parser.add_argument("--report", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--finetune", action="store_true", help="also fine-tune whole models (minutes)")
    parser.add_argument("--speed-only", action="store_true", help="measure speed and size only")
    parser.add_argument(
        "--models", nargs="*", default=[], help="measure only these; keep the others' last scores"
    )
    parser.add_argument(
        "--articles-only", action="store_true", help="measure only the search in our articles"
    )
    parser.add_argument("--threads", type=int, default=0, help="torch threads")
    options = parser.parse_args()
    _set_threads(options.threads)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    kept = options.work / "benchmark.json"
    results: dict[str, Scores] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    texts = (options.work / "distractors.zh.txt").read_text(encoding="utf-8").splitlines()[:2000]
    parts: list[Iterator[tuple[str, Scores]]] = []
    if not options.speed_only:
        parts.append(embeddings(options.work, options.nlu, options.models, options.articles_only))
    if options.finetune:
        parts.append(fine_tuning(options.nlu))
    for name, scores in chain.from_iterable(parts):
        # Merge with what another process may have written since, and lose nothing when stopped.
        results = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        results.setdefault(name, {}).update(scores)
        kept.write_text(json.dumps(results, indent=1, ensure_ascii=False), encoding="utf-8")
    timing = speed(texts)
    conditions = f"Encoder {Encoder.load(BASE_DIR).fingerprint}; command: `{' '.join(['python -m benchmarks.base', *_shown()])}`."
    options.report.write_text(report(results, timing, conditions), encoding="utf-8")
    logging.info("wrote %s", options.report.name)


def _set_threads(count: int) -> None:
    import torch

    from training.base.optim import keep_freed_memory

    keep_freed_memory()
    if count:
        torch.set_num_threads(count)


def _shown() -> list[str]:
    """Return the arguments without this machine's folders."""
    return [Path(word).name if "/" in word else word for word in sys.argv[1:]]


if __name__ == "__main__":
    main()
