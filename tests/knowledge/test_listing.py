"""What staff see of the base as a whole: lists with filters, differences of versions, warnings while they write."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from city.db import writing
from knowledge import tables
from knowledge.article import UNWRITTEN, ArticleError, ArticleNotFound
from knowledge.comparing import spans
from knowledge.service import ArticleQuery, KnowledgeService, Outcome, Question
from knowledge.store import ArticleStore
from tests.knowledge.conftest import TODAY, article

Ask = Callable[..., Outcome]


def ids(service: KnowledgeService, **conditions: Any) -> set[str]:
    return {item.id for item in service.articles(**conditions)}


@pytest.fixture
def dated(service: KnowledgeService, monkeypatch: pytest.MonkeyPatch) -> KnowledgeService:
    monkeypatch.setattr(service, "today", lambda: TODAY)
    return service


def test_filters(dated: KnowledgeService) -> None:
    assert ids(dated, category="pets") == {"dog-licence"}
    assert ids(dated, department="immigration") == {"permit-renew", "permit-fee"}
    assert ids(dated, text="100%") == set()
    assert ids(dated, text=" 图书馆 ") == {"library-hours", "library-discount"}
    assert ids(dated, missing="en") == {"only-chinese"}
    assert "only-chinese" not in ids(dated, language="en")
    assert ids(dated, expiring_days=0) == {"expired-subsidy"}
    dated.set_status("dog-licence", "archived", author="a")
    dated.save(dated.get("bulky-waste"), author="a", base_version=1)
    assert ids(dated, public=False) == {"dog-licence"}
    assert ids(dated, status="draft", public=True) == {"bulky-waste"}
    assert ids(dated, status="archived", category="waste") == set()
    assert dated.values_of("category")[0] == ("immigration", 2)


def test_pages_tell_how_many_there_are(dated: KnowledgeService) -> None:
    page = dated.page(ArticleQuery(order="id", limit=3, offset=6))
    assert ([item.id for item in page.items], page.total) == (["permit-fee", "permit-renew"], 8)
    assert dated.page(ArticleQuery(order="expires", limit=1)).items[0].id == "expired-subsidy"


@pytest.mark.parametrize(
    "wrong",
    [{"status": "lost"}, {"language": "fr"}, {"order": "luck"}, {"limit": -1}, {"expiring_days": -2}],
)
def test_a_wrong_condition_is_named(dated: KnowledgeService, wrong: dict[str, Any]) -> None:
    with pytest.raises(ArticleError, match=next(iter(wrong))):
        dated.articles(**wrong)
    with pytest.raises(ArticleError, match="neither"):
        dated.values_of("title_zh")


def test_use_and_ratings_are_counted(dated: KnowledgeService, ask: Ask) -> None:
    for _ in range(3):
        ask("狗证怎么办")
    ask("狗证怎么办", today=TODAY - timedelta(days=200))
    dated.record_feedback("狗证怎么办", "zh", "down", article_id="dog-licence")
    dated.record_feedback("图书馆几点开门", "zh", "up", article_id="library-hours")
    dog = dated.articles(order="used")[0]
    assert (dog.id, dog.answers, dog.up, dog.down) == ("dog-licence", 3, 0, 1)
    assert dated.articles(order="used", period_days=365)[0].answers == 4
    assert ids(dated, disliked=True) == {"dog-licence"}
    # A young article is not "unused" yet.
    assert ids(dated, unused_days=30) == set()
    with writing(dated.store.engine) as session:
        session.execute(update(tables.articles).values(created_at=datetime(2026, 1, 1)))
    assert "dog-licence" not in ids(dated, unused_days=30)
    assert "library-hours" in ids(dated, unused_days=30)


def test_trying_a_question_out_counts_and_keeps_nothing(dated: KnowledgeService) -> None:
    found = dated.try_out(Question("狗证怎么办", "zh", TODAY))
    assert found.outcome.replies[0].citations[0].article_id == "dog-licence"
    assert found.candidates[0].facts.id == "dog-licence"
    assert 0 < found.clarify <= found.answer < 1
    dated.try_out(Question("量子力学谁提出的", "zh", TODAY))
    assert dated.articles(order="used")[0].answers == 0
    assert dated.open_questions() == []


def test_differences_of_versions(dated: KnowledgeService) -> None:
    old = dated.get("permit-fee")
    new = replace(old, answer={**old.answer, "zh": "一年以内500元。"}, valid_until=None)
    dated.publish(new, author="a", base_version=1)
    changes = {change.field: change for change in dated.compare("permit-fee", 1)}
    assert set(changes) == {"answer.zh", "valid_until"}
    assert [(span.kind, span.text) for span in changes["answer.zh"].spans] == [
        ("same", "一年以内"),
        ("removed", "400"),
        ("added", "500"),
        ("same", "元。"),
    ]
    assert (changes["valid_until"].before, changes["valid_until"].after) == ("2028-12-31", "")
    assert dated.compare("permit-fee", 2, 2) == []
    with pytest.raises(ArticleNotFound):
        dated.compare("permit-fee", 9)


@given(st.text(max_size=60), st.text(max_size=60))
def test_spans_hold_both_texts(before: str, after: str) -> None:
    found = spans(before, after)
    assert "".join(span.text for span in found if span.kind != "added") == before
    assert "".join(span.text for span in found if span.kind != "removed") == after


def test_long_texts_are_compared_by_the_line() -> None:
    before = "\n".join(f"第{number}条 规定" for number in range(1500))
    found = spans(before, before.replace("第700条", "第七百条"))
    assert [span.text for span in found if span.kind == "added"] == ["第七百条 规定\n"]


def test_warnings_while_writing(dated: KnowledgeService) -> None:
    titles = {"zh": "狗证怎么办", "en": "Library opening hours"}
    twin = article("twin", title=titles, questions={"zh": ["借书"]})
    found = {(item.kind, item.severity) for item in dated.check(twin)}
    assert {("contradiction", "error"), ("duplicate", "warning"), ("phrasings", "warning")} <= found
    near = article("near", title={"zh": "自习室"}, questions={"en": ["closing time library"]})
    rivals = [item.message for item in dated.check(near) if item.kind == "rival"]
    assert rivals == ["“closing time library” is nearly a title or phrasing of library-hours"]
    # An article is not compared with its own older version.
    assert [item for item in dated.check(dated.get("dog-licence")) if item.kind != "topic"] == []


def test_what_is_still_to_be_written_is_not_published(dated: KnowledgeService) -> None:
    dated.record_feedback("无人机要登记吗", "zh", "down")
    (group,) = dated.open_questions()
    draft = dated.curator.start_article([item.id for item in group.items], by="a", article_id="drone")
    assert draft.answer == {"zh": UNWRITTEN["zh"]}
    with pytest.raises(ArticleError, match="still to be written"):
        dated.set_status("drone", "published", author="a")
    with pytest.raises(ArticleError, match="still to be written"):
        dated.publish(draft, author="a", base_version=1)
    assert dated.get("drone").status == "draft"
    assert dated.publish(replace(draft, answer={"zh": "要登记。"}), author="a", base_version=1).version == 2


def test_a_document_imported_twice_makes_no_second_draft(dated: KnowledgeService, tmp_path: Path) -> None:
    page = tmp_path / "rules.html"
    text = "<h1>Market rules</h1><h2>Stalls</h2><p>Stalls open at seven and close at noon on every market day.</p>"
    page.write_text(text + "<h2>Dogs</h2><p>No.</p>", "utf-8")
    report = dated.import_path(page, author="a", category="market")
    assert (len(report.added), len(report.skipped)) == (1, 2)
    name = report.added[0]
    assert (dated.get(name).status, dated.get(name).category) == ("draft", "market")
    assert dated.import_path(page, author="a", category="market").unchanged == [name]
    dated.save(replace(dated.get(name), contact={"en": "Market office"}), author="b", base_version=1)
    page.write_text(text.replace("seven", "eight"), "utf-8")
    assert dated.import_path(page, author="a", category="market").kept == [name]


def test_older_tables_get_the_new_columns(tmp_path: Path) -> None:
    file = tmp_path / "articles.db"
    store = ArticleStore(f"sqlite:///{file}")
    store.publish(article(), author="a", base_version=None)
    store.close()
    with sqlite3.connect(file) as connection:
        connection.executescript(
            "DROP TABLE knowledge_usage; DROP INDEX ix_knowledge_feedback_article;"
            "ALTER TABLE knowledge_articles DROP COLUMN languages;"
            "ALTER TABLE knowledge_articles DROP COLUMN valid_from;"
            "ALTER TABLE knowledge_articles DROP COLUMN valid_until;"
            "UPDATE alembic_knowledge SET version_num = 'knowledge_0001';"
        )
    from knowledge.listing import list_articles

    store = ArticleStore(f"sqlite:///{file}")
    (item,) = list_articles(store.engine, ArticleQuery(language="en"), TODAY).items
    assert (item.languages, str(item.valid_until)) == (("zh", "en"), "2028-12-31")
    store.close()
