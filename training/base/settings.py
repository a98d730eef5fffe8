"""Every number and place of the base pipeline in one typed record."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class BaseSettings:
    """Settings of the whole pipeline; the command line overrides single fields.

    Sizes are in sentences, tokens or pieces as their names say; rates are per optimiser step.
    """

    source: Path
    work: Path
    evaluation: tuple[Path, ...] = ()
    seed: int = 20
    # corpus
    heldout_pairs: int = 1000
    heldout_paraphrases: int = 500
    distractors: int = 10_000
    # vocabulary
    piece_min_count: int = 5
    word_min_count: int = 25
    han_word_min_count: int = 100
    max_pieces: int = 36_000
    # distillation
    max_tokens: int = 48
    batch: int = 256
    accumulate: int = 1
    steps: int = 12_000
    warmup: int = 200
    minutes: float = 0.0
    lr: float = 3e-4
    lr_embeddings: float = 1e-3
    ema: float = 0.998
    share_zh: float = 0.48
    share_en: float = 0.27
    noise: float = 0.3
    mlm_every: int = 4
    checkpoint_every: int = 500
    device: str = "auto"
    threads: int = 0

    def save(self, path: Path) -> None:
        """Write the settings as JSON, so a checkpoint says how it was made."""
        values = {key: _plain(value) for key, value in asdict(self).items()}
        path.write_text(json.dumps(values, indent=2, ensure_ascii=False), encoding="utf-8")


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
