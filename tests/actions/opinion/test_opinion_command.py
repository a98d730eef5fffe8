"""`chengda opinion` as an operator types it."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from actions.opinion import setup
from chengda.opinion import app
from tests.actions.opinion.conftest import NOW
from tests.actions.opinion.test_opinion_pipeline import incident

RUN = CliRunner()
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(make_service, judge, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call the command; `section=…` are the keys of city.yml's `opinion:`."""
    monkeypatch.setattr(judge, "close", lambda: None)

    def call(*arguments: object, **section: object) -> tuple[int, str]:
        monkeypatch.setattr(setup, "load_service", lambda settings: make_service(**section))
        result = RUN.invoke(app, [str(a) for a in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, " ".join(result.output.split())

    return call


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Today's posts as a file, eight of them about gas."""
    file = tmp_path / "posts.jsonl"
    rows = [
        {"id": p.external_id, "text": p.text, "at": p.at.isoformat(), "author": p.author} for p in incident()
    ]
    rows.append({"id": "bad", "text": "", "at": NOW.isoformat()})
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file


def test_read_in_reported_and_decided(run: Run, table: Path, tmp_path: Path) -> None:
    status, text = run("ingest", table)
    assert status == 0 and "9 read · 8 new" in text and "rejected empty 1 · 1 alarms" in text
    assert "0 read · 0 new" in run("ingest", table)[1]

    status, text = run("report", "--language", "zh")
    assert status == 0 and "燃气" in text and "共 8 条" in text
    status, text = run("report", "--json", "--days", "2")
    assert json.loads(text)["now"]["posts"] == 8
    out = tmp_path / "digest.md"
    assert run("report", "--language", "en", "--out", out)[0] == 0
    assert out.read_text(encoding="utf-8").startswith("# Public opinion digest")

    status, text = run("alarms", "--language", "en")
    assert status == 0 and "Gas company" in text
    status, text = run("alarms", "--show", 1, "--language", "en")
    assert status == 0 and "model words-1" in text and "feeling" in text and ".png" in text
    assert "acknowledged" in run("alarms", "--acknowledge", 1, "--by", "wang", "--language", "en")[1]
    assert "Water works" in run("alarms", "--hand-over", 1, "--to", "Water works", "--language", "en")[1]
    status, text = run("alarms", "--mute", 1, "--hours", 2)
    assert status == 0 and "muted until 2026-03-18 22:00" in text
    assert "unmuted" in run("alarms", "--unmute", 1)[1]
    assert run("alarms", "--close", 1)[0] == 0
    assert "没有预警 · no alarms" in run("alarms")[1]
    assert "closed" in run("alarms", "--all", "--language", "en")[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ingest",), "--demo"),
        (("ingest", "/no/such/file.csv"), "no such file or folder"),
        (("alarms", "--show", 77), "77"),
        (("alarms", "--mute", 78), "78"),
        (("alarms", "--hand-over", 1), "--to"),
        (("report", "--days", 0), "--days"),
        (("calibrate", "/no/such.tsv"), "text and level"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(run: Run, arguments: tuple[object, ...], said: str) -> None:
    status, text = run(*arguments)
    assert status in (1, 2) and said in text and "Traceback" not in text


def test_levels_are_fitted_to_judged_posts(run: Run, tmp_path: Path) -> None:
    judged = tmp_path / "judged.tsv"
    rows = [
        ("路灯坏了", 1),
        ("煤气味很大，有人晕倒，救命", 4),
        ("公园很好看，谢谢", 0),
        ("停水三天没人管", 2),
    ] * 4
    judged.write_text("text\tlevel\n" + "".join(f"{t}\t{level}\n" for t, level in rows), encoding="utf-8")
    status, text = run("calibrate", judged)
    assert status == 0 and "cuts: [" in text and "16 posts" in text


def test_sources_of_the_settings_are_asked_once(run: Run, table: Path) -> None:
    source = {"name": "hotline", "kind": "file", "path": str(table)}
    status, text = run("ingest", "--sources", sources=[source])
    assert status == 0 and "8 new" in text
    assert "0 new" in run("ingest", "--sources", sources=[source])[1]


def test_the_watch_reads_until_it_is_stopped(run: Run, table: Path, make_service) -> None:
    def stop_when_read() -> None:
        service = make_service()
        start, end = service.period(1)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not service.queries.tally(start, end + (end - start)).posts:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    helper = threading.Thread(target=stop_when_read)
    helper.start()
    source = {"name": "hotline", "kind": "file", "path": str(table)}
    status, text = run("watch", "--port", 0, sources=[source])
    helper.join()
    assert status == 0 and "1 sources" in text and "hotline: 9 read · 8 new" in text


def test_a_target_without_address_stops_the_watch_before_it_begins(run: Run) -> None:
    status, text = run("watch", targets=[{"name": "duty", "url_env": "CHENGDA_NO_SUCH"}])
    assert status == 1 and "CHENGDA_NO_SUCH is not set" in text
