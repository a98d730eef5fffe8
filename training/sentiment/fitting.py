"""Fine-tuning of the adapters and heads on posts with any of the three labels."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from nlp.sentiment import EMOTIONS, SENTIMENTS, padded
from nlp.sentiment_text import head_and_tail
from training.base.optim import MovingAverage, keep_freed_memory, rate
from training.nlu.batches import LengthBatches
from training.nlu.device import choose
from training.sentiment.data import Labelled
from training.sentiment.network import SentimentNetwork, outputs, trained

log = logging.getLogger(__name__)
Progress = Callable[[float, str], None]
IGNORED = -100
_SAVE_SECONDS = 180.0


@dataclass(frozen=True)
class FitSettings:
    """One run. Rates are per step, `tokens` is the length a post is cut to; `minutes` of wall time (0: no limit)
    shrink the schedule when they run out before the epochs do. `dropout` is that of the encoder: a run that sees each
    post once or twice needs none, and is a fifth faster without."""

    epochs: int = 2
    batch: int = 16
    lr: float = 2.5e-4
    lr_head: float = 5e-4
    tokens: int = 96
    emotion_weight: float = 0.7
    action_weight: float = 0.3
    smoothing: float = 0.05
    dropout: float = 0.0
    minutes: float = 0.0
    threads: int = 0
    precision: str = "auto"
    seed: int = 17


@dataclass(frozen=True)
class Rows:
    """Posts as numbers: token ids, and polarity, emotion, action labels (n,), `IGNORED` where unknown."""

    ids: list[list[int]]
    sentiment: Tensor
    emotion: Tensor
    action: Tensor


def encode(posts: Sequence[Labelled], tokenizer: Tokenizer, limit: int) -> Rows:
    """Tokenise posts, cut to `limit` tokens."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    ids = [head_and_tail(e.ids, limit) for e in tokenizer.encode_batch([post.text for post in posts])]
    return Rows(
        ids,
        torch.tensor([SENTIMENTS.index(p.sentiment) if p.sentiment else IGNORED for p in posts]),
        torch.tensor([EMOTIONS.index(p.emotion) if p.emotion else IGNORED for p in posts]),
        torch.tensor([IGNORED if p.needs_action is None else int(p.needs_action) for p in posts]),
    )


def fit(
    network: SentimentNetwork,
    rows: Rows,
    dev: Rows,
    settings: FitSettings,
    progress: Progress | None = None,
    save: Callable[[], None] | None = None,
) -> list[dict[str, float]]:
    """Train in place; afterwards the network has the moving average of its weights. Returns dev measures by epoch.

    Every few minutes `save` is called while the network has the averaged weights, so that a killed run leaves them.
    """
    torch.manual_seed(settings.seed)
    keep_freed_memory()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    compute = choose(settings.precision)
    network.to(compute.device).train()
    for module in network.body.modules():
        if isinstance(module, nn.Dropout):
            module.p = settings.dropout
    parameters = trained(network)
    heads = [value for name, value in parameters if "_head." in name]
    others = [value for name, value in parameters if "_head." not in name]
    optimiser = torch.optim.AdamW(
        [{"params": others, "lr": settings.lr}, {"params": heads, "lr": settings.lr_head}], weight_decay=0.01
    )
    rates = [group["lr"] for group in optimiser.param_groups]
    average = MovingAverage([value for _, value in parameters], 0.998)
    weights = _weights(rows.emotion, len(EMOTIONS)).to(compute.device)
    batches = LengthBatches([len(ids) for ids in rows.ids], settings.batch, settings.seed)
    total, step, began = settings.epochs * len(batches), 0, time.monotonic()
    history: list[dict[str, float]] = []
    done, saved = 0.0, began
    for epoch in range(settings.epochs):
        losses: list[float] = []
        for chosen in batches:
            spent = (time.monotonic() - began) / 60 / settings.minutes if settings.minutes else 0.0
            done = max(step / total, spent)
            if done >= 1.0:
                break
            share = rate(done, step, max(20, total // 40))
            for group, full in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = full * share
            with torch.autocast(
                compute.device, dtype=compute.autocast or torch.bfloat16, enabled=compute.autocast is not None
            ):
                loss = _loss(network, rows, chosen, settings, weights, compute.device)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([value for _, value in parameters], 1.0)
            optimiser.step()
            step += 1
            average.update(step)
            losses.append(float(loss.detach()))
            if step % 20 == 0:
                message = f"step {step}/{total}, loss {np.mean(losses[-50:]):.3f}"
                log.info("%s, %.1f min", message, (time.monotonic() - began) / 60)
                if progress is not None:
                    progress(done, message)
                if save is not None and time.monotonic() - saved >= _SAVE_SECONDS:
                    saved = time.monotonic()
                    average.swap()
                    save()
                    average.swap()
        average.swap()
        history.append(
            {"epoch": epoch + 1.0, "loss": float(np.mean(losses or [0.0])), **measure(network, dev)}
        )
        log.info("%s", history[-1])
        if epoch + 1 < settings.epochs and done < 1.0:
            average.swap()
        else:
            break
    network.to("cpu").eval()
    return history


def _loss(
    network: SentimentNetwork,
    rows: Rows,
    chosen: Sequence[int],
    settings: FitSettings,
    weights: Tensor,
    device: str,
) -> Tensor:
    ids, mask = padded([rows.ids[at] for at in chosen])
    polarity, emotion, action = network(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))
    at = torch.tensor(list(chosen))
    total = polarity.sum() * 0.0
    wanted = rows.sentiment[at].to(device)
    if (wanted >= 0).any():
        total = total + functional.cross_entropy(
            polarity.float(), wanted, ignore_index=IGNORED, label_smoothing=settings.smoothing
        )
    felt = rows.emotion[at].to(device)
    if (felt >= 0).any():
        total = total + settings.emotion_weight * functional.cross_entropy(
            emotion.float(), felt, weight=weights, ignore_index=IGNORED, label_smoothing=settings.smoothing
        )
    asked = rows.action[at].to(device)
    known = asked >= 0
    if known.any():
        total = total + settings.action_weight * functional.binary_cross_entropy_with_logits(
            action.float().reshape(-1)[known], asked[known].float()
        )
    return total


def _weights(labels: Tensor, classes: int) -> Tensor:
    """Return class weights, inverse to the square root of the class's size."""
    counts = torch.bincount(labels[labels >= 0], minlength=classes).clamp_min(1).float()
    weights = counts.rsqrt()
    return weights / weights.mean()


def measure(network: SentimentNetwork, rows: Rows) -> dict[str, float]:
    """Return accuracies of the three heads on the posts whose label is known."""
    if not rows.ids:
        return {}
    polarity, emotion, action = outputs(network, rows.ids)
    found = {}
    guesses = (
        ("sentiment", rows.sentiment, polarity.argmax(1)),
        ("emotion", rows.emotion, emotion.argmax(1)),
        ("action", rows.action, (action.reshape(-1) > 0).long()),
    )
    for name, gold, guess in guesses:
        known = gold >= 0
        if known.any():
            found[name] = float((gold[known] == guess[known]).float().mean())
    return found
