"""Sentence vectors at run time: tokenizer plus ONNX graph, neither torch nor transformers.

The folder holds `tokenizer.json`, `config.json` and `model.int8.onnx` (or `model.onnx`) whose graph maps
`input_ids` and `attention_mask` to unit vectors; `training.base.export.ensure_onnx` makes such a folder from
any encoder in transformers or sentence-transformers format.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

from nlp.onnx_options import session_options
from nlp.transformer_files import clean_text, open_tokenizer, position_limit

BASE_DIR: Path = Path(__file__).parent / "base"
ONNX_NAMES = ("model.int8.onnx", "model.onnx")
# A token seldom spans more characters than this; a longer text is cut before it is tokenised.
_CHARACTERS_PER_TOKEN = 24

FloatArray = npt.NDArray[np.float32]


class EncoderError(Exception):
    """An encoder folder cannot be used."""


class EncoderFileMissing(EncoderError):
    """A file of the encoder folder is missing."""


class EncoderFileDamaged(EncoderError):
    """A file of the encoder folder cannot be read."""


class Encoder:
    """Turn texts into unit vectors; safe to share between threads."""

    dimension: int
    fingerprint: str

    def __init__(
        self, session: onnxruntime.InferenceSession, tokenizer: Tokenizer, fingerprint: str, max_tokens: int
    ) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._max_characters = max_tokens * _CHARACTERS_PER_TOKEN
        self.max_tokens = max_tokens
        self.fingerprint = fingerprint
        self.dimension = int(session.get_outputs()[0].shape[-1])

    @classmethod
    def load(cls, model_dir: Path | str, *, threads: int = 1, max_tokens: int = 128) -> Encoder:
        """Open an encoder folder.

        `threads` is the number of CPU threads one call may use, `max_tokens` the length a text is cut to
        (never more than the model has positions for). Raises EncoderFileMissing or EncoderFileDamaged,
        naming the file and the mend.
        """
        folder = Path(model_dir)
        graph = next((folder / name for name in ONNX_NAMES if (folder / name).is_file()), None)
        if graph is None:
            raise EncoderFileMissing(
                f"{folder}: no {' or '.join(ONNX_NAMES)}; export the model with `ensure_onnx`"
            )
        config_path = _existing(folder / "config.json")
        tokenizer_path = _existing(folder / "tokenizer.json")
        config = _read_config(config_path)
        limit = min(max_tokens, position_limit(config))
        tokenizer = _read_tokenizer(tokenizer_path, limit, config)
        session = _open_session(graph, threads)
        return cls(session, tokenizer, _fingerprint(graph, tokenizer_path, config_path, limit), limit)

    def encode(self, texts: Sequence[str], *, batch_size: int = 32) -> FloatArray:
        """Return one unit vector a text, (n, dimension) float32, in the order given.

        Raises TypeError for a single string and ValueError for a batch size below one.
        """
        if isinstance(texts, str):
            raise TypeError("encode() takes a list of texts; use encode_one() for a single text")
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        out = np.zeros((len(texts), self.dimension), np.float32)
        clean = [self._clean(text) for text in texts]
        # Texts of similar length share a batch, so that little of it is padding.
        order = sorted(range(len(clean)), key=lambda row: len(clean[row]))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            out[rows] = self._run([clean[row] for row in rows])
        return out

    def encode_one(self, text: str) -> FloatArray:
        """Return the unit vector of one text, (dimension,) float32."""
        return self._run([self._clean(text)])[0]

    def tokens(self, text: str) -> list[str]:
        """Return the pieces a text is read as, [CLS] and [SEP] included; for tests and explanations."""
        return list(self._tokenizer.encode(self._clean(text)).tokens)

    def _clean(self, text: str) -> str:
        return clean_text(text, self._max_characters)

    def _run(self, texts: list[str]) -> FloatArray:
        encodings = self._tokenizer.encode_batch(texts)
        feed = {
            "input_ids": np.array([encoding.ids for encoding in encodings], np.int64),
            "attention_mask": np.array([encoding.attention_mask for encoding in encodings], np.int64),
        }
        return np.asarray(self._session.run(None, feed)[0], np.float32)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise EncoderFileMissing(f"{path}: not found; copy it from the model's folder")
    return path


def _read_config(path: Path) -> dict[str, object]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise EncoderFileDamaged(f"{path}: not valid JSON ({error}); copy the file again") from error
    if not isinstance(config, dict):
        raise EncoderFileDamaged(f"{path}: not a JSON object; copy the file again")
    return config


def _read_tokenizer(path: Path, limit: int, config: dict[str, object]) -> Tokenizer:
    try:
        return open_tokenizer(path, limit, config)
    except Exception as error:  # the library raises plain Exception
        raise EncoderFileDamaged(f"{path}: not a tokenizer ({error}); copy the file again") from error


def _open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    try:
        session = onnxruntime.InferenceSession(
            str(path), session_options(threads), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime has no public base class for its errors
        raise EncoderFileDamaged(f"{path}: not an ONNX model ({error}); export it again") from error
    names = {item.name for item in session.get_inputs()}
    if names != {"input_ids", "attention_mask"} or not isinstance(session.get_outputs()[0].shape[-1], int):
        raise EncoderFileDamaged(f"{path}: not a sentence encoder graph; export it with `ensure_onnx`")
    return session


def _fingerprint(graph: Path, tokenizer: Path, config: Path, limit: int) -> str:
    digest = hashlib.sha256(str(limit).encode())
    for path in (graph, tokenizer, config):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
