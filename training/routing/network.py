"""The routing network: the bilingual base with LoRA adapters, and one direction on the unit sphere for each category."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from nlp.routing import ADAPTER, SHAPE, base_mark
from training.nlu.network import load_body, read_pooling
from training.routing.errors import RoutingTrainingError

_LAYERS = ("query", "key", "value", "dense")
# Cosines are multiplied by this before the softmax (Wang et al. 2017, NormFace).
_SCALE = 16.0


@dataclass(frozen=True)
class AdapterShape:
    """Rank of the adapters, how token vectors are pooled, and the base they belong to."""

    base: str
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
    body = load_body(base)
    linear = {n.rsplit(".", 1)[-1] for n, m in body.named_modules() if isinstance(m, nn.Linear)}
    targets = [name for name in _LAYERS if name in linear]
    if not targets:
        raise RoutingTrainingError(
            f"{base}: has no layers named {', '.join(_LAYERS)}; name a BERT folder as the base"
        )
    config = LoraConfig(r=shape.rank, lora_alpha=2 * shape.rank, lora_dropout=0.0, target_modules=targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        body = get_peft_model(body, config)
    return RoutingNetwork(body, shape.pooling, categories)


def save_adapter(network: RoutingNetwork, shape: AdapterShape, folder: Path) -> None:
    """Write the adapters as float16, and their shape."""
    state = get_peft_model_state_dict(network.body)
    halves = {name: value.detach().cpu().half().contiguous() for name, value in state.items()}
    save_file(halves, folder / ADAPTER)
    (folder / SHAPE).write_text(json.dumps(asdict(shape), indent=1) + "\n", encoding="utf-8")


def merged_body(base: Path, folder: Path) -> nn.Module:
    """Return the base's encoder with the adapters of `folder` folded into its weights.

    Raises:
        RoutingTrainingError: a file is missing or damaged, or the adapters belong to another base.
    """
    for name in (ADAPTER, SHAPE):
        if not (folder / name).is_file():
            raise RoutingTrainingError(
                f"{folder / name}: is missing; make the adapters again with `chengda train routing --fresh`"
            )
    try:
        shape = AdapterShape(**json.loads((folder / SHAPE).read_text(encoding="utf-8")))
        state = {name: value.float() for name, value in load_file(folder / ADAPTER).items()}
    except Exception as error:  # safetensors raises plain exceptions of its own
        raise RoutingTrainingError(
            f"{folder}: adapters cannot be read ({error}); restore the files"
        ) from None
    own = base_mark(base)
    if own != shape.base:
        raise RoutingTrainingError(
            f"{folder}: the adapters belong to base {shape.base}, but {base} is {own}; "
            "make them again with `chengda train routing --fresh`"
        )
    network = new_network(base, shape, 1)
    set_peft_model_state_dict(network.body, state)
    body: nn.Module = network.body.merge_and_unload()
    return body
