"""Writes the figures of `benchmarks.nlu` and `benchmarks.nlu_ablations` as a Markdown page; its notes stay."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from pathlib import Path
from typing import Any

Figures = Mapping[str, Mapping[str, Mapping[str, Any]]]
_NOTES = "## Notes"

_NAMES = {
    "chengda": "**Chengda**",
    "tfidf": "TF-IDF + logistic regression",
    "use": "USE + logistic regression",
    "diet": "Rasa DIET",
}
_COLUMNS = (
    "set", "row", "trained on", "tested on", "accuracy", "macro-F1", "ECE", "OOS AUROC", "OOS FPR95", "entity F1",
    "p50 ms", "CPU ms", "train CPU s",
)  # fmt: skip
_PARTS = ("own blind_zh", "own blind_en", "clinc150 dev", "cic_zh dev", "xsid en→zh zh", "xsid zh→en en")
_NOISE = ("typo", "homophone", "punctuation", "case")


def write_page(path: Path, results: Figures, ablations: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the page; what people wrote under "Notes" in the one that stands there is kept.

    Args:
        path: of the page.
        results: figures by `set part` and row, as `benchmarks.nlu` collects them.
        ablations: figures by row, as `benchmarks.nlu_ablations` collects them.
    """
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    notes = before[before.index(_NOTES) :].rstrip() if _NOTES in before else ""
    parts = [_head(), *_intents(results), *_noise(results), *_missing(results), *_ablations(ablations)]
    path.write_text("\n".join([*parts, "", notes]).rstrip() + "\n", encoding="utf-8")


def _head() -> str:
    return """# Intents, entities and what is out of scope

Made by `python -m benchmarks.nlu --data FOLDER --page benchmarks/nlu.md` on a shared two-core machine, rows and sets in several
calls. FOLDER holds the public sets, which are not part of this repository. Accuracy in per cent; ECE is the expected
calibration error; out of scope: area under the ROC curve and false positives at 95 % found, in per cent. Other work was running,
so training is given in CPU seconds of one thread; two quiet cores take somewhat more than half of that in wall seconds. `p50` is one
text at a time on one thread, the quickest of five readings of each text: wall milliseconds, then CPU milliseconds.
Tests named `blind` were written by hand after the training data and are never trained with.
"""


def _intents(results: Figures) -> list[str]:
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
            costs = f"{found['p50_ms']:.1f} | {_ms(found.get('cpu_ms'))} | {_seconds(found['train_cpu_s'])}"
            lines.append(
                f"| {name} | {label} | {found['train_texts']} | {found['texts']} | {_percent(found['accuracy'])} "
                f"| {_percent(found['macro_f1'])} | {found['ece']:.3f} | {_percent(oos.get('auroc'))} "
                f"| {_percent(oos.get('fpr95'))} | {_percent(found.get('entity_f1'))} | {costs} |"
            )
    return [*lines, ""]


def _noise(results: Figures) -> list[str]:
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


def _missing(results: Figures) -> list[str]:
    """Name what was not measured, so that a gap in the table is not read as a figure left out on purpose."""
    gaps = [
        f"{name}: {', '.join(_NAMES[row].strip('*') for row in _NAMES if row not in results.get(name, {}))}"
        for name in _PARTS
        if any(row not in results.get(name, {}) for row in _NAMES)
    ]
    return ["", "Not measured with all texts: " + "; ".join(gaps) + "."] if gaps else []


def _ablations(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    some = next(iter(rows.values()))
    lines = [
        "",
        "## What each choice brings",
        "",
        "`python -m benchmarks.nlu_ablations`: each row is one run on our data from the same seed that differs from the "
        "defaults in one thing. "
        f"{some['train_texts']} texts, tested on {some['texts']} held-out ones. These short runs compare choices; "
        "their accuracy is not that of the full model above.",
        "",
        "| row | accuracy | zh | en | typo | homophone | entity F1 | ECE | p50 ms | MB | train CPU s |",
        "|" + "---|" * 11,
    ]
    for name, found in rows.items():
        noise = " | ".join(_percent(found["noise"].get(kind)) for kind in ("typo", "homophone"))
        lines.append(
            f"| {name} | {_percent(found['accuracy'])} | {_percent(found['zh'])} | {_percent(found['en'])} | {noise} "
            f"| {_percent(found['entity_f1'])} | {found['ece']:.3f} | {found['p50_ms']:.1f} | {found['graph_mb']:.0f} "
            f"| {found['train_cpu_s']:.0f} |"
        )
    return lines


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
