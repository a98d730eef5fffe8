"""The stages of the base pipeline; each leaves its result under `work` and is skipped when that exists."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np

from training.base.corpus import build_corpus, load_corpus
from training.base.distil import Distiller, open_caches
from training.base.evaluate import Scores, Yardsticks, as_table, in_batches
from training.base.export import INT8_NAME, export_onnx
from training.base.optim import keep_freed_memory
from training.base.settings import BaseSettings
from training.base.student import (
    embed,
    fit_use_head,
    load_student,
    new_student,
    save_student,
    transfer_embeddings,
)
from training.base.teachers import MiniLmTeacher, UseTeacher, pick_device
from training.base.vocabulary import build_tokenizer, choose_vocabulary

log = logging.getLogger(__name__)
HEAD_SENTENCES = 2500


def corpus(settings: BaseSettings) -> dict[str, int]:
    """Filter the text; see `training.base.corpus`."""
    counts = build_corpus(settings)
    log.info("corpus: %s", counts)
    return counts


def vocabulary(settings: BaseSettings) -> Path:
    """Choose pieces, transfer the embeddings, and save the untrained student as `work/init`; return it."""
    target = settings.work / "init"
    if (target / "config.json").exists():
        return target
    text = load_corpus(settings.work)
    chosen = choose_vocabulary(text, settings)
    tokenizer = build_tokenizer(chosen)
    rows, figures = transfer_embeddings(chosen, settings.seed)
    log.info("vocabulary: %d pieces, %s", len(chosen.pieces), figures)
    student = new_student(tokenizer, rows)
    caches = open_caches(text, settings)
    samples, goals = [], []
    for name, lines in (("zh", text.zh), ("en", text.en)):
        count = min(HEAD_SENTENCES, len(lines))
        samples.append(embed(student, lines[:count]))
        goals.append(caches[f"use.{name}"].get(np.arange(count)))
    fit_use_head(student, np.concatenate(samples), np.concatenate(goals))
    partial = settings.work / "init.part"
    shutil.rmtree(partial, ignore_errors=True)
    save_student(student, partial)
    (partial / "transfer.json").write_text(json.dumps(figures), encoding="utf-8")
    partial.replace(target)
    return target


def teacher(settings: BaseSettings) -> None:
    """Compute every teacher vector ahead (otherwise `distil` computes them on first use)."""
    keep_freed_memory()
    for cache in open_caches(load_corpus(settings.work), settings).values():
        cache.fill()


def distil(settings: BaseSettings) -> Path:
    """Train from `work/init`, going on from the last checkpoint; return the averaged model's folder."""
    keep_freed_memory()
    text = load_corpus(settings.work)
    student = load_student(vocabulary(settings))
    Distiller(student, text, open_caches(text, settings), settings).run()
    return settings.work / "run" / "model"


def evaluate(settings: BaseSettings, nlu: Path | None, model: Path) -> dict[str, Scores]:
    """Measure teacher, MiniLM and student side by side; write `work/evaluation.json` and return the scores."""
    device = pick_device(settings.device)
    yardsticks = Yardsticks(settings.work, nlu)
    student = load_student(model)
    student.body.to(device)
    student.use_head.to(device)
    results = {
        "USE (teacher)": yardsticks.all(in_batches(UseTeacher(device).encode)),
        "MiniLM": yardsticks.all(in_batches(MiniLmTeacher(device).encode)),
        "student": yardsticks.all(lambda texts: embed(student, texts)),
        "student, USE head": yardsticks.all(lambda texts: embed(student, texts, head=True)),
    }
    (settings.work / "evaluation.json").write_text(
        json.dumps(results, indent=1, ensure_ascii=False), encoding="utf-8"
    )
    log.info("\n%s", as_table(results))
    return results


def export(settings: BaseSettings, model: Path, out: Path) -> Path:
    """Write the shippable folder: float16 weights, tokenizer, int8 ONNX. Each file is replaced whole."""
    staging = settings.work / "export"
    shutil.rmtree(staging, ignore_errors=True)
    shutil.copytree(model, staging)
    export_onnx(staging, staging / INT8_NAME, quantise=True)
    for path in sorted(staging.rglob("*")):
        if path.is_file():
            target = out / path.relative_to(staging)
            target.parent.mkdir(parents=True, exist_ok=True)
            fresh = target.with_name(target.name + ".new")
            shutil.copy2(path, fresh)
            fresh.replace(target)
    return out
