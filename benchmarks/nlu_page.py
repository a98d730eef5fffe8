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
_COLUMNS = (
    "set", "row", "trained on", "tested on", "accuracy", "macro-F1", "ECE", "OOS AUROC", "OOS FPR95", "entity F1",
    "p50 ms", "CPU ms", "train s", "train CPU s",
)  # fmt: skip
_PARTS = ("own blind_zh", "own blind_en", "clinc150 dev", "cic_zh dev", "xsid en→zh zh", "xsid zh→en en")
_NOISE = ("typo", "homophone", "punctuation", "case")


def page(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Return the page.

    Args:
        results: figures by `set part` and row, as `benchmarks.nlu` collects them.
    """
    return "\n".join([_head(), *_intents(results), *_noise(results), *_missing(results), ""])


def _head() -> str:
    return """# Intents, entities and what is out of scope

Made by `python -m benchmarks.nlu --data FOLDER --page benchmarks/nlu.md` on a shared two-core machine, rows and sets in several
calls. FOLDER holds the public sets, which are not part of this repository. Accuracy in per cent; ECE is the expected
calibration error; out of scope: area under the ROC curve and false positives at 95 % found, in per cent. Times of training are
wall seconds and CPU seconds (other work was running; halve the CPU seconds for two quiet cores). `p50` is one text at a time on
one thread, in wall milliseconds beside other work, and in CPU milliseconds, which other work hardly touches.
Tests named `blind` were written by hand after the training data and are never trained with.
"""


def _intents(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    lines = [
        "## Accuracy, calibration, out of scope, cost",
        "",
        "| " + " | ".join(_COLUMNS) + " |",
        "|" + "---|" * len(_COLUMNS),
    ]
    for name, rows in results.items():
        for row in _ordered(rows):
            found = rows[row]
            oos = found.get("oos") or {}
            label = _NAMES[row] + (f", {found['epochs']} epochs" if "epochs" in found else "")
            costs = f"{found['p50_ms']:.1f} | {_ms(found.get('cpu_ms'))} | {found['train_s']:.0f}"
            lines.append(
                f"| {name} | {label} | {found['train_texts']} | {found['texts']} | {_percent(found['accuracy'])} "
                f"| {_percent(found['macro_f1'])} | {found['ece']:.3f} | {_percent(oos.get('auroc'))} "
                f"| {_percent(oos.get('fpr95'))} | {_percent(found.get('entity_f1'))} | {costs} | {_seconds(found['train_cpu_s'])} |"
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


def _missing(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """Name what was not measured, so that a gap in the table is not read as a figure left out on purpose."""
    gaps = [
        f"{name}: {', '.join(_NAMES[row].strip('*') for row in _NAMES if row not in results.get(name, {}))}"
        for name in _PARTS
        if any(row not in results.get(name, {}) for row in _NAMES)
    ]
    return ["", "Not measured yet: " + "; ".join(gaps) + "."] if gaps else []


def _ordered(rows: Mapping[str, Any]) -> list[str]:
    return [row for row in _NAMES if row in rows]


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _seconds(value: float) -> str:
    return "–" if isnan(value) else f"{value:.0f}"


def _lost(found: Mapping[str, Any], kind: str) -> str:
    value = found.get(f"noise {kind}")
    return "–" if value is None else f"{100 * (found['accuracy'] - value):.1f}"
