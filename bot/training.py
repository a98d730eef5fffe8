"""Trains the dialogue model (Rasa's policies and graph) when something it depends on changed."""

from __future__ import annotations

import io
import os
import tempfile
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from city.fingerprint import fingerprint_files

BOT_DIR = Path(__file__).resolve().parent
_PARTS = ("nlu", "rules", "stories")


class DialogueTrainingError(RuntimeError):
    """Rasa could not train the dialogue; the message names the first problem."""


def dialogue_model(models_dir: Path, bot_dir: Path = BOT_DIR) -> Path:
    """Return where the dialogue model for the project as it is now belongs; it may not exist yet.

    Args:
        models_dir: the folder of dialogue models.
        bot_dir: the Rasa project.
    """
    sources = [bot_dir / "config.yml", bot_dir / "domain", *(bot_dir / "data" / part for part in _PARTS)]
    return models_dir / f"dialogue-{fingerprint_files(sources, '3.6.21')}.tar.gz"


def train_dialogue(models_dir: Path, bot_dir: Path = BOT_DIR) -> Path:
    """Train the dialogue model and return its file; older models in the folder are kept to roll back to.

    Args:
        models_dir: the folder of dialogue models; the new file appears there whole or not at all.
        bot_dir: the Rasa project.

    Raises:
        DialogueTrainingError: when configuration, domain or data contradict each other.
    """
    from bot import patches

    patches.keep_tensorflow_out()
    patches.apply()
    import rasa.model_training
    from rasa.shared.exceptions import RasaException

    _check_yaml(bot_dir)
    target = dialogue_model(models_dir, bot_dir)
    models_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models_dir, prefix=".training-") as work:
        try:
            # Rasa draws a dozen bars of milliseconds each; the caller shows one state for the whole.
            with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")
                result = rasa.model_training.train(
                    domain=str(bot_dir / "domain"),
                    config=str(bot_dir / "config.yml"),
                    training_files=[str(bot_dir / "data" / part) for part in _PARTS],
                    output=work,
                    fixed_model_name="dialogue",
                    force_training=True,
                )
        except (RasaException, ValueError) as error:
            raise DialogueTrainingError(f"{bot_dir}: the dialogue could not be trained: {error}") from error
        if result.code != 0 or not result.model:
            raise DialogueTrainingError(f"{bot_dir}: Rasa trained no model (code {result.code})")
        os.replace(result.model, target)
    return target


def _check_yaml(bot_dir: Path) -> None:
    """Refuse files that are no YAML: Rasa passes over a broken file of a domain folder without a word."""
    for file in sorted(bot_dir.rglob("*.yml")):
        try:
            YAML(typ="safe", pure=True).load(file.read_text("utf-8"))
        except (YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            where = f", line {mark.line + 1}" if mark is not None else ""
            raise DialogueTrainingError(
                f"{file}{where}: is no valid YAML; mend that line ({error})"
            ) from error
