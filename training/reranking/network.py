"""The cross-encoder: the base reads question and passage together; a head compares the two parts' means."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.nlu.network import load_body
from training.reranking.errors import RerankingTrainingError


class RerankingNetwork(nn.Module):
    """Encoder over both texts; the logit is the scaled cosine of their means plus a small network's word on them.

    Untrained, it judges like the base's sentence vectors with each text reading the other; little data suffices.
    """

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        width = int(body.config.hidden_size)
        self.body = body
        self.cosine = nn.Parameter(torch.tensor([8.0, -4.0]))
        self.hidden_head = nn.Linear(3 * width, 128)
        self.out_head = nn.Linear(128, 1)
        nn.init.zeros_(self.out_head.weight)
        nn.init.zeros_(self.out_head.bias)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """Return logits, (n, 1); `token_type_ids` tell the passage's tokens (1) from the question's (0)."""
        # A ready 4-D mask skips the library's own mask code, which the tracer would freeze to one length.
        bias = (1.0 - attention_mask[:, None, None, :].float()) * -1e4
        hidden = self.body(input_ids=input_ids, attention_mask=bias).last_hidden_state.float()
        first = self._mean(hidden, attention_mask * (1 - token_type_ids))
        second = self._mean(hidden, attention_mask * token_type_ids)
        cosine = (first * second).sum(1, keepdim=True)
        both = torch.cat([first * second, (first - second).abs(), second], dim=1) * 8.0
        judged = self.out_head(functional.gelu(self.hidden_head(both)))
        return self.cosine[0] * cosine + self.cosine[1] + judged

    @staticmethod
    def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
        weight = mask[..., None].float()
        mean = (hidden * weight).sum(1) / weight.sum(1).clamp_min(1e-6)
        return mean / torch.sqrt((mean * mean).sum(-1, keepdim=True) + 1e-12)


def new_network(base: Path, frozen: int) -> RerankingNetwork:
    """Return the base with a fresh head; its word table and lowest `frozen` layers stay as they are.

    Raises:
        BaseModelError: the base cannot be loaded.
        RerankingTrainingError: it has no layers that are known.
    """
    body = load_body(base)
    layers = getattr(getattr(body, "encoder", None), "layer", None)
    embeddings = getattr(body, "embeddings", None)
    if layers is None or embeddings is None:
        raise RerankingTrainingError(f"{base}: has no `encoder.layer`; name a BERT folder as the base")
    for part in [embeddings, *layers[: min(frozen, len(layers) - 1)]]:
        part.requires_grad_(False)
    return RerankingNetwork(body)
