"""Tables and folders of articles, there and back."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge.article import ArticleError
from knowledge.exchange import COLUMNS, read_articles, write_articles
from knowledge.importing import ImportReport, import_articles
from knowledge.store import ArticleStore
from tests.knowledge.conftest import article, small_base


@pytest.mark.parametrize("kind", ["md", "csv", "xlsx", "jsonl"])
def test_export_is_read_back_equal(tmp_path: Path, kind: str) -> None:
    articles = [*small_base(), article("formula", answer={"zh": "=1+1\n- 第二行", "en": '@home, "quoted"'})]
    target = tmp_path / "out" if kind == "md" else tmp_path / f"out.{kind}"
    assert write_articles(articles, target, kind) == 9
    report = ImportReport()
    back = {item.id: item for item, _ in read_articles(target, report)}
    assert report.problems == []
    assert back == {item.id: item for item in articles}


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    risky = article("risky", title={"zh": '=HYPERLINK("x")'}, answer={"zh": "+86 12345"})
    write_articles([risky], tmp_path / "a.csv", "csv")
    write_articles([risky], tmp_path / "a.xlsx", "xlsx")
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as stream:
        row = next(csv.DictReader(stream))
    assert row["title_zh"].startswith("'=")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    assert {cell.data_type for cell in sheet[2]} <= {"s", "n", "inlineStr"}


def test_excel_of_a_chinese_windows(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(
        'id,title_zh,answer_zh,questions_zh\nparking,停车,每小时5元,"多少钱\n停车费"\n'.encode("gb18030")
    )
    report = ImportReport()
    ((item, _),) = read_articles(file, report)
    assert item.title == {"zh": "停车"}
    assert item.questions == {"zh": ["多少钱", "停车费"]}


def test_bad_rows_are_reported_and_the_others_taken(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(
        "id,title_zh,answer_zh\nok,标题,答案\nBAD ID,标题,答案\nno-answer,标题,\nok,标题,答案\n,,\n", "utf-8"
    )
    report = ImportReport()
    assert [item.id for item, _ in read_articles(file, report)] == ["ok"]
    text = "\n".join(report.problems)
    assert "a.csv, row 3" in text and "no `answer`" in text and "stands already in row 2" in text


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"id,colour\nx,red\n", "unknown column `colour`"),
        ("a.csv", b"\xff\xfe\x00\x81", "neither UTF-8"),
        ("a.xlsx", b"no workbook", "no Excel workbook"),
        ("a.jsonl", b"{\n[1]\n", "no JSON"),
        ("a.jsonl", b"[1]\n", "JSON object"),
    ],
)
def test_unreadable_table_is_reported(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    report = ImportReport()
    assert list(read_articles(file, report)) == []
    assert any(message in problem for problem in report.problems)


def test_unknown_kind_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ArticleError, match="unknown kind"):
        list(read_articles(tmp_path / "a.doc", ImportReport()))
    with pytest.raises(ArticleError, match="cannot be read"):
        list(read_articles(tmp_path / "a.csv", ImportReport()))
    with pytest.raises(ArticleError, match="none of"):
        write_articles([], tmp_path / "a", "odt")


def test_importing_a_table_twice_changes_nothing(tmp_path: Path) -> None:
    store = ArticleStore(f"sqlite:///{tmp_path / 'a.db'}")
    write_articles(small_base(), tmp_path / "a.jsonl", "jsonl")
    first, second = ImportReport(), ImportReport()
    import_articles(store, read_articles(tmp_path / "a.jsonl", first), report=first)
    import_articles(store, read_articles(tmp_path / "a.jsonl", second), report=second)
    assert (len(first.added), len(second.unchanged)) == (8, 8)
    lines = (tmp_path / "a.jsonl").read_text("utf-8").splitlines()
    changed = json.loads(lines[0])
    changed["answer"]["zh"] = "新"
    (tmp_path / "a.jsonl").write_text("\n".join([json.dumps(changed), *lines[1:]]), "utf-8")
    third = ImportReport()
    import_articles(store, read_articles(tmp_path / "a.jsonl", third), report=third)
    assert third.updated == [changed["id"]]
    store.close()


@given(st.binary(max_size=400), st.sampled_from(["csv", "jsonl"]))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_articles_or_reported(tmp_path: Path, data: bytes, kind: str) -> None:
    file = tmp_path / f"a.{kind}"
    file.write_bytes(data)
    list(read_articles(file, ImportReport()))


def test_one_language_article_survives(tmp_path: Path) -> None:
    item = replace(article(), title={"en": "Only"}, questions={}, answer={"en": "English"}, contact={})
    for kind in ("csv", "xlsx", "jsonl"):
        write_articles([item], tmp_path / f"b.{kind}", kind)
        ((back, _),) = read_articles(tmp_path / f"b.{kind}", ImportReport())
        assert back == item
    assert set(COLUMNS) >= {"id", "title_zh", "answer_en", "questions_zh", "tags"}


def test_a_category_leads_nowhere_else_and_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    write_articles([article(category="../../outside")], tmp_path / "deep" / "out", "md")
    assert [path.parent.name for path in tmp_path.rglob("*.md")] == ["outside"]
    assert (tmp_path / "deep" / "out" / "outside" / "library-hours.md").is_file()
    (tmp_path / "file").write_text("")
    with pytest.raises(ArticleError, match="cannot be written"):
        write_articles([article()], tmp_path / "file", "md")
