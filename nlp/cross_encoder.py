"""A cross-encoder at run time: reads a question and a passage together and says how well they fit; no torch.

The folder holds `model.int8.onnx` (or `model.onnx`), `tokenizer.json` and `config.json`. The graph takes `input_ids`,
`attention_mask` and, where it wants them, `token_type_ids`, and gives one logit a pair, (n, 1), or two, (n, 2), of which
the second speaks for the passage. `chengda train reranker` writes such a folder with a manifest beside; any sequence
classification model exported to ONNX is one without.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

from nlp.encoder import ONNX_NAMES, EncoderError
from nlp.onnx_options import session_options
from nlp.transformer_files import clean_text, open_tokenizer, position_limit

TOKENIZER, CONFIG, MANIFEST = "tokenizer.json", "config.json", "manifest.json"
FORMAT = 1
_KNOWN_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
_MOST_TOKENS = 256
# A token seldom spans more characters than this; a longer text is cut before it is tokenised.
_CHARACTERS_PER_TOKEN = 24
_MEND = "make it again with `chengda train reranker`, or copy the model's files again"

FloatArray = npt.NDArray[np.float64]


class CrossEncoderError(EncoderError):
    """A cross-encoder cannot be used; the message names the file and the mend."""


class CrossEncoderMissing(CrossEncoderError):
    """A file of the cross-encoder is missing."""


class CrossEncoderDamaged(CrossEncoderError):
    """A file of the cross-encoder is unreadable, or its graph is another kind of model."""


@dataclass(frozen=True)
class CrossEncoderManifest:
    """How a folder of ours came about.

    `learnt` are the marks (`mark_of`) of the questions it was trained on, `data` and `base` fingerprints of these and
    of the encoder it descends from, `files` the hashes of the files beside.
    """

    version: str
    base: str = ""
    data: str = ""
    max_tokens: int = _MOST_TOKENS
    learnt: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write `manifest.json` below `folder`."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> CrossEncoderManifest | None:
        """Read it; `None` where there is none. Raises CrossEncoderDamaged."""
        path = folder / MANIFEST
        if not path.is_file():
            return None
        data = _json(path)
        try:
            if data.get("format") != FORMAT:
                raise ValueError(f"has format {data.get('format')!r}, this version reads {FORMAT}")
            return cls(**{**data, "learnt": tuple(data.get("learnt", ()))})
        except (ValueError, TypeError) as error:
            raise CrossEncoderDamaged(f"{path}: is no manifest ({error}); {_MEND}") from None


def mark_of(text: str) -> str:
    """Return a short mark of a question."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:10]


