"""Trains and builds what is missing or out of date, each part in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import typer

from bot.training import dialogue_model
from chengda.compose import dialogue_models_dir, nlu_is_current
from chengda.console_output import console, errors
from chengda.routing import routing_is_ready
from city.settings import Settings


def prepare(settings: Settings) -> None:
    """Train or export the models and the dialogue when they are missing or their data changed.

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
    if settings.opinion is not None:
        _prepare_opinion(settings)
    if settings.requests is not None:
        if routing_is_ready(settings):
            console.print("[green]✓[/] 诉求分派模型已是最新 · request router is up to date")
        else:
            console.print("[bold]…[/] 导出诉求分派模型 · exporting the request router")
            _child("train", "routing")
    if dialogue_model(dialogue_models_dir(settings)).exists():
        console.print("[green]✓[/] 对话模型已是最新 · dialogue is up to date")
    else:
        console.print("[bold]…[/] 训练对话模型 · training the dialogue")
        _child("train", "dialogue")
    if not (settings.data / "knowledge" / "index").exists():
        console.print(
            "[bold]…[/] 为知识库文章建立索引（首次约一分钟）· indexing the articles (about a minute, once)"
        )


def _prepare_opinion(settings: Settings) -> None:
    """Export the sentiment model once, and read the demo's posts in when city.yml asks for them."""
    from actions.opinion.demo.stream import DemoSource
    from actions.opinion.service import adapter_of
    from actions.opinion.settings import OpinionSection
    from actions.opinion.setup import load_service
    from city.settings import module_section
    from nlp.sentiment import MANIFEST, model_dir

    section = module_section(settings, "opinion", OpinionSection)
    assert section is not None
    if (model_dir(settings.data, adapter_of(section, settings.path)) / MANIFEST).is_file():
        console.print("[green]✓[/] 情感模型已是最新 · sentiment model is up to date")
    else:
        console.print("[bold]…[/] 导出情感模型 · exporting the sentiment model")
        _child("train", "sentiment")
    if not section.demo:
        return
    service = load_service(settings)
    known = bool(service.store.cursor(DemoSource.name).get("done"))
    service.close()
    if not known:
        console.print("[bold]…[/] 读入演示舆情 · reading the demo's posts in")
        _child("opinion", "ingest", "--demo")


def _child(*arguments: str) -> None:
    result = subprocess.run([sys.executable, "-m", "chengda", *arguments], check=False)
    if result.returncode != 0:
        errors.print(
            f"[bold red]✗[/] chengda {' '.join(arguments)} failed ({result.returncode}); see the lines above"
        )
        raise typer.Exit(1)
