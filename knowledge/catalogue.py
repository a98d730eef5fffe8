"""A segment of the index: which pieces belong to which article, the articles' facts, and their postings."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from knowledge.article import LANGUAGES, Article
from knowledge.lexical import Postings, build_postings, weighted_terms
from knowledge.lexicon import Lexicon
from knowledge.passages import KINDS
from knowledge.records import StoredPiece
from knowledge.spelling import MAX_WORDS, Speller, surface_words
from knowledge.text import fold, search_words

# How much a word counts by where it stands.
FIELD_WEIGHTS = {"title": 3.0, "question": 2.0, "passage": 1.0}
_FAR = 2**31 - 1


@dataclass(frozen=True)
class ArticleFacts:
    """What searching and routing need of an article; the text itself stays in the store."""

    id: str
    version: int
    topic: str
    facets: frozenset[str]
    category: str
    department: str
    districts: tuple[str, ...]
    languages: tuple[str, ...]
    titles: Mapping[str, str]
    first_day: int
    last_day: int

    def title_in(self, language: str) -> str:
        """Return the title in `language`, else in the other one."""
        return self.titles.get(language) or next(iter(self.titles.values()), self.id)


@dataclass(frozen=True, eq=False)
class Segment:
    """One immutable part of the index; rows are sorted by piece key, articles numbered from 0."""

    name: str
    facts: Sequence[ArticleFacts]
    keys: npt.NDArray[np.int64]
    piece_articles: npt.NDArray[np.int32]
    piece_languages: npt.NDArray[np.int8]
    piece_kinds: npt.NDArray[np.int8]
    text_hashes: npt.NDArray[np.uint64]
    exact_hashes: npt.NDArray[np.uint64]
    exact_articles: npt.NDArray[np.int32]
    postings: Postings
    words: Sequence[str] = ()

    @cached_property
    def speller(self) -> Speller:
        """Knows the segment's words."""
        return Speller(self.words)


def text_hash(text: str) -> int:
    """Return 64 bits that stand for a text."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "little")


def facts_of(article: Article) -> ArticleFacts:
    """Return the facts of an article."""
    return ArticleFacts(
        id=article.id,
        version=article.version,
        topic=article.topic,
        facets=article.facets,
        category=article.category,
        department=article.department,
        districts=article.districts,
        languages=article.languages,
        titles=dict(article.title),
        first_day=article.valid_from.toordinal() if article.valid_from else 0,
        last_day=article.valid_until.toordinal() if article.valid_until else _FAR,
    )


def build_segment(
    name: str,
    articles: Sequence[Article],
    pieces: Sequence[StoredPiece],
    stop_words: frozenset[str] = frozenset(),
    lexicon: Lexicon | None = None,
) -> Segment:
    """Build a segment.

    Args:
        name: the segment's name.
        articles: the published articles in it.
        pieces: their pieces.
        stop_words: further words that say nothing.
        lexicon: gives the words under which an article in one language is found from the other; `None` for none.
    """
    numbers = {article.id: number for number, article in enumerate(articles)}
    pieces = sorted((piece for piece in pieces if piece.article_id in numbers), key=lambda piece: piece.key)
    exact = sorted(
        {
            (text_hash(fold(piece.text)), numbers[piece.article_id])
            for piece in pieces
            if piece.kind in ("title", "question") and fold(piece.text)
        }
    )
    return Segment(
        name=name,
        facts=[facts_of(article) for article in articles],
        keys=np.asarray([piece.key for piece in pieces], np.int64),
        piece_articles=np.asarray([numbers[piece.article_id] for piece in pieces], np.int32),
        piece_languages=np.asarray([LANGUAGES.index(piece.language) for piece in pieces], np.int8),
        piece_kinds=np.asarray([KINDS.index(piece.kind) for piece in pieces], np.int8),
        text_hashes=np.asarray([text_hash(piece.text) for piece in pieces], np.uint64),
        exact_hashes=np.asarray([item[0] for item in exact], np.uint64),
        exact_articles=np.asarray([item[1] for item in exact], np.int32),
        postings=build_postings(_documents(numbers, pieces, stop_words, lexicon)),
        words=_words(pieces, lexicon),
    )


def _words(pieces: Sequence[StoredPiece], lexicon: Lexicon | None) -> list[str]:
    """Return the words that questions may be meant to have: the articles', and those that they are found by."""
    words = surface_words(piece.text for piece in pieces)
    if lexicon is not None:
        held: dict[str, set[str]] = {}
        for piece in pieces:
            held.setdefault(piece.article_id, set()).add(piece.language)
        terms: dict[str, dict[str, None]] = {language: {} for language in LANGUAGES}
        for piece in pieces:
            if len(held[piece.article_id]) == 1:
                terms[piece.language].update(dict.fromkeys(search_words(piece.text)))
        foreign = [word for language in LANGUAGES for word in lexicon.spellings(terms[language], language)]
        words = list(dict.fromkeys([*words, *foreign]))[:MAX_WORDS]
    return words


