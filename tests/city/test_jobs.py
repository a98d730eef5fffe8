"""Jobs: records, results, cancelling, crashes, queueing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from city.jobs import (
    CANCELLED,
    FAILED,
    LOST,
    QUEUED,
    SUCCEEDED,
    JobNotDoneError,
    Jobs,
    JobTargetError,
    UnknownJobError,
)

SOURCE = """
import os, time

def add(a, b, context):
    context.progress(0.5, "half")
    (context.work / "scratch").write_text("x")
    (context.keep / "sum.txt").write_text(str(a + b))
    print("adding")
    return {"sum": a + b}

def fail(context):
    raise ValueError("no such road")

def wait(marker, context):
    (context.keep / "half.txt").write_text("half")
    open(marker, "w").close()
    time.sleep(60)

def die(context):
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    (tmp_path / "sample_jobs.py").write_text(SOURCE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Jobs(tmp_path / "jobs")


def until(condition, timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)


def test_result_progress_log_and_files(jobs: Jobs) -> None:
    job = jobs.start("test.add", "sample_jobs:add", {"a": 2, "b": 3}, owner="li")
    job = jobs.wait(job.id)
    assert (job.state, job.progress, job.owner) == (SUCCEEDED, 1.0, "li")
    assert jobs.result(job.id) == {"sum": 5}
    assert "adding" in jobs.log(job.id)
    assert jobs.file(job.id, "sum.txt").read_text() == "5"
    assert not (jobs.folder / job.id / "work").exists()


def test_another_process_sees_the_record(jobs: Jobs) -> None:
    job = jobs.wait(jobs.start("test.add", "sample_jobs:add", {"a": 1, "b": 1}).id)
    assert Jobs(jobs.folder).result(job.id) == {"sum": 2}
    assert [j.id for j in Jobs(jobs.folder).list(kind="test.add", state=SUCCEEDED)] == [job.id]


def test_failure_is_recorded_with_its_error(jobs: Jobs) -> None:
    job = jobs.wait(jobs.start("test.fail", "sample_jobs:fail", {}).id)
    assert job.state == FAILED
    assert job.error == "ValueError: no such road"
    with pytest.raises(JobNotDoneError, match="no such road"):
        jobs.result(job.id)


def test_cancel_stops_the_process_and_leaves_nothing_half_written(jobs: Jobs, tmp_path: Path) -> None:
    marker = tmp_path / "started"
    job = jobs.start("test.wait", "sample_jobs:wait", {"marker": str(marker)})
    until(marker.exists)
    job = jobs.cancel(job.id)
    assert job.state == CANCELLED
    assert not (jobs.folder / job.id / "result.json").exists()
    assert not (jobs.folder / job.id / "files").exists()
    assert job.pid is not None
    with pytest.raises(ProcessLookupError):
        os.killpg(job.pid, 0)
    assert jobs.cancel(job.id).state == CANCELLED


def test_killed_job_is_lost(jobs: Jobs) -> None:
    job = jobs.wait(jobs.start("test.die", "sample_jobs:die", {}).id)
    assert job.state == LOST
    assert "killed" in job.error


def test_jobs_wait_for_their_turn_and_a_killed_one_frees_its_place(jobs: Jobs, tmp_path: Path) -> None:
    marker = tmp_path / "first"
    first = jobs.start("test.wait", "sample_jobs:wait", {"marker": str(marker)})
    until(marker.exists)
    second = jobs.start("test.add", "sample_jobs:add", {"a": 1, "b": 2})
    assert jobs.get(second.id).state == QUEUED
    pid = jobs.get(first.id).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert jobs.wait(second.id).state == SUCCEEDED
    assert jobs.get(first.id).state == LOST


def test_unknown_ids_and_targets(jobs: Jobs) -> None:
    for name in ("nope", "../../etc", "20260101-000000-abcdef"):
        with pytest.raises(UnknownJobError):
            jobs.get(name)
    with pytest.raises(JobTargetError):
        jobs.start("x", "os.system", {})
    with pytest.raises(TypeError):
        jobs.start("x", "sample_jobs:add", {"a": object()})


def test_prune_keeps_the_newest(jobs: Jobs) -> None:
    made = [jobs.start("test.add", "sample_jobs:add", {"a": i, "b": 0}) for i in range(3)]
    for job in made:
        jobs.wait(job.id)
    assert jobs.prune(keep=1) == 2
    assert len(jobs.list()) == 1
