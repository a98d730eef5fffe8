"""`chengda train routing`: the router of service requests fine-tuned on the city's categories, or made ready."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chengda.console_output import console, plain_errors, step
from city.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from training.routing.data import Sentence


def routing_is_ready(settings: Settings) -> bool:
    """Return whether there is nothing to export: the adapters in use were, or belong to another base."""
    from nlp.routing import MANIFEST, RoutingManifest, RoutingModelError, base_mark, find_adapter, model_dir

    try:
        manifest = RoutingManifest.read(find_adapter(settings.data))
    except RoutingModelError:
        return True
    fits = manifest.base == base_mark(settings.path(settings.models.base))
    return not fits or (model_dir(settings.data) / MANIFEST).is_file()


def train_routing(
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Fine-tune on the city's categories. 按本市类别重新微调")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Adapter folder; default: the city's own. 输出目录")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, max=50, help="Passes over the sentences. 轮数")] = 6,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: all. 线程数")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the run. 随机种子")] = 17,
) -> None:
    """Make the router of service requests ready; with --fresh fine-tune it first. 训练诉求分派模型。"""
    from actions.requests.errors import RequestsError, RequestsNotConfigured
    from actions.requests.setup import load_service, section_of
    from nlp.routing import RoutingModelError
    from training.nlu.errors import NluTrainingError
    from training.routing.errors import RoutingTrainingError
    from training.routing.fitting import FitSettings
    from training.routing.pipeline import ensure_model, train_adapter

    with plain_errors(
        SettingsError,
        RequestsError,
        RequestsNotConfigured,
        RoutingTrainingError,
        RoutingModelError,
        NluTrainingError,
    ):
        settings = load_settings()
        section, base = section_of(settings), settings.path(settings.models.base)
        if fresh:
            sentences = _sentences(settings.path(section.categories))
            target = out or settings.data / "models" / "routing" / "adapter"
            chosen = FitSettings(epochs=epochs, threads=threads, seed=seed)
            made = step(
                f"微调分派模型 · fine-tuning the router on {len(sentences)} sentences",
                lambda: train_adapter(sentences, base, target, chosen),
            )
            console.print(f"  {target} · {made.version}")
            if out is not None:
                return
        folder, new = step("导出分派模型 · exporting the router", lambda: ensure_model(settings.data, base))
        # What it learns from the examples is kept, so that the server starts at once.
        step("学习类别例句 · learning the categories", lambda: load_service(settings).close())
        console.print(f"  {folder}" if new else "[green]✓[/] 分派模型已是最新 · router is up to date")


def _sentences(categories: Path) -> list[Sentence]:
    """Return the examples of a file of categories."""
    from actions.requests.catalogue import read_catalogue
    from training.routing.data import Sentence

    return [
        Sentence(text, category.id, category.kind, language)
        for category in read_catalogue(categories).categories.values()
        for language, texts in category.examples.items()
        for text in texts
    ]
