"""Answers, choices and honest silence, through the service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge.service import KnowledgeService, Outcome, Question
from tests.knowledge.conftest import TODAY, article

Ask = Callable[..., Outcome]


def test_approved_answer_is_returned_verbatim_with_its_source(ask: Ask) -> None:
    outcome = ask("图书馆周日几点开门？")
    (reply,) = outcome.replies
    assert outcome.decision == "answer"
    assert reply.source == "knowledge"
    assert reply.text == "周二至周日9:00至21:00开放。"
    assert [(c.article_id, c.title, c.url) for c in reply.citations] == [
        ("library-hours", "图书馆开放时间", "https://www.lanchuan.example/library/hours")
    ]


def test_related_titles_are_buttons_that_find_their_article_for_certain(ask: Ask) -> None:
    (button,) = ask("When does the library open?", "en").replies[0].buttons
    assert button.title == button.payload == "Library discounts for disabled people"
    again = ask(button.payload, "en")
    assert again.decision == "answer"
    assert again.replies[0].citations[0].article_id == "library-discount"


def test_every_title_finds_its_article_for_certain(service: KnowledgeService, ask: Ask) -> None:
    for name in service.index.snapshot.ids:
        item = service.get(name)
        if not item.is_valid_on(TODAY):
            continue
        for language, title in item.title.items():
            for intent in ("ask_knowledge", "nlu_fallback", "out_of_scope"):
                outcome = ask(title, language, intent=intent)
                assert outcome.replies[0].citations[0].article_id == name, (title, intent)


def test_expired_article_is_never_given(ask: Ask) -> None:
    assert ask("买空调有补贴吗").decision != "answer"
    assert ask("旧空调补贴").decision != "answer"
    valid = ask("买空调有补贴吗", today=date(2026, 6, 30))
    assert valid.replies[0].text == "每台补贴300元。"


def test_article_is_not_given_before_it_is_valid(service: KnowledgeService, ask: Ask) -> None:
    new = article(
        "new-rule",
        title={"zh": "新规定的停车位"},
        questions={},
        answer={"zh": "明年起收费。"},
        valid_from="2027-01-01",
    )
    service.publish(new, author="a", base_version=None)
    assert ask("新规定的停车位").decision != "answer"
    assert ask("新规定的停车位", today=date(2027, 1, 1)).decision == "answer"


def test_article_in_the_other_language_is_given_in_the_original_and_says_so(ask: Ask) -> None:
    (reply,) = ask("广场舞噪音投诉", "en").replies
    assert reply.text.startswith("This information exists only in Chinese so far")
    assert reply.text.endswith("请拨打12345转14投诉。")
    assert reply.citations[0].title == "广场舞噪音投诉"


def test_unknown_question_gets_an_honest_answer_and_where_to_turn(ask: Ask) -> None:
    for text, language in (("量子力学是谁提出的", "zh"), ("who invented the violin", "en")):
        outcome = ask(text, language)
        (reply,) = outcome.replies
        assert outcome.decision == "abstain"
        assert reply.source == "fallback"
        assert "12345" in reply.text
        assert not reply.citations


def test_out_of_scope_needs_a_much_stronger_match(service: KnowledgeService, ask: Ask) -> None:
    calibration = service.calibration_of(service.index.snapshot)
    usual = next(s for s in ask("旧沙发谁收走").steps if s["step"] == "knowledge.route")
    strict = next(
        s for s in ask("旧沙发谁收走", intent="out_of_scope").steps if s["step"] == "knowledge.route"
    )
    assert usual["threshold"] == pytest.approx(calibration.answer, abs=1e-3)
    assert strict["threshold"] > 0.7
    assert ask("沙发上的电影", intent="out_of_scope").decision == "abstain"


def test_every_step_is_traced_with_its_duration(ask: Ask) -> None:
    steps = ask("旧沙发怎么扔").steps
    names = [step["step"] for step in steps]
    assert names == [
        f"knowledge.{name}" for name in ("guard", "complete", "route", "search", "decide", "compose", "check")
    ]
    assert all(step["ms"] >= 0 for step in steps)


@pytest.mark.parametrize(
    "text", ["", "   ", "😀😀😀", "?!…", "\u202e\u200b", "12345", "a" * 5000, "图" * 3000]
)
def test_what_is_no_question_gets_a_clarifying_reply(ask: Ask, text: str) -> None:
    outcome = ask(text)
    assert outcome.decision in {"clarify", "abstain"}
    assert outcome.replies[0].text


def test_follow_up_is_completed_from_the_conversation(ask: Ask) -> None:
    first = ask("图书馆周日几点开门?")
    second = ask("那残疾人有优惠吗?", follow_up=True, state=first.state)
    assert second.replies[0].citations[0].article_id == "library-discount"
    first = ask("How do I renew a residence permit?", "en")
    second = ask("How much does it cost?", "en", follow_up=True, state=first.state)
    assert second.replies[0].citations[0].article_id == "permit-fee"


def test_fee_in_the_same_article_answers_how_much_is_it(ask: Ask) -> None:
    first = ask("register my dog", "en")
    second = ask("how much is it?", "en", follow_up=True, state=first.state)
    assert second.replies[0].citations[0].article_id == "dog-licence"


def test_change_of_topic_is_noticed_even_when_marked_as_follow_up(ask: Ask) -> None:
    first = ask("How do I renew a residence permit?", "en")
    second = ask("get rid of an old sofa", "en", follow_up=True, state=first.state)
    assert second.replies[0].citations[0].article_id == "bulky-waste"


def test_same_answer_in_the_other_language(ask: Ask) -> None:
    first = ask("图书馆周日几点开门?")
    second = ask("and in English?", "en", follow_up=True, state=first.state)
    assert second.replies[0].text == "Open Tuesday to Sunday 9:00–21:00."
    third = ask("用中文说", "zh", follow_up=True, state=second.state)
    assert third.replies[0].text == "周二至周日9:00至21:00开放。"


def test_follow_up_about_nothing_asks_what_it_is_about(ask: Ask) -> None:
    for text, language in (("How much does it cost?", "en"), ("那周末呢?", "zh")):
        outcome = ask(text, language, follow_up=True)
        assert outcome.decision == "clarify"
        assert outcome.replies[0].source == "clarify"


def test_state_expires(service: KnowledgeService, ask: Ask) -> None:
    first = ask("How do I renew a residence permit?", "en")
    service.answerer.clock = lambda: first.state["at"] + 31 * 60
    second = ask("How much does it cost?", "en", follow_up=True, state=first.state)
    assert second.decision == "clarify"


def test_state_of_a_withdrawn_article_is_forgotten(service: KnowledgeService, ask: Ask) -> None:
    first = ask("How do I renew a residence permit?", "en")
    service.set_status("permit-renew", "archived", author="a")
    second = ask("and in English?", "en", follow_up=True, state=first.state)
    assert second.decision != "answer"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    state=st.one_of(
        st.none(),
        st.dictionaries(
            st.sampled_from(["article", "anchor", "topic", "question", "language", "at", "x"]),
            st.one_of(st.none(), st.text(max_size=20), st.integers(), st.floats(), st.lists(st.integers())),
        ),
    ),
    text=st.text(max_size=60),
    follow_up=st.booleans(),
)
def test_any_text_with_any_state_gets_a_reply(ask: Ask, state: Any, text: str, follow_up: bool) -> None:
    outcome = ask(text, "en", follow_up=follow_up, state=state)
    assert outcome.replies
    assert outcome.decision in {"answer", "clarify", "abstain"}


def test_traditional_and_full_width_text_is_the_same_question(ask: Ask) -> None:
    outcome = ask("圖書館週日幾點開門？")
    assert outcome.replies[0].citations[0].article_id == "library-hours"
    assert ask("ＤＯＧ　ｌｉｃｅｎｃｅ", "en").replies[0].citations[0].article_id == "dog-licence"


def test_two_articles_with_one_title_do_not_loop(service: KnowledgeService, ask: Ask) -> None:
    service.publish(replace(article("twin"), title={"zh": "图书馆开放时间"}), author="a", base_version=None)
    assert ask("图书馆开放时间").decision == "answer"


def test_department_filter_keeps_the_city_wide_and_the_districts_own(service: KnowledgeService) -> None:
    from knowledge.snapshot import Filter

    local = article(
        "local-market",
        title={"zh": "滨河区早市"},
        questions={},
        answer={"zh": "六点开市。"},
        tags=["topic:market", "district:binhe"],
        department="market",
    )
    service.publish(local, author="a", base_version=None)
    found = service.search("早市", "zh", condition=Filter(district="xishan"))
    assert "local-market" not in [hit.facts.id for hit in found]
    found = service.search("早市", "zh", condition=Filter(district="binhe"))
    assert found[0].facts.id == "local-market"
    found = service.search("早市", "zh", condition=Filter(department="immigration"))
    assert {hit.facts.department for hit in found} == {"immigration"}


def test_answers_from_many_threads_are_the_same(service: KnowledgeService) -> None:
    from concurrent.futures import ThreadPoolExecutor

    question = Question("How do I renew a residence permit?", "en", TODAY, "ask_knowledge")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: service.answer(question).replies[0].text, range(64)))
    assert set(found) == {"Apply 30 days before it expires."}


def test_missing_article_folder_says_what_to_do(tmp_path: Path, encoder: Any) -> None:
    from knowledge.article import ArticleError
    from tests.knowledge.conftest import make_settings

    with pytest.raises(ArticleError, match=r"knowledge\.articles"):
        KnowledgeService.open(make_settings(tmp_path), encoder=encoder)
