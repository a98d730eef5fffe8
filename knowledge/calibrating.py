"""Computes a calibration for an index, from calibration questions or from the articles' own phrasings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from city.fingerprint import fingerprint_files
from knowledge.article import LANGUAGES
from knowledge.calibration import FOLDS, Calibration, Example, fit
from knowledge.catalogue import build_segment
from knowledge.importing import Progress
from knowledge.index import Index, SentenceEncoder
from knowledge.kind import learn_kind
from knowledge.lexicon import Lexicon, learn, shipped
from knowledge.ranking import FEATURES, make_query, search
from knowledge.records import StoredPiece
from knowledge.remembering import RememberingEncoder
from knowledge.reranking import Reranker, best_weight
from knowledge.snapshot import Filter, Snapshot
from knowledge.text import clean
from knowledge.vectors.memory import MemoryReader
from nlp.cross_encoder import mark_of

# With fewer answerable questions than this the articles' own phrasings are taken as well.
ENOUGH_QUESTIONS = 100
# From so many questions on whose articles exist only in the other language, those have weights of their own.
ENOUGH_ACROSS = 50
# Phrasings that are taken then, and the articles of a large base they are taken from.
OWN_QUESTIONS, OWN_ARTICLES = 400, 2_000
# Titles and phrasings of a language from which it is learnt what kind of questions articles answer.
OWN_PHRASINGS = 3_000
# Questions by which the weight of a cross-encoder is chosen.
WEIGHED_BY = 160

# By question and language.
Kinds = Mapping[tuple[str, str], float]


class QuestionFileError(Exception):
    """A question file is wrong; the message names the file, the line and the mend."""


@dataclass(frozen=True)
class LabelledQuestion:
    """A question with the ids of the articles that answer it; none for one that no article answers."""

    query: str
    language: str
    relevant: tuple[str, ...]
    kind: str = ""


def read_questions(path: Path) -> list[LabelledQuestion]:
    """Read a JSONL file of questions, or all `*.jsonl` of a folder.

    Raises:
        QuestionFileError: when a line is no question.
    """
    return list(_read(path))


def _read(path: Path) -> Iterator[LabelledQuestion]:
    for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
        try:
            lines = file.read_text("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise QuestionFileError(f"{file}: cannot be read ({error}); give a UTF-8 JSONL file") from None
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                data: dict[str, Any] = json.loads(line)
                language = str(data["language"])
                if language not in LANGUAGES:
                    raise ValueError(f"language {language!r}")
                if isinstance(data["relevant"], str):
                    raise TypeError("`relevant` is no list")
                relevant = tuple(str(item) for item in data["relevant"])
                yield LabelledQuestion(str(data["query"]), language, relevant, str(data.get("kind") or ""))
            except (ValueError, KeyError, TypeError) as error:
                raise QuestionFileError(
                    f'{file}, line {number}: no question ({error}); write {{"query": …, "language": "zh" or "en", '
                    '"relevant": [article ids]}'
                ) from None


def read_background(folder: Path) -> dict[str, list[str]]:
    """Read `background.<language>.txt`: questions, one a line, of the kind that no city article answers."""
    texts = {}
    for language in LANGUAGES:
        file = folder / f"background.{language}.txt"
        lines = file.read_text("utf-8-sig").splitlines() if file.is_file() else []
        texts[language] = [line.strip() for line in lines if line.strip()]
    return texts


def source_of(folder: Path, reranker: Reranker | None = None) -> str:
    """Return a fingerprint of the calibration questions and the cross-encoder, to know when they changed."""
    salt = (reranker.fingerprint,) if reranker is not None else ()
    return fingerprint_files([folder] if folder.is_dir() else [], *FEATURES, "order across, judged", *salt)


# What no city hall answers: stands for unanswerable questions where a city has written none.
_NO_CITYS_BUSINESS = {
    "zh": (
        "帮我写一首关于春天的诗",
        "昨晚的球赛谁赢了",
        "这只股票明天会涨吗",
        "讲个笑话听听",
        "红烧肉怎么做才好吃",
        "帮我算一下三百乘以二十七",
        "月球离地球有多远",
        "推荐一部好看的科幻电影",
        "我和女朋友吵架了怎么哄",
        "用英语怎么说我爱你",
    ),
    "en": (
        "write me a poem about spring",
        "who won the match last night",
        "will this share go up tomorrow",
        "tell me a joke",
        "how do I cook a good curry",
        "what is three hundred times twenty-seven",
        "how far away is the moon",
        "recommend a good science fiction film",
        "my girlfriend is angry with me, what now",
        "how do you say I love you in French",
    ),
}


def calibrate(
    index: Index, folder: Path, *, reranker: Reranker | None = None, progress: Progress | None = None
) -> Calibration:
    """Fit a calibration on the questions of a folder, and store both it and the background with the index.

    Questions whose articles this index does not hold are left out. When too few remain, the articles' own phrasings
    are taken as well: each is hidden from the index and must find its article, or, that one hidden too, nothing.

    Args:
        index: the index.
        folder: holds `*.jsonl` (see `read_questions`) and `background.<language>.txt`; need not exist.
        reranker: the cross-encoder in use, whose weight in the ranking is chosen as well.
        progress: told what is done, how many questions of how many.

    Raises:
        QuestionFileError: when a question file is wrong.
        ValueError: when there is nothing to learn from.
    """
    questions = read_questions(folder) if folder.is_dir() else []
    background = read_background(folder)
    known = set(index.snapshot.ids)
    usable = [item for item in questions if not item.relevant or known.intersection(item.relevant)]
    usable += [
        LabelledQuestion(text, language, (), "background")
        for language, texts in background.items()
        for text in texts
    ]
    if all(item.relevant for item in usable):
        usable += [
            LabelledQuestion(text, language, (), "background")
            for language, texts in _NO_CITYS_BUSINESS.items()
            for text in texts
        ]
    encoder = RememberingEncoder(index.encoder, [item.query for item in usable])
    kinds = _learn_kinds(index, usable, background, encoder)
    examples = examples_of(index, usable, encoder=encoder, kinds=kinds, progress=progress)
    if sum(bool(item.relevant) for item in usable) < ENOUGH_QUESTIONS:
        examples += own_examples(index, progress)
    source = source_of(folder, reranker)
    calibration = fit(examples, FEATURES, source=source)
    across = crossing_examples(index, usable, encoder, kinds)
    if all(_are_enough(found) for found in across.values()):
        by_language = {
            language: fit(found, FEATURES, source=source, by_order=True) for language, found in across.items()
        }
        calibration = replace(calibration, across=by_language)
    elif any(across.values()):
        calibration = fit([*examples, *across["zh"], *across["en"]], FEATURES, source=source)
    if reranker is not None:
        calibration = with_reranker(index, reranker, calibration, usable, encoder, progress)
    index.set_calibration(calibration.to_dict())
    return calibration


def with_reranker(
    index: Index,
    reranker: Reranker,
    calibration: Calibration,
    questions: Sequence[LabelledQuestion],
    encoder: SentenceEncoder,
    progress: Progress | None = None,
) -> Calibration:
    """Return the calibration with the weight of a cross-encoder's score, chosen on questions that it has not learnt.

    They are searched in the index and in copies that hold the other language only.
    """
    fresh = [item for item in questions if item.relevant and mark_of(item.query) not in reranker.model.learnt]
    if len(fresh) > WEIGHED_BY:
        fresh = [fresh[at] for at in np.linspace(0, len(fresh) - 1, WEIGHED_BY).astype(int)]
    folds = lexicon_folds(index)
    others = {held: one_language(index, held, folds) for held in LANGUAGES}
    judged = []
    for number, item in enumerate(fresh):
        if progress:
            progress("cross-encoder", number, len(fresh))
        other = others[LANGUAGES[1 - LANGUAGES.index(item.language)]]
        for snapshot in (index.snapshot, other):
            query = make_query(item.query, item.language, snapshot, encoder, index.stop_words)
            found = search(query, snapshot, Filter(), calibration, use_exact=False)
            judged.append(reranker.judge(query, found, item.relevant))
    if progress:
        progress("cross-encoder", len(fresh), len(fresh))
    weight = best_weight([item for item in judged if len(item.right)])
    return replace(calibration, rerank=weight, reranker=reranker.fingerprint)


def _learn_kinds(
    index: Index,
    questions: Sequence[LabelledQuestion],
    background: Mapping[str, Sequence[str]],
    encoder: SentenceEncoder,
) -> Kinds:
    """Learn what kind of questions the articles answer, store it with the background, and return each one's log-odds."""
    snapshot = index.snapshot
    vectors = encoder.encode([clean(item.query) for item in questions])
    weights, log_odds = learn_kind(
        vectors,
        [item.language for item in questions],
        [bool(item.relevant) for item in questions],
        {language: snapshot.asked_vectors(language, OWN_PHRASINGS) for language in LANGUAGES},
    )
    index.set_background(background, weights, encoder)
    return {
        (item.query, item.language): value for item, value in zip(questions, log_odds.tolist(), strict=True)
    }


