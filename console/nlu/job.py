"""Jobs of the language model: each starts the command line as its child, because only that may train."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from city.jobs import JobContext

TRAIN, EVALUATE, COMPARE = "nlu.train", "nlu.evaluate", "nlu.compare"
KINDS = (TRAIN, EVALUATE, COMPARE)
_PROGRESS = re.compile(r"^(\d{1,3}) % (.*)$")
_TAIL = 15
_TRAINING_SHARE = 0.9


class CommandFailedError(RuntimeError):
    """The command line ended with an error; the message holds its last lines."""


def train(
    *, city: str, continued: bool, examples: str, options: Sequence[str] = (), context: JobContext
) -> dict[str, Any]:
    """Train a candidate and compare it with the current model; nothing is promoted.

    Args:
        city: the settings file.
        continued: go on from the current model with staff's examples, instead of training afresh.
        examples: folder of staff's examples.
        options: further options of `chengda train nlu`.
        context: where to report.

    Raises:
        CommandFailedError: with the command's own message.
    """
    result = context.work / "result.json"
    command = ["train", "nlu", "--no-promote", "--result", str(result), *options]
    if continued:
        command += ["--continue", "--data", examples]
    run(command, city, context, 0.0, _TRAINING_SHARE)
    trained: dict[str, Any] = json.loads(result.read_text("utf-8"))
    context.progress(_TRAINING_SHARE, "比较 · comparing")
    report = context.work / "gate.json"
    try:
        run(["model", "compare", trained["version"], "--report", str(report)], city, context, 0.9, 1.0)
        trained["gate"] = json.loads(report.read_text("utf-8"))
    except CommandFailedError as error:
        # The candidate is good work even when there is nothing to compare it with, as with the first model.
        trained["gate"] = None
        trained["notes"] = [*trained.get("notes", []), str(error)]
    return trained


def compare(*, city: str, version: str, base: str = "", context: JobContext) -> dict[str, Any]:
    """Compare a version with another, the current one when `base` is empty; raises `CommandFailedError`."""
    report = context.work / "gate.json"
    command = ["model", "compare", version, "--report", str(report), *(["--base", base] if base else [])]
    run(command, city, context, 0.0, 1.0)
    found: dict[str, Any] = json.loads(report.read_text("utf-8"))
    return found


def evaluate(*, city: str, directory: str, context: JobContext) -> dict[str, Any]:
    """Measure a version on its own held-out texts; keeps the report page; raises `CommandFailedError`."""
    report = context.work / "report.json"
    run(["evaluate", "nlu", "--model", directory, "--report", str(report)], city, context, 0.0, 1.0)
    page = report.with_suffix(".html")
    page.rename(context.keep / "report.html")
    found: dict[str, Any] = json.loads(report.read_text("utf-8"))
    return {
        "version": Path(directory).name,
        **{
            name: found[name]
            for name in ("date", "accuracy", "macro_f1", "ece", "intents", "slices", "noise")
        },
    }


def run(command: Sequence[str], city: str, context: JobContext, start: float, end: float) -> None:
    """Run a `chengda` command; its progress lines become the job's progress from `start` to `end`.

    Raises:
        CommandFailedError: when it fails.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "chengda", *command],
        env={**os.environ, "CHENGDA_CITY": city, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    tail: deque[str] = deque(maxlen=_TAIL)
    assert child.stdout is not None
    for line in child.stdout:
        line = line.rstrip()
        progress = _PROGRESS.match(line)
        if progress:
            context.progress(start + (end - start) * int(progress[1]) / 100, progress[2])
        elif line:
            tail.append(line)
            print(line, flush=True)
    if child.wait() != 0:
        raise CommandFailedError("\n".join(tail) or f"chengda {command[0]} ended with {child.returncode}")
