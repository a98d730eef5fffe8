"""Fine-tuning of the adapters on labelled sentences."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn import functional

from nlp.sentiment import padded
from training.base.optim import MovingAverage, keep_freed_memory, rate
from training.nlu.batches import LengthBatches
from training.nlu.device import choose
from training.routing.data import Sentence, Varied
from training.routing.network import RoutingNetwork

log = logging.getLogger(__name__)
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class FitSettings:
    """One run: passes over the sentences, batch, learning rates of adapters and directions, token limit."""

    epochs: int = 8
    batch: int = 32
    lr: float = 5e-4
    lr_directions: float = 5e-3
    tokens: int = 64
    smoothing: float = 0.05
    rank: int = 16
    threads: int = 0
    seed: int = 17


def fit(
    network: RoutingNetwork,
    sentences: Sequence[Sentence],
    categories: Sequence[str],
    tokenizer: Tokenizer,
    settings: FitSettings,
    progress: Progress | None = None,
) -> None:
    """Train in place; afterwards the network has the moving average of its weights.

    A sentence competes only with the categories of its own kind, as when it is routed.
    """
    torch.manual_seed(settings.seed)
    keep_freed_memory()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    compute = choose()
    network.to(compute.device).train()
    varied = Varied(sentences, settings.seed)
    kind_of = {s.category: s.kind for s in sentences}
    number = {category: at for at, category in enumerate(categories)}
    labels = torch.tensor([number[s.category] for s in sentences])
    allowed = torch.tensor([[kind_of[c] == s.kind for c in categories] for s in sentences])
    tokenizer.no_padding()
    tokenizer.enable_truncation(settings.tokens)
    adapters = [v for n, v in network.named_parameters() if v.requires_grad and n != "directions"]
    optimiser = torch.optim.AdamW(
        [
            {"params": adapters, "lr": settings.lr},
            {"params": [network.directions], "lr": settings.lr_directions},
        ],
        weight_decay=0.01,
    )
    rates = [group["lr"] for group in optimiser.param_groups]
    average = MovingAverage([*adapters, network.directions], 0.99)
    step = 0
    total = settings.epochs * -(-len(sentences) // settings.batch)
    for epoch in range(settings.epochs):
        ids = [e.ids for e in tokenizer.encode_batch([varied.text(s) for s in sentences])]
        losses: list[float] = []
        for chosen in LengthBatches([len(row) for row in ids], settings.batch, settings.seed + epoch):
            share = rate(step / total, step, max(10, total // 20))
            for group, full in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = full * share
            tokens, mask = padded([ids[at] for at in chosen])
            with torch.autocast(
                compute.device, dtype=compute.autocast or torch.bfloat16, enabled=compute.autocast is not None
            ):
                logits = network(
                    torch.from_numpy(tokens).to(compute.device), torch.from_numpy(mask).to(compute.device)
                ).float()
            picked = torch.tensor(chosen)
            loss = _loss(
                logits,
                labels[picked].to(compute.device),
                allowed[picked].to(compute.device),
                settings.smoothing,
            )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([*adapters, network.directions], 1.0)
            optimiser.step()
            step += 1
            average.update(step)
            losses.append(float(loss.detach()))
        message = f"pass {epoch + 1}/{settings.epochs}, loss {np.mean(losses):.3f}"
        log.info("%s", message)
        if progress is not None:
            progress(step / total, message)
    average.swap()
    network.to("cpu").eval()


def _loss(
    logits: torch.Tensor, labels: torch.Tensor, allowed: torch.Tensor, smoothing: float
) -> torch.Tensor:
    """Cross entropy among the allowed categories, smoothed over them."""
    log_shares = functional.log_softmax(logits.masked_fill(~allowed, -1e4), dim=-1)
    right = log_shares.gather(1, labels[:, None]).squeeze(1)
    others = (log_shares * allowed).sum(1) / allowed.sum(1)
    return -((1 - smoothing) * right + smoothing * others).mean()
