"""The feedback loop, the checks of the whole base, and evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from knowledge.article import ArticleError, ArticleNotFound
from knowledge.calibrating import LabelledQuestion
from knowledge.evaluation import (
    ConversationFileError,
    evaluate_answers,
    evaluate_retrieval,
    read_conversations,
)
from knowledge.feedback import FeedbackNotFound
from knowledge.service import KnowledgeService, Outcome, Question
from knowledge.validating import validate
from tests.knowledge.conftest import TODAY, article

Ask = Callable[..., Outcome]
ODD = "沙发上的旧垫子也能处理吗"


def test_unanswered_question_is_kept_masked_and_not_while_answering(
    service: KnowledgeService, ask: Ask
) -> None:
    ask("量子力学谁提出的，我的电话13812345678")
    ask("讲个笑话", intent="out_of_scope")
    assert service.curator.queue.entries() == []
    service.curator.flush()
    (entry,) = service.curator.queue.entries()
    assert entry.question == "量子力学谁提出的，我的电话[phone]"
    assert entry.kind in {"unanswered", "unclear"}


def test_accepting_a_phrasing_takes_effect_at_once(service: KnowledgeService, ask: Ask) -> None:
    service.record_feedback("蓝色奇怪家伙怎么弄走", "zh", "down", article_id="library-hours")
    (group,) = service.open_questions()
    changed = service.curator.add_phrasings([item.id for item in group.items], "bulky-waste", by="editor")
    assert changed.version == 2
    outcome = ask("蓝色奇怪家伙怎么弄走")
    assert outcome.replies[0].citations[0].article_id == "bulky-waste"
    assert service.open_questions() == []
    assert service.history("bulky-waste")[0].author == "editor"


def test_phrasing_for_an_unknown_or_unfinished_article_changes_nothing(service: KnowledgeService) -> None:
    service.record_feedback("奇怪", "zh", "down")
    (entry,) = service.curator.queue.entries()
    with pytest.raises(ArticleNotFound):
        service.curator.add_phrasings([entry.id], "nothing", by="a")
    service.save(service.get("bulky-waste"), author="a", base_version=1)
    with pytest.raises(ArticleError, match="is draft"):
        service.curator.add_phrasings([entry.id], "bulky-waste", by="a")
    assert [item.id for item in service.curator.queue.entries()] == [entry.id]


def test_same_questions_are_one_group_and_become_a_draft(service: KnowledgeService) -> None:
    for text in ("无人机要登记吗", "无人机需要登记吗", "无人机要登记吗？", "哪里修手表"):
        service.record_feedback(text, "zh", "down")
    groups = service.open_questions()
    assert [len(group.items) for group in groups] == [3, 1]
    draft = service.curator.start_article(
        [item.id for item in groups[0].items], by="editor", article_id="drone"
    )
    assert (draft.status, len(draft.questions["zh"])) == ("draft", 3)
    assert "drone" not in service.index.snapshot.ids
    with pytest.raises(FeedbackNotFound):
        service.curator.start_article([groups[0].items[0].id], by="editor")


def test_training_examples_dismissal_and_erasure(service: KnowledgeService) -> None:
    service.record_feedback("请把[门](x)打开", "zh", "down", conversation_id="c1")
    service.record_feedback("谢谢", "zh", "up", comment="my name is Li Lei", conversation_id="c1")
    down, up = sorted(service.curator.queue.entries(), key=lambda item: item.kind)
    assert up.comment == "my name is [name]"
    data = YAML(typ="safe").load(service.curator.training_examples([down.id], "ask_knowledge", by="a"))
    assert data["nlu"][0]["intent"] == "ask_knowledge"
    assert "[" not in data["nlu"][0]["examples"]
    service.curator.dismiss([up.id], by="a", reason="fine")
    assert service.curator.queue.entries() == []
    assert service.erase_feedback("c1") == 2
    with pytest.raises(ValueError, match="intent"):
        service.curator.training_examples([1], "Bad Intent", by="a")


def test_validation_finds_what_is_wrong(service: KnowledgeService) -> None:
    twin = replace(article("twin"), questions={"zh": ["狗证怎么办"]}, tags=())
    service.publish(twin, author="a", base_version=None)
    soon = article(
        "soon",
        title={"zh": "冬季限行"},
        questions={},
        answer={"zh": "见[页面](http:///x)。"},
        valid_until="2026-12-01",
    )
    service.publish(soon, author="a", base_version=None)
    calibration = service.calibration_of(service.index.snapshot)
    found = {(item.kind, item.article_id) for item in validate(service.index, calibration, TODAY)}
    assert ("expired", "expired-subsidy") in found
    assert ("expires", "soon") in found
    assert ("link", "soon") in found
    assert ("language", "only-chinese") in found
    assert ("topic", "twin") in found
    assert {kind for kind, _ in found} >= {"contradiction", "duplicate"}
    errors = [
        item
        for item in validate(service.index, calibration, TODAY, reachability=False)
        if item.severity == "error"
    ]
    assert {item.kind for item in errors} == {"contradiction", "expired", "link"}


def test_phrasing_that_finds_other_articles_is_reported(service: KnowledgeService) -> None:
    lost = article(
        "lost",
        title={"zh": "完全不同的事"},
        questions={"zh": ["居留许可收费标准是什么"]},
        answer={"zh": "别的。"},
    )
    for name in ("permit-a", "permit-b"):
        title = {"zh": f"居留许可收费标准{name[-1]}"}
        service.publish(
            article(name, title=title, questions={"zh": ["居留许可收费标准是啥", "居留许可收费多少标准"]}),
            author="a",
            base_version=None,
        )
    service.publish(replace(lost, questions={"zh": ["居留许可"]}), author="a", base_version=None)
    calibration = service.calibration_of(service.index.snapshot)
    found = [item for item in validate(service.index, calibration, TODAY) if item.kind == "unreachable"]
    assert "lost" in {item.article_id for item in found} or found == []


QUESTIONS = [
    LabelledQuestion("图书馆星期天开不开", "zh", ("library-hours",), "paraphrase"),
    LabelledQuestion("renewing my residence permit", "en", ("permit-renew",), "paraphrase"),
    LabelledQuestion("丢掉旧沙发", "zh", ("bulky-waste",), "paraphrase"),
    LabelledQuestion("discount for the disabled", "en", ("library-discount",), "paraphrase"),
    LabelledQuestion("火星上有生命吗", "zh", (), "unanswerable"),
    LabelledQuestion("who painted this", "en", (), "unanswerable"),
]


def test_retrieval_report(service: KnowledgeService) -> None:
    calibration = service.calibration_of(service.index.snapshot)
    report = evaluate_retrieval(service.index, calibration, QUESTIONS, cross=True)
    assert report["questions"]["zh"] == {"answerable": 2, "unanswerable": 1}
    for mode in ("lexical", "dense", "hybrid"):
        scores = report["ranking"][mode]["zh"]
        assert 0 <= scores["recall@1"] <= scores["recall@3"] <= 1
        assert 0 <= scores["ndcg@10"] <= 1
    assert report["ranking"]["hybrid"]["zh"]["recall@1"] == 1.0
    assert set(report["cross"]["zh"]) == {"zh", "en"}
    assert report["cross"]["zh"]["zh"]["recall@1"] == 1.0
    curve = report["abstention"]["en"]["curve"]
    assert [row[1] for row in curve] == sorted(row[1] for row in curve)
    assert report["categories"]["waste"]["questions"] == 1


def test_scripted_conversations(service: KnowledgeService, tmp_path: Path) -> None:
    file = tmp_path / "talks.yml"
    file.write_text(
        """
