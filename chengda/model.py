"""`chengda model`: versions of the language model on disk."""

from __future__ import annotations

import typer

from chengda.compare import compare
from chengda.nlu import list_models, promote, rollback

app = typer.Typer(no_args_is_help=True, help="Versions of the language model. 语言模型的版本。")
app.command("list")(list_models)
app.command("compare")(compare)
app.command("promote")(promote)
app.command("rollback")(rollback)
