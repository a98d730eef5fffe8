"""`chengda train nlu`, `chengda evaluate nlu`, `chengda explain` and `chengda model`: the language model's commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from chengda.compose import nlu_registry, nlu_sources, staff_examples_dir
from chengda.console_output import console, plain_errors
from city.settings import Settings, SettingsError, load_settings
from nlp.joint import JointModel, ModelError
from nlp.joint_explain import Explanation
from nlp.joint_explain import explain as explain_text
from nlp.registry import ModelRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
OWN_DATA = ROOT / "bot" / "data" / "nlu"
OWN_GAZETTEER = ROOT / "bot" / "data" / "gazetteer" / "city.csv"


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float, str], None]]:
    """Yield what shows progress: a bar on a terminal, else a line per percent."""
    if not console.is_terminal:
        yield _lines(title)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task(title, total=1.0)

        def report(share: float, message: str) -> None:
            bar.update(task, completed=share, description=f"{title} · {message}")

        yield report


def _lines(title: str) -> Callable[[float, str], None]:
    """Report progress as a line per percent, for logs and for the job that reads them."""
    last = -1

    def report(share: float, message: str) -> None:
        nonlocal last
        if int(100 * share) > last:
            last = int(100 * share)
            typer.echo(f"{last} % {title} · {message}")

    return report


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
    promote: Annotated[
        bool,
        typer.Option(help="Make the new model the current one; --no-promote leaves that to you. 是否上线"),
    ] = True,
    result: Annotated[
        Path | None, typer.Option(help="Write version and figures to this JSON file. 结果文件")
    ] = None,
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
            # Our labels are checked by hand.
            clean_labels="off" if own else None,
        )
        sources = data or [OWN_DATA, *staff_examples(settings)]
        names = gazetteer or (OWN_GAZETTEER if own and OWN_GAZETTEER.is_file() else None)
        with progress_bar("训练 · training") as progress:
            if out is not None:
                trained = jobs.train_to_directory(
                    sources, out, chosen, dev=dev, gazetteer=names, progress=progress
                )
            else:
                registry = nlu_registry(settings)
                metadata = {"sources": nlu_sources(settings)} if own else {}
                if continue_:
                    added = jobs.continue_in_registry(
                        sources,
                        registry,
                        chosen,
                        regression=regression,
                        force=force,
                        promote=promote,
                        progress=progress,
                    )
                else:
                    added = jobs.train_into_registry(
                        sources,
                        registry,
                        chosen,
                        gazetteer=names,
                        metadata=metadata,
                        promote=promote,
                        progress=progress,
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
        if result is not None:
            values = {"version": trained.directory.name, "metrics": measured, "notes": list(trained.notes)}
            result.write_text(json.dumps(values, ensure_ascii=False, indent=1), "utf-8")


def staff_examples(settings: Settings) -> list[Path]:
    """Return the folder of the utterances that staff added, when it holds any."""
    folder = staff_examples_dir(settings)
    return [folder] if any(folder.glob("*.yml")) else []


def _model(model: Path | None) -> JointModel:
    return JointModel.load(model if model is not None else _registry().current())


def evaluate_nlu(
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="TSV `text<TAB>intent` or Rasa NLU YAML; the model's own held-out texts when left out. 测试数据"
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Model directory; the current one when left out. 模型目录")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="JSON file; an HTML page is written beside it. 报告文件")
    ] = None,
    noise: Annotated[bool, typer.Option(help="Measure on damaged copies too. 噪声测试")] = True,
) -> None:
    """Measure the language model on labelled texts. 评测语言理解模型。"""
    with _errors():
        from training.nlu.data import DataSet, load_data
        from training.nlu.evaluation import evaluate
        from training.nlu.rehearsal import load_examples
        from training.nlu.report import write_report

        measured = _model(model)
        if data:
            texts, name = load_data(data), ", ".join(path.name for path in data)
        else:
            directory = model if model is not None else _registry().current()
            texts, name = DataSet(load_examples(directory)[1]), f"{directory.name} held out"
        result = evaluate(measured, texts, name=name, noise=noise)
        table = Table(show_header=False)
        table.add_row("准确率 accuracy", f"{result['accuracy']:.2%}")
        table.add_row("宏平均 macro-F1", f"{result['macro_f1']:.2%}")
        table.add_row("校准误差 ECE", f"{result['ece']:.3f}")
        if result["oos"]:
            table.add_row("OOS AUROC / FPR95", f"{result['oos']['auroc']:.2%} / {result['oos']['fpr95']:.2%}")
        if result["entities"]:
            table.add_row("实体 entity F1", f"{result['entities']['micro']['f1']:.2%}")
        for name, row in result["slices"]["language"].items():
            table.add_row(f"  {name}", f"{row['accuracy']:.2%} ({row['count']})")
        for name, row in result["noise"].items():
            table.add_row(f"  {name}", f"{row['accuracy']:.2%} ({-row['lost_points']:+.1f})")
        table.add_row(
            "p50 / p95 ms", f"{result['latency']['p50_ms']:.1f} / {result['latency']['p95_ms']:.1f}"
        )
        console.print(table)
        if report is not None:
            for path in write_report(result, report):
                console.print(f"  {path}")


def explain(
    text: Annotated[str, typer.Argument(help="What a citizen might say. 一句话")],
    model: Annotated[
        Path | None, typer.Option(help="Model directory; the current one when left out. 模型目录")
    ] = None,
    intent: Annotated[str | None, typer.Option(help="Explain this intent, not the best one. 意图")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON. 输出 JSON")] = False,
) -> None:
    """Show which words drove the decision. 解释模型为何这样理解。"""
    with plain_errors(SettingsError, ModelError, ValueError):
        found = explain_text(_model(model), text, intent)
        prediction = found.prediction
        if as_json:
            values = {
                "text": found.text,
                "intent": found.intent,
                "accepted": prediction.accepted,
                "oos_score": prediction.oos_score,
                "ranking": [[name, score] for name, score in prediction.ranking[:5]],
                "ambiguous": list(prediction.ambiguous),
                "entities": [asdict(entity) for entity in prediction.entities],
                "words": [asdict(word) for word in found.words],
            }
            typer.echo(json.dumps(values, ensure_ascii=False, indent=1))
            return
        console.print(_coloured(found))
        verdict = "[green]接受 accepted[/]" if prediction.accepted else "[yellow]不接受 not accepted[/]"
        console.print(f"[bold]{found.intent}[/] · {verdict} · OOS {prediction.oos_score:.2f}")
        for name, score in prediction.ranking[:3]:
            console.print(f"  {score:6.1%} {escape(name)}")
        for entity in prediction.entities:
            known = f" = {entity.canonical_id}" if entity.canonical_id else ""
            console.print(
                f"  {entity.entity}: {escape(entity.text)} → {escape(entity.value)}{known} [dim]{entity.source}[/]"
            )


def _coloured(found: Explanation) -> Text:
    """Words for the intent on green, against it on red, the stronger the deeper."""
    line = Text(found.text)
    top = max((abs(word.weight) for word in found.words), default=0.0) or 1.0
    for word in found.words:
        share = abs(word.weight) / top
        if share >= 0.1:
            depth = int(60 + 140 * share)
            colour = f"rgb(0,{depth},0)" if word.weight > 0 else f"rgb({depth},0,0)"
            line.stylize(f"bold white on {colour}", word.start, word.end)
    return line


def _registry() -> ModelRegistry:
    return nlu_registry(load_settings())


def list_models() -> None:
    """List trained models, newest first. 列出模型版本。"""
    with plain_errors(SettingsError, ModelError):
        table = Table(
            "",
            Column("version 版本", no_wrap=True),
            "created 时间",
            "accuracy 准确率",
            "data 数据",
            "parent 上一版",
        )
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
