"""Fine-tuning of the cross-encoder on questions with competing passages."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor
from torch.nn import functional

from nlp.sentiment import padded
from training.base.optim import MovingAverage, keep_freed_memory, rate
from training.nlu.batches import LengthBatches
from training.nlu.device import choose
from training.reranking.data import Asked, grouped
from training.reranking.network import RerankingNetwork

log = logging.getLogger(__name__)
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class FitSettings:
    """One run: passes, questions a batch, passages a question, rates of body and head, token limit, frozen layers.

    `minutes` of wall time (0: no limit) shrink the schedule when they run out before the passes do.
    """

    epochs: int = 2
    batch: int = 8
    passages: int = 4
    lr: float = 1e-4
    lr_head: float = 1e-3
    tokens: int = 80
    frozen: int = 3
    minutes: float = 3.0
    threads: int = 0
    precision: str = "auto"
    seed: int = 17


def fit(
    network: RerankingNetwork,
    asked: Sequence[Asked],
    tokenizer: Tokenizer,
    settings: FitSettings,
    progress: Progress | None = None,
) -> None:
    """Train in place; afterwards the network has the moving average of its weights.

    The right passage competes with the others in a softmax, and each passage is judged by itself as well, so that
    questions without an answer teach something.
    """
    torch.manual_seed(settings.seed)
    keep_freed_memory()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    compute = choose(settings.precision)
    network.to(compute.device).train()
    tokenizer.no_padding()
    tokenizer.enable_truncation(settings.tokens)
    heads = [*network.hidden_head.parameters(), *network.out_head.parameters(), network.cosine]
    body = [value for value in network.body.parameters() if value.requires_grad]
    optimiser = torch.optim.AdamW(
        [{"params": body, "lr": settings.lr}, {"params": heads, "lr": settings.lr_head}], weight_decay=0.01
    )
    rates = [group["lr"] for group in optimiser.param_groups]
    average = MovingAverage([*body, *heads], 0.99)
    total, step, began, done = settings.epochs * -(-len(asked) // settings.batch), 0, time.monotonic(), 0.0
    for epoch in range(settings.epochs):
        groups = grouped(asked, settings.passages, settings.seed + epoch)
        read = [tokenizer.encode_batch([(g.question, text) for text in g.passages]) for g in groups]
        lengths = [max(len(item.ids) for item in items) for items in read]
        losses: list[float] = []
        for chosen in LengthBatches(lengths, settings.batch, settings.seed + epoch):
            spent = (time.monotonic() - began) / 60 / settings.minutes if settings.minutes else 0.0
            done = max(step / total, spent)
            if done >= 1:
                break
            share = rate(done, step, max(10, min(40, total // 10)))
            for group, full in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = full * share
            tensors = [value.to(compute.device) for value in _batch([e for at in chosen for e in read[at]])]
            with torch.autocast(
                compute.device, dtype=compute.autocast or torch.bfloat16, enabled=compute.autocast is not None
            ):
                logits = network(*tensors).float().view(len(chosen), settings.passages)
            answered = torch.tensor([groups[at].right >= 0 for at in chosen], device=logits.device)
            loss = _loss(logits, answered)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([*body, *heads], 1.0)
            optimiser.step()
            step += 1
            average.update(step)
            losses.append(float(loss.detach()))
            if progress is not None:
                progress(done, f"pass {epoch + 1}/{settings.epochs}, loss {np.mean(losses[-50:]):.3f}")
        log.info("pass %s/%s, loss %.3f", epoch + 1, settings.epochs, np.mean(losses or [0.0]))
    average.swap()
    network.to("cpu").eval()
    if progress is not None:
        progress(1.0, f"{step} steps")


def _batch(read: Sequence[Encoding]) -> tuple[Tensor, Tensor, Tensor]:
    ids, mask = padded([item.ids for item in read])
    types, _ = padded([item.type_ids for item in read])
    return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(types)


def _loss(logits: Tensor, answered: Tensor) -> Tensor:
    """Softmax loss of the first passage where it is right, and half the logistic loss of every passage."""
    right = torch.zeros_like(logits)
    right[:, 0] = answered.float()
    alone = functional.binary_cross_entropy_with_logits(logits, right)
    if not bool(answered.any()):
        return 0.5 * alone
    among = -functional.log_softmax(logits[answered], dim=1)[:, 0].mean()
    return among + 0.5 * alone
