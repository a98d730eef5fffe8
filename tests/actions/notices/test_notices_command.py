"""`chengda notices` and `chengda handover` on settings of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chengda.cli import app
from tests.actions.notices.conftest import cap

ROOT = Path(__file__).resolve().parents[3]
SEND = [
    "notices",
    "send",
    "--title-zh",
    "停水",
    "--title-en",
    "Water cut",
    "--zh",
    "今晚停水",
    "--en",
    "No water",
]


@pytest.fixture(autouse=True)
def city(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped settings with a data directory of the test."""
    text = (ROOT / "city.yml").read_text("utf-8").replace("data_dir: var ", f"data_dir: {tmp_path / 'var'} ")
    file = tmp_path / "city.yml"
    file.write_text(text.replace(": actions/handover/", f": {ROOT}/actions/handover/"), "utf-8")
    monkeypatch.setenv("CHENGDA_CITY", str(file))
    monkeypatch.setenv("COLUMNS", "200")
    return file


def run(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == status, result.output
    return result.output


def test_a_notice_is_sent_listed_and_cancelled() -> None:
    assert "#1" in run(*SEND, "--district", "lingang", "--key", "k")
    assert "#1" in run(*SEND, "--district", "lingang", "--key", "k")
    assert "Water cut" in run("notices", "list")
    assert "cancelled" in run("notices", "cancel", "1")
    assert "no longer" in run("notices", "cancel", "1")
    assert "nobody" in run("notices", "subscribers")


def test_what_is_wrong_ends_with_an_error() -> None:
    run(*SEND, "--district", "nowhere", status=1)
    run("notices", "cancel", "9", status=1)


def test_alerts_from_files(tmp_path: Path) -> None:
    good, bad = tmp_path / "a.xml", tmp_path / "b.xml"
    good.write_bytes(cap())
    bad.write_bytes(b"<alert/>")
    assert "#1" in run("notices", "cap", str(good))
    assert "taken in before" in run("notices", "cap", str(good))
    run("notices", "cap", str(bad), status=1)


def test_without_the_section_it_says_so(city: Path) -> None:
    city.write_text(city.read_text("utf-8").replace("\nnotices:", "\nx-notices:"), "utf-8")
    run("notices", "list", status=1)


def test_the_desk_from_the_shell() -> None:
    assert "#" in run("handover", "status")
    assert json.loads(run("handover", "figures"))["asked"] == 0
    run("handover", "show", "1", status=1)
    assert "holiday" in run("handover", "hours", "--at", "2026-10-01T18:00")
    assert "closed" in run("handover", "hours", "--at", "2026-10-01T18:00")
    assert "open" in run("handover", "hours", "--at", "2026-11-23T18:00")
    run("handover", "hours", "--at", "yesterday", status=2)
