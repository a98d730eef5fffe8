"""Trains and builds what is missing or out of date, each part in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import typer

from bot.training import dialogue_model
from chengda.compose import dialogue_models_dir, nlu_is_current
from chengda.console_output import console, errors
from city.settings import Settings


def prepare(settings: Settings) -> None:
    """Train the NLU model and the dialogue when they are missing or their data changed.

    A child process each keeps torch and the trainers out of the server's memory; Ctrl-C stops either without
    leaving anything half-written.
    """
    if nlu_is_current(settings):
        console.print("[green]✓[/] 语言理解模型已是最新 · language model is up to date")
    else:
        console.print(
            "[bold]…[/] 训练语言理解模型（首次约几分钟）· training the language model (a few minutes, once)"
        )
        _child("train", "nlu")
    if dialogue_model(dialogue_models_dir(settings)).exists():
        console.print("[green]✓[/] 对话模型已是最新 · dialogue is up to date")
    else:
        console.print("[bold]…[/] 训练对话模型 · training the dialogue")
        _child("train", "dialogue")


def _child(*arguments: str) -> None:
    result = subprocess.run([sys.executable, "-m", "chengda", *arguments], check=False)
    if result.returncode != 0:
        errors.print(
            f"[bold red]✗[/] chengda {' '.join(arguments)} failed ({result.returncode}); see the lines above"
        )
        raise typer.Exit(1)
