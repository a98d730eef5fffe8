"""`chengda knowledge …` and `chengda evaluate …` from the shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from chengda import knowledge as commands
from tests.knowledge.conftest import HashingEncoder, article, small_base, write_background, write_folder

CITY = """
city: {id: testcity, name: {zh: 测试市, en: Test City}, time_zone: Asia/Shanghai}
emergency: [{number: "110", zh: 报警, en: Police}]
contact: {number: "12345", zh: 市民热线, en: Citizen hotline}
knowledge: {articles: articles}
"""
Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    (tmp_path / "city.yml").write_text(CITY, "utf-8")
    write_folder(tmp_path / "articles", small_base())
    write_background(tmp_path / "calibration")
    monkeypatch.setenv("CHENGDA_CITY", str(tmp_path / "city.yml"))
    monkeypatch.setattr("knowledge.service._load_encoder", lambda settings: HashingEncoder())
    app = typer.Typer()
    app.add_typer(commands.app, name="knowledge")
    evaluate = typer.Typer()
    evaluate.command("retrieval")(commands.evaluate_retrieval_command)
    evaluate.command("answers")(commands.evaluate_answers_command)
    app.add_typer(evaluate, name="evaluate")
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(item) for item in arguments])


def test_search_and_ask(run: Run) -> None:
    result = run("knowledge", "search", "旧沙发怎么扔", "--explain")
    assert result.exit_code == 0, result.output
    assert "bulky-waste" in result.output
    answer = run("knowledge", "ask", "How do I renew a residence permit?")
    assert '"decision": "answer"' in answer.output
    assert "knowledge.search" in answer.output


def test_export_edit_import(run: Run, tmp_path: Path) -> None:
    assert run("knowledge", "export", tmp_path / "all.jsonl").exit_code == 0
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text("utf-8").splitlines()]
    assert len(lines) == 8
    write_folder(tmp_path / "more", [article("new-one", title={"zh": "全新服务"})])
    result = run("knowledge", "import", tmp_path / "more")
    assert result.exit_code == 0
    assert "1 added" in result.output
    assert "new-one" in run("knowledge", "search", "全新服务").output


def test_import_of_a_broken_file_exits_non_zero(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("id,title_zh,answer_zh\nBAD,x,y\n")
    result = run("knowledge", "import", tmp_path / "bad.csv")
    assert result.exit_code == 1
    assert "row 2" in result.output


def test_import_of_a_document_makes_drafts(run: Run, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<h1>停车</h1><p>居民可以凭行驶证和身份证办理停车证。</p>", "utf-8")
    assert run("knowledge", "import", tmp_path / "page.html").exit_code == 0
    assert "page-1" in run("knowledge", "list", "--status", "draft").output


def test_history_status_and_rollback(run: Run) -> None:
    assert run("knowledge", "status", "dog-licence", "archived", "--by", "li").exit_code == 0
    assert run("knowledge", "status", "dog-licence", "published").exit_code == 0
    assert run("knowledge", "rollback", "dog-licence", "1").exit_code == 0
    assert "rollback" in run("knowledge", "history", "dog-licence").output
    assert run("knowledge", "history", "nothing").exit_code == 1


def test_validate_and_reindex(run: Run) -> None:
    result = run("knowledge", "validate")
    assert result.exit_code == 1
    assert "expired" in result.output
    assert run("knowledge", "reindex").exit_code == 0
    assert run("knowledge", "calibrate").exit_code == 0
    assert run("knowledge", "questions").exit_code == 0


def test_evaluate(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "q.jsonl"
    data.write_text(
        '{"query": "丢旧沙发", "language": "zh", "relevant": ["bulky-waste"]}\n'
        '{"query": "火星", "language": "zh", "relevant": []}\n',
        "utf-8",
    )
    result = run("evaluate", "retrieval", "--data", data, "--report", tmp_path / "out" / "r.json", "--cross")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "out" / "r.json").read_text())["ranking"]["hybrid"]["zh"]["recall@1"] == 1.0
    talks = tmp_path / "t.yml"
    talks.write_text(
        "- name: n\n  turns: [{user: 狗证怎么办, language: zh, expect: {article: dog-licence}}]\n", "utf-8"
    )
    assert run("evaluate", "answers", "--data", talks, "--report", tmp_path / "a.json").exit_code == 0
    talks.write_text(
        "- name: n\n  turns: [{user: 狗证怎么办, language: zh, expect: {article: other}}]\n", "utf-8"
    )
    assert run("evaluate", "answers", "--data", talks, "--report", tmp_path / "a.json").exit_code == 1


def test_clear_error_for_a_missing_question_file(run: Run, tmp_path: Path) -> None:
    result = run("evaluate", "retrieval", "--data", tmp_path / "none.jsonl", "--report", tmp_path / "r.json")
    assert result.exit_code == 1
    assert "none.jsonl" in result.output + (result.stderr if result.stderr_bytes else "")


STRANGE: list[tuple[str, ...]] = [
    ("knowledge", "search", "狗证", "--language", "fr"),
    ("knowledge", "search", "狗证", "--mode", "magic"),
    ("knowledge", "ask", "那周末呢", "--state", "{bad"),
    ("knowledge", "ask", "那周末呢", "--state", "[1]"),
    ("knowledge", "export", "{tmp}/city.yml", "--format", "md"),
    ("knowledge", "diff", "dog-licence", "0"),
    ("knowledge", "rollback", "dog-licence", "0"),
    ("knowledge", "list", "--order", "luck"),
    ("evaluate", "retrieval", "--data", "{tmp}/empty", "--report", "{tmp}/r.json"),
    ("evaluate", "answers", "--data", "{tmp}/empty.yml", "--report", "{tmp}/r.json"),
]


def test_strange_input_ends_with_a_clear_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    (tmp_path / "empty.yml").write_text("[]")
    for arguments in STRANGE:
        result = run(*(item.replace("{tmp}", str(tmp_path)) for item in arguments))
        assert result.exit_code in (1, 2), (arguments, result.output)
        assert isinstance(result.exception, SystemExit), (arguments, result.exception)


def test_an_error_keeps_its_brackets(run: Run, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"query": "x"}\n')
    result = run("evaluate", "retrieval", "--data", tmp_path / "q.jsonl", "--report", tmp_path / "r.json")
    assert "[article ids]" in result.output + (result.stderr if result.stderr_bytes else "")
