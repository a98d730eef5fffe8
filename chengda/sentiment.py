"""`chengda train sentiment`: the city's own labels, or the shipped adapters made ready."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chengda.console_output import console, plain_errors, step
from city.settings import Settings, SettingsError, load_settings


def _adapter(settings: Settings) -> Path:
    from actions.opinion.service import adapter_of
    from actions.opinion.settings import OpinionSection
    from city.settings import module_section

    return adapter_of(module_section(settings, "opinion", OpinionSection), settings.path)


def train_sentiment(
    data: Annotated[
        list[Path], typer.Option("--data", help="Labelled posts, TSV or JSONL; may be repeated. 标注数据")
    ] = [],  # noqa: B006
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Adapter folder; default: the city's own. 输出目录")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, max=50, help="Passes over the data. 轮数")] = 2,
    minutes: Annotated[
        float, typer.Option(min=0, help="Stop after so long; 0: no limit. 时间上限（分钟）")
    ] = 0,
    tokens: Annotated[int, typer.Option(min=16, max=256, help="Tokens of a post. 截断长度")] = 96,
    most: Annotated[int, typer.Option(min=10, help="Posts of a file and label. 每类最多条数")] = 5000,
    layers: Annotated[
        int, typer.Option(min=0, help="First layers of the base that are kept; 0: all. 保留的层数")
    ] = 3,
    latin_layers: Annotated[
        int,
        typer.Option(
            min=0,
            help="Layers of a second network for posts without Chinese; 0: none. 无汉字帖子专用网络的层数",
        ),
    ] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start from the base. 从基座重新训练")] = False,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: all. 线程数")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the run. 随机种子")] = 17,
) -> None:
    """Fine-tune the sentiment adapters on labelled posts; without --data the ones in use are exported. 训练情感模型。"""
    from nlp.sentiment import SentimentModelError, find_adapter
    from training.nlu.errors import NluTrainingError
    from training.sentiment.data import load_posts
    from training.sentiment.errors import SentimentTrainingError
    from training.sentiment.fitting import FitSettings
    from training.sentiment.pipeline import ensure_model, train_adapter

    with plain_errors(SettingsError, SentimentTrainingError, SentimentModelError, NluTrainingError):
        settings = load_settings()
        base, shipped = settings.path(settings.models.base), _adapter(settings)
        if data:
            posts = load_posts(data)
            target = out or settings.data / "models" / "sentiment" / "adapter"
            chosen = FitSettings(epochs=epochs, minutes=minutes, tokens=tokens, threads=threads, seed=seed)
            before = find_adapter(settings.data, shipped)
            start = before if not fresh and (before / "manifest.json").is_file() else None
            made = step(
                f"训练情感模型 · training on {len(posts)} posts",
                lambda: train_adapter(
                    posts, base, target, chosen,
                    most=most, layers=layers, latin_layers=latin_layers, start=start,
                ),
            )  # fmt: skip
            for name, value in made.manifest.metrics.items():
                console.print(f"  {name}: {value:.4g}")
            console.print(f"  {made.folder} · {made.manifest.version}")
            if out is not None:
                return
        folder, new = step(
            "导出情感模型 · exporting the sentiment model", lambda: ensure_model(settings.data, base, shipped)
        )
        console.print(
            f"  {folder}" if new else "[green]✓[/] 情感模型已是最新 · sentiment model is up to date"
        )
