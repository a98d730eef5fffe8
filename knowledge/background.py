"""What is known of questions that no article answers, kept as a file beside the index."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from knowledge.article import LANGUAGES
from knowledge.files import check, write_atomic
from knowledge.text import clean

# How the weights for a language are named beside its vectors.
_KIND = "kind_"

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Background:
    """Questions that no article answers.

    `vectors`: by language, their unit vectors (n, dimension). `kinds`: by language, the weights of `kind.learn_kind`,
    which tell questions of the kind that articles answer.
    """

    vectors: Mapping[str, Matrix] = field(default_factory=dict)
    kinds: Mapping[str, Matrix] = field(default_factory=dict)


def write_background(
    folder: Path, encoder: Any, texts: Mapping[str, Sequence[str]], kinds: Mapping[str, Matrix]
) -> dict[str, Any]:
    """Write a background, and return the file's record for the manifest."""
    arrays: dict[str, Any] = {
        language: encoder.encode([clean(text) for text in texts.get(language, ())]).astype(np.float16)
        for language in LANGUAGES
    }
    arrays.update({_KIND + language: weights for language, weights in kinds.items()})
    name = f"background-{time.time_ns():x}.npz"
    return write_atomic(folder / name, lambda stream: np.savez(stream, **arrays))


def open_background(folder: Path, record: Mapping[str, Any]) -> Background:
    """Read a background.

    Raises:
        ValueError: when the file is damaged.
    """
    problem = check(folder, dict(record))
    if problem:
        raise ValueError(problem)
    with np.load(folder / record["file"], allow_pickle=False) as archive:
        arrays = {name: archive[name].astype(np.float32) for name in archive.files}
    return Background(
        {language: arrays[language] for language in LANGUAGES},
        {language: arrays[_KIND + language] for language in LANGUAGES if _KIND + language in arrays},
    )