def examples_of(
    index: Index,
    questions: Sequence[LabelledQuestion],
    *,
    snapshot: Snapshot | None = None,
    encoder: SentenceEncoder | None = None,
    kinds: Kinds | None = None,
    hide: bool = False,
    progress: Progress | None = None,
) -> list[Example]:
    """Return the features of each question's candidates. A question whose answer is not among them is left out.

    Args:
        index: gives the encoder and, when no other is given, the snapshot.
        questions: the questions.
        snapshot: the state to search.
        encoder: reads the questions instead of the index's.
        kinds: each question's log-odds of being of the kind that articles answer, learnt without it.
        hide: hide the topic of the relevant articles, so that the questions have no answer.
        progress: told how far it is.
    """
    snapshot = snapshot or index.snapshot
    examples = []
    for number, item in enumerate(questions):
        if progress and number % 25 == 0:
            progress("calibration", number, len(questions))
        masks = snapshot.masks(Filter())
        relevant_ids = set(item.relevant)
        if hide:
            masks = [mask.copy() for mask in masks]
            for ref in (snapshot.find(name) for name in item.relevant):
                if ref is not None:
                    for other in [ref, *snapshot.family(snapshot.facts(ref).topic)]:
                        masks[other[0]][other[1]] = False
            relevant_ids = set()
        query = make_query(item.query, item.language, snapshot, encoder or index.encoder, index.stop_words)
        if kinds is not None:
            query = replace(query, kind=kinds[item.query, item.language])
        found = [c for c in search(query, snapshot, Filter(), NEUTRAL, masks=masks) if not c.exact]
        relevant = np.asarray([candidate.facts.id in relevant_ids for candidate in found], bool)
        if not found or (relevant_ids and not relevant.any()):
            continue
        features = np.asarray([[candidate.features[name] for name in FEATURES] for candidate in found])
        examples.append(Example(features, relevant, item.language))
    if progress:
        progress("calibration", len(questions), len(questions))
    return examples


