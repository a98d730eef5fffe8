"""The sentiment network: the bilingual base with LoRA adapters and three small heads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn

from nlp.sentiment import EMOTIONS, SENTIMENTS
from training.adapters import SHAPE, Shape, add_adapters, read_adapter, write_adapter
from training.nlu.network import load_body, read_pooling
from training.sentiment.errors import AdapterError

_TABLE = "word_embeddings"


@dataclass(frozen=True)
class AdapterShape(Shape):
    """What the adapters look like: rank of the layers' and of the word table's, the base they belong to, and how many
    of its first layers the network keeps (0: all)."""

    rank: int = 24
    table_rank: int = 16
    pooling: str = "mean"
    layers: int = 0


class SentimentNetwork(nn.Module):
    """Encoder and the heads for polarity, emotion and "needs action", over the mean token vector."""

    def __init__(self, body: nn.Module, pooling: str) -> None:
        super().__init__()
        width = int(body.config.hidden_size)
        self.body, self.pooling = body, pooling
        self.dropout = nn.Dropout(0.1)
        self.sentiment_head = nn.Linear(width, len(SENTIMENTS))
        self.emotion_head = nn.Linear(width, len(EMOTIONS))
        self.action_head = nn.Linear(width, 1)

    def pooled(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return text vectors, (n, width)."""
        hidden = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.pooling == "cls":
            return hidden[:, 0]
        weight = attention_mask[..., None].to(hidden.dtype)
        return (hidden * weight).sum(1) / weight.sum(1).clamp_min(1e-6)

    def heads(self, pooled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return polarity (n, 3), emotion (n, 6) and action (n, 1) logits."""
        return self.sentiment_head(pooled), self.emotion_head(pooled), self.action_head(pooled)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the three heads' logits."""
        return self.heads(self.dropout(self.pooled(input_ids, attention_mask)))


def new_network(base: Path, shape: AdapterShape) -> SentimentNetwork:
    """Return the base with fresh adapters (Hu et al. 2022) in every layer and in the word table.

    Raises BaseModelError when the base cannot be loaded, AdapterError when it has no layers that are known.
    """
    body = load_body(base)
    _keep_first(body, shape.layers)
    body = add_adapters(body, base, AdapterError, shape.rank, {_TABLE: shape.table_rank})
    return SentimentNetwork(body, shape.pooling)


def shape_of(base: Path, rank: int = 24, table_rank: int = 16, layers: int = 0) -> AdapterShape:
    """Return the shape of adapters for a base folder."""
    return AdapterShape(fingerprint(base), rank, table_rank, read_pooling(base), layers)


def depth(network: SentimentNetwork) -> int:
    """Return how many layers the network has."""
    return int(network.body.config.num_hidden_layers)


def shorten(network: SentimentNetwork, layers: int) -> bool:
    """Drop the layers above the first `layers`, and say whether there were any; the heads then fit no more.

    The lower layers of a BERT carry most of what a classifier needs (Sajjad et al. 2023, "top-layer dropping").
    """
    return _keep_first(network.body.get_base_model(), layers)


def _keep_first(body: nn.Module, layers: int) -> bool:
    stack = getattr(getattr(body, "encoder", None), "layer", None)
    if stack is None or not 0 < layers < len(stack):
        return False
    body.encoder.layer = stack[:layers]
    body.config.num_hidden_layers = layers
    return True


def fingerprint(base: Path) -> str:
    """Return a hash of the base's weights and tokenizer, 16 hexadecimal digits."""
    import hashlib

    digest = hashlib.sha256()
    for name in ("model.safetensors", "tokenizer.json"):
        path = base / name
        if not path.is_file():
            raise AdapterError(f"{path}: is missing; name a base folder in transformers format")
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def save_adapter(network: SentimentNetwork, shape: AdapterShape, folder: Path) -> None:
    """Write adapters and heads, float16, and their shape."""
    state = {f"body.{k}": v for k, v in get_peft_model_state_dict(network.body).items()}
    state |= {k: v for k, v in network.state_dict().items() if "_head." in k}
    write_adapter(folder, state, shape)


def read_shape(folder: Path) -> AdapterShape:
    """Return the shape of the adapters in a folder; what the file system and JSON raise passes through."""
    return AdapterShape(**json.loads((folder / SHAPE).read_text(encoding="utf-8")))


def load_adapter(base: Path, folder: Path) -> SentimentNetwork:
    """Return the base with the adapters of `folder`, not yet folded in.

    Raises:
        AdapterError: a file is missing or damaged, or the adapters belong to another base.
    """
    commands = ["chengda train sentiment", "chengda train sentiment --fresh --data …"]
    shape, state = read_adapter(folder, AdapterShape, base, fingerprint(base), AdapterError, commands)
    network = new_network(base, shape)
    body = {name.removeprefix("body."): value for name, value in state.items() if name.startswith("body.")}
    set_peft_model_state_dict(network.body, body)
    heads = {name: value for name, value in state.items() if not name.startswith("body.")}
    network.load_state_dict(heads, strict=False)
    return network


def merged(network: SentimentNetwork) -> SentimentNetwork:
    """Fold the adapters into the base's own weights; the graph is then as fast as the base's."""
    network.body = network.body.merge_and_unload()
    return network


def trained(network: SentimentNetwork) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters that are trained."""
    return [(name, value) for name, value in network.named_parameters() if value.requires_grad]


@torch.inference_mode()
def outputs(
    network: SentimentNetwork, rows: list[list[int]], batch: int = 64
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the three heads' logits for token ids, in the order given."""
    from nlp.sentiment import padded

    was = network.training
    network.eval()
    order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
    device = next(network.parameters()).device
    found: list[tuple[Tensor, Tensor, Tensor] | None] = [None] * len(rows)
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        ids, mask = padded([rows[at] for at in chosen])
        values = network(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))
        for at, row in enumerate(chosen):
            found[row] = (values[0][at].cpu(), values[1][at].cpu(), values[2][at].cpu())
    network.train(was)
    filled = [item for item in found if item is not None]
    polarity, emotion, action = (torch.stack([item[column] for item in filled]) for column in range(3))
    return polarity, emotion, action


@torch.inference_mode()
def pooled_rows(network: SentimentNetwork, rows: list[list[int]], batch: int = 32) -> Tensor:
    """Return text vectors of token ids, (n, width), in the order given."""
    from nlp.sentiment import padded

    was = network.training
    network.eval()
    parts = []
    for start in range(0, len(rows), batch):
        ids, mask = padded(rows[start : start + batch])
        parts.append(network.pooled(torch.from_numpy(ids), torch.from_numpy(mask)))
    network.train(was)
    return torch.cat(parts)
