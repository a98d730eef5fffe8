"""Fine-tuning of the joint network with transformers' Trainer."""

from __future__ import annotations

import itertools
import logging
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.utils import logging as hf_logging

from training.nlu.batches import Encoded, EncodedSet, LengthBatches, collate
from training.nlu.device import Compute
from training.nlu.network import JointNetwork, joint_loss
from training.nlu.settings import TrainSettings
from training.nlu.small_table import used_rows

log = logging.getLogger(__name__)
Progress = Callable[[float, str], None]
# After so many steps the moving average takes in the weights of every fourth one: it moves slower than that by far.
_EVERY_STEP, _STRIDE = 100, 4


class JointTrainer(Trainer):
    """Trainer with the joint loss, layer-wise learning rates, length-sorted batches, FGM and R-Drop."""

    optimizer: torch.optim.Optimizer | None

    def __init__(
        self, settings: TrainSettings, weights: Tensor | None, compute: Compute, **options: Any
    ) -> None:
        self._settings, self._weights, self._compute = settings, weights, compute
        super().__init__(**options)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return batches of like length."""
        rows: Sequence[Encoded] = self.train_dataset.rows
        sampler = LengthBatches([len(row.ids) for row in rows], self._settings.batch, self._settings.seed)
        return DataLoader(self.train_dataset, batch_sampler=sampler, collate_fn=collate)

    def create_optimizer(self, *_: Any, **__: Any) -> torch.optim.Optimizer:
        """AdamW; lower layers learn slower (Howard & Ruder 2018), biases and norms do not decay."""
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(
                parameter_groups(self.model, self._settings),
                lr=self._settings.lr or 1e-4,
                betas=(0.9, 0.999),
                fused=True,
            )
        return self.optimizer

    def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], *_: Any, **__: Any) -> Tensor:
        """Return the joint loss, with R-Drop's term where it is asked for (Wu et al. 2021)."""
        settings = self._settings
        one = self._one(model, inputs)
        if not settings.r_drop or not model.training:
            return one[0]
        two = self._one(model, inputs)
        p = functional.log_softmax(one[1].float(), -1)
        q = functional.log_softmax(two[1].float(), -1)
        both = functional.kl_div(p, q, log_target=True, reduction="batchmean")
        both = both + functional.kl_div(q, p, log_target=True, reduction="batchmean")
        return (one[0] + two[0]) / 2 + settings.r_drop * both / 2

    def _one(self, model: nn.Module, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        output = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        loss = joint_loss(
            output,
            inputs["labels"],
            inputs["tags"],
            self._settings.tag_weight,
            self._settings.label_smoothing,
            self._weights,
        )
        return loss, output["intent_logits"]

    def training_step(self, model: nn.Module, inputs: dict[str, Any], *rest: Any, **options: Any) -> Tensor:
        """One step; with FGM a second pass on word vectors moved against the loss (Miyato et al. 2017)."""
        loss = super().training_step(model, inputs, *rest, **options)
        if not self._settings.fgm:
            return loss
        table = input_table(model)
        if table is None or table.grad is None:
            return loss
        norm = table.grad.norm()
        if norm > 0 and torch.isfinite(norm):
            move = self._settings.fgm * table.grad / norm
            table.data.add_(move)
            super().training_step(model, inputs, *rest, **options)
            table.data.sub_(move)
        return loss


def input_table(model: nn.Module) -> nn.Parameter | None:
    """Return the word table of a network when it is trained, else nothing."""
    for name, parameter in model.named_parameters():
        if "word_embeddings" in name and parameter.requires_grad:
            return parameter
    return None


def parameter_groups(model: nn.Module, settings: TrainSettings) -> list[dict[str, Any]]:
    """Split the trained parameters by layer, head and decay."""
    lr = settings.lr or 1e-4
    layers = int(getattr(model.body.config, "num_hidden_layers", 6))
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        decay = 0.0 if parameter.ndim < 2 else settings.weight_decay
        if "_head" in name:
            rate = settings.lr_head
        elif settings.method != "full":
            rate = lr
        else:
            parts = name.split(".")
            number = next((int(b) for a, b in itertools.pairwise(parts) if a == "layer" and b.isdigit()), -1)
            rate = lr * settings.layer_decay ** (layers - 1 - number)
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": params, "lr": rate, "weight_decay": decay} for (rate, decay), params in groups.items()]


class Keeper(TrainerCallback):
    """Measures the dev set after every epoch, keeps the best weights, stops when nothing gets better."""

    def __init__(
        self,
        network: nn.Module,
        dev: Sequence[Encoded],
        settings: TrainSettings,
        compute: Compute,
        progress: Progress | None,
    ) -> None:
        self.network, self.dev, self.settings, self.compute, self.progress = (
            network,
            dev,
            settings,
            compute,
            progress,
        )
        self.best: dict[str, Tensor] | None = None
        self.best_score = (-1.0, -math.inf)
        self.best_epoch = 0
        self.history: list[dict[str, float]] = []
        self._average: dict[str, Tensor] | None = None
        self._started = time.monotonic()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self.settings.average:
            self._average = {n: p.detach().clone() for n, p in self._trained()}

    def _trained(self) -> list[tuple[str, nn.Parameter]]:
        return [(n, p) for n, p in self.network.named_parameters() if p.requires_grad]

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Let AdaLoRA judge its ranks while the gradients are still there."""
        if self.settings.method == "adalora":
            from training.nlu.peft_modes import after_step

            after_step(self.network.body, state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """Report progress, average the weights, and stop when the time is up."""
        stride = 1 if state.global_step <= _EVERY_STEP else _STRIDE
        if self._average is not None and state.global_step % stride == 0:
            # Early weights would weigh the average down, so its memory grows with the steps.
            keep = min(self.settings.average, (1 + state.global_step) / (10 + state.global_step)) ** stride
            torch._foreach_lerp_(
                list(self._average.values()), [p.detach() for _, p in self._trained()], 1 - keep
            )
        if self.progress is not None and state.max_steps:
            self.progress(state.global_step / state.max_steps, f"step {state.global_step}/{state.max_steps}")
        if self.settings.minutes and time.monotonic() - self._started > 60 * self.settings.minutes:
            control.should_training_stop = True
            control.should_epoch_stop = True
        return control

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """Measure, keep, and decide whether to go on."""
        swapped = self._swap_in_average()
        measured = measure(self.network, self.dev, self.compute)
        score = (measured["accuracy"] + 0.2 * measured["tag_accuracy"], -measured["loss"])
        self.history.append({"epoch": float(state.epoch or 0), **measured})
        log.info("epoch %s %s", state.epoch, {k: round(v, 4) for k, v in measured.items()})
        if score > self.best_score:
            self.best_score, self.best_epoch = score, len(self.history)
            self.best = {n: p.detach().cpu().clone() for n, p in self._trained()}
        if swapped is not None:
            for name, parameter in self._trained():
                parameter.data.copy_(swapped[name])
        if len(self.history) - self.best_epoch >= self.settings.patience:
            control.should_training_stop = True
        return control

    def _swap_in_average(self) -> dict[str, Tensor] | None:
        if self._average is None:
            return None
        own = {n: p.detach().clone() for n, p in self._trained()}
        for name, parameter in self._trained():
            parameter.data.copy_(self._average[name])
        return own

    def restore(self) -> None:
        """Give the network its best weights back."""
        if self.best is not None:
            for name, parameter in self._trained():
                parameter.data.copy_(self.best[name])


def steps_of(examples: int, settings: TrainSettings) -> int:
    """Return the optimiser steps of a run."""
    batches = -(-examples // settings.batch)
    return max(1, -(-batches // settings.accumulate) * (settings.epochs or 1))


def fit(
    network: JointNetwork,
    train: Sequence[Encoded],
    dev: Sequence[Encoded],
    settings: TrainSettings,
    compute: Compute,
    weights: Tensor | None = None,
    progress: Progress | None = None,
    noisy: Sequence[Sequence[Encoded]] = (),
) -> list[dict[str, float]]:
    """Fine-tune `network` in place; afterwards it has the weights of its best epoch on `dev`.

    `noisy` holds damaged versions of `train`, see `EncodedSet`. Returns the measures after every epoch.
    """
    with used_rows(network.body, [train, dev, *noisy]) as renumber:
        return _fit(
            network,
            renumber(train),
            renumber(dev),
            settings,
            compute,
            weights,
            progress,
            [renumber(rows) for rows in noisy],
        )


def _fit(
    network: JointNetwork,
    train: Sequence[Encoded],
    dev: Sequence[Encoded],
    settings: TrainSettings,
    compute: Compute,
    weights: Tensor | None,
    progress: Progress | None,
    noisy: Sequence[Sequence[Encoded]],
) -> list[dict[str, float]]:
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    steps = steps_of(len(train), settings)
    keeper = Keeper(network, dev, settings, compute, progress)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=float(settings.epochs or 1),
            per_device_train_batch_size=settings.batch,
            gradient_accumulation_steps=settings.accumulate,
            max_grad_norm=1.0,
            lr_scheduler_type="linear",
            warmup_steps=int(steps * settings.warmup_share),
            bf16=compute.autocast is torch.bfloat16,
            fp16=compute.autocast is torch.float16,
            use_cpu=compute.device == "cpu",
            save_strategy="no",
            eval_strategy="no",
            logging_steps=20,
            report_to=[],
            disable_tqdm=True,
            seed=settings.seed,
            data_seed=settings.seed,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
        )
        callbacks: list[TrainerCallback] = [keeper]
        if settings.tensorboard is not None:
            from training.nlu.board import Board

            callbacks.append(Board(settings.tensorboard, keeper))
        trainer = JointTrainer(
            settings,
            weights,
            compute,
            model=network,
            args=arguments,
            train_dataset=EncodedSet(train, noisy, settings.augmentation.noise, settings.seed),
            data_collator=collate,
            callbacks=callbacks,
        )
        trainer.remove_callback(_printer())
        trainer.train()
    keeper.restore()
    return keeper.history


def _printer() -> type[TrainerCallback]:
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback


@torch.inference_mode()
def run(network: JointNetwork, rows: Sequence[Encoded], compute: Compute, batch: int = 64) -> dict[str, Any]:
    """Return `logits` (n, intents) and `pooled` (n, width) as arrays, and `tags`: one array (t, tags) a row."""
    was_training = network.training
    network.eval()
    device = next(network.parameters()).device
    logits: list[Any] = [None] * len(rows)
    pooled: list[Any] = [None] * len(rows)
    tags: list[Any] = [None] * len(rows)
    order = sorted(range(len(rows)), key=lambda at: len(rows[at].ids))
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        inputs = collate([rows[at] for at in chosen])
        with torch.autocast(
            compute.device, dtype=compute.autocast or torch.bfloat16, enabled=compute.autocast is not None
        ):
            output = network(inputs["input_ids"].to(device), inputs["attention_mask"].to(device))
        values = {key: value.float().cpu().numpy() for key, value in output.items()}
        for at, row in enumerate(chosen):
            logits[row], pooled[row] = values["intent_logits"][at], values["pooled"][at]
            tags[row] = values["tag_logits"][at, : len(rows[row].ids)]
    network.train(was_training)
    return {"logits": np.stack(logits), "pooled": np.stack(pooled), "tags": tags}


def measure(network: JointNetwork, rows: Sequence[Encoded], compute: Compute) -> dict[str, float]:
    """Return intent accuracy and loss, and the share of rightly tagged entity tokens, on encoded examples."""
    output = run(network, rows, compute)
    labels = np.array([row.intent for row in rows])
    logits = torch.from_numpy(output["logits"])
    known = labels >= 0
    loss = (
        float(functional.cross_entropy(logits[known], torch.from_numpy(labels[known])))
        if known.any()
        else 0.0
    )
    right = asked = 0
    for row, scores in zip(rows, output["tags"], strict=True):
        gold, guess = np.array(row.tags), scores.argmax(1)
        counted = (gold > 0) | ((gold == 0) & (guess > 0))
        asked += int(counted.sum())
        right += int((counted & (gold == guess)).sum())
    return {
        "accuracy": float((output["logits"].argmax(1) == labels).mean()),
        "loss": loss,
        "tag_accuracy": right / asked if asked else 1.0,
    }
