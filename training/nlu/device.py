"""Which device and number format train fastest here: measured, not guessed from a processor's name."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Compute:
    """Device type ("cuda" or "cpu") and autocast format (None: float32)."""

    device: str
    autocast: torch.dtype | None

    @property
    def label(self) -> str:
        """A name for people and reports."""
        return f"{self.device}/{str(self.autocast or torch.float32).removeprefix('torch.')}"


def choose(precision: str = "auto") -> Compute:
    """Return the device and the format to train with.

    A graphics card computes in bfloat16 where it can, else in float16. On a CPU bfloat16 is eight times as fast
    with AMX and many times slower without, so a matrix product of a layer's size is timed in both.
    """
    if torch.cuda.is_available():
        if precision == "auto":
            precision = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
        return Compute("cuda", {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision])
    if precision == "auto":
        precision = "bf16" if _bf16_is_faster() else "fp32"
    return Compute("cpu", torch.bfloat16 if precision == "bf16" else None)


def _bf16_is_faster() -> bool:
    def seconds(kind: torch.dtype, tries: int) -> float:
        a, b = torch.ones(256, 384, dtype=kind), torch.ones(384, 1536, dtype=kind)
        torch.mm(a, b)  # the first product may compile its kernel
        times = []
        for _ in range(tries):
            started = time.perf_counter()
            torch.mm(a, b)
            times.append(time.perf_counter() - started)
        return min(times)

    try:
        limit = 0.7 * seconds(torch.float32, 8)
        # A processor that has no bfloat16 takes a hundred times as long: one try tells.
        return seconds(torch.bfloat16, 1) < 10 * limit and seconds(torch.bfloat16, 8) < limit
    except RuntimeError:
        return False
