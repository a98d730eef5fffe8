"""The routing network: the bilingual base with LoRA adapters, and one direction on the unit sphere for each category."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn
from torch.nn import functional

from nlp.routing import base_mark
from training.adapters import Shape, add_adapters, read_adapter, write_adapter
from training.nlu.network import load_body, read_pooling
from training.routing.errors import RoutingTrainingError

# Cosines are multiplied by this before the softmax (Wang et al. 2017, NormFace).
_SCALE = 16.0


@dataclass(frozen=True)
class AdapterShape(Shape):
    """Rank of the adapters, how token vectors are pooled, and the base they belong to."""

    rank: int = 16
    pooling: str = "mean"


class RoutingNetwork(nn.Module):
    """Encoder whose unit vectors of like requests lie together; `directions` are used in training only."""

    def __init__(self, body: nn.Module, pooling: str, categories: int) -> None:
        super().__init__()
        self.body, self.pooling = body, pooling
        self.dropout = nn.Dropout(0.1)
        self.directions = nn.Parameter(torch.randn(categories, int(body.config.hidden_size)) * 0.05)

    def vectors(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return unit vectors, (n, width)."""
        hidden = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.pooling == "cls":
            return functional.normalize(hidden[:, 0], dim=-1)
        weight = attention_mask[..., None].to(hidden.dtype)
        return functional.normalize((hidden * weight).sum(1), dim=-1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return logits, (n, categories)."""
        vectors = self.dropout(self.vectors(input_ids, attention_mask))
        return _SCALE * vectors @ functional.normalize(self.directions, dim=-1).T


def shape_of(base: Path, rank: int = 16) -> AdapterShape:
    """Return the shape of adapters for a base folder."""
    return AdapterShape(base_mark(base), rank, read_pooling(base))


def new_network(base: Path, shape: AdapterShape, categories: int) -> RoutingNetwork:
    """Return the base with fresh adapters (Hu et al. 2022) in every layer.

    Raises:
        BaseModelError: the base cannot be loaded.
        RoutingTrainingError: it has no layers that are known.
    """
    body = add_adapters(load_body(base), base, RoutingTrainingError, shape.rank)
    return RoutingNetwork(body, shape.pooling, categories)


def save_adapter(network: RoutingNetwork, shape: AdapterShape, folder: Path) -> None:
    """Write the adapters as float16, and their shape."""
    write_adapter(folder, get_peft_model_state_dict(network.body), shape)


def merged_body(base: Path, folder: Path) -> nn.Module:
    """Return the base's encoder with the adapters of `folder` folded into its weights.

    Raises:
        RoutingTrainingError: a file is missing or damaged, or the adapters belong to another base.
    """
    fresh = "chengda train routing --fresh"
    shape, state = read_adapter(folder, AdapterShape, base, base_mark(base), RoutingTrainingError, [fresh])
    network = new_network(base, shape, 1)
    set_peft_model_state_dict(network.body, state)
    body: nn.Module = network.body.merge_and_unload()
    return body
