"""Topics grow as posts come: nearest centre above a cosine, labels from class-based TF-IDF, identity over days.

Method: single-pass ("leader") clustering on sentence vectors, as in streaming topic detection (Allan et al. 1998);
labels by c-TF-IDF (Grootendorst 2022).
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from actions.opinion.lexicon import OTHER, Lexicon
from nlp.entities.gazetteer import Gazetteer
from nlp.joint_decode import FloatArray

# Agreement on what and where counts beside the words; disagreement on a known matter counts against.
_SAME_CATEGORY, _OTHER_CATEGORY, _SAME_PLACE, _OTHER_PLACE = 0.06, -0.16, 0.05, -0.05
_MERGE_COSINE = 0.88
_MOST_TERMS = 120
_MEMORY = 60  # the centre follows about so many of the latest posts
_LABEL_WORDS = 3
_CANDIDATES = 8


class Tally(dict[str, int]):
    """How often each key was counted, and the key counted most (of several, the last in order)."""

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        super().__init__(counts or {})
        self.top = max(self.items(), key=lambda item: (item[1], item[0]))[0] if self else ""

    def add(self, key: str, times: int = 1) -> None:
        """Count a key; an empty one says nothing."""
        if key:
            count = self[key] = self.get(key, 0) + times
            if not self.top or (count, key) > (self[self.top], self.top):
                self.top = key


@dataclass
class Topic:
    """One topic: `centre` is a unit vector, `terms` how often a word occurs, by language."""

    id: int
    first_at: datetime
    last_at: datetime
    centre: FloatArray
    size: int = 0
    terms: dict[str, dict[str, int]] = field(default_factory=lambda: {"zh": {}, "en": {}})
    categories: Tally = field(default_factory=Tally)
    places: Tally = field(default_factory=Tally)
    districts: Tally = field(default_factory=Tally)
    muted_until: datetime | None = None
    changed: bool = True

    @property
    def category(self) -> str:
        """The category most of its posts have; "other" when most have none."""
        return self.categories.top or OTHER

    @property
    def place(self) -> str:
        """The place that at least a third of its posts name, else ""."""
        name = self.places.top
        return name if name and self.places[name] * 3 >= self.size else ""

    @property
    def district(self) -> str:
        """The district that at least a third of its posts name, else ""."""
        name = self.districts.top
        return name if name and self.districts[name] * 3 >= self.size else ""


@dataclass(frozen=True)
class Placed:
    """Where a post speaks of: gazetteer ids, "" for none."""

    category: str = OTHER
    place: str = ""
    district: str = ""


class TopicBook:
    """All topics that are awake, with their centres in one matrix.

    Args:
        topics: as stored.
        next_id: number of the next new topic.
        cosine: least likeness of a post to its topic.
        most: topics kept awake; the longest silent one falls asleep when a new one comes.
    """

    def __init__(self, topics: Sequence[Topic], next_id: int, cosine: float, most: int, days: int) -> None:
        # In the order of their latest posts.
        self.topics: OrderedDict[int, Topic] = OrderedDict()
        self._next_id, self._cosine, self._most, self._days = next_id, cosine, most, days
        self._rows: list[int] = []
        self._row_of: dict[int, int] = {}
        self._matrix = np.zeros((64, 1), np.float32)
        # Vectors of a batch and their likeness to every topic, kept right as topics move (see `expect`).
        self._expected = self._likeness = np.zeros((0, 0), np.float32)
        self.asleep: list[int] = []
        self.merged: dict[int, int] = {}
        for topic in sorted(topics, key=lambda item: (item.last_at, item.id)):
            self._append(topic)
        self._documents: Counter[str] = Counter()
        for topic in topics:
            for words in topic.terms.values():
                self._documents.update(words)
        self._words_total = sum(self._documents.values())

    def _append(self, topic: Topic) -> None:
        width = len(topic.centre)
        if self._matrix.shape[1] != width:
            self._matrix = np.zeros((64, width), np.float32)
        if len(self._rows) == len(self._matrix):
            self._matrix = np.concatenate([self._matrix, np.zeros_like(self._matrix)])
        self._row_of[topic.id] = len(self._rows)
        self._rows.append(topic.id)
        self.topics[topic.id] = topic
        self._moved(topic)

    def _remove(self, number: int) -> None:
        row, last = self._row_of.pop(number), len(self._rows) - 1
        if row != last:
            self._matrix[row] = self._matrix[last]
            self._rows[row] = self._rows[last]
            self._row_of[self._rows[row]] = row
            if self._likeness.shape[1] > last:
                self._likeness[:, row] = self._likeness[:, last]
        self._rows.pop()
        del self.topics[number]

    def _moved(self, topic: Topic) -> None:
        """Take a topic's centre over into the matrix and into the likeness of the batch in hand."""
        row = self._row_of[topic.id]
        self._matrix[row] = topic.centre
        if self._expected.shape[1] == len(topic.centre) and len(self._expected):
            if self._likeness.shape[1] <= row:
                room = np.zeros(
                    (len(self._expected), len(self._matrix) - self._likeness.shape[1]), np.float32
                )
                self._likeness = np.concatenate([self._likeness, room], 1)
            self._likeness[:, row] = self._expected @ topic.centre

    def expect(self, vectors: FloatArray) -> None:
        """Compare a batch (n, d) with all topics at once; `place` then takes the numbers of its posts."""
        self._expected = vectors
        self._likeness = np.zeros((len(vectors), len(self._matrix)), np.float32)
        if len(vectors) and self._matrix.shape[1] == vectors.shape[1]:
            self._likeness = vectors @ self._matrix.T

    def place(
        self,
        vector: FloatArray,
        at: datetime,
        where: Placed,
        words: Sequence[str],
        language: str,
        number: int | None = None,
    ) -> Topic:
        """Put a post into its topic, a new one when none is near enough, and return the topic.

        Args:
            vector: of the post.
            at: its time.
            where: what it speaks of.
            words: its telling words.
            language: its language.
            number: of the post in the batch given to `expect`, if it was.
        """
        topic = self._nearest(vector, where, number)
        if topic is None:
            if len(self._rows) >= self._most:
                silent = next(iter(self.topics.values()))
                self.asleep.append(silent.id)
                self._remove(silent.id)
            topic = Topic(self._next_id, at, at, vector.astype(np.float32))
            self._next_id += 1
            self._append(topic)
        weight = 1.0 / (min(topic.size, _MEMORY) + 1)
        moved = (1 - weight) * topic.centre + weight * vector
        topic.centre = (moved / max(float(np.linalg.norm(moved)), 1e-9)).astype(np.float32)
        self._moved(topic)
        self.topics.move_to_end(topic.id)
        topic.size += 1
        topic.first_at, topic.last_at = min(topic.first_at, at), max(topic.last_at, at)
        topic.changed = True
        topic.categories.add(where.category if where.category != OTHER else "")
        topic.places.add(where.place)
        topic.districts.add(where.district)
        terms = topic.terms.setdefault("zh" if language == "zh" else "en", {})
        for word in dict.fromkeys(words):
            terms[word] = terms.get(word, 0) + 1
            self._documents[word] += 1
            self._words_total += 1
        if len(terms) > 2 * _MOST_TERMS:
            kept = sorted(terms.items(), key=lambda item: -item[1])[:_MOST_TERMS]
            terms.clear()
            terms.update(kept)
        if len(self._documents) > 200_000:
            self._documents = Counter(dict(self._documents.most_common(100_000)))
            self._words_total = sum(self._documents.values())
        return topic

    def _nearest(self, vector: FloatArray, where: Placed, number: int | None) -> Topic | None:
        count = len(self._rows)
        if not count or self._matrix.shape[1] != len(vector):
            return None
        scores = self._matrix[:count] @ vector if number is None else self._likeness[number, :count]
        best: Topic | None = None
        reached = self._cosine
        near = np.flatnonzero(scores >= self._cosine - _SAME_CATEGORY - _SAME_PLACE)
        if len(near) > _CANDIDATES:
            near = near[np.argpartition(-scores[near], _CANDIDATES)[:_CANDIDATES]]
        for row in near:
            topic = self.topics[self._rows[int(row)]]
            score = float(scores[int(row)]) + _agreement(topic, where)
            if score >= reached:
                best, reached = topic, score
        return best

    def tidy(self, now: datetime) -> None:
        """Merge topics that grew into one, into the older one; put silent ones to sleep."""
        for topic in [t for t in self.topics.values() if t.last_at < now - timedelta(days=self._days)]:
            self.asleep.append(topic.id)
            self._remove(topic.id)
        order = sorted((t for t in self.topics.values() if t.size >= 3), key=lambda t: t.id)
        if len(order) < 2:
            return
        matrix = np.stack([topic.centre for topic in order])
        likeness = np.triu(matrix @ matrix.T, 1)
        for a, b in np.argwhere(likeness >= _MERGE_COSINE):
            older, younger = order[int(a)], order[int(b)]
            if older.id in self.topics and younger.id in self.topics and older.category == younger.category:
                self._merge(older, younger)

    def _merge(self, older: Topic, younger: Topic) -> None:
        total = older.size + younger.size
        centre = (older.size * older.centre + younger.size * younger.centre) / total
        older.centre = (centre / max(float(np.linalg.norm(centre)), 1e-9)).astype(np.float32)
        self._moved(older)
        older.size, older.changed = total, True
        older.first_at, older.last_at = (
            min(older.first_at, younger.first_at),
            max(older.last_at, younger.last_at),
        )
        for mine, other in (
            (older.categories, younger.categories),
            (older.places, younger.places),
            (older.districts, younger.districts),
        ):
            for key, value in other.items():
                mine.add(key, value)
        for language, words in younger.terms.items():
            terms = older.terms.setdefault(language, {})
            for word, count in words.items():
                terms[word] = terms.get(word, 0) + count
        if younger.muted_until is not None and older.muted_until is None:
            older.muted_until = younger.muted_until
        self.merged[younger.id] = older.id
        self._remove(younger.id)

    def words_of(self, topic: Topic, language: str) -> list[str]:
        """Return the words that tell a topic from the others, best first (c-TF-IDF)."""
        terms = topic.terms.get(language) or {}
        total = max(sum(terms.values()), 1)
        average = max(self._words_total / max(len(self.topics), 1), 1.0)
        weight = {
            word: count / total * math.log(1 + average / max(self._documents[word], 1)) * math.sqrt(count)
            for word, count in terms.items()
            if count > 1 or topic.size < 4
        }
        return sorted(weight, key=lambda word: (-weight[word], word))

    def label(self, topic: Topic, lexicon: Lexicon, gazetteer: Gazetteer | None) -> dict[str, str]:
        """Return a short name in Chinese and English: category, place, and the words that stand out.

        Where no post of a language exists, category and place carry its label.
        """
        names = _place_names(topic.place or topic.district, gazetteer)
        found = {}
        for language in ("zh", "en"):
            category = lexicon.categories.get(topic.category, lexicon.categories[OTHER]).name[language]
            taken = f"{names[language]} {category if topic.category != OTHER else ''}".lower()
            words = [word for word in self.words_of(topic, language)[:8] if word not in taken]
            kept: list[str] = []
            for word in words:
                if not any(word in other or other in word for other in kept):
                    kept.append(word)
            parts = [] if topic.category == OTHER and kept else [category]
            if names[language]:
                parts.append(names[language])
            parts += kept[:_LABEL_WORDS]
            found[language] = " · ".join(parts)
        return found


def _place_names(id_: str, gazetteer: Gazetteer | None) -> dict[str, str]:
    entry = (
        next((e for e in gazetteer.entries if e.id == id_), None) if gazetteer is not None and id_ else None
    )
    return {"zh": entry.zh or entry.en, "en": entry.en or entry.zh} if entry else {"zh": "", "en": ""}


def _agreement(topic: Topic, where: Placed) -> float:
    total = 0.0
    if where.category != OTHER and topic.category != OTHER:
        total += _SAME_CATEGORY if where.category == topic.category else _OTHER_CATEGORY
    place = where.place or where.district
    known = topic.place or topic.district
    if place and known:
        total += _SAME_PLACE if place in (topic.place, topic.district) else _OTHER_PLACE
    return total
