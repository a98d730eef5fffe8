"""Reads posts: feeling and topic vector in one pass of the model; beside it category, place, district and words."""

from __future__ import annotations

import threading
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
from nlp.sentiment import Feeling, Readings


class PostReader(Protocol):
    """Says what posts express and what they are about; `nlp.sentiment.SentimentModel` does."""

    version: str

    def read(self, texts: Sequence[str]) -> Readings: ...


@dataclass(frozen=True)
class Judged:
    """What was read in one text."""

    feeling: Feeling
    vector: FloatArray
    where: Placed
    words: tuple[str, ...]


class Judge:
    """Reads batches of texts; safe to share between threads."""

    def __init__(
        self, reader: PostReader, lexicon: Lexicon, gazetteer: Gazetteer | None, cutter: WordCutter
    ) -> None:
        self.reader, self.lexicon, self.gazetteer = reader, lexicon, gazetteer
        self._cutter, self._cutting = cutter, threading.Lock()
        self._beside = ThreadPoolExecutor(1, "opinion-reader")
        self._districts = {e.id: e for e in gazetteer.entries if e.entity == "district"} if gazetteer else {}

    @property
    def version(self) -> str:
        """The sentiment model's version, which every alarm is traced to."""
        return self.reader.version

    def read(self, texts: Sequence[str], districts: Sequence[str]) -> list[Judged]:
        """Return what each text says.

        Args:
            texts: masked texts.
            districts: what the source said about the district, "" for nothing; an id or a name.
        """
        if not texts:
            return []
        reading = self._beside.submit(self.reader.read, texts)
        places = [self._placed(text, known) for text, known in zip(texts, districts, strict=True)]
        with self._cutting:
            words = [tuple(self._cutter.words(text[:1000])) for text in texts]
        read = reading.result()
        return [
            Judged(feeling, vector, where, said)
            for feeling, vector, where, said in zip(read.feelings, read.topics, places, words, strict=True)
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
