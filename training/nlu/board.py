"""TensorBoard curves of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from training.board import event_writer
from training.nlu.fitting import Keeper


class Board(TrainerCallback):
    """Writes training loss and rate as they are logged, and the dev measures after every epoch."""

    def __init__(self, folder: Path, keeper: Keeper) -> None:
        self._writer = event_writer(folder)
        self._keeper = keeper

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Write what the Trainer logs."""
        for name, value in (logs or {}).items():
            if isinstance(value, (int, float)):
                self._writer.add_scalar(f"train/{name}", value, state.global_step)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Write the dev measures that the keeper took."""
        for name, value in self._keeper.history[-1].items():
            if name != "epoch":
                self._writer.add_scalar(f"dev/{name}", value, state.global_step)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Close the file."""
        self._writer.close()
