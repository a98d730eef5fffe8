"""BM25 against its formula, and against the library bm25s."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge import lexical
from knowledge.lexical import K1, B, LexicalSearch, build_postings, weighted_terms

corpora = st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=12), min_size=1, max_size=20)


def search_of(corpus: list[list[str]], split: int | None = None) -> LexicalSearch:
    parts = [corpus] if split is None else [corpus[:split], corpus[split:]]
    postings = [build_postings((row, Counter(words)) for row, words in enumerate(part)) for part in parts]  # type: ignore[misc]
    return LexicalSearch(postings, [np.ones(len(part), bool) for part in parts])


def formula(corpus: list[list[str]], query: set[str]) -> list[float]:
    mean = sum(map(len, corpus)) / len(corpus)
    scores = []
    for words in corpus:
        score = 0.0
        for term in query:
            df = sum(term in other for other in corpus)
            idf = math.log(1 + (len(corpus) - df + 0.5) / (df + 0.5))
            tf = words.count(term)
            score += idf * tf * (K1 + 1) / (tf + K1 * (1 - B + B * len(words) / mean))
        scores.append(score)
    return scores


@given(corpora, st.sets(st.sampled_from("abcdefghz"), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_scores_are_those_of_the_formula(corpus: list[list[str]], query: set[str]) -> None:
    search = search_of(corpus)
    got = {row: score for _, row, score in search.search({term: search.idf(term) for term in query}, 100)}
    for row, expected in enumerate(formula(corpus, query)):
        assert got.get(row, 0.0) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_scores_are_those_of_bm25s() -> None:
    bm25s = pytest.importorskip("bm25s")
    generator = np.random.default_rng(0)
    corpus = [[f"w{word}" for word in generator.zipf(1.5, 30) % 50] for _ in range(80)]
    reference = bm25s.BM25(method="lucene", k1=K1, b=B)
    reference.index(corpus, show_progress=False)
    search = search_of(corpus)
    query = ["w1", "w7", "w13"]
    expected = reference.get_scores(query)
    for _, row, score in search.search({term: search.idf(term) for term in query}, 10):
        assert score == pytest.approx(float(expected[row]) * (K1 + 1), rel=1e-3)


@given(corpora, st.sets(st.sampled_from("abcdefghz"), min_size=1, max_size=4), st.integers(1, 5))
@settings(max_examples=80, deadline=None)
def test_commonest_terms_only_rerank_beyond_the_budget(
    corpus: list[list[str]], query: set[str], budget: int
) -> None:
    search = search_of(corpus)
    terms = {term: search.idf(term) for term in query}
    full = {row: score for _, row, score in search.search(terms, 100)}
    before = lexical.POSTINGS_BUDGET
    lexical.POSTINGS_BUDGET = budget
    try:
        cut = {row: score for _, row, score in search.search(terms, 100)}
    finally:
        lexical.POSTINGS_BUDGET = before
    assert set(cut) <= set(full)
    assert all(score == pytest.approx(full[row], rel=1e-4) for row, score in cut.items())
    assert bool(cut) == bool(full)


@given(
    corpora,
    st.sets(st.sampled_from("abcdefghz"), min_size=1, max_size=5),
    st.integers(1, 4),
    st.integers(0, 9),
)
@settings(max_examples=150, deadline=None)
def test_pruning_loses_none_of_the_best(
    corpus: list[list[str]], query: set[str], best: int, hidden: int
) -> None:
    search = search_of(corpus)
    may = np.arange(len(corpus)) != hidden
    terms = {term: search.idf(term) for term in query}
    full = search._best_documents(search.segments[0], terms, best, may)[1]
    before = lexical._WORTH_PRUNING
    lexical._WORTH_PRUNING = 0
    try:
        documents, scores = search._best_documents(search.segments[0], terms, best, may)
    finally:
        lexical._WORTH_PRUNING = before
    assert scores.tolist() == pytest.approx(full.tolist(), rel=1e-5)
    expected = formula(corpus, query)
    assert [expected[row] for row in documents.tolist()] == pytest.approx(scores.tolist(), rel=1e-4)
    assert hidden not in documents.tolist()


def test_coverage_over_segments_and_hidden_articles() -> None:
    search = search_of([["a", "b"], ["b"], ["c"], ["a", "c"]], split=2)
    terms = {"a": 2.0, "b": 1.0, "z": 1.0}
    assert search.coverage(terms, [(0, 0), (0, 1), (1, 0), (1, 1)]).tolist() == [0.75, 0.25, 0.0, 0.5]
    hidden = [np.asarray([False, True]), np.asarray([True, True])]
    assert {(segment, row) for segment, row, _ in search.search(terms, 10, hidden)} == {(0, 1), (1, 1)}


def test_field_weights_add_up() -> None:
    assert weighted_terms([(3.0, ["a", "b"]), (1.0, ["a"])]) == {"a": 4.0, "b": 3.0}


def test_nothing_to_search() -> None:
    search = LexicalSearch([build_postings([])], [np.zeros(0, bool)])
    assert search.search({"a": 1.0}, 5) == []
    assert search.coverage({}, [(0, 0)]).tolist() == [0.0]
