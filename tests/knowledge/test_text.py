"""Normal forms, search words, facets, slips of the keyboard and conversation forms."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.conversation import State, common_subject, complete, facet_phrase, own_words, read
from knowledge.facets import asked_facets
from knowledge.spelling import Speller, mend, surface_words
from knowledge.text import clean, fold, plain, search_words, unrepeated

SPELLER = Speller(
    surface_words(
        [
            "图书馆几点开门",
            "身份证丢了怎么办",
            "澜川通充值",
            "社保卡挂失",
            "Renewing a driving licence",
            "library opening hours",
        ]
    )
)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert fold(fold(text)) == fold(text)
    assert all(term.strip() for term in search_words(text))


def test_clean_simplifies_and_drops_what_cannot_be_seen() -> None:
    assert clean("圖書館　週日\u200b幾點\u202e開門？") == "图书馆 周日几点开门?"
    assert clean("ＷｉＦｉ\x00") == "WiFi"


def test_fold_is_the_same_for_the_same_question() -> None:
    assert fold("图书馆几点开门？") == fold("图书馆 几点开门")
    assert fold("When does it open?") == fold("when does it OPEN")
    assert fold("!!!") == ""


def test_search_words_of_mixed_text() -> None:
    words = search_words("How do I renew a residence permit? 图书馆周日")
    assert {"renew", "resid", "permit", "图书馆", "周日", "_书馆"} <= set(words)
    assert not {"how", "do", "的"} & set(words)
    assert "图书馆" not in search_words("图书馆", frozenset({"图书馆"}))


def test_plain_drops_markdown() -> None:
    assert plain("**A** [b](https://x.example) `c`\n- d") == "A b c\nd"


@pytest.mark.parametrize(
    ("question", "facet"),
    [
        ("要多少钱", "fee"),
        ("How much does it cost?", "fee"),
        ("那周末呢", "hours"),
        ("is it open on Sundays", "hours"),
        ("残疾人有优惠吗", "discount"),
        ("what should I bring", "documents"),
        ("证丢了", "lost"),
        ("能在网上办吗", "online"),
        ("how long does it take", "time-limit"),
        ("在哪里", "location"),
    ],
)
def test_facets_that_a_question_asks_for(question: str, facet: str) -> None:
    assert facet in asked_facets(question)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("身份政丢了", "身份证丢了"),
        ("图书官几点开门", "图书馆几点开门"),
        ("澜穿通怎么充值", "澜川通怎么充值"),
        ("libary openning hours", "library opening hours"),
        ("renewing drivng licence", "renewing driving licence"),
    ],
)
def test_slips_are_mended(written: str, meant: str) -> None:
    assert mend(written, [SPELLER]) == meant


@pytest.mark.parametrize("text", ["图书馆几点开门", "library", "我是学生", "一加一", "", "😀", "the hours"])
def test_what_is_right_stays(text: str) -> None:
    assert mend(text, [SPELLER]) == text


def test_words_of_the_language_stay() -> None:
    assert mend("liberty", [SPELLER], lambda word: word == "liberty") == "liberty"


@pytest.mark.parametrize(
    "text", ["那残疾人呢", "and on Sunday?", "what about children", "how much is it?", "多少钱", "那周末呢?"]
)
def test_messages_that_lean_on_the_conversation(text: str) -> None:
    assert read(text, follow_up=False).leaning > 0


@pytest.mark.parametrize(
    "text", ["图书馆周日几点开门", "How do I renew a residence permit?", "身份证丢了怎么补办"]
)
def test_messages_that_stand_alone(text: str) -> None:
    assert read(text, follow_up=False).leaning == 0


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("and in English?", "en"),
        ("英文版呢", "en"),
        ("用英语说", "en"),
        ("用中文说", "zh"),
        ("in Chinese please", "zh"),
    ],
)
def test_wish_for_another_language(text: str, language: str) -> None:
    assert read(text, follow_up=True).wanted_language == language


@pytest.mark.parametrize("text", ["English courses for adults", "中文学校在哪", "我想学英语"])
def test_question_about_a_language_is_no_wish(text: str) -> None:
    assert read(text, follow_up=False).wanted_language is None


def test_completion_and_subject() -> None:
    assert complete("那残疾人有优惠吗?", "图书馆") == "图书馆 残疾人有优惠吗?"
    assert common_subject(("市图书馆开放时间", "图书馆借阅", "办理图书馆读者证"), "zh") == "图书馆"
    assert "residence permit" in common_subject(
        ("Renewing a residence permit", "Lost residence permit", "Residence permit: fee"), "en"
    )
    assert common_subject(("Dog licence",), "en") == "Dog licence"
    assert facet_phrase("公交车票多少钱") == "票多少钱" or "多少钱" in facet_phrase("公交车票多少钱")
    assert own_words("How much does it cost?") == ()


@given(st.text(max_size=80), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_text_can_be_read(text: str, follow_up: bool) -> None:
    assert read(text, follow_up).leaning in (0, 1, 2)
    complete(text, "x")


def test_state_round_trip_and_expiry() -> None:
    state = State("a", "a", "t", "q", "zh", 1000.0)
    assert State.from_dict(state.to_dict(), 1000.0 + 60) == state
    assert State.from_dict(state.to_dict(), 1000.0 + 3600) is None
    assert State.from_dict({"article": 1}, 0) is None
    assert State.from_dict(None, 0) is None


@pytest.mark.parametrize(
    ("said", "meant", "times"),
    [
        ("护照护照护照怎么办", "护照怎么办", 3),
        ("护照，护照 护照！护照", "护照！", 4),
        ("passport " * 20, "passport", 20),
        ("请问怎么办？请问怎么办？请问怎么办？", "请问怎么办？", 3),
        ("图书馆图书馆", "图书馆图书馆", 1),
        ("好好好好好", "好好好好好", 1),
        ("20002000200020002000", "20002000200020002000", 1),
    ],
)
def test_what_is_said_over_and_over_counts_once(said: str, meant: str, times: int) -> None:
    text, most = unrepeated(said)
    assert text.rstrip("！") == meant.rstrip("！")
    assert most == times


@given(st.text(max_size=200))
def test_any_text_without_its_repetitions_is_no_longer(text: str) -> None:
    short, most = unrepeated(text)
    assert len(short) <= len(text)
    assert most >= 1
