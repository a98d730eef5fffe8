"""Stands for a job's work, whose own way is tested where the job is; imports next to nothing."""

from __future__ import annotations

from typing import Any

from city.jobs import JobContext


def compare(*, city: str, version: str, base: str = "", context: JobContext) -> dict[str, Any]:
    """Return a comparison that passed."""
    context.progress(0.5, "half")
    print("comparing")
    figures = {"examples": 3, "old_accuracy": 1, "new_accuracy": 1, "passed": True}
    lists: dict[str, list[str]] = {key: [] for key in ("reasons", "new_intents", "gone_intents")}
    return {"candidate": version, "base": "b", **figures, **lists}
