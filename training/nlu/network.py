"""The joint network: any encoder in transformers format, one head for the intent and one for the tags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel
from transformers.utils import logging as hf_logging

from training.nlu.errors import BaseModelError
from training.nlu.tagging import IGNORED


class QuickDropout(nn.Module):
    """Dropout that draws eight random bits a number: the library's draw on a CPU costs more than the rest of it.

    The share left out is rounded to 1/256.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.p = share
        self.cut = round(256 * share)

    def forward(self, values: Tensor) -> Tensor:
        """Leave out numbers of any shape while training."""
        if not self.training or not self.cut:
            return values
        words = torch.empty(-(-values.numel() // 8), dtype=torch.int64, device=values.device)
        drawn = words.random_(torch.iinfo(torch.int64).min, None).view(torch.uint8)[: values.numel()]
        kept = (drawn >= self.cut).view(values.shape).to(values.dtype)
        return values * kept.mul_(256 / (256 - self.cut))


def quick_dropout(body: nn.Module) -> None:
    """Give an encoder `QuickDropout` in the place of its dropout layers."""
    for module in list(body.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout and 0 < child.p < 1:
                setattr(module, name, QuickDropout(child.p))


def freeze_lower(body: nn.Module, count: int) -> int:
    """Keep the embeddings and the lowest layers of an encoder as they are; they get no dropout either.

    Low layers carry what languages share, so this also keeps more of a base's transfer between them (Wu & Dredze
    2019), and neither gradients nor optimiser steps are computed for them.

    Args:
        body: the encoder.
        count: layers to keep; at most a third of all are. Below that nothing is frozen.

    Returns the number of frozen layers.
    """
    layers = _layers(body)
    count = min(count, len(layers) // 3)
    if count < 1:
        return 0
    embeddings = getattr(body, "embeddings", None) or body.get_input_embeddings()
    for part in (embeddings, *layers[:count]):
        for parameter in part.parameters():
            parameter.requires_grad_(False)
        for module in part.modules():
            if isinstance(module, QuickDropout | nn.Dropout):
                module.p = 0.0
            if isinstance(module, QuickDropout):
                module.cut = 0
    return count


def _layers(body: nn.Module) -> list[nn.Module]:
    """Return an encoder's layers from below, nothing where it is built in another way."""
    wanted = getattr(body.config, "num_hidden_layers", 0)
    for module in body.modules():
        if isinstance(module, nn.ModuleList) and len(module) == wanted:
            return list(module)
    return []


class JointNetwork(nn.Module):
    """Encoder, pooled intent head and token tag head (Chen et al. 2019).

    The pooled vector is the mean over the tokens, or the first token's where the base was made that way.
    """

    def __init__(self, body: nn.Module, intents: int, tags: int, pooling: str, dropout: float) -> None:
        super().__init__()
        width = int(body.config.hidden_size)
        self.body, self.pooling = body, pooling
        self.dropout = QuickDropout(dropout)
        self.intent_head = nn.Linear(width, intents)
        self.tag_head = nn.Linear(width, tags)

    def hidden(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return token vectors (n, t, width)."""
        return self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    def pool(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Return text vectors (n, width)."""
        if self.pooling == "cls":
            return hidden[:, 0]
        weight = attention_mask[..., None].to(hidden.dtype)
        return (hidden * weight).sum(1) / weight.sum(1).clamp_min(1e-6)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_: Any) -> dict[str, Tensor]:
        """Return `intent_logits` (n, intents), `tag_logits` (n, t, tags) and `pooled` (n, width)."""
        hidden = self.hidden(input_ids, attention_mask)
        pooled = self.pool(hidden, attention_mask)
        return {
            "intent_logits": self.intent_head(self.dropout(pooled)),
            "tag_logits": self.tag_head(self.dropout(hidden)),
            "pooled": pooled,
        }


def joint_loss(
    output: dict[str, Tensor],
    labels: Tensor,
    tags: Tensor,
    tag_weight: float,
    smoothing: float = 0.0,
    class_weights: Tensor | None = None,
) -> Tensor:
    """Return cross-entropy of intents plus `tag_weight` times that of tags.

    Args:
        output: of the network.
        labels: intent numbers, (n,).
        tags: tag numbers, (n, t), `IGNORED` where there is none.
        tag_weight: zero leaves the tags out.
        smoothing: label smoothing of the intents.
        class_weights: one a class, (intents,).
    """
    loss = functional.cross_entropy(
        output["intent_logits"].float(), labels, weight=class_weights, label_smoothing=smoothing
    )
    if tag_weight and output["tag_logits"].shape[-1] > 1:
        flat = output["tag_logits"].float().flatten(0, 1)
        loss = loss + tag_weight * functional.cross_entropy(flat, tags.flatten(), ignore_index=IGNORED)
    return loss


def read_pooling(base: Path) -> str:
    """Return "mean" or "cls" as a sentence-transformers folder says, else "mean"."""
    path = base / "1_Pooling" / "config.json"
    if not path.is_file():
        return "mean"
    modes = json.loads(path.read_text(encoding="utf-8"))
    return "cls" if modes.get("pooling_mode_cls_token") else "mean"


def load_body(base: Path, keep_layers: int = 0) -> nn.Module:
    """Load a pretrained encoder in float32.

    Args:
        base: folder in transformers format.
        keep_layers: when above zero, only so many layers are kept, evenly spread (Sajjad et al. 2023).

    Raises:
        BaseModelError: when the folder holds no such model.
    """
    if not (base / "config.json").is_file():
        raise BaseModelError(f"{base}: holds no config.json; name a Hugging Face encoder folder with --base")
    if not (base / "tokenizer.json").is_file():
        raise BaseModelError(f"{base}: holds no tokenizer.json; save the base with a fast tokenizer")
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    try:
        # Eager attention: its backward pass is faster on a CPU at these lengths, and it exports plainly.
        body = AutoModel.from_pretrained(str(base), dtype=torch.float32, attn_implementation="eager")
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise BaseModelError(
            f"{base}: cannot be loaded as an encoder ({error}); copy the base again"
        ) from None
    if getattr(body, "pooler", None) is not None:
        body.pooler = None
    layers = getattr(getattr(body, "encoder", None), "layer", None)
    if keep_layers and layers is not None and keep_layers < len(layers):
        chosen = torch.linspace(0, len(layers) - 1, keep_layers).round().long().tolist()
        body.encoder.layer = nn.ModuleList([layers[i] for i in chosen])
        body.config.num_hidden_layers = keep_layers
    quick_dropout(body)
    return body
