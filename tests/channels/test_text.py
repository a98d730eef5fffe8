"""Cleaning: nothing invisible, nothing reordering, everything meant."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.text import clean_text

ANY_TEXT = st.text(st.characters(exclude_categories=()))
NASTY = st.text(
    st.sampled_from(
        "a图\u200d\u200c\u202e\u2066\ufeff\x00\r\n\t\ud83d\udc00👨👩🏴\U000e0067\U000e007fé\u0301ش \u2028"
    )
)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  图书馆周日几点开门？\n", "图书馆周日几点开门？"),
        ("a\x00b\x1bc\x7fd\x9be", "abcde"),
        ("line one\r\nline two\rline three\u2028four", "line one\nline two\nline three\nfour"),
        ("tab\tstays", "tab\tstays"),
        ("pay \u202eevil\u202c now \u2066x\u2069\u200f", "pay evil now x"),
        ("zero\u200bwidth\ufeff\u2060", "zerowidth"),
        ("cafe\u0301", "café"),
        ("👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥", "👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥"),
        ("lib\u200drary", "library"),
        ("图\u200d书", "图书"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", None),
        ("hi\U000e0068\U000e0069", "hi"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("\u200b\u202e \n\t\x00", ""),
        ("😀", "😀"),
    ],
)
def test_clean_text(raw: str, clean: str | None) -> None:
    assert clean_text(raw) == (raw if clean is None else clean)


@given(ANY_TEXT | NASTY)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once


@given(ANY_TEXT | NASTY)
def test_result_is_normal_visible_and_encodable(text: str) -> None:
    cleaned = clean_text(text)
    cleaned.encode("utf-8")
    assert unicodedata.is_normalized("NFC", cleaned)
    assert cleaned == cleaned.strip()
    for character in cleaned:
        assert character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cs")
        assert unicodedata.bidirectional(character) not in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI")


@given(st.text("图书馆周日开门abc ，。？0123456789"))
def test_ordinary_text_only_loses_outer_space(text: str) -> None:
    assert clean_text(text) == text.strip()
