"""The command line: one small module per command, composed here."""

from __future__ import annotations

import logging
import warnings

import typer

from chengda import chat, evaluate, knowledge, model, run, train

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="城答 Chengda: the open city assistant. 开放的城市助手。",
)
app.command("run")(run.run)
app.command("chat")(chat.chat)
app.add_typer(train.app, name="train")
app.add_typer(evaluate.app, name="evaluate")
app.command("explain")(model.explain)
app.add_typer(model.app, name="model")
app.add_typer(knowledge.app, name="knowledge")


@app.callback()
def main(verbose: bool = typer.Option(False, "--verbose", help="Log what happens inside.")) -> None:
    """城答 Chengda: the open city assistant. 开放的城市助手。"""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(name)s %(message)s"
    )
    if not verbose:
        # Rasa's and its dependencies' deprecation notes are nothing a city hall can act on.
        warnings.simplefilter("ignore")
