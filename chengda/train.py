"""`chengda train`: fine-tune the language model, train the dialogue."""

from __future__ import annotations

import typer

from chengda.console_output import console, plain_errors, step
from chengda.nlu import train_nlu
from chengda.reranking import train_reranker
from chengda.routing import train_routing
from chengda.sentiment import train_sentiment
from city.settings import SettingsError, load_settings

app = typer.Typer(no_args_is_help=True, help="Train models. 训练模型。")
app.command("nlu")(train_nlu)
app.command("sentiment")(train_sentiment)
app.command("routing")(train_routing)
app.command("reranker")(train_reranker)


@app.command("dialogue")
def dialogue() -> None:
    """Train Rasa's dialogue model from bot/ when it changed. 训练对话模型。"""
    from bot.training import DialogueTrainingError, dialogue_model, train_dialogue
    from chengda.compose import dialogue_models_dir

    with plain_errors(SettingsError, DialogueTrainingError):
        folder = dialogue_models_dir(load_settings())
        if dialogue_model(folder).exists():
            console.print("[green]✓[/] 对话模型已是最新 · dialogue is up to date")
            return
        model = step("训练对话模型 · training the dialogue", lambda: train_dialogue(folder))
        console.print(f"  {model}")


@app.command("all")
def everything() -> None:
    """Train whatever is missing or out of date. 训练所有缺少或过期的模型。"""
    from chengda.prepare import prepare

    with plain_errors(SettingsError):
        prepare(load_settings())
