"""The article file format."""

from __future__ import annotations

import string
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.article import Article, ArticleError
from knowledge.markdown import format_article, parse_article
from knowledge.passages import pieces_of, split_passages

HEAD = "---\nid: a-b\ntitle: {zh: 标题, en: Title}\n"

visible = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"])
tricky = st.sampled_from("图书馆开放时间，。：“”-*#>|[]{}!&'\"\\%@` \t")
line = st.text(st.one_of(tricky, visible), min_size=1, max_size=40).map(str.strip).filter(bool)
block = st.lists(line, min_size=1, max_size=4).map("\n".join)
articles = st.builds(
    Article,
    id=st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True),
    title=st.fixed_dictionaries({"zh": line}, optional={"en": line}),
    questions=st.dictionaries(
        st.sampled_from(["zh", "en"]), st.lists(line, min_size=1, max_size=3, unique=True)
    ),
    answer=st.fixed_dictionaries({"en": block}, optional={"zh": block}),
    category=st.text(string.ascii_lowercase, max_size=8),
    tags=st.lists(st.from_regex(r"[a-z:-]{1,12}", fullmatch=True), max_size=3, unique=True).map(tuple),
    contact=st.dictionaries(st.sampled_from(["zh", "en"]), line, max_size=1),
    valid_from=st.one_of(st.none(), st.dates(date(2000, 1, 1), date(2030, 1, 1))),
    valid_until=st.one_of(st.none(), st.dates(date(2030, 1, 2), date(2050, 1, 1))),
    status=st.sampled_from(["draft", "review", "published", "archived"]),
    version=st.integers(1, 99),
)


@given(articles)
@settings(max_examples=150, deadline=None)
def test_written_article_is_read_back_equal(item: Article) -> None:
    assert parse_article(format_article(item)) == item


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_is_an_article_or_a_named_error(text: str) -> None:
    for candidate in (text, f"---\n{text}\n---\n{text}", f"{HEAD}{text}\n---\n{text}"):
        try:
            parse_article(candidate, where="f.md")
        except ArticleError as error:
            assert str(error).startswith("f.md")


def test_answers_in_the_body_under_language_headings() -> None:
    item = parse_article(f"{HEAD}---\n## 中文\n\n你好\n\n### 小标题\n内容\n\n## English\n\nHello\n")
    assert item.answer == {"zh": "你好\n\n### 小标题\n内容", "en": "Hello"}


def test_plain_body_is_in_the_language_of_its_script() -> None:
    assert parse_article(f"{HEAD}---\n只有中文。\n").answer == {"zh": "只有中文。"}
    assert parse_article(f"{HEAD}---\nEnglish only.\n").answer == {"en": "English only."}


def test_windows_line_ends_and_byte_order_mark() -> None:
    text = f"\ufeff{HEAD}answer: {{zh: 好}}\n---\n".replace("\n", "\r\n")
    assert parse_article(text).answer == {"zh": "好"}


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("answer: {zh: 好}\ncolour: red\n", "unknown field `colour`"),
        ("answer: {fr: bon}\n", r"answer\.fr"),
        ("", "no `answer`"),
        ("answer: {zh: 好}\nquestions: {zh: 单个}\n", "list of phrasings"),
        ("answer: {zh: 好}\nstatus: public\n", "must be one of draft"),
        ("answer: {zh: 好}\nvalid_until: soon\n", "no date"),
        ("answer: {zh: 好}\nvalid_from: 2027-01-01\nvalid_until: 2026-01-01\n", "lies before"),
        ("answer: {zh: 好}\nsource_url: javascript:alert(1)\n", "no web address"),
        ("answer: {zh: 好}\ntags: library\n", "must be a list"),
        ("answer: {zh: 好}\nversion: none\n", "whole number"),
        ("answer: 好\n", "by language"),
        ("answer: {zh: {a: b}}\n", "must be text"),
    ],
)
def test_wrong_field_is_named(head: str, message: str) -> None:
    with pytest.raises(ArticleError, match=message):
        parse_article(f"{HEAD}{head}---\n", where="x.md")


@pytest.mark.parametrize("name", ["../x", "A", "", "a b", "-a", "a" * 130])
def test_id_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(ArticleError, match="`id`"):
        parse_article(f"---\nid: '{name}'\ntitle: {{zh: 标题}}\nanswer: {{zh: 好}}\n---\n")


@given(st.text(max_size=600), st.integers(10, 200))
@settings(max_examples=150, deadline=None)
def test_passages_lose_no_word_and_keep_the_limit(text: str, limit: int) -> None:
    passages = split_passages(text, limit)
    assert all(passage.strip() for passage in passages)
    if "#" not in text:
        assert all(len(passage) <= limit + 1 for passage in passages)


def test_heading_stands_before_every_passage_below_it() -> None:
    text = "开头。\n\n## 材料\n" + "身份证原件和复印件。" * 20
    passages = split_passages(text, 60)
    assert passages[0] == "开头。"
    assert len(passages) > 2
    assert all(passage.startswith("材料: ") for passage in passages[1:])


def test_pieces_of_an_article_in_one_language() -> None:
    item = parse_article(
        "---\nid: a\ntitle: {en: Title}\nquestions: {en: [one, two]}\nanswer: {en: '**Text**'}\n---\n"
    )
    assert [(piece.language, piece.kind, piece.text) for piece in pieces_of(item)] == [
        ("en", "title", "Title"),
        ("en", "question", "one"),
        ("en", "question", "two"),
        ("en", "passage", "Text"),
    ]
