"""Reads posts: feeling and sentence vector side by side on two cores, then category, place and district."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from actions.opinion.lexicon import Lexicon
from actions.opinion.topics import Placed
from actions.opinion.words import WordCutter
from nlp.entities.gazetteer import Gazetteer
from nlp.joint_decode import FloatArray
from nlp.joint_text import prepare
from nlp.sentiment import Feeling

_VECTOR_CHARS = 240


class Feeler(Protocol):
    """Says what posts express; `nlp.sentiment.SentimentModel` does."""

    version: str

    def predict(self, texts: Sequence[str]) -> list[Feeling]: ...


class VectorMaker(Protocol):
    """Turns texts into unit vectors (n, d); `nlp.encoder.Encoder` does."""

    def encode(self, texts: Sequence[str], *, batch_size: int = 32) -> FloatArray: ...


@dataclass(frozen=True)
class Judged:
    """What was read in one text."""

    feeling: Feeling
    vector: FloatArray
    where: Placed
    words: tuple[str, ...]


class Judge:
    """Reads batches of texts; use from one thread at a time."""

    def __init__(
        self,
        feeler: Feeler,
        encoder: VectorMaker,
        lexicon: Lexicon,
        gazetteer: Gazetteer | None,
        cutter: WordCutter,
    ) -> None:
        self.feeler, self._encoder, self.lexicon, self.gazetteer = feeler, encoder, lexicon, gazetteer
        self._cutter = cutter
        self._beside = ThreadPoolExecutor(1, "opinion-vectors")
        self._districts = {e.id: e for e in gazetteer.entries if e.entity == "district"} if gazetteer else {}

    @property
    def version(self) -> str:
        """The sentiment model's version, which every alarm is traced to."""
        return self.feeler.version

    def read(self, texts: Sequence[str], districts: Sequence[str]) -> list[Judged]:
        """Return what each text says.

        Args:
            texts: masked texts.
            districts: what the source said about the district, "" for nothing; an id or a name.
        """
        if not texts:
            return []
        vectors = self._beside.submit(self._encoder.encode, [t[:_VECTOR_CHARS] for t in texts])
        feelings = self.feeler.predict(texts)
        places = [self._placed(text, known) for text, known in zip(texts, districts, strict=True)]
        words = [tuple(self._cutter.words(text[:1000])) for text in texts]
        return [
            Judged(feeling, vector, where, said)
            for feeling, vector, where, said in zip(feelings, vectors.result(), places, words, strict=True)
        ]

    def _placed(self, text: str, known: str) -> Placed:
        place = district = ""
        if self.gazetteer is not None:
            for match in self.gazetteer.find(prepare(text[:1000])):
                for entry in match.entries:
                    if entry.entity == "district":
                        district = district or entry.id
                    elif entry.entity in ("place", "street", "building", "stop", "line") and not place:
                        place = entry.id
        if known:
            district = next(
                (e.id for e in self._districts.values() if known in (e.id, e.zh, e.en)), district or known
            )
        return Placed(self.lexicon.category(text), place, district)

    def close(self) -> None:
        """End the thread."""
        self._beside.shutdown(wait=False)
