"""Measures a finished model on labelled texts: everything the report shows, as plain JSON values."""

from __future__ import annotations

import platform
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from nlp.entities.folding import HAN
from nlp.joint import JointModel, Prediction
from training.nlu.damage import Homophones, change_case, drop_punctuation, typo
from training.nlu.data import OOS_LABELS, DataSet, Example
from training.nlu.marked_text import MarkedText
from training.nlu.metrics import (
    Spans,
    accuracy,
    calibration_error,
    entity_scores,
    per_label,
    reliability,
    separation,
)

_TIMED = 200
_WORST = 12


def evaluate(model: JointModel, data: DataSet, *, name: str = "", noise: bool = True) -> dict[str, Any]:
    """Return the figures of a model on labelled texts.

    Accuracy and macro-F1 count texts whose label the model was trained with, its own out-of-scope class
    included, and texts of other labels as wrong; texts labelled `oos` or `out_of_scope` that the model has no
    class for only count in the out-of-scope figures.

    Args:
        model: a loaded model.
        data: labelled texts.
        name: of the data set, for the report.
        noise: whether to measure on damaged copies too.
    """
    started = time.perf_counter()
    predictions = model.predict([example.text for example in data.examples])
    seconds = time.perf_counter() - started
    known = set(model.intents)
    scored = [
        (e, p)
        for e, p in zip(data.examples, predictions, strict=True)
        if e.intent in known or e.intent not in OOS_LABELS
    ]
    gold = [e.intent for e, _ in scored]
    guess = [p.intent for _, p in scored]
    labels = per_label(gold, guess)
    right = [g == p for g, p in zip(gold, guess, strict=True)]
    table = reliability([p.confidence for _, p in scored], right)
    macro = float(np.mean([score.f1 for score in labels.values()])) if labels else 0.0
    return {
        "data": {
            "name": name,
            "examples": len(data.examples),
            "intents": len(data.intents),
            "unknown_intents": sorted(set(data.intents) - known - OOS_LABELS),
            "hash": data.hash(),
            "notes": data.notes,
        },
        "model": {
            "fingerprint": model.fingerprint,
            "intents": len(model.intents),
            "metrics": model.manifest.metrics,
            "thresholds": asdict(model.manifest.thresholds),
            "temperature": model.manifest.temperature,
        },
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "accuracy": accuracy(gold, guess),
        "macro_f1": macro,
        "ece": calibration_error(table),
        "reliability": table,
        "oos": _out_of_scope(data.examples, predictions),
        "decisions": _decisions(scored),
        "intents": {label: asdict(score) for label, score in labels.items()},
        "confusions": _confusions(gold, guess),
        "mistakes": _mistakes(scored),
        "entities": _entities(data.examples, predictions),
        "slices": _slices(scored),
        "noise": _noise(model, [e for e, _ in scored], accuracy(gold, guess)) if noise else {},
        "latency": {
            **_latency(model, data.examples),
            "batch_texts_per_s": len(predictions) / max(seconds, 1e-9),
        },
    }


def _out_of_scope(examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, Any] | None:
    inside = [p.oos_score for e, p in zip(examples, predictions, strict=True) if e.intent not in OOS_LABELS]
    outside = [(e, p) for e, p in zip(examples, predictions, strict=True) if e.intent in OOS_LABELS]
    measured: dict[str, Any] | None = separation(inside, [p.oos_score for _, p in outside])
    if measured is not None:
        measured["refused_outside"] = sum(not p.accepted for _, p in outside) / len(outside)
        accepted = [
            p.accepted for e, p in zip(examples, predictions, strict=True) if e.intent not in OOS_LABELS
        ]
        measured["refused_inside"] = 1 - sum(accepted) / len(accepted)
    return measured


def _decisions(scored: Sequence[tuple[Example, Prediction]]) -> dict[str, float]:
    inside = [(e, p) for e, p in scored if e.intent not in OOS_LABELS]
    if not inside:
        return {}
    taken = [(e, p) for e, p in inside if p.accepted]
    asked = [(e, p) for e, p in inside if p.ambiguous]
    return {
        "accepted": len(taken) / len(inside),
        "accuracy_of_accepted": sum(e.intent == p.intent for e, p in taken) / max(len(taken), 1),
        "near_ties": len(asked) / len(inside),
        "right_reading_offered": sum(e.intent in p.ambiguous for e, p in asked) / max(len(asked), 1),
    }


def _confusions(gold: Sequence[str], guess: Sequence[str]) -> list[dict[str, Any]]:
    pairs = Counter((g, p) for g, p in zip(gold, guess, strict=True))
    return [{"gold": g, "predicted": p, "count": count} for (g, p), count in sorted(pairs.items())]