def _documents(
    numbers: Mapping[str, int],
    pieces: Sequence[StoredPiece],
    stop_words: frozenset[str],
    lexicon: Lexicon | None,
) -> Iterator[tuple[int, Mapping[str, float]]]:
    """Yield one document per passage, each with its article's title and phrasings in that language.

    A passage of an article that the other language lacks is one more document, in that language's words.
    """
    grouped: dict[tuple[int, str], dict[str, list[list[str]]]] = {}
    for piece in pieces:
        kinds = grouped.setdefault((numbers[piece.article_id], piece.language), {kind: [] for kind in KINDS})
        kinds[piece.kind].append(search_words(piece.text, stop_words))
    for (number, language), kinds in sorted(grouped.items()):
        head = [(FIELD_WEIGHTS[kind], words) for kind in ("title", "question") for words in kinds[kind]]
        alone = not any((number, other) in grouped for other in LANGUAGES if other != language)
        for words in kinds["passage"] or [[]]:
            terms = weighted_terms([*head, (FIELD_WEIGHTS["passage"], words)])
            yield number, terms
            if lexicon is not None and alone:
                yield number, lexicon.expand(terms, language)


def write_segment(segment: Segment, stream: BinaryIO) -> None:
    """Write a segment as one uncompressed NumPy archive."""
    facts = [
        {**vars(item), "facets": sorted(item.facets), "districts": list(item.districts)}
        for item in segment.facts
    ]
    postings = segment.postings
    np.savez(
        stream,
        facts=_bytes(json.dumps(facts, ensure_ascii=False)),
        vocabulary=_bytes("\n".join(postings.vocabulary)),
        words=_bytes("\n".join(segment.words)),
        starts=postings.starts,
        documents=postings.documents,
        impacts=postings.impacts,
        document_articles=postings.document_articles,
        **{field: getattr(segment, field) for field in _ARRAYS},
    )


_ARRAYS = (
    "keys",
    "piece_articles",
    "piece_languages",
    "piece_kinds",
    "text_hashes",
    "exact_hashes",
    "exact_articles",
)


def read_segment(name: str, data: bytes) -> Segment:
    """Read a segment that `write_segment` wrote.

    Raises:
        ValueError or KeyError: when the data is none.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        vocabulary = {term: row for row, term in enumerate(_lines(archive["vocabulary"]))}
        facts = [
            ArticleFacts(
                **{
                    **item,
                    "facets": frozenset(item["facets"]),
                    "districts": tuple(item["districts"]),
                    "languages": tuple(item["languages"]),
                }
            )
            for item in json.loads(archive["facts"].tobytes().decode())
        ]
        postings = Postings(
            vocabulary,
            archive["starts"],
            archive["documents"],
            archive["impacts"],
            archive["document_articles"],
        )
        return Segment(
            name,
            facts,
            **{field: archive[field] for field in _ARRAYS},
            postings=postings,
            words=_lines(archive["words"]),
        )


def day_number(day: date) -> int:
    """Return a day as the number that `first_day` and `last_day` are in."""
    return day.toordinal()


def _lines(data: Any) -> list[str]:
    text = data.tobytes().decode()
    return text.split("\n") if text else []


def _bytes(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)
