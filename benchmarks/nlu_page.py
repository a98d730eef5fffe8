"""Writes the figures of `benchmarks.nlu` as a Markdown page."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import Any

_NAMES = {
    "chengda": "**Chengda**",
    "tfidf": "TF-IDF + logistic regression",
    "use": "USE + logistic regression",
    "diet": "Rasa DIET",
}
_NOISE = ("typo", "homophone", "punctuation", "case")


def page(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Return the page.

    Args:
        results: figures by `set part` and row, as `benchmarks.nlu` collects them.
    """
    return "\n".join([_head(), *_intents(results), *_noise(results), ""])


def _head() -> str:
    return """# Intents, entities and what is out of scope

Made by `python -m benchmarks.nlu --data FOLDER --page benchmarks/nlu.md` on a shared two-core machine, rows and sets in several
calls. FOLDER holds the public sets, which are not part of this repository. Accuracy in per cent; ECE is the expected
calibration error; out of scope: area under the ROC curve and false positives at 95 % found, in per cent. Times of training are
wall seconds and CPU seconds (other work was running; halve the CPU seconds for two quiet cores). `p50` is one text at a time.
Tests named `blind` were written by hand after the training data and are never trained with.
"""


def _intents(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    lines = [
        "## Accuracy, calibration, out of scope, cost",
        "",
        "| set | row | trained on | tested on | accuracy | macro-F1 | ECE | OOS AUROC | FPR95 | entity F1 | p50 ms | train s | CPU s |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, rows in results.items():
        for row in _ordered(rows):
            found = rows[row]
            oos = found.get("oos") or {}
            label = _NAMES[row] + (f", {found['epochs']} epochs" if "epochs" in found else "")
            lines.append(
                f"| {name} | {label} | {found['train_texts']} | {found['texts']} | {_percent(found['accuracy'])} "
                f"| {_percent(found['macro_f1'])} | {found['ece']:.3f} | {_percent(oos.get('auroc'))} "
                f"| {_percent(oos.get('fpr95'))} | {_percent(found.get('entity_f1'))} | {found['p50_ms']:.1f} "
                f"| {found['train_s']:.0f} | {_seconds(found['train_cpu_s'])} |"
            )
    return [*lines, ""]


def _noise(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    lines = [
        "## Points lost on damaged copies",
        "",
        "One typing slip in every sentence; one or two characters replaced by others of the same sound; punctuation lost; other case.",
        "",
        "| set | row | " + " | ".join(_NOISE) + " |",
        "|---|---|" + "---|" * len(_NOISE),
    ]
    for name, rows in results.items():
        for row in _ordered(rows):
            found = rows[row]
            if any(f"noise {kind}" in found for kind in _NOISE):
                cells = [_lost(found, kind) for kind in _NOISE]
                lines.append(f"| {name} | {_NAMES[row]} | " + " | ".join(cells) + " |")
    return lines


def _ordered(rows: Mapping[str, Any]) -> list[str]:
    return [row for row in _NAMES if row in rows]


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _seconds(value: float) -> str:
    return "–" if isnan(value) else f"{value:.0f}"


def _lost(found: Mapping[str, Any], kind: str) -> str:
    value = found.get(f"noise {kind}")
    return "–" if value is None else f"{100 * (found['accuracy'] - value):.1f}"