def _are_enough(examples: Sequence[Example]) -> bool:
    answered = sum(bool(example.relevant.any()) for example in examples)
    return ENOUGH_ACROSS <= answered < len(examples)


def crossing_examples(
    index: Index, questions: Sequence[LabelledQuestion], encoder: SentenceEncoder, kinds: Kinds
) -> dict[str, list[Example]]:
    """Return by language examples of questions whose articles exist only in the other one."""
    examples = {}
    folds = lexicon_folds(index)
    for asked, held in (("zh", "en"), ("en", "zh")):
        chosen = [
            item for item in questions if item.language == asked and not item.kind.startswith("background")
        ]
        copy = one_language(index, held, folds)
        examples[asked] = examples_of(index, chosen, snapshot=copy, encoder=encoder, kinds=kinds)
    return examples


@dataclass(frozen=True)
class Fold:
    """Some articles, and a lexicon that was not learnt from them."""

    articles: frozenset[str]
    lexicon: Lexicon


def lexicon_folds(index: Index) -> list[Fold]:
    """Return all articles in folds.

    An article that really exists in one language teaches the lexicon nothing; one that is to stand for it must not
    either.
    """
    articles = [index.store.get(name) for name in sorted(index.snapshot.ids)]
    folds = []
    for number in range(FOLDS):
        rest = [article for place, article in enumerate(articles) if place % FOLDS != number]
        ids = frozenset(article.id for article in articles[number::FOLDS])
        folds.append(Fold(ids, shipped().with_layer(learn(rest))))
    return folds


