"""`chengda train nlu`, `chengda evaluate nlu`, `chengda explain` and `chengda model`: the language model's commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from chengda.compose import nlu_registry, nlu_sources
from chengda.console_output import console, plain_errors
from city.settings import SettingsError, load_settings
from nlp.joint_manifest import ModelError
from nlp.registry import ModelRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
OWN_DATA = ROOT / "bot" / "data" / "nlu"
OWN_GAZETTEER = ROOT / "bot" / "data" / "gazetteer" / "city.csv"


@contextmanager
def _bar(title: str) -> Iterator[Callable[[float, str], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task(title, total=1.0)

        def report(share: float, message: str) -> None:
            bar.update(task, completed=share, description=f"{title} · {message}")

        yield report


def _errors() -> Any:
    from training.nlu.errors import NluTrainingError

    return plain_errors(SettingsError, NluTrainingError, ModelError)


def train_nlu(
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="TSV `text<TAB>intent` or Rasa NLU YAML, file or folder; ours when left out. 训练数据"
        ),
    ] = None,
    base: Annotated[Path | None, typer.Option(help="Encoder folder in Hugging Face format. 基础模型")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Model directory to write; the registry when left out. 输出目录")
    ] = None,
    dev: Annotated[Path | None, typer.Option(help="Held-out file; else a part of the data. 验证数据")] = None,
    continue_: Annotated[
        bool,
        typer.Option("--continue", help="Go on from the current model, with rehearsal and gate. 增量训练"),
    ] = False,
    regression: Annotated[
        Path | None, typer.Option(help="With --continue: the labelled file that decides promotion. 回归集")
    ] = None,
    force: Annotated[
        bool, typer.Option(help="With --continue: promote in spite of the gate. 强制上线")
    ] = False,
    method: Annotated[str, typer.Option(help="full, lora, adalora or prefix. 微调方式")] = "full",
    epochs: Annotated[int | None, typer.Option(help="Passes; fitted to the data when left out. 轮数")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate. 学习率")] = None,
    seed: Annotated[int, typer.Option(help="Of everything random. 随机种子")] = 17,
    minutes: Annotated[float, typer.Option(help="Stop after so many minutes; 0: no limit. 时限")] = 0.0,
    gazetteer: Annotated[Path | None, typer.Option(help="CSV of the city's own names. 地名词典")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML with any training setting. 训练设置")] = None,
    tensorboard: Annotated[Path | None, typer.Option(help="Folder for TensorBoard. 训练曲线目录")] = None,
) -> None:
    """Train the language model on our data or anyone's. 训练语言理解模型。"""
    with _errors():
        from training.nlu import jobs
        from training.nlu.config import read_settings

        settings = load_settings()
        own = not data
        chosen = read_settings(
            config,
            base=base or settings.path(settings.models.base),
            method=method,
            epochs=epochs,
            lr=lr,
            seed=seed,
            minutes=minutes,
            tensorboard=tensorboard,
            own_data=own or continue_,
        )
        sources = data or [OWN_DATA]
        names = gazetteer or (OWN_GAZETTEER if own and OWN_GAZETTEER.is_file() else None)
        with _bar("训练 · training") as progress:
            if out is not None:
                trained = jobs.train_to_directory(
                    sources, out, chosen, dev=dev, gazetteer=names, progress=progress
                )
            else:
                registry = nlu_registry(settings)
                metadata = {"sources": nlu_sources(settings)} if own else {}
                if continue_:
                    added = jobs.continue_in_registry(
                        sources, registry, chosen, regression=regression, force=force, progress=progress
                    )
                else:
                    added = jobs.train_into_registry(
                        sources, registry, chosen, gazetteer=names, metadata=metadata, progress=progress
                    )
                trained = added.trained
        for note in trained.notes:
            console.print(f"[yellow]![/] {note}", markup=True)
        measured = trained.manifest.metrics
        console.print(
            f"[green]✓[/] {trained.directory}\n"
            f"  {len(trained.manifest.intents)} intents · {measured['examples']} examples · "
            f"held-out accuracy {measured['dev_accuracy']:.1%} · ECE {measured['dev_ece']:.3f} · "
            f"{measured['graph_mb']:.0f} MB {measured['precision']} · {trained.seconds:.0f} s"
        )


def _registry() -> ModelRegistry:
    return nlu_registry(load_settings())


def list_models() -> None:
    """List trained models, newest first. 列出模型版本。"""
    with plain_errors(SettingsError, ModelError):
        table = Table("", "version 版本", "created 时间", "accuracy 准确率", "data 数据", "parent 上一版")
        for item in _registry().versions():
            accuracy = item.metrics.get("dev_accuracy")
            table.add_row(
                "[green]●[/]" if item.current else "",
                item.version,
                item.created[:16].replace("T", " "),
                f"{accuracy:.1%}" if isinstance(accuracy, float) else "",
                item.data_hash[:8],
                item.parent or "",
            )
        console.print(table)


def promote(version: Annotated[str, typer.Argument(help="As `chengda model list` shows it. 版本名")]) -> None:
    """Make a version the current one; running servers take it up. 切换到某个版本。"""
    with plain_errors(SettingsError, ModelError):
        console.print(f"[green]✓[/] {_registry().promote(version).name}")


def rollback() -> None:
    """Go back to the version before the current one. 回退到上一版本。"""
    with plain_errors(SettingsError, ModelError):
        console.print(f"[green]✓[/] {_registry().rollback()}")
