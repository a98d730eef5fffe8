"""The joint intent and entity model at run time: tokenizer, one ONNX graph, a linear n-gram model; no torch.

Method: joint intent classification and slot filling with BERT (Chen et al. 2019); temperature scaling (Guo et
al. 2017); out-of-scope score from maximum probability, energy and Mahalanobis distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Encoding, Tokenizer

from nlp.entities.gazetteer import Gazetteer
from nlp.entities.model import Entity
from nlp.entities.resolver import Resolver
from nlp.joint_decode import FloatArray, between, decode_tags, novelty_features, sigmoid, softmax
from nlp.joint_manifest import (
    GAZETTEER,
    NGRAMS,
    SPELLING,
    TOKENIZER,
    Manifest,
    ModelDamagedError,
    ModelError,
    ModelNotFoundError,
    check_files,
    fingerprint,
    read_manifest,
)
from nlp.joint_ngrams import NgramScorer
from nlp.joint_spelling import Counts, Speller, piece_test
from nlp.joint_text import prepare
from nlp.onnx_options import session_options

__all__ = [
    "Entity",
    "JointModel",
    "ModelDamagedError",
    "ModelError",
    "ModelNotFoundError",
    "Prediction",
    "RawOutput",
]

_BATCH = 32
# A reading this unlikely is never offered, however close the best one is.
_LEAST_READING = 0.12
# A repair makes every text look more like the training texts; it has mended a slip only if the reading is sure.
_SURE_REPAIR = 0.6


@dataclass(frozen=True)
class Prediction:
    """What one text means.

    `confidence` is the temperature-scaled probability of `intent`, `ranking` all intents with theirs, best
    first. `accepted` is false when the text is out of scope or below the model's stored thresholds.
    `ambiguous` holds the two or three best readings of a near-tie, else nothing.
    """

    intent: str
    confidence: float
    ranking: Sequence[tuple[str, float]]
    accepted: bool
    oos_score: float
    entities: Sequence[Entity]
    ambiguous: Sequence[str]


@dataclass(frozen=True)
class RawOutput:
    """The numbers of n texts: intent logits (n, intents), distance (n,), tag logits (tokens, tags) each.

    `repaired` holds the rows that were also read with another spelling.
    """

    logits: FloatArray
    distance: FloatArray
    tags: list[FloatArray]
    encodings: list[Encoding]
    repaired: frozenset[int] = frozenset()


class JointModel:
    """A finished model directory, ready to predict; safe to share between threads."""

    def __init__(
        self,
        manifest: Manifest,
        session: onnxruntime.InferenceSession,
        tokenizer: Tokenizer,
        resolver: Resolver,
        ngrams: NgramScorer | None,
        speller: Speller | None = None,
    ) -> None:
        self.manifest = manifest
        self.fingerprint = fingerprint(manifest)
        self._session = session
        self._tokenizer = tokenizer
        self._resolver = resolver
        self._ngrams = ngrams
        self._speller = speller
        self._outputs = [output.name for output in session.get_outputs()]
        self._oos_columns = [i for i, name in enumerate(manifest.intents) if name in manifest.oos_labels]
        self._oos_weights = np.asarray(manifest.oos.weights, np.float32)

    @classmethod
    def load(cls, directory: Path | str, *, threads: int = 1) -> JointModel:
        """Open a model directory and check its files against the manifest.

        Args:
            directory: as written by `chengda train nlu`.
            threads: CPU threads one prediction may use.

        Raises:
            ModelNotFoundError: when there is no such directory.
            ModelDamagedError: when a file is missing, altered or unreadable; names the file and the mend.
        """
        directory = Path(directory)
        manifest = read_manifest(directory)
        check_files(directory, manifest)
        tokenizer = _read_tokenizer(directory / TOKENIZER, manifest.max_tokens)
        session = _open_session(directory / manifest.graph, threads)
        gazetteer = Gazetteer.read(directory / GAZETTEER) if GAZETTEER in manifest.files else Gazetteer(())
        resolver = Resolver(gazetteer, manifest.rules, manifest.synonyms)
        ngrams = _read_ngrams(directory / NGRAMS) if NGRAMS in manifest.files else None
        speller = _read_speller(directory / SPELLING, tokenizer) if SPELLING in manifest.files else None
        return cls(manifest, session, tokenizer, resolver, ngrams, speller)

    @property
    def intents(self) -> tuple[str, ...]:
        """The intents the model knows, in the order of its logits."""
        return self.manifest.intents

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Predict intent and entities of each text.

        Args:
            texts: any strings; of a long one the first 2,000 characters are read for entities and rules, and
                as many tokens as the model was trained with for the intent.

        Raises:
            TypeError: for a single string.
        """
        if isinstance(texts, str):
            raise TypeError("predict() takes a list of texts, not one string")
        found: list[Prediction | None] = [None] * len(texts)
        prepared = [prepare(text) for text in texts]
        # Texts of like length share a batch, so that little of it is padding.
        order = sorted(range(len(texts)), key=lambda row: len(prepared[row]))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            batch = self.raw([prepared[row] for row in rows])
            for row, prediction in zip(rows, self._read(texts, prepared, rows, batch), strict=True):
                found[row] = prediction
        return [prediction for prediction in found if prediction is not None]

    def raw(self, prepared: Sequence[str]) -> RawOutput:
        """Run the graph over prepared texts (see `nlp.joint_text.prepare`), in one batch.

        A text whose spelling can be repaired is read both ways; logits and distance are the mean of the two,
        tags belong to the text as it was written.
        """
        repaired = {}
        if self._speller is not None:
            fixed = [self._speller.repair(text) for text in prepared]
            repaired = {row: new for row, new in enumerate(fixed) if new != prepared[row]}
        texts, count = [*prepared, *repaired.values()], len(prepared)
        encodings = (
            [self._tokenizer.encode(texts[0])] if len(texts) == 1 else self._tokenizer.encode_batch(texts)
        )
        width = max((len(encoding.ids) for encoding in encodings), default=0)
        ids = np.zeros((len(encodings), width), np.int64)
        mask = np.zeros_like(ids)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        values = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        outputs = dict(zip(self._outputs, values, strict=True))
        tags = [outputs["tag_logits"][row, : len(encodings[row].ids)] for row in range(count)]
        logits, distance = outputs["intent_logits"], outputs["distance"]
        if self._ngrams is not None:
            logits = logits + self.manifest.ngram_share * self._ngrams.score(texts)
        rows = list(repaired)
        return RawOutput(
            between(logits[:count], logits[count:], rows),
            between(distance[:count], distance[count:], rows),
            tags,
            encodings[:count],
            frozenset(repaired),
        )

    def oos_scores(self, raw: RawOutput) -> FloatArray:
        """Return the out-of-scope score of each text, (n,), between 0 and 1."""
        features = novelty_features(raw.logits, raw.distance, self.manifest.temperature, self._oos_columns)
        return sigmoid(features @ self._oos_weights + self.manifest.oos.bias)

    def _read(
        self, texts: Sequence[str], prepared: Sequence[str], rows: Sequence[int], raw: RawOutput
    ) -> list[Prediction]:
        probabilities = softmax(raw.logits, self.manifest.temperature)
        scores = self.oos_scores(raw)
        return [
            self._prediction(texts[row], prepared[row], probabilities[at], float(scores[at]), raw, at)
            for at, row in enumerate(rows)
        ]

    def _prediction(
        self, text: str, prepared: str, probabilities: FloatArray, score: float, raw: RawOutput, at: int
    ) -> Prediction:
        manifest, limits = self.manifest, self.manifest.thresholds
        order = np.argsort(-probabilities, kind="stable")
        names = [manifest.intents[i] for i in order.tolist()]
        ranking = tuple(zip(names, probabilities[order].tolist(), strict=True))
        intent, confidence = ranking[0]
        empty = not prepared.strip()
        accepted = (
            not empty
            and intent not in manifest.oos_labels
            and confidence >= (_SURE_REPAIR if at in raw.repaired else limits.accept)
            and score < limits.oos
        )
        spans = decode_tags(
            softmax(raw.tags[at]), manifest.tags, raw.encodings[at].offsets, prepared, limits.entity
        )
        return Prediction(
            intent=intent,
            confidence=confidence,
            ranking=ranking,
            accepted=accepted,
            oos_score=1.0 if empty else score,
            entities=tuple(self._resolver.resolve(text, prepared, spans)),
            ambiguous=() if empty else self._near_tie(ranking),
        )

    def _near_tie(self, ranking: Sequence[tuple[str, float]]) -> tuple[str, ...]:
        best = ranking[0][1]
        close = tuple(
            name
            for name, probability in ranking[:3]
            if probability >= _LEAST_READING and best - probability < self.manifest.thresholds.near_tie
        )
        # "Did you mean: something out of scope?" is no question.
        return close if len(close) >= 2 and not set(close) & set(self.manifest.oos_labels) else ()


