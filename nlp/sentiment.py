"""The sentiment model at run time: polarity, emotion and "needs action" of posts in Chinese and English; no torch.

A model directory holds the tokenizer, one ONNX graph (the bilingual base with the adapters folded in, int8),
a linear n-gram model whose logits are added to the network's (a product of experts, Hinton 2002), and a manifest. It
may hold a second model, `latin/`, which reads the posts without a Chinese character: where the base learned less of a
language, a deeper network makes up for it, and posts in the other one are read in half the time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

from nlp.entities.folding import has_han
from nlp.joint_decode import FloatArray, sigmoid, softmax
from nlp.onnx_options import session_options
from nlp.post_ngrams import PostNgrams
from nlp.sentiment_text import clean, head_and_tail, without_groups

SENTIMENTS = ("negative", "neutral", "positive")
EMOTIONS = ("angry", "fear", "happy", "neutral", "sad", "surprise")
ADAPTER_DIR: Path = Path(__file__).parent / "adapters" / "sentiment"
MANIFEST, GRAPH, NGRAMS, TOKENIZER = "manifest.json", "model.int8.onnx", "ngrams.npz", "tokenizer.json"
LATIN = "latin"
FORMAT = 3
_BATCH = 16
_MEND = "make it again with `chengda train sentiment`"
IntArray = npt.NDArray[np.int64]


class SentimentModelError(Exception):
    """The sentiment model cannot be used; the message names the file and the mend."""


class SentimentModelMissing(SentimentModelError):
    """There is no sentiment model where one was looked for."""


class SentimentModelDamaged(SentimentModelError):
    """A file of the sentiment model is missing, altered or unreadable."""


@dataclass(frozen=True)
class SentimentManifest:
    """Everything about a sentiment model except its weights.

    `version` names the model in records of alarms; shares of the n-gram logits and temperatures of the polarity are
    for posts with a Chinese character and, `latin_…`, for those without; `unsure_below` is the probability below which a polarity is
    admitted to be uncertain; `latin` is the version of the model for posts without a Chinese character, "" for none;
    `files` holds SHA-256 sums.
    """

    version: str
    max_tokens: int = 128
    temperature: float = 1.0
    ngram_share: float = 0.0
    latin_temperature: float = 1.0
    latin_ngram_share: float = 0.0
    emotion_temperature: float = 1.0
    emotion_ngram_share: float = 0.0
    unsure_below: float = 0.55
    latin: str = ""
    files: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    created: str = ""
    format: int = FORMAT

    def write(self, directory: Path) -> None:
        """Write `manifest.json` below `directory`."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> SentimentManifest:
        """Read it; raises SentimentModelMissing or SentimentModelDamaged."""
        path = directory / MANIFEST
        if not path.is_file():
            raise SentimentModelMissing(f"{path}: no sentiment model here; {_MEND}")
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data.get("format") != FORMAT:
                raise ValueError(f"has format {data.get('format')!r}, this version reads {FORMAT}")
            return cls(**data)
        except (ValueError, TypeError, AttributeError, UnicodeDecodeError) as error:
            raise SentimentModelDamaged(f"{path}: is no manifest ({error}); {_MEND}") from None


@dataclass(frozen=True)
class Feeling:
    """What one post expresses.

    `negative`, `neutral`, `positive` are calibrated probabilities that sum to one, `emotions` likewise;
    `needs_action` is the probability that somebody is asked to act. `unsure` is true for mixed or ironic posts
    on which the model does not commit itself, and for posts without a word it could read.
    """

    sentiment: str
    negative: float
    neutral: float
    positive: float
    emotion: str
    emotions: tuple[float, ...]
    needs_action: float
    unsure: bool


@dataclass(frozen=True)
class Readings:
    """What posts express, and what each is about: unit vectors (n, d) near the base's own sentence vectors."""

    feelings: list[Feeling]
    topics: FloatArray