class CrossEncoder:
    """Scores pairs of texts; safe to share between threads."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        tokenizer: Tokenizer,
        fingerprint: str,
        max_tokens: int,
        learnt: frozenset[str] = frozenset(),
    ) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._inputs = [item.name for item in session.get_inputs()]
        self._max_characters = max_tokens * _CHARACTERS_PER_TOKEN
        self.fingerprint = fingerprint
        self.max_tokens = max_tokens
        self.learnt = learnt

    @classmethod
    def load(cls, folder: Path, *, threads: int = 1) -> CrossEncoder:
        """Open a folder.

        Raises:
            CrossEncoderMissing: a file is missing.
            CrossEncoderDamaged: a file cannot be read, is not the manifest's, or holds another kind of model.
        """
        if not folder.is_dir():
            raise CrossEncoderMissing(f"{folder}: no such folder; train one with `chengda train reranker`")
        graph = next((folder / name for name in ONNX_NAMES if (folder / name).is_file()), None)
        if graph is None:
            raise CrossEncoderMissing(
                f"{folder}: holds no {' or '.join(ONNX_NAMES)}; export the model to ONNX, or train one with "
                "`chengda train reranker`"
            )
        for name in (TOKENIZER, CONFIG):
            if not (folder / name).is_file():
                raise CrossEncoderMissing(f"{folder / name}: is missing; copy it from the model's folder")
        manifest = CrossEncoderManifest.read(folder)
        for name, expected in (manifest.files if manifest else {}).items():
            path = folder / name
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
                raise CrossEncoderDamaged(f"{path}: is not the file that the manifest names; {_MEND}")
        config = _json(folder / CONFIG)
        limit = min(position_limit(config), manifest.max_tokens if manifest else _MOST_TOKENS)
        session = _open_session(graph, threads)
        tokenizer = _open_tokenizer(folder / TOKENIZER, limit, config)
        learnt = frozenset(manifest.learnt if manifest else ())
        encoder = cls(session, tokenizer, _fingerprint(folder, graph), limit, learnt)
        try:
            encoder.score("a", ["b", "a b"])
        except Exception as error:  # ONNX Runtime has no public base class for its errors
            raise CrossEncoderDamaged(f"{graph}: cannot score a pair of texts ({error}); {_MEND}") from None
        return encoder

    def score(self, question: str, passages: Sequence[str]) -> FloatArray:
        """Return how well each passage answers the question, (n,) logits, computed as one padded batch."""
        if not passages:
            return np.zeros(0)
        asked = self._clean(question)
        read = self._tokenizer.encode_batch([(asked, self._clean(passage)) for passage in passages])
        columns = {
            "input_ids": [item.ids for item in read],
            "attention_mask": [item.attention_mask for item in read],
            "token_type_ids": [item.type_ids for item in read],
        }
        feed = {name: np.asarray(columns[name], np.int64) for name in self._inputs}
        logits = np.asarray(self._session.run(None, feed)[0], np.float64).reshape(len(passages), -1)
        if logits.shape[1] not in (1, 2):
            raise ValueError(f"the graph gives {logits.shape[1]} numbers a pair, one or two are wanted")
        scores = logits[:, -1] - (logits[:, 0] if logits.shape[1] == 2 else 0.0)
        return np.asarray(np.nan_to_num(scores, nan=0.0, posinf=30.0, neginf=-30.0))

    def _clean(self, text: str) -> str:
        return clean_text(text, self._max_characters)


def newest(folder: Path) -> Path | None:
    """Return the newest version below a folder of trained cross-encoders, `None` when there is none.

    Raises CrossEncoderDamaged when a manifest cannot be read.
    """
    found = [
        (manifest.created, path)
        for path in (folder.iterdir() if folder.is_dir() else ())
        if not path.name.startswith(".") and (manifest := CrossEncoderManifest.read(path)) is not None
    ]
    return max(found)[1] if found else None


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CrossEncoderDamaged(f"{path}: is no JSON ({error}); {_MEND}") from None
    if not isinstance(data, dict):
        raise CrossEncoderDamaged(f"{path}: is no JSON object; {_MEND}")
    return data


def _open_tokenizer(path: Path, limit: int, config: Mapping[str, Any]) -> Tokenizer:
    try:
        return open_tokenizer(path, limit, config)
    except Exception as error:  # the library raises plain Exception
        raise CrossEncoderDamaged(f"{path}: is no tokenizer ({error}); {_MEND}") from None


def _open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    try:
        session = onnxruntime.InferenceSession(
            str(path), session_options(threads), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime has no public base class for its errors
        raise CrossEncoderDamaged(f"{path}: is no ONNX model ({error}); {_MEND}") from None
    names = {item.name for item in session.get_inputs()}
    if not {"input_ids", "attention_mask"} <= names <= _KNOWN_INPUTS:
        raise CrossEncoderDamaged(
            f"{path}: takes {', '.join(sorted(names))}; a cross-encoder takes input_ids, attention_mask and perhaps "
            "token_type_ids. Export a sequence classification model"
        )
    return session


def _fingerprint(folder: Path, graph: Path) -> str:
    """Return a hash of the graph, its weights beside, tokenizer, configuration and manifest."""
    digest = hashlib.sha256()
    beside = [path for path in folder.glob(f"{graph.name}*") if path.is_file()]
    extra = [folder / MANIFEST] if (folder / MANIFEST).is_file() else []
    for path in [*sorted(beside), folder / TOKENIZER, folder / CONFIG, *extra]:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]
