"""What a model keeps of its training, so that training can go on from it later."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from nlp.joint_manifest import read_manifest
from training.nlu.data import Example, Mark
from training.nlu.errors import DataFileError
from training.nlu.network import JointNetwork

EXAMPLES = "examples.jsonl.gz"


def save_examples(path: Path, training: Sequence[Example], held: Sequence[Example]) -> None:
    """Write the examples a model was trained on and measured with."""
    # A fixed time stamp keeps the file's hash the same for the same data.
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as stream:
        for part, examples in (("train", training), ("dev", held)):
            for e in examples:
                marks = [[m.start, m.end, m.entity, m.value] for m in e.marks]
                row = {"part": part, "text": e.text, "intent": e.intent, "marks": marks}
                stream.write((json.dumps(row, ensure_ascii=False) + "\n").encode())


def load_examples(directory: Path) -> tuple[list[Example], list[Example]]:
    """Return the training and dev examples of a model directory.

    Raises:
        DataFileError: when the file is missing or damaged.
    """
    path = directory / EXAMPLES
    parts: dict[str, list[Example]] = {"train": [], "dev": []}
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            for line in stream:
                row = json.loads(line)
                marks = tuple(Mark(*mark) for mark in row["marks"])
                parts[row["part"]].append(Example(row["text"], row["intent"], marks, "rehearsal"))
    except (OSError, ValueError, KeyError, EOFError, TypeError) as error:
        raise DataFileError(f"{path}: cannot be read ({error}); train afresh, without --continue") from None
    return parts["train"], parts["dev"]


def restore_weights(
    network: JointNetwork, directory: Path, intents: Sequence[str], tags: Sequence[str]
) -> None:
    """Load a model directory's weights; head rows go by name, so that intents may have been added or removed.

    Raises:
        DataFileError: when the weights are missing, damaged, or of another kind of base.
    """
    path = directory / "weights.safetensors"
    manifest = read_manifest(directory)
    try:
        state = {name: value.float() for name, value in load_file(str(path)).items()}
    except (OSError, ValueError, RuntimeError, Exception) as error:  # safetensors raises its own kind
        raise DataFileError(f"{path}: cannot be read ({error}); train afresh, without --continue") from None
    own = network.state_dict()
    for head, new, old in (("intent_head", intents, manifest.intents), ("tag_head", tags, manifest.tags)):
        for name in (f"{head}.weight", f"{head}.bias"):
            merged = own[name].clone()
            for at, label in enumerate(new):
                if label in old:
                    merged[at] = state[name][old.index(label)]
            state[name] = merged
    wrong = [name for name in own if name not in state or state[name].shape != own[name].shape]
    if wrong:
        raise DataFileError(
            f"{path}: does not fit the base ({wrong[0]}); continue with the base it was trained from"
        )
    with torch.no_grad():
        network.load_state_dict({name: state[name] for name in own})
