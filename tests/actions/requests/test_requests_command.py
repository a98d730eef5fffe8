"""`chengda requests`: list, show, set-state, stats, export, and plain errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from actions.requests.records import NewRequest, Place
from actions.requests.setup import load_service
from chengda.requests import app
from city.settings import load_settings
from tests.actions.requests.conftest import ROOT

runner = CliRunner()


@pytest.fixture
def number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    text = (ROOT / "city.yml").read_text("utf-8").replace(": actions/", f": {ROOT}/actions/")
    file = tmp_path / "city.yml"
    file.write_text(text, "utf-8")
    monkeypatch.setenv("CHENGDA_CITY", str(file))
    service = load_service(load_settings(), learn=False)
    new = NewRequest("k", "pothole", "坑", Place("人民路", 29.0, 124.5), contact="13800138000")
    filed = service.file(new).request.number
    service.close()
    return filed


def test_list_show_move_count_export(number: str, tmp_path: Path) -> None:
    listed = json.loads(runner.invoke(app, ["list", "--json"]).stdout)
    assert [item["number"] for item in listed] == [number]
    assert "13800138000" not in runner.invoke(app, ["show", number]).stdout
    moved = runner.invoke(app, ["set-state", number, "closed", "--outcome", "resolved"])
    assert moved.exit_code == 0, moved.stdout
    figures = json.loads(runner.invoke(app, ["stats", "--json"]).stdout)
    assert (figures["total"], figures["resolution_rate"]) == (1, 1.0)
    for name in ("a.csv", "a.json"):
        assert runner.invoke(app, ["export", str(tmp_path / name)]).exit_code == 0
        assert number in (tmp_path / name).read_text("utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "LC-2026-00000000"],
        ["set-state", "LC-2026-00000000", "working"],
        ["set-state", "LC-2026-00000000", "flying"],
        ["list", "--state", "flying"],
        ["stats", "--since", "yesterday"],
        ["export", "x.pdf"],
    ],
)
def test_mistakes_end_with_an_error(number: str, arguments: list[str]) -> None:
    result = runner.invoke(app, arguments)
    assert result.exit_code != 0
    assert "Traceback" not in result.stdout
