"""Computes a calibration for an index, from calibration questions or from the articles' own phrasings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from knowledge.calibration import Calibration, Example, fit
from knowledge.importing import Progress
from knowledge.index import Index
from knowledge.ranking import FEATURES, make_query, search
from knowledge.snapshot import Filter

# With fewer usable questions than this the articles' own phrasings are taken as well.
ENOUGH_QUESTIONS = 100


class QuestionFileError(Exception):
    """A question file is wrong; the message names the file, the line and the mend."""


@dataclass(frozen=True)
class LabelledQuestion:
    """A question with the ids of the articles that answer it; none for one that no article answers."""

    query: str
    language: str
    relevant: tuple[str, ...]
    kind: str = ""


def read_questions(path: Path) -> list[LabelledQuestion]:
    """Read a JSONL file of questions, or all `*.jsonl` of a folder.

    Raises:
        QuestionFileError: when a line is no question.
    """
    return list(_read(path))


def _read(path: Path) -> Iterator[LabelledQuestion]:
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    for file in files:
        try:
            lines = file.read_text("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise QuestionFileError(f"{file}: cannot be read ({error}); give a UTF-8 JSONL file") from None
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                data: dict[str, Any] = json.loads(line)
                language = str(data["language"])
                if language not in ("zh", "en"):
                    raise ValueError(f"language {language!r}")
                relevant = tuple(str(item) for item in data["relevant"])
                yield LabelledQuestion(str(data["query"]), language, relevant, str(data.get("kind") or ""))
            except (ValueError, KeyError, TypeError) as error:
                raise QuestionFileError(
                    f'{file}, line {number}: no question ({error}); write {{"query", "language": "zh"|"en", '
                    '"relevant": [article ids]}'
                ) from None


def calibrate(index: Index, folder: Path, *, progress: Progress | None = None) -> Calibration:
    """Fit a calibration on the questions of a folder; see `fit`.

    Questions whose articles this index does not hold are left out.
    """
    questions = read_questions(folder) if folder.is_dir() else []
    known = set(index.snapshot.ids)
    usable = [item for item in questions if not item.relevant or known.intersection(item.relevant)]
    examples = examples_of(index, usable, progress)
    if sum(bool(item.relevant) for item in usable) < ENOUGH_QUESTIONS:
        examples += own_examples(index, progress)
    return fit(examples, FEATURES, source=f"{len(usable)} questions of {folder.name}")


def examples_of(
    index: Index, questions: Sequence[LabelledQuestion], progress: Progress | None = None
) -> list[Example]:
    """Return the features of each question's candidates. A question whose answer is not among them is left out."""
    snapshot = index.snapshot
    examples = []
    for number, item in enumerate(questions):
        if progress and number % 50 == 0:
            progress("calibration", number, len(questions))
        query = make_query(item.query, item.language, snapshot, index.encoder, index.stop_words)
        found = [c for c in search(query, snapshot, Filter(), _NEUTRAL) if not c.exact]
        relevant = np.asarray([candidate.facts.id in item.relevant for candidate in found], bool)
        if not found or (item.relevant and not relevant.any()):
            continue
        features = np.asarray([[candidate.features[name] for name in FEATURES] for candidate in found])
        examples.append(Example(features, relevant))
    if progress:
        progress("calibration", len(questions), len(questions))
    return examples


def own_examples(index: Index, progress: Progress | None = None) -> list[Example]:
    """Return examples from the articles' titles: with their article hidden they have no answer.

    A stand-in for a city that has written no calibration questions yet.
    """
    raise NotImplementedError


_NEUTRAL = Calibration(
    FEATURES, [0.0] * len(FEATURES), [1.0] * len(FEATURES), [1.0] * len(FEATURES), 0.0, 0.5, 0.2, 0.5
)