- name: good
  turns:
    - {user: How do I renew a residence permit?, language: en, expect: {article: permit-renew, source: knowledge}}
    - {user: How much does it cost?, language: en, follow_up: true, expect: {article: [permit-fee], contains: 400, language: en}}
- name: wrong on purpose
  turns:
    - {user: 狗证怎么办, language: zh, expect: {article: library-hours, decision: clarify, button: 没有}}
""",
        "utf-8",
    )
    snapshot = service.index.snapshot
    results = evaluate_answers(
        service.answerer, snapshot, service.calibration_of(snapshot), read_conversations(file), TODAY
    )
    assert [bool(item.problems) for item in results] == [False, False, True]
    assert len(results[2].problems) == 3


@pytest.mark.parametrize("text", ["a: b", "- name: x", "- {name: x, turns: [{user: hi}]}", "- [", "- 3"])
def test_wrong_conversation_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "talks.yml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConversationFileError, match=r"talks\.yml"):
        read_conversations(file)


def test_progress_is_told(open_service: Any) -> None:
    told: list[tuple[str, int, int]] = []
    open_service(progress=lambda what, done, total: told.append((what, done, total)))
    assert {"articles", "vectors", "calibration"} <= {what for what, _, _ in told}
    assert all(0 <= done <= total for _, done, total in told)


def test_a_changed_rating_takes_its_feedback_back(service: KnowledgeService) -> None:
    service.record_feedback("鱼怎么养", "zh", "down", conversation_id="c9")
    assert service.withdraw_feedback("c9", "鱼怎么养", "down") == 1
    assert service.withdraw_feedback("c9", "鱼怎么养", "down") == 0
    assert "鱼怎么养" not in {item.question for item in service.curator.queue.entries()}


def test_unanswered_questions_of_an_erased_conversation_are_erased(service: KnowledgeService) -> None:
    service.answer(Question("火星上怎么租房子", "zh", TODAY, conversation_id="c8"))
    assert service.erase_feedback("c8") == 1
    assert "火星上怎么租房子" not in {item.question for item in service.curator.queue.entries()}
