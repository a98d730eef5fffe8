"""Exports self-attention as one operator of ONNX Runtime in the place of thirty: short texts spend their time between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

DOMAIN, OPERATOR = "com.microsoft", "Attention"
# Encoders whose attention is that of Vaswani et al. (2017), without relative positions.
_PLAIN = {"bert", "roberta", "xlm-roberta", "electra"}


class _Operator(torch.autograd.Function):
    @staticmethod
    def symbolic(g: Any, hidden: Any, weight: Any, bias: Any, mask: Any, heads: int) -> Any:
        node = g.op(f"{DOMAIN}::{OPERATOR}", hidden, weight, bias, mask, num_heads_i=heads)
        return node.setType(hidden.type())

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, mask: Tensor, heads: int) -> Tensor:
        """Only the shape counts while a graph is traced."""
        return hidden.clone()


class _Attention(nn.Module):
    """Queries, keys and values in one product, then the operator."""

    def __init__(self, plain: Any) -> None:
        super().__init__()
        parts = (plain.query, plain.key, plain.value)
        self.heads = int(plain.num_attention_heads)
        self.register_buffer("weight", torch.cat([part.weight.detach() for part in parts]).T.contiguous())
        self.register_buffer("bias", torch.cat([part.bias.detach() for part in parts]))
        self.mask = torch.empty(0)

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, None]:
        return _Operator.apply(hidden_states, self.weight, self.bias, self.mask, self.heads), None


class FusedAttention:
    """The attention layers of one encoder while it is exported."""

    def __init__(self, layers: list[_Attention]) -> None:
        self._layers = layers

    def see(self, attention_mask: Tensor) -> None:
        """Tell all layers which tokens count, (n, t)."""
        mask = attention_mask.to(torch.int32)
        for layer in self._layers:
            layer.mask = mask


@contextmanager
def fused_attention(body: nn.Module) -> Iterator[FusedAttention]:
    """Give an encoder fused attention for tracing; one that is built otherwise stays as it is."""
    swapped: list[tuple[nn.Module, nn.Module]] = []
    layers: list[_Attention] = []
    config: Any = body.config
    if getattr(config, "model_type", "") in _PLAIN and hasattr(body, "encoder"):
        for module in body.encoder.modules():
            plain = getattr(module, "self", None)
            if isinstance(plain, nn.Module) and all(
                isinstance(getattr(plain, name, None), nn.Linear) for name in ("query", "key", "value")
            ):
                swapped.append((module, plain))
    for module, plain in swapped:
        layers.append(_Attention(plain))
        module.self = layers[-1]
    try:
        yield FusedAttention(layers)
    finally:
        for module, plain in swapped:
            module.self = plain