def _mistakes(scored: Sequence[tuple[Example, Prediction]]) -> list[dict[str, Any]]:
    wrong = [(e, p) for e, p in scored if e.intent != p.intent]
    wrong.sort(key=lambda item: -item[1].confidence)
    return [
        {"text": e.text, "gold": e.intent, "predicted": p.intent, "confidence": p.confidence}
        for e, p in wrong[:_WORST]
    ]


def spans_of_example(example: Example) -> Spans:
    """Return an example's annotated spans."""
    return frozenset((mark.entity, mark.start, mark.end) for mark in example.marks)


def spans_of_prediction(prediction: Prediction) -> Spans:
    """Return a prediction's spans."""
    return frozenset((entity.entity, entity.start, entity.end) for entity in prediction.entities)


def _entities(examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, Any] | None:
    if not any(example.marks for example in examples):
        return None
    total, each = entity_scores(
        [spans_of_example(e) for e in examples], [spans_of_prediction(p) for p in predictions]
    )
    return {"micro": asdict(total), "by_entity": {name: asdict(score) for name, score in each.items()}}


def language_of(text: str) -> str:
    """Return "zh", "en" or "mixed" by the script of the letters."""
    han = len(HAN.findall(text))
    latin = sum(char.isascii() and char.isalpha() for char in text)
    if han and latin >= 3:
        return "mixed"
    return "zh" if han else "en"


def _length_of(text: str) -> str:
    # A Chinese character tells about as much as half an English word.
    size = len(HAN.findall(text)) / 2 + len([word for word in text.split() if word[0].isascii()])
    return "short (≤ 3 words)" if size <= 3 else "medium (4–10)" if size <= 10 else "long (> 10)"


def _slices(scored: Sequence[tuple[Example, Prediction]]) -> dict[str, dict[str, dict[str, float]]]:
    kinds: tuple[tuple[str, Callable[[str], str]], ...] = (("language", language_of), ("length", _length_of))
    found: dict[str, dict[str, dict[str, float]]] = {}
    for kind, key in kinds:
        groups: dict[str, list[bool]] = {}
        for example, prediction in scored:
            groups.setdefault(key(example.text), []).append(example.intent == prediction.intent)
        found[kind] = {
            name: {"accuracy": sum(hits) / len(hits), "count": len(hits)}
            for name, hits in sorted(groups.items())
        }
    return found


def damaged(examples: Sequence[Example], kind: str, seed: int = 5) -> list[Example]:
    """Return copies with one kind of noise: "typo", "homophone", "punctuation" or "case".

    An example that this noise cannot change stays as it is.
    """
    rng = random.Random(f"{seed}-{kind}")
    homophones = Homophones(example.text for example in examples) if kind == "homophone" else None
    found = []
    for example in examples:
        text = MarkedText.of(example)
        if kind == "typo":
            typo(text, rng)
        elif kind == "punctuation":
            drop_punctuation(text)
        elif kind == "case":
            change_case(text, rng)
        elif homophones is not None:
            homophones.apply(text, rng)
        found.append(text.example(example) or example)
    return found


def _noise(model: JointModel, examples: Sequence[Example], clean: float) -> dict[str, dict[str, float]]:
    found = {}
    gold = [example.intent for example in examples]
    for kind in ("typo", "homophone", "punctuation", "case"):
        copies = damaged(examples, kind)
        changed = sum(a.text != b.text for a, b in zip(examples, copies, strict=True))
        if not changed:
            continue
        reached = accuracy(gold, [p.intent for p in model.predict([copy.text for copy in copies])])
        found[kind] = {"accuracy": reached, "lost_points": 100 * (clean - reached), "changed": changed}
    return found


def _latency(model: JointModel, examples: Sequence[Example]) -> dict[str, Any]:
    texts = [example.text for example in examples]
    texts = random.Random(1).sample(texts, min(_TIMED, len(texts)))
    for text in texts[:5]:
        model.predict([text])
    times = []
    for text in texts:
        started = time.perf_counter()
        model.predict([text])
        times.append(1000 * (time.perf_counter() - started))
    return {
        "p50_ms": float(np.median(times)),
        "p95_ms": float(np.quantile(times, 0.95)),
        "texts": len(times),
        "machine": platform.processor() or platform.machine(),
    }


def model_size_mb(directory: Path) -> float:
    """Return the size of a model's graph and tokenizer in MB."""
    names = ("model.int8.onnx", "tokenizer.json")
    return sum((directory / name).stat().st_size for name in names if (directory / name).is_file()) / 1e6
