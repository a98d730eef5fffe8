"""Optimiser pieces: row-wise Adam for the word table, a moving average of the weights, the rate schedule."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Sequence

import torch
from torch import Tensor


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory: returning it costs a third of a CPU step in page faults."""
    if platform.system() != "Linux" or torch.cuda.is_available():
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-4, 0)  # M_MMAP_MAX
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
        libc.mallopt(-2, 256 << 20)  # M_TOP_PAD
    except OSError:
        return


class RowAdam:
    """Adam on the touched rows of a table (pieces, width) only; a step costs what the batch uses.

    Bias correction counts each row's own updates (lazy Adam).
    """

    def __init__(self, table: Tensor, betas: tuple[float, float] = (0.9, 0.98), eps: float = 1e-8) -> None:
        self.table, self.betas, self.eps = table, betas, eps
        self.mean = torch.zeros_like(table)
        self.square = torch.zeros_like(table)
        self.count = torch.zeros(len(table), device=table.device)

    @torch.no_grad()
    def step(self, rows: Tensor, gradient: Tensor, lr: float) -> None:
        """Update the distinct `rows` (r,) by their `gradient` (r, width)."""
        first, second = self.betas
        count = self.count[rows] + 1
        mean = self.mean[rows].lerp_(gradient, 1 - first)
        square = self.square[rows].lerp_(gradient * gradient, 1 - second)
        self.count[rows], self.mean[rows], self.square[rows] = count, mean, square
        corrected = mean / (1 - first**count)[:, None]
        scale = (square / (1 - second**count)[:, None]).sqrt_().add_(self.eps)
        self.table[rows] -= lr * corrected / scale

    def state(self) -> dict[str, Tensor]:
        """Return tensors for a checkpoint."""
        return {"mean": self.mean, "square": self.square, "count": self.count}

    def load(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.mean.copy_(state["mean"])
        self.square.copy_(state["square"])
        self.count.copy_(state["count"])


class MovingAverage:
    """Exponential moving average of parameters, refreshed every few steps: a usable model at any moment."""

    def __init__(self, parameters: Sequence[Tensor], decay: float, every: int = 8) -> None:
        self.parameters = list(parameters)
        self.values = [p.detach().clone() for p in self.parameters]
        self.decay, self.every = decay, every

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the parameters; early steps use a shorter memory."""
        stride = 1 if step <= self.every else self.every
        if step % stride:
            return
        decay = min(self.decay, (1 + step) / (10 + step)) ** stride
        torch._foreach_lerp_(self.values, [p.detach() for p in self.parameters], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the parameters with their average (call twice to come back)."""
        for value, parameter in zip(self.values, self.parameters, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(value)
            value.copy_(kept)


def rate(progress: float, step: int, warmup: int) -> float:
    """Warm up, then fall linearly to a twentieth; `progress` is the share of the whole run done (0 to 1)."""
    return min(1.0, (step + 1) / max(1, warmup)) * max(0.05, 1.0 - progress)
