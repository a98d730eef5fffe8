"""`chengda user`: accounts from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from chengda.user import app
from console.staff import AuditLog, StaffStore
from tests.console.conftest import PASSWORD

CITY = """
city: {id: testcity, name: {zh: 测试市, en: Test City}, time_zone: Asia/Shanghai}
emergency: [{number: "110", zh: 报警, en: Police}]
contact: {number: "12345", zh: 热线, en: Hotline}
data_dir: data
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run `chengda user …` in a city of its own; returns exit status and output."""
    (tmp_path / "city.yml").write_text(CITY, "utf-8")
    monkeypatch.setenv("CHENGDA_CITY", str(tmp_path / "city.yml"))

    def run(*words: str, typed: str = "") -> tuple[int, str]:
        result = CliRunner().invoke(app, list(words), input=typed)
        return result.exit_code, result.output

    return run


def test_an_account_is_added_listed_changed_and_closed(run, tmp_path: Path) -> None:
    assert run("add", "wang", "--role", "editor", typed=f"{PASSWORD}\n")[0] == 0
    assert run("add", "boss", "--role", "admin", "--generate")[0] == 0
    assert run("role", "wang", "publisher")[0] == 0
    assert run("disable", "wang")[0] == 0
    status, listed = run("list")
    assert status == 0
    assert "wang\tpublisher\t停用 closed" in listed
    store = StaffStore(f"sqlite:///{tmp_path / 'data' / 'console.db'}")
    assert run("disable", "wang", "--undo")[0] == 0
    assert store.check("wang", PASSWORD).user is not None
    actions = [entry.action for entry in AuditLog(store.engine).entries(target="wang")]
    assert actions == ["users.enable", "users.disable", "users.role", "users.add"]


def test_a_made_password_is_printed_once_and_works(run, tmp_path: Path) -> None:
    _, output = run("add", "boss", "--role", "admin", "--generate")
    password = output.strip().split()[-1]
    store = StaffStore(f"sqlite:///{tmp_path / 'data' / 'console.db'}")
    assert store.check("boss", password).user is not None
    _, output = run("password", "boss", "--generate")
    assert store.check("boss", password).user is None
    assert store.check("boss", output.strip().split()[-1]).user is not None


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (("add", "wang", "--role", "king"), PASSWORD),
        (("add", "a b", "--role", "viewer"), PASSWORD),
        (("add", "wang", "--role", "viewer"), "short"),
        (("role", "nobody", "viewer"), ""),
        (("password", "nobody"), PASSWORD),
        (("disable", "nobody"), ""),
    ],
)
def test_what_is_wrong_ends_with_a_failure(run, words: tuple[str, ...], typed: str) -> None:
    status, output = run(*words, typed=f"{typed}\n")
    assert status == 1
    assert "Traceback" not in output
