"""The command line: one small module per command, composed here."""

from __future__ import annotations

import logging

import typer

from chengda import (
    channels,
    chat,
    energy,
    evaluate,
    handover,
    knowledge,
    model,
    nlu,
    notices,
    opinion,
    requests,
    run,
    traffic,
    train,
    user,
)

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
app.command("explain")(nlu.explain)
app.add_typer(model.app, name="model")
app.add_typer(knowledge.app, name="knowledge")
app.add_typer(channels.app, name="channels")
app.add_typer(traffic.app, name="traffic")
app.add_typer(energy.app, name="energy")
app.add_typer(requests.app, name="requests")
app.add_typer(handover.app, name="handover")
app.add_typer(notices.app, name="notices")
app.add_typer(opinion.app, name="opinion")
app.add_typer(user.app, name="user")


@app.callback()
def main(
    verbose: bool = typer.Option(False, "--verbose", help="Log what happens inside. 显示运行日志。"),
) -> None:
    """城答 Chengda: the open city assistant. 开放的城市助手。"""
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(name)s %(message)s")
    # Rasa's and its dependencies' deprecation notes are nothing a city hall can act on.
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.WARNING if verbose else logging.ERROR)
