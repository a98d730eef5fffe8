"""Parameter-efficient fine-tuning: LoRA and AdaLoRA by `peft`, and deep prefixes."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from peft import AdaLoraConfig, LoraConfig, get_peft_model
from torch import Tensor, nn

from training.nlu.errors import BaseModelError
from training.nlu.network import JointNetwork
from training.nlu.settings import TrainSettings

_TARGETS = {"query", "key", "value", "dense", "q_lin", "k_lin", "v_lin", "out_lin"}


def adapt(network: JointNetwork, settings: TrainSettings, steps: int) -> JointNetwork:
    """Freeze the encoder and give it small trained parts; the heads stay fully trained.

    LoRA (Hu et al. 2022) and AdaLoRA (Zhang et al. 2023) are merged into the weights afterwards, so the exported
    graph is as fast as a fully tuned one. A prefix is learned token vectors in front of every layer (P-tuning
    v2, Liu et al. 2022); `peft`'s own prefix needs cached keys that encoder models no longer take.

    Args:
        network: with a pretrained body.
        settings: method, rank and prefix length.
        steps: optimiser steps of the run; AdaLoRA spreads its ranks over them.

    Raises:
        BaseModelError: when the base has no layers that the method knows.
    """
    for parameter in network.body.parameters():
        parameter.requires_grad_(False)
    if settings.method == "prefix":
        network.body = PrefixBody(network.body, settings.prefix_tokens)
        return network
    linear = {n.rsplit(".", 1)[-1] for n, m in network.body.named_modules() if isinstance(m, nn.Linear)}
    targets = sorted(linear & _TARGETS)
    if not targets:
        raise BaseModelError(
            f"{settings.base}: {settings.method} knows none of its layers; use method `full`"
        )
    rank = settings.lora_rank
    config: Any
    if settings.method == "adalora":
        config = AdaLoraConfig(
            init_r=rank + rank // 2,
            target_r=rank,
            lora_alpha=2 * rank,
            target_modules=targets,
            total_step=max(steps, 10),
            tinit=steps // 10,
            tfinal=steps // 4,
            deltaT=10,
        )
    else:
        config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.05, target_modules=targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.body = get_peft_model(network.body, config)
    return network


def after_step(body: nn.Module, step: int) -> None:
    """Let AdaLoRA move its ranks; nothing for the other methods."""
    inner = getattr(body, "base_model", None)
    if inner is not None and hasattr(inner, "update_and_allocate"):
        inner.update_and_allocate(step)


def merge(network: JointNetwork) -> JointNetwork:
    """Fold the trained parts into the encoder's own weights (a prefix stays beside them)."""
    if hasattr(network.body, "merge_and_unload"):
        network.body = network.body.merge_and_unload()
    return network


class PrefixBody(nn.Module):
    """An encoder that sees learned vectors in front of the text, at its input and before each layer."""

    def __init__(self, body: nn.Module, tokens: int) -> None:
        super().__init__()
        self.inner, self.tokens = body, tokens
        width = int(body.config.hidden_size)
        layers = getattr(getattr(body, "encoder", None), "layer", None) or []
        self.first = nn.Parameter(torch.randn(tokens, width) * 0.02)
        self.deep = nn.Parameter(torch.randn(max(len(layers), 1), tokens, width) * 0.02)
        for number, layer in enumerate(layers):
            if number:
                layer.register_forward_pre_hook(self._hook(number))

    def _hook(self, number: int) -> Any:
        def put(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
            hidden = arguments[0]
            prefix = self.deep[number].to(hidden.dtype).expand(hidden.shape[0], -1, -1)
            return (torch.cat([prefix, hidden[:, self.tokens :]], 1), *arguments[1:])

        return put

    @property
    def config(self) -> Any:
        """The inner encoder's configuration."""
        return self.inner.config

    def get_input_embeddings(self) -> nn.Module:
        """Return the word table."""
        return self.inner.get_input_embeddings()

    def set_input_embeddings(self, table: nn.Module) -> None:
        """Replace the word table."""
        self.inner.set_input_embeddings(table)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Any:
        """Run the encoder; the result has the text's tokens only."""
        words = self.get_input_embeddings()(input_ids)
        prefix = self.first.to(words.dtype).expand(words.shape[0], -1, -1)
        if attention_mask.ndim == 4:  # a ready additive mask, as the export makes it
            free = torch.zeros_like(attention_mask[..., :1]).expand(-1, -1, -1, self.tokens)
        else:
            free = torch.ones_like(attention_mask[:, :1]).expand(-1, self.tokens)
        output = self.inner(
            inputs_embeds=torch.cat([prefix, words], 1), attention_mask=torch.cat([free, attention_mask], -1)
        )
        output.last_hidden_state = output.last_hidden_state[:, self.tokens :]
        return output
