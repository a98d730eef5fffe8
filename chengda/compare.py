"""`chengda model compare`: would this version be better than the current one, and where would it answer otherwise?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from chengda.compose import nlu_registry
from chengda.console_output import console, plain_errors
from city.settings import SettingsError, load_settings
from nlp.joint_manifest import ModelError


def compare(
    version: Annotated[str, typer.Argument(help="The candidate, as `chengda model list` shows it. 候选版本")],
    base: Annotated[
        str, typer.Option(help="Compare with this version; the current one when left out. 对照版本")
    ] = "",
    regression: Annotated[
        Path | None,
        typer.Option(help="Labelled file; the held-out texts of the old model when left out. 回归集"),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the report to this JSON file too. 报告文件")
    ] = None,
) -> None:
    """Compare a version with the current one; the report is kept beside it. 比较两个模型版本。"""
    from training.nlu.comparison import compare_versions
    from training.nlu.errors import NluTrainingError

    with plain_errors(SettingsError, NluTrainingError, ModelError):
        registry = nlu_registry(load_settings())
        found = compare_versions(registry, version, base or registry.current().name, regression)
        registry.write_gate(version, found)
        if report is not None:
            report.write_text(json.dumps(found, ensure_ascii=False, indent=1), "utf-8")
        table = Table("", found["base"], found["candidate"])
        table.add_row("准确率 accuracy", f"{found['old_accuracy']:.2%}", f"{found['new_accuracy']:.2%}")
        for name, (old, new, asked) in found["intents"].items():
            if old != new:
                table.add_row(name, f"{old}/{asked}", f"{new}/{asked}")
        console.print(table)
        for change in found["changes"][:20]:
            console.print(
                f"  {escape(change['text'])}: {change['old']} → {change['new']} [dim]({change['intent']})[/]"
            )
        verdict = (
            "[green]✓[/] 可以上线 · may be promoted" if found["passed"] else "[yellow]✗[/] 不应上线 · worse"
        )
        console.print(f"{verdict} ({found['examples']} texts)")
        for reason in found["reasons"]:
            console.print(f"  {reason}")
