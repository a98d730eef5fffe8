"""A bilingual lexicon: the words under which an article that exists in one language is found from the other.

The shipped part was computed once (see README.md beside this file and `build`); what the city's own bilingual
articles teach, its terms and names above all, is learnt whenever the index is built.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from knowledge.alignment import Alignment, align
from knowledge.article import Article
from knowledge.passages import plain_lines
from knowledge.text import has_han, search_words

SHIPPED = Path(__file__).parent / "zh-en.tsv.gz"
# Translations kept of a word, and how likely the least likely is.
TRANSLATIONS = 10
LEAST = {"zh": 0.1, "en": 0.05}
# Articles that are learnt from; a large city's say nothing new after so many.
MOST_ARTICLES = 4_000
# From this weight on a translation is a word that a citizen may have misspelt.
SURE = 0.3
# English stems, each with the words that were read as it; the commonest are kept.
FORMS, FORMS_KEPT = "forms", 3
_ENGLISH = re.compile("[a-z]{3,}")

Table = Mapping[str, Sequence[Any]]


class Lexicon:
    """Translates search words.

    Args:
        layers: each gives, by the language of the words, translations with their weights (0 to 1), and the `FORMS`
            of English stems; where several know a translation, the largest weight counts.
    """

    def __init__(self, *layers: Mapping[str, Table]) -> None:
        self.layers = layers

    def translations(self, word: str, language: str) -> Sequence[tuple[str, float]]:
        """Return the translations of a word of `language`, likeliest first."""
        known = [row for row in (layer[language].get(word) for layer in self.layers) if row]
        if len(known) < 2:
            return known[0] if known else ()
        weights: dict[str, float] = {}
        for translation, weight in (item for row in known for item in row):
            weights[translation] = max(weight, weights.get(translation, 0.0))
        return _best(weights)

    def with_layer(self, other: Lexicon) -> Lexicon:
        """Return a lexicon of both."""
        return Lexicon(*self.layers, *other.layers)

    def expand(self, terms: Mapping[str, float], language: str) -> dict[str, float]:
        """Return the search terms in the other language under which a text should be found.

        Args:
            terms: the text's terms with their weighted frequencies, as `search_words` gives them.
            language: of the text.
        """
        out: dict[str, float] = {}

        def put(term: str, weight: float) -> None:
            out[term] = max(out.get(term, 0.0), weight)

        for term, frequency in terms.items():
            if term.isascii() and language == "zh" and not term.startswith("_"):
                # A number or a name stays as it is.
                put(term, frequency)
            for word, weight in self.translations(term, language):
                put(word, frequency * weight)
                if has_han(word):
                    for start in range(len(word) - 1):
                        put("_" + word[start : start + 2], frequency * weight)
        return out

    def spellings(self, terms: Iterable[str], language: str) -> list[str]:
        """Return the words in the other language that these terms surely stand for, as they are written."""
        found: dict[str, None] = {}
        for term in terms:
            for word, weight in self.translations(term, language):
                if weight < SURE:
                    break
                if has_han(word):
                    found[word] = None
                else:
                    found.update((form, None) for layer in self.layers for form in layer[FORMS].get(word, ()))
        return list(found)

    def dumps(self) -> bytes:
        """Return the JSON form of the last layer."""
        return json.dumps(self.layers[-1], ensure_ascii=False).encode()

    @classmethod
    def loads(cls, data: bytes) -> Lexicon:
        """Read the JSON form."""
        return cls(json.loads(data))


def from_alignment(alignment: Alignment, forms: Mapping[str, Sequence[str]]) -> Lexicon:
    """Return the lexicon of an alignment of Chinese (first) with English (second), whose stems have `forms`."""
    forth, back = alignment.forth, alignment.back
    # A Chinese article is found by every English word it may be put in; an English word has so many Chinese
    # translations that both directions must agree.
    weights = {"zh": np.maximum(forth, back), "en": np.sqrt(forth * back)}
    layer: dict[str, Table] = {FORMS: forms}
    for language, (words, others) in {
        "zh": (alignment.first, alignment.second),
        "en": (alignment.second, alignment.first),
    }.items():
        rows: dict[str, dict[str, float]] = {}
        for number in np.flatnonzero(weights[language] >= LEAST[language]).tolist():
            rows.setdefault(words[number], {})[others[number]] = round(float(weights[language][number]), 2)
        layer[language] = {word: _best(row) for word, row in rows.items()}
    return Lexicon(layer)


def learn(articles: Sequence[Article]) -> Lexicon:
    """Return what the titles and answers of bilingual articles teach."""
    texts: list[tuple[str, str]] = []
    for article in articles[:MOST_ARTICLES]:
        if {"zh", "en"} <= set(article.languages):
            texts += _texts(article)
    pairs = [(words_of(left), words_of(right)) for left, right in texts]
    alignment = align([(left, right) for left, right in pairs if left and right])
    return from_alignment(alignment, forms_of(right for _, right in texts))


def forms_of(texts: Iterable[str]) -> dict[str, list[str]]:
    """Return the English words of texts by their stems, the commonest first."""
    counts = Counter(word for text in texts for word in _ENGLISH.findall(text.lower()))
    forms: dict[str, list[str]] = {}
    for word, _ in counts.most_common():
        kept = forms.setdefault(next(iter(words_of(word)), ""), [])
        if len(kept) < FORMS_KEPT:
            kept.append(word)
    forms.pop("", None)
    return forms


@lru_cache(maxsize=1)
def shipped() -> Lexicon:
    """Return the shipped lexicon."""
    rows: dict[str, dict[str, str]] = {"zh": {}, "en": {}, FORMS: {}}
    with gzip.open(SHIPPED, "rt", encoding="utf-8") as stream:
        for line in stream.read().splitlines():
            kind, word, rest = line.split("\t", 2)
            rows[kind][word] = rest
    layer: dict[str, Table] = {language: _Rows(rows[language]) for language in ("zh", "en")}
    return Lexicon({**layer, FORMS: {stem: row.split("\t") for stem, row in rows[FORMS].items()}})


class _Rows(Mapping[str, Sequence[tuple[str, float]]]):
    """A table whose rows are read when they are asked for: most never are, and reading them all takes seconds."""

    def __init__(self, rows: Mapping[str, str]) -> None:
        self.rows = rows

    def __getitem__(self, word: str) -> Sequence[tuple[str, float]]:
        cells = self.rows[word].split("\t")
        return [(other, int(weight) / 100) for other, weight in zip(cells[::2], cells[1::2], strict=True)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def words_of(text: str) -> list[str]:
    """Return the words of a text that the lexicon knows: search words without the bigrams."""
    return [word for word in search_words(text) if not word.startswith("_")]


def _texts(article: Article) -> list[tuple[str, str]]:
    """Return an article's texts that say the same: its titles, and the answers line by line when they have as many."""
    chinese, english = plain_lines(article.answer["zh"]), plain_lines(article.answer["en"])
    if len(chinese) != len(english):
        chinese, english = [" ".join(chinese)], [" ".join(english)]
    return [*zip(chinese, english, strict=True), (article.title.get("zh", ""), article.title.get("en", ""))]


def _best(weights: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:TRANSLATIONS]
