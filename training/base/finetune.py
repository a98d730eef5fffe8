"""Full fine-tuning of a BERT folder as a text classifier, to measure how well a base learns a task."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from training.base.optim import rate
from training.base.teachers import autocast, pick_device

log = logging.getLogger(__name__)


@dataclass
class Classifier:
    """A fine-tuned body with its tokenizer, head and class names."""

    body: nn.Module
    head: nn.Linear
    tokenizer: object
    names: list[str]
    device: torch.device

    def logits(self, texts: list[str]) -> Tensor:
        """Return class scores, (n, classes)."""
        batch = self.tokenizer(  # type: ignore[operator]
            texts, padding=True, truncation=True, max_length=64, return_tensors="pt"
        ).to(self.device)
        with autocast(self.device):
            hidden = self.body(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None].float()
        return self.head((hidden.float() * mask).sum(1) / mask.sum(1))

    @torch.inference_mode()
    def accuracy(self, texts: Sequence[str], labels: Sequence[str]) -> float:
        """Share of texts whose best class is their label."""
        right = 0
        for start in range(0, len(texts), 128):
            guesses = self.logits(list(texts[start : start + 128])).argmax(1).tolist()
            right += sum(self.names[g] == label for g, label in zip(guesses, labels[start:], strict=False))
        return right / len(texts)


def fine_tune(
    model_dir: Path,
    texts: Sequence[str],
    labels: Sequence[str],
    *,
    epochs: int = 3,
    batch: int = 64,
    lr: float = 2e-4,
    seed: int = 7,
    device: str = "auto",
) -> Classifier:
    """Train every weight on (text, label) with AdamW and a linear decay; mean pooling, one linear head."""
    torch.manual_seed(seed)
    place = pick_device(device)
    names = sorted(set(labels))
    number = {name: position for position, name in enumerate(names)}
    body = AutoModel.from_pretrained(str(model_dir), attn_implementation="eager", dtype=torch.float32).to(
        place
    )
    model = Classifier(
        body.train(),
        nn.Linear(body.config.hidden_size, len(names)).to(place),
        AutoTokenizer.from_pretrained(str(model_dir)),
        names,
        place,
    )
    parameters = [p for p in [*body.parameters(), *model.head.parameters()] if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [
            {"params": list(body.parameters()), "scale": 1.0},
            {"params": list(model.head.parameters()), "scale": 10.0},
        ],
        lr=lr,
        weight_decay=0.01,
        fused=True,
    )
    rng = random.Random(seed)
    steps = epochs * ((len(texts) + batch - 1) // batch)
    step = 0
    with tqdm(total=steps, desc="fine-tune", unit="step", mininterval=15) as bar:
        for _ in range(epochs):
            order = sorted(range(len(texts)), key=lambda row: len(texts[row]) + 6 * rng.random())
            groups = [order[start : start + batch] for start in range(0, len(order), batch)]
            rng.shuffle(groups)
            for rows in groups:
                goal = torch.tensor([number[labels[row]] for row in rows], device=place)
                loss = nn.functional.cross_entropy(
                    model.logits([texts[row] for row in rows]), goal, label_smoothing=0.05
                )
                loss.backward()
                nn.utils.clip_grad_norm_(parameters, 1.0)
                for group in optimiser.param_groups:
                    group["lr"] = lr * group["scale"] * rate(step / steps, step, steps // 20)
                optimiser.step()
                optimiser.zero_grad(set_to_none=False)
                step += 1
                bar.update()
    body.eval()
    return model
