"""Every choice of an NLU training run in one typed record, and defaults that fit a data set's size."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

# Below so many examples, so many passes at most: small sets need more of them to make enough steps.
_EPOCHS = ((500, 25), (1500, 15), (4000, 8), (8000, 6), (20_000, 4), (50_000, 3), (10**9, 2))
# Augmented sets say the same thing in several ways within one pass.
_EPOCHS_AUGMENTED = ((500, 25), (1500, 15), (4000, 8), (8000, 6), (12_000, 4), (10**9, 2))
Method = Literal["full", "lora", "adalora", "prefix"]


@dataclass(frozen=True)
class Augmentation:
    """Which variations of our own utterances are trained with; each value is a share of extra examples.

    `most` is the number of extra examples that is not exceeded: a large set varies enough by itself.
    `noise` adds none: it is the share of the examples that stand with fresh slips or homophones in each pass.
    All are drawn anew for every run from its seed; zero switches one off.
    """

    entities: float = 0.3
    typos: float = 0.1
    homophones: float = 0.1
    punctuation: float = 0.1
    case: float = 0.05
    code_switching: float = 0.05
    fillers: float = 0.1
    traditional: float = 0.0
    noise: float = 0.0
    most: int = 1000

    @classmethod
    def off(cls) -> Augmentation:
        """Return no augmentation at all."""
        return cls(0, 0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one run. `None` means: chosen from the data's size (see `fitted`).

    Rates are per optimiser step, sizes in examples or tokens as their names say, `minutes` of wall time after
    which training stops with the best epoch so far (0: no limit).
    """

    base: Path
    method: Method = "full"
    seed: int = 17
    epochs: int | None = None
    batch: int = 32
    accumulate: int = 1
    lr: float | None = None
    lr_head: float = 2e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.1
    layer_decay: float = 0.9
    label_smoothing: float = 0.1
    class_weights: bool = False
    tag_weight: float = 0.5
    dropout: float = 0.1
    patience: int = 4
    max_tokens: int | None = None
    dev_share: float | None = None
    freeze_embeddings: bool = False
    frozen_layers: int = 0
    average: float = 0.99
    fgm: float = 0.0
    r_drop: float = 0.0
    lora_rank: int = 16
    prefix_tokens: int = 20
    augmentation: Augmentation = field(default_factory=Augmentation)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    threads: int = 0
    minutes: float = 0.0
    keep_layers: int = 0
    trim_vocabulary: bool = False
    quantise: bool = True
    ngrams: bool = True
    repair_spelling: bool = True
    clean_labels: Literal["auto", "on", "off"] = "auto"
    tensorboard: Path | None = None

    @property
    def kept_layers(self) -> int:
        """The lowest layers that are not trained; FGM moves the word table against the loss, so it needs them all."""
        return 0 if self.fgm or self.method != "full" else self.frozen_layers

    def as_json(self) -> dict[str, Any]:
        """Return plain values for the manifest; the base appears by its folder's name."""
        values = asdict(self)
        values["base"] = self.base.name
        values["tensorboard"] = None
        return values

    def fitted(self, examples: int, intents: int, augmented: int = 0) -> TrainSettings:
        """Fill what is open from the number of examples and intents.

        Small sets need more passes to make enough steps; large ones, and augmented ones, fewer.

        Args:
            examples: labelled texts.
            intents: their labels.
            augmented: extra examples made of them.
        """
        table = _EPOCHS_AUGMENTED if augmented else _EPOCHS
        passes = next(epochs for limit, epochs in table if examples + augmented < limit)
        wanted = min(1000, max(2 * intents, examples // 10))
        share = min(0.2, wanted / max(examples, 1)) if self.dev_share is None else self.dev_share
        return replace(
            self,
            epochs=self.epochs or passes,
            lr=self.lr
            or {"full": 3e-4 if self.kept_layers else 2e-4, "lora": 1e-3, "adalora": 2e-3, "prefix": 5e-3}[
                self.method
            ],
            dev_share=share,
        )