class SentimentModel:
    """A finished model directory, ready to predict; safe to share between threads."""

    def __init__(
        self,
        manifest: SentimentManifest,
        session: onnxruntime.InferenceSession,
        tokenizer: Tokenizer,
        ngrams: PostNgrams | None,
        threads: int = 1,
        latin: SentimentModel | None = None,
    ) -> None:
        self.manifest, self.version = manifest, manifest.version
        self._latin, self._beside_latin = latin, ThreadPoolExecutor(1, "sentiment-latin")
        self._session, self._tokenizer, self._ngrams = session, tokenizer, ngrams
        self._workers = ThreadPoolExecutor(max(1, threads), "sentiment")

    @classmethod
    def load(cls, directory: Path | str, *, threads: int = 1) -> SentimentModel:
        """Open a model directory and check its files.

        Args:
            directory: as `chengda train sentiment` writes it.
            threads: how many groups of posts are read at the same time, each by one thread.

        Raises:
            SentimentModelMissing: there is no such directory.
            SentimentModelDamaged: a file is missing, altered or unreadable; names the file and the mend.
        """
        directory = Path(directory)
        manifest = SentimentManifest.read(directory)
        for name, expected in manifest.files.items():
            path = directory / name
            if not path.is_file():
                raise SentimentModelDamaged(f"{path}: is missing; {_MEND}")
            if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
                raise SentimentModelDamaged(f"{path}: was altered since it was made; {_MEND}")
        try:
            tokenizer = Tokenizer.from_file(str(directory / TOKENIZER))
            tokenizer.no_truncation()
            tokenizer.no_padding()
            ngrams = PostNgrams.read(directory / NGRAMS) if (directory / NGRAMS).is_file() else None
            session = _open_session(directory / GRAPH)
        except Exception as error:  # tokenizers and ONNX Runtime raise plain Exception
            raise SentimentModelDamaged(f"{directory}: cannot be opened ({error}); {_MEND}") from None
        latin = cls.load(directory / LATIN, threads=threads) if manifest.latin else None
        if latin is not None and latin.version != manifest.latin:
            raise SentimentModelDamaged(
                f"{directory / LATIN}: is version {latin.version}, not {manifest.latin}; {_MEND}"
            )
        return cls(manifest, session, tokenizer, ngrams, threads, latin)

    def predict(self, texts: Sequence[str]) -> list[Feeling]:
        """Return what each text expresses, whoever it speaks of; raises TypeError for a single string."""
        return self.read(texts).feelings

    def read(self, texts: Sequence[str]) -> Readings:
        """Return what each text expresses and what it is about; raises TypeError for a single string."""
        if isinstance(texts, str):
            raise TypeError("read() and predict() take a list of texts, not one string")
        cleaned = [without_groups(clean(text)) for text in texts]
        if self._latin is None:
            return self._read(cleaned)
        han = np.array([has_han(text) for text in cleaned], bool)
        others = self._beside_latin.submit(self._latin._read, [cleaned[at] for at in np.flatnonzero(~han)])
        parts = self._read([cleaned[at] for at in np.flatnonzero(han)]), others.result()
        topics = np.zeros((len(cleaned), parts[0].topics.shape[1]), np.float32)
        topics[han], topics[~han] = parts[0].topics, parts[1].topics
        ours, theirs = iter(parts[0].feelings), iter(parts[1].feelings)
        return Readings([next(ours if one else theirs) for one in han], topics)

    def _read(self, cleaned: Sequence[str]) -> Readings:
        polarity, emotion, action, topics = self._network(cleaned)
        polarity, emotion = self._beside(cleaned, polarity, emotion)
        shares = softmax(polarity, 1.0)
        feelings, acts = softmax(emotion, self.manifest.emotion_temperature), sigmoid(action)
        return Readings(
            [
                self._feeling(shares[at], feelings[at], float(acts[at]), text)
                for at, text in enumerate(cleaned)
            ],
            topics,
        )

    def _network(self, cleaned: Sequence[str]) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return polarity (n, 3), emotion (n, 6) and action (n,) logits and topic vectors (n, d)."""
        total = len(cleaned)
        found = {
            item.name: np.zeros((total, int(item.shape[-1])), np.float32)
            for item in self._session.get_outputs()
        }
        ids = [
            head_and_tail(e.ids, self.manifest.max_tokens)
            for e in self._tokenizer.encode_batch(list(cleaned))
        ]
        # Texts of like length share a batch, so that little of it is padding.
        order = sorted(range(total), key=lambda row: len(ids[row]))
        groups = [order[start : start + _BATCH] for start in range(0, total, _BATCH)]

        def run(rows: list[int]) -> None:
            tokens, mask = padded([ids[row] for row in rows])
            values = self._session.run(list(found), {"input_ids": tokens, "attention_mask": mask})
            for name, value in zip(found, values, strict=True):
                found[name][rows] = value

        # Long texts first, so that no thread is left with one of them at the end.
        for done in [self._workers.submit(run, rows) for rows in reversed(groups)]:
            done.result()
        return found["sentiment"], found["emotion"], found["action"][:, 0], found["topic"]

    def _beside(
        self, cleaned: Sequence[str], polarity: FloatArray, emotion: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Add the n-gram model's logits; polarity is divided by the temperature of the text's script."""
        told = self.manifest
        han = np.array([has_han(text) for text in cleaned], bool)[:, None]
        if self._ngrams is not None:
            beside = self._ngrams.score(cleaned)
            share = np.where(han, told.ngram_share, told.latin_ngram_share)
            polarity = polarity + share * beside[:, : len(SENTIMENTS)]
            emotion = emotion + told.emotion_ngram_share * beside[:, len(SENTIMENTS) :]
        warmth = np.where(han, told.temperature, told.latin_temperature)
        return (polarity / warmth).astype(np.float32), emotion.astype(np.float32)

    def _feeling(self, shares: FloatArray, emotions: FloatArray, action: float, text: str) -> Feeling:
        best = int(shares.argmax())
        readable = any(char.isalnum() for char in text)
        return Feeling(
            sentiment=SENTIMENTS[best],
            negative=float(shares[0]),
            neutral=float(shares[1]),
            positive=float(shares[2]),
            emotion=EMOTIONS[int(emotions.argmax())],
            emotions=tuple(float(value) for value in emotions),
            needs_action=action if readable else 0.0,
            unsure=not readable or float(shares[best]) < self.manifest.unsure_below,
        )


def padded(rows: Sequence[Sequence[int]]) -> tuple[IntArray, IntArray]:
    """Return token ids and mask, (n, longest) each."""
    width = max((len(row) for row in rows), default=0)
    ids = np.zeros((len(rows), width), np.int64)
    mask = np.zeros_like(ids)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = row
        mask[at, : len(row)] = 1
    return ids, mask


def _open_session(path: Path) -> onnxruntime.InferenceSession:
    options = session_options(1)
    # Batches have many shapes: remembering a plan for each would grow without end.
    options.enable_mem_pattern = False
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def find_adapter(data_dir: Path, shipped: Path = ADAPTER_DIR) -> Path:
    """Return the city's own adapters below the data directory when it trained some, else the shipped ones."""
    own = data_dir / "models" / "sentiment" / "adapter"
    return own if (own / MANIFEST).is_file() else shipped


def model_dir(data_dir: Path, shipped: Path = ADAPTER_DIR) -> Path:
    """Return the folder of the exported model that belongs to the adapters in use.

    Raises SentimentModelMissing or SentimentModelDamaged when there are no adapters.
    """
    version = SentimentManifest.read(find_adapter(data_dir, shipped)).version
    return data_dir / "models" / "sentiment" / version
