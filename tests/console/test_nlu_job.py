"""Training as a job: the command line as its child, a candidate that is not promoted, and a clear failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from city.jobs import JobContext, Jobs
from console.nlu import job
from console.nlu.job import CommandFailedError
from nlp.registry import ModelRegistry
from tests.nlu_fixtures import YAML, tiny_base

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A city of its own whose base is tiny."""
    tiny_base(tmp_path)
    text = (ROOT / "city.yml").read_text("utf-8")
    (tmp_path / "city.yml").write_text(text.replace(": nlp/base", ": base"), "utf-8")
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "tiny.yml").write_text(YAML, "utf-8")
    return tmp_path / "city.yml"


def test_a_candidate_is_trained_by_the_command_line(city: Path, tmp_path: Path) -> None:
    options = ["--data", str(tmp_path / "shipped"), "--epochs", "1", "--minutes", "1"]
    jobs = Jobs(tmp_path / "jobs")
    started = jobs.start(
        job.TRAIN,
        "console.nlu.job:train",
        {"city": str(city), "continued": False, "examples": "", "options": options},
        owner="wang",
    )
    done = jobs.wait(started.id, timeout_s=120)
    assert done.state == "succeeded", jobs.log(started.id)
    result = jobs.result(started.id)
    registry = ModelRegistry(tmp_path / "var" / "models" / "nlu")
    assert [version.version for version in registry.versions()] == [result["version"]]
    assert not registry.versions()[0].current
    # There is no current model to compare the first one with; the candidate stays all the same.
    assert result["gate"] is None
    assert "chengda train nlu" in result["notes"][-1]


def test_a_failing_command_says_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "chengda.py").write_text("print('the disk is full'); raise SystemExit(1)", "utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandFailedError, match="the disk is full"):
        job.compare(city="city.yml", version="v", context=_context(tmp_path))


def test_progress_lines_become_the_jobs_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "chengda.py"
    script.write_text("print('50 % training · epoch 1'); print('done')", "utf-8")
    monkeypatch.chdir(tmp_path)
    told: list[tuple[float, str]] = []
    context: Any = type(
        "Context", (), {"progress": lambda _, share, message: told.append((share, message))}
    )()
    job.run(["anything"], "city.yml", context, 0.2, 0.4)
    assert told == [(pytest.approx(0.3), "training · epoch 1")]
    assert capfd.readouterr().out == "done\n"


def _context(tmp_path: Path) -> JobContext:
    folder = tmp_path / "job"
    folder.mkdir()
    return JobContext(folder)
