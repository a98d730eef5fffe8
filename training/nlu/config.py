"""Reads training settings from a YAML file, with named errors for unknown keys."""

from __future__ import annotations

import difflib
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from training.nlu.errors import NluTrainingError
from training.nlu.settings import Augmentation, Method, TrainSettings

# Keeping layers saves a quarter of the training; on others' larger sets it costs accuracy (benchmarks/nlu.md).
_OWN_FROZEN_LAYERS = 2


class TrainingConfigError(NluTrainingError):
    """A training setting is unknown or wrong."""


def read_settings(config: Path | None, *, own_data: bool, **given: Any) -> TrainSettings:
    """Join a YAML file's settings with those given; what is given and not `None` wins.

    Args:
        config: file whose keys are fields of `TrainSettings`, `augmentation:` holding those of `Augmentation`.
        own_data: whether the data are the city's own; others' are not augmented and train every layer unless the
            file says otherwise.
        given: fields of `TrainSettings`.

    Raises:
        TrainingConfigError: for an unknown key or method, naming the nearest known one.
    """
    values: dict[str, Any] = {}
    if config is not None:
        try:
            loaded = YAML(typ="safe", pure=True).load(config.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, YAMLError) as error:
            raise TrainingConfigError(f"{config}: cannot be read ({error}); mend the file") from None
        if not isinstance(loaded, dict):
            raise TrainingConfigError(f"{config}: must hold keys such as `epochs: 10`")
        values = dict(loaded)
    where = str(config) if config is not None else "settings"
    augmentation = values.pop("augmentation", None)
    _known(values, {f.name for f in fields(TrainSettings)}, where)
    values |= {key: value for key, value in given.items() if value is not None}
    if values.get("method", "full") not in get_args(Method):
        raise TrainingConfigError(
            f"{where}: method {values['method']!r} is unknown; choose one of {', '.join(get_args(Method))}"
        )
    for key in ("base", "tensorboard"):
        if values.get(key) is not None:
            values[key] = Path(values[key])
    if augmentation is None:
        chosen = Augmentation() if own_data else Augmentation.off()
    elif augmentation is False:
        chosen = Augmentation.off()
    elif isinstance(augmentation, dict):
        _known(augmentation, {f.name for f in fields(Augmentation)}, f"{where}: augmentation")
        chosen = Augmentation(**augmentation)
    else:
        raise TrainingConfigError(
            f"{where}: `augmentation` must be `false` or hold keys such as `typos: 0.1`"
        )
    if own_data:
        values.setdefault("frozen_layers", _OWN_FROZEN_LAYERS)
    try:
        return TrainSettings(augmentation=chosen, **values)
    except TypeError as error:
        raise TrainingConfigError(f"{where}: {error}") from None


def _known(values: dict[str, Any], names: set[str], where: str) -> None:
    for key in values:
        if key not in names:
            near = difflib.get_close_matches(str(key), sorted(names), n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(sorted(names))}"
            raise TrainingConfigError(f"{where}: unknown key `{key}`; {hint}")
