"""What a model directory holds: its manifest, the hashes of its files, and named errors when something is wrong."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"
GRAPH = "model.int8.onnx"
GAZETTEER = "gazetteer.csv"
NGRAMS = "ngrams.npz"
SPELLING = "spelling.json.gz"
FORMAT = 1
_RETRAIN = "restore it with `chengda model rollback`, or train again with `chengda train nlu`"


class ModelError(Exception):
    """A language model cannot be used; the message names the file and the mend."""


class ModelNotFoundError(ModelError):
    """There is no trained model where one was looked for."""


class ModelDamagedError(ModelError):
    """A file of a model directory is missing, altered or unreadable."""


@dataclass(frozen=True)
class Thresholds:
    """Decision limits chosen on the dev set.

    `accept` is the least probability of an accepted intent, `oos` the out-of-scope score from which a text is
    refused, `near_tie` the probability by which the best reading must lead, `entity` the least probability of
    a tagged entity.
    """

    accept: float = 0.3
    oos: float = 0.9
    near_tie: float = 0.15
    entity: float = 0.4


@dataclass(frozen=True)
class OosScorer:
    """A logistic model over novelty features: see `nlp.joint_decode.novelty_features` for their order."""

    weights: tuple[float, ...] = (4.0, 0.0, 0.0, 4.0)
    bias: float = -2.0


@dataclass(frozen=True)
class Manifest:
    """Everything about a model except its weights."""

    intents: tuple[str, ...]
    tags: tuple[str, ...]
    max_tokens: int
    temperature: float = 1.0
    thresholds: Thresholds = Thresholds()
    oos: OosScorer = OosScorer()
    oos_labels: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    synonyms: dict[str, dict[str, str]] = field(default_factory=dict)
    ngram_share: float = 0.0
    graph: str = GRAPH
    files: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    created: str = ""
    data_hash: str = ""
    parent: str | None = None
    training: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    def write(self, directory: Path) -> None:
        """Write `manifest.json` below `directory`."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest of a model directory.

    Raises:
        ModelNotFoundError: when the directory does not exist or holds no manifest.
        ModelDamagedError: when the manifest is no valid one.
    """
    path = directory / MANIFEST
    if not directory.is_dir():
        raise ModelNotFoundError(f"{directory}: no such model directory; train one with `chengda train nlu`")
    if not path.is_file():
        raise ModelDamagedError(f"{path}: is missing, so {directory.name} is no model; {_RETRAIN}")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError(f"holds {type(data).__name__}, not an object")
        if data.get("format") != FORMAT:
            raise ValueError(f"has format {data.get('format')!r}, this version reads {FORMAT}")
        return Manifest(
            **{
                **data,
                "intents": tuple(data["intents"]),
                "tags": tuple(data["tags"]),
                "rules": tuple(data.get("rules", ())),
                "oos_labels": tuple(data.get("oos_labels", ())),
                "thresholds": Thresholds(**data["thresholds"]),
                "oos": OosScorer(tuple(data["oos"]["weights"]), float(data["oos"]["bias"])),
            }
        )
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ModelDamagedError(f"{path}: is no model manifest ({error}); {_RETRAIN}") from None


def check_files(directory: Path, manifest: Manifest) -> None:
    """Compare every file of a model directory with the manifest's hash list.

    Raises:
        ModelDamagedError: naming the first file that is missing or altered.
    """
    for name, expected in manifest.files.items():
        path = directory / name
        if not path.is_file():
            raise ModelDamagedError(f"{path}: is missing; {_RETRAIN}")
        if hash_file(path) != expected:
            raise ModelDamagedError(f"{path}: was altered since training; {_RETRAIN}")


def fingerprint(manifest: Manifest) -> str:
    """Return a hash of all that decides a model's answers, 32 hexadecimal digits."""
    decisive = asdict(manifest)
    for key in ("metrics", "created", "training", "parent"):
        decisive.pop(key)
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:32]