def one_language(index: Index, language: str, folds: Sequence[Fold]) -> Snapshot:
    """Return a copy of the index that holds its articles in one language only."""
    _, pieces = index.store.pieces()
    return copy_of(index, [piece for piece in pieces if piece.language == language], folds)


def copy_of(index: Index, pieces: Sequence[StoredPiece], folds: Sequence[Fold] = ()) -> Snapshot:
    """Return a copy of the index, in memory, that holds only these pieces."""
    versions: dict[tuple[str, int], set[str]] = {}
    for piece in pieces:
        versions.setdefault((piece.article_id, piece.version), set()).add(piece.language)
    articles = []
    for (article_id, version), languages in versions.items():
        article = index.store.version(article_id, version)
        answer = {language: text for language, text in article.answer.items() if language in languages}
        articles.append(replace(article, answer=answer))
    readers = {}
    for language in LANGUAGES:
        keys = np.asarray([piece.key for piece in pieces if piece.language == language], np.int64)
        readers[language] = MemoryReader(keys, index.snapshot.readers[language].fetch(keys))
    segments = [
        build_segment(
            f"copy-{number}",
            [article for article in articles if article.id in fold.articles],
            pieces,
            index.stop_words,
            fold.lexicon,
        )
        for number, fold in enumerate(folds or [Fold(frozenset(index.snapshot.ids), index.lexicon)])
    ]
    manifest = {"segments": [{"file": segment.name, "gone": []} for segment in segments]}
    return Snapshot(manifest, segments, readers, index.snapshot.known_background)


def own_examples(index: Index, progress: Progress | None = None) -> list[Example]:
    """Return examples from the articles' own phrasings: one of each article is hidden from a copy of the index."""
    generator = np.random.default_rng(0)
    ids = index.snapshot.ids
    if len(ids) > OWN_ARTICLES:
        ids = sorted(generator.choice(ids, OWN_ARTICLES, replace=False).tolist())
    _, pieces = index.store.pieces(ids)
    groups: dict[tuple[str, str], list[int]] = {}
    for row, piece in enumerate(pieces):
        if piece.kind == "question":
            groups.setdefault((piece.article_id, piece.language), []).append(row)
    held = [int(generator.choice(rows)) for rows in groups.values() if len(rows) > 1]
    held = (
        sorted(generator.choice(held, min(len(held), OWN_QUESTIONS), replace=False).tolist()) if held else []
    )
    kept = [piece for row, piece in enumerate(pieces) if row not in set(held)]
    snapshot = copy_of(index, kept)
    questions = [
        LabelledQuestion(pieces[row].text, pieces[row].language, (pieces[row].article_id,)) for row in held
    ]
    examples = examples_of(index, questions, snapshot=snapshot, progress=progress)
    return examples + examples_of(index, questions, snapshot=snapshot, hide=True, progress=progress)


NEUTRAL = Calibration(
    FEATURES, [0.0] * len(FEATURES), [1.0] * len(FEATURES), [1.0] * len(FEATURES), 0.0, 0.5, 0.2, 0.5
)
