"""Compares two versions of the registry on texts that neither was trained with, as plain JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nlp.joint import JointModel
from nlp.joint_manifest import MANIFEST, ModelNotFoundError
from nlp.registry import ModelRegistry
from training.nlu.data import Example, load_data
from training.nlu.errors import NluTrainingError
from training.nlu.gate import compare
from training.nlu.rehearsal import load_examples

_MOST_CHANGES = 200


class NothingToCompareError(NluTrainingError):
    """Every text of the regression set was trained with."""


def compare_versions(
    registry: ModelRegistry, candidate: str, base: str, regression: Path | None = None
) -> dict[str, Any]:
    """Return the gate's figures and the texts whose intent changes.

    Args:
        registry: holds both versions.
        candidate: the new version's name.
        base: the old version's name.
        regression: labelled file; when left out, what the old model was measured with, less what the new one
            was trained on.

    Raises:
        ModelNotFoundError: when a version is not there.
        NothingToCompareError: when no text is left to compare with.
    """
    old_path, new_path = _directory(registry, base), _directory(registry, candidate)
    examples = load_data(regression).examples if regression is not None else unseen(old_path, new_path)
    old, new = JointModel.load(old_path), JointModel.load(new_path)
    result = compare(old, new, examples)
    if not result.examples:
        raise NothingToCompareError(
            f"{candidate}: no regression text is left that it was not trained with; name a file with --regression"
        )
    return {
        "candidate": candidate,
        "base": base,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "regression": regression.name if regression is not None else "held out",
        "examples": result.examples,
        "old_accuracy": result.old_accuracy,
        "new_accuracy": result.new_accuracy,
        "passed": result.passed,
        "reasons": list(result.reasons),
        "intents": {name: list(counts) for name, counts in result.intents.items()},
        "new_intents": sorted(set(new.intents) - set(old.intents)),
        "gone_intents": sorted(set(old.intents) - set(new.intents)),
        "changes": _changes(old, new, examples),
    }


def unseen(old: Path, new: Path) -> list[Example]:
    """Return the old model's held-out examples that the new one was not trained with."""
    trained = {example.text.strip().lower() for example in load_examples(new)[0]}
    return [example for example in load_examples(old)[1] if example.text.strip().lower() not in trained]


def _changes(old: JointModel, new: JointModel, examples: Sequence[Example]) -> list[dict[str, Any]]:
    texts = [example.text for example in examples]
    found = [
        {
            "text": e.text,
            "intent": e.intent,
            "old": a.intent,
            "new": b.intent,
            "confidence": round(b.confidence, 4),
        }
        for e, a, b in zip(examples, old.predict(texts), new.predict(texts), strict=True)
        if a.intent != b.intent
    ]
    # Losses first: they are what staff must judge.
    return sorted(found, key=lambda row: (row["old"] != row["intent"], row["intent"], row["text"]))[
        :_MOST_CHANGES
    ]


def _directory(registry: ModelRegistry, version: str) -> Path:
    path = registry.root / version
    if not version or Path(version).name != version or not (path / MANIFEST).is_file():
        raise ModelNotFoundError(f"{version}: no such model version; see `chengda model list`")
    return path
