"""Merging, differences and figures, as pure functions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from console.knowledge.checks import numbers
from console.knowledge.editing import FIELDS, article_of, changes, empty_fields, fields_of, merge
from console.knowledge.uploads import attachments_in
from tests.knowledge.conftest import small_base

line = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), max_size=6)
fields = st.fixed_dictionaries(dict.fromkeys(FIELDS, line))


@given(fields, fields, fields)
def test_no_edit_is_lost(base: dict[str, str], mine: dict[str, str], theirs: dict[str, str]) -> None:
    merged, conflicts = merge(base, mine, theirs)
    for name in FIELDS:
        if mine[name] == base[name]:
            assert merged[name] == theirs[name]
        elif theirs[name] in (base[name], mine[name]):
            assert merged[name] == mine[name]
        elif not (name == "tags" or name.startswith("questions_")):
            assert merged[name] == mine[name]
            assert conflicts[name] == theirs[name]


def test_phrasings_of_two_people_are_joined_line_by_line() -> None:
    base = {**empty_fields(), "questions_zh": "一\n二\n三"}
    mine = {**base, "questions_zh": "一\n二\n三\n我的"}
    theirs = {**base, "questions_zh": "一\n三\n他的"}
    merged, conflicts = merge(base, mine, theirs)
    assert merged["questions_zh"].splitlines() == ["一", "三", "我的", "他的"]
    assert conflicts == {}


def test_fields_and_article_are_the_same_content() -> None:
    for article in small_base():
        assert article_of(article.id, fields_of(article)).content() == article.content()


def test_changes_are_only_what_differs() -> None:
    before = fields_of(small_base()[0])
    assert changes(before, {**before, "category": "x"}) == ({"category": "library"}, {"category": "x"})


def test_figures_are_read_alike_in_both_languages() -> None:
    assert (
        numbers("补贴30万元，10,000人，3天")
        == numbers("300,000 yuan for 10000 people, 3 days")
        == {"300000", "10000"}
    )


def test_attachments_are_found_in_the_text() -> None:
    name = "0" * 32 + ".pdf"
    assert attachments_in(f"see [a](/files/{name}) and [b](/files/../x.pdf)") == [name]