def _read_tokenizer(path: Path, max_tokens: int) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise ModelDamagedError(
            f"{path}: is no tokenizer ({error}); train again with `chengda train nlu`"
        ) from None
    tokenizer.enable_truncation(max_tokens)
    tokenizer.no_padding()
    return tokenizer


def _read_ngrams(path: Path) -> NgramScorer:
    try:
        return NgramScorer.read(path)
    except (OSError, ValueError, KeyError) as error:
        raise ModelDamagedError(
            f"{path}: is no n-gram model ({error}); train again with `chengda train nlu`"
        ) from None


def _read_speller(path: Path, tokenizer: Tokenizer) -> Speller:
    try:
        return Speller(Counts.read(path), piece_test(tokenizer))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise ModelDamagedError(
            f"{path}: holds no word counts ({error}); train again with `chengda train nlu`"
        ) from None


def _open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    try:
        session = onnxruntime.InferenceSession(
            str(path), session_options(threads), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime has no public base class for its errors
        raise ModelDamagedError(
            f"{path}: is no ONNX model ({error}); train again with `chengda train nlu`"
        ) from None
    names = {output.name for output in session.get_outputs()}
    if not {"intent_logits", "tag_logits", "distance"} <= names:
        raise ModelDamagedError(f"{path}: is no joint model; train again with `chengda train nlu`")
    return session
