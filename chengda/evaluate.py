"""`chengda evaluate`: measure language understanding and knowledge on files of your own."""

from __future__ import annotations

import typer

from chengda.knowledge import evaluate_answers_command, evaluate_retrieval_command
from chengda.nlu import evaluate_nlu

app = typer.Typer(no_args_is_help=True, help="Measure quality. 评测质量。")
app.command("nlu")(evaluate_nlu)
app.command("retrieval")(evaluate_retrieval_command)
app.command("answers")(evaluate_answers_command)
