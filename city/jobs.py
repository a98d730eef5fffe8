"""Jobs: long work in a child process, with a record of state, progress, log and result.

A job is a folder below the data directory. Its record is replaced as a whole, never edited, and its result
appears only when the work is complete, so that a killed job leaves nothing half-written.

    jobs = Jobs(settings.data / "jobs", at_once=1)
    job = jobs.start("traffic.verify", "actions.traffic.sumo.job:run", {"net": "a.net.xml"}, owner="wang")
    jobs.get(job.id).progress        # 0.0 … 1.0
    jobs.cancel(job.id)
    jobs.result(job.id)              # what the function returned

The function takes the arguments and a `JobContext`, and returns JSON-serialisable data.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED, LOST = (
    "queued",
    "running",
    "succeeded",
    "failed",
    "cancelled",
    "lost",
)
OVER = frozenset({SUCCEEDED, FAILED, CANCELLED, LOST})
ROOT = Path(__file__).resolve().parent.parent
_ID = re.compile(r"^[0-9]{8}-[0-9]{6}-[0-9a-f]{6}$")
_TARGET = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")


class JobError(Exception):
    """Base of every error about jobs."""


class UnknownJobError(JobError):
    """No job has this id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"no job {job_id!r}; list the jobs to see their ids")


class JobNotDoneError(JobError):
    """The result of a job was asked for that has none."""

    def __init__(self, job: Job) -> None:
        why = f": {job.error}" if job.error else "; wait until its state is `succeeded`"
        super().__init__(f"job {job.id} is {job.state}{why}")
        self.job = job


class JobTargetError(JobError):
    """A job's function is not named as `package.module:function`."""

    def __init__(self, target: str) -> None:
        super().__init__(f"{target!r} names no function; write it as package.module:function")


@dataclass(frozen=True)
class Job:
    """A job's record. Times are ISO 8601 in UTC; `progress` is a share of 1."""

    id: str
    kind: str
    target: str
    arguments: Mapping[str, Any]
    owner: str = ""
    state: str = QUEUED
    progress: float = 0.0
    message: str = ""
    error: str = ""
    created_at: str = ""
    started_at: str = ""
    ended_at: str = ""
    pid: int | None = None
    pid_started: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in OVER

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


class JobContext:
    """What a job's function gets: where to report, and a folder of its own.

    `work` is deleted when the job ends; files to keep go to `keep`, under a final name when they are complete.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.keep = folder / "files"
        self._last = 0.0
        self.work.mkdir(exist_ok=True)
        self.keep.mkdir(exist_ok=True)

    def progress(self, share: float, message: str = "") -> None:
        """Report how far the work is; at most five times a second is written."""
        now = time.monotonic()
        if now - self._last < 0.2 and share < 1.0:
            return
        self._last = now
        _write_json(
            self.folder / "progress.json", {"progress": min(max(share, 0.0), 1.0), "message": message}
        )


class Jobs:
    """Starts jobs and reads their records.

    Args:
        folder: where jobs live; made when missing.
        at_once: how many jobs of this folder run at the same time; others wait in the state `queued`.
    """

    def __init__(self, folder: Path, at_once: int = 1) -> None:
        self.folder, self.at_once = Path(folder), max(1, at_once)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, kind: str, target: str, arguments: Mapping[str, Any], owner: str = "") -> Job:
        """Start a job and return its record.

        Args:
            kind: what sort of work it is, such as "traffic.verify".
            target: the function, `package.module:function`.
            arguments: JSON-serialisable keyword arguments of the function.
            owner: who started it.

        Raises:
            JobTargetError: `target` has another form.
            TypeError: `arguments` cannot be written as JSON.
        """
        if not _TARGET.match(target):
            raise JobTargetError(target)
        now = datetime.now(timezone.utc)
        job_id = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        job = Job(job_id, kind, target, json.loads(json.dumps(dict(arguments))), owner, created_at=_iso(now))
        folder = self.folder / job_id
        folder.mkdir()
        _write_json(folder / "record.json", job.to_dict())
        with (folder / "log.txt").open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "city.jobs", str(folder), str(self.at_once)],
                cwd=ROOT,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[job_id] = child
        _write_json(folder / "process.json", {"pid": child.pid, "pid_started": _process_start(child.pid)})
        return self.get(job_id)

    def get(self, job_id: str) -> Job:
        """Return a job's record as it is now; raises `UnknownJobError`."""
        folder = self._folder(job_id)
        child = self._children.get(job_id)
        if child is not None and child.poll() is not None:
            del self._children[job_id]
        job = _read_job(folder)
        if not job.over and not _alive(job):
            # It may have ended between the two looks.
            job = _read_job(folder)
            if not job.over:
                message = "its process ended without a word (killed, or the machine was restarted)"
                job = replace(job, state=LOST, error=message, ended_at=_iso())
                _finish(folder, job)
        return job

    def list(self, kind: str | None = None, state: str | None = None) -> list[Job]:
        """Return records, newest first, of one kind or state where given."""
        found = [
            self.get(p.name)
            for p in self.folder.iterdir()
            if _ID.match(p.name) and (p / "record.json").is_file()
        ]
        found = [j for j in found if (kind is None or j.kind == kind) and (state is None or j.state == state)]
        return sorted(found, key=lambda j: (j.created_at, j.id), reverse=True)

    def cancel(self, job_id: str, grace_s: float = 3.0) -> Job:
        """Stop a job with all its processes; one that is over stays as it is. Raises `UnknownJobError`."""
        folder, job = self._folder(job_id), self.get(job_id)
        if job.over:
            return job
        for sign, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, grace_s)):
            if job.pid is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(job.pid, sign)
            until = time.monotonic() + wait_s
            while time.monotonic() < until and self._running(job):
                time.sleep(0.02)
            if not self._running(job):
                break
        job = _read_job(folder)
        if job.state in (SUCCEEDED, FAILED):
            return job
        job = replace(job, state=CANCELLED, error="", ended_at=_iso())
        _finish(folder, job)
        return job

    def result(self, job_id: str) -> Any:
        """Return what the job's function returned.

        Raises:
            UnknownJobError: there is no such job.
            JobNotDoneError: it has not succeeded.
        """
        job = self.get(job_id)
        if job.state != SUCCEEDED:
            raise JobNotDoneError(job)
        return json.loads((self._folder(job_id) / "result.json").read_text("utf-8"))

    def log(self, job_id: str, tail_chars: int = 20000) -> str:
        """Return the end of what the job printed; raises `UnknownJobError`."""
        return (self._folder(job_id) / "log.txt").read_text("utf-8", "replace")[-tail_chars:]

    def file(self, job_id: str, name: str) -> Path:
        """Return a file that the job kept; raises `UnknownJobError` when there is none of that name."""
        path = self._folder(job_id) / "files" / Path(name).name
        if not path.is_file():
            raise UnknownJobError(f"{job_id}/{name}")
        return path

    def wait(self, job_id: str, timeout_s: float = 60.0, every_s: float = 0.05) -> Job:
        """Return the record once the job is over, or as it is when the time is up."""
        until = time.monotonic() + timeout_s
        job = self.get(job_id)
        while not job.over and time.monotonic() < until:
            time.sleep(every_s)
            job = self.get(job_id)
        return job

    def prune(self, keep: int = 200) -> int:
        """Delete the oldest jobs that are over, beyond the newest `keep`; return how many."""
        old = [job for job in self.list() if job.over][keep:]
        for job in old:
            shutil.rmtree(self.folder / job.id, ignore_errors=True)
        return len(old)

    def _folder(self, job_id: str) -> Path:
        folder = self.folder / job_id
        if not _ID.match(job_id) or not (folder / "record.json").is_file():
            raise UnknownJobError(job_id)
        return folder

    def _running(self, job: Job) -> bool:
        child = self._children.get(job.id)
        if child is not None and child.poll() is not None:
            return False
        return _alive(job)


def run_job(folder: Path, at_once: int) -> int:
    """Run the job recorded in `folder` in this process and return an exit status."""
    signal.signal(signal.SIGTERM, _stop)
    job = _read_job(folder)
    job = replace(job, pid=os.getpid(), pid_started=_process_start(os.getpid()))
    _write_json(folder / "record.json", job.to_dict())
    with _slot(folder.parent, at_once):
        job = replace(job, state=RUNNING, started_at=_iso())
        _write_json(folder / "record.json", job.to_dict())
        try:
            result = _function(job.target)(**job.arguments, context=JobContext(folder))
            _write_json(folder / "result.json", result)
            job = replace(job, state=SUCCEEDED, progress=1.0)
        except Exception as error:
            traceback.print_exc()
            job = replace(job, state=FAILED, error=f"{type(error).__name__}: {error}")
        _finish(folder, replace(job, ended_at=_iso()))
    return 0 if job.state == SUCCEEDED else 1


def _stop(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


def _function(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


@contextlib.contextmanager
def _slot(folder: Path, at_once: int) -> Iterator[None]:
    """Wait for one of `at_once` places; a place is a file lock, so a killed job frees its own."""
    place = _take_place(folder, at_once)
    while place is None:
        time.sleep(0.1)
        place = _take_place(folder, at_once)
    try:
        yield
    finally:
        place.close()


def _take_place(folder: Path, at_once: int) -> IO[bytes] | None:
    for number in range(at_once):
        stream = (folder / f"place-{number}.lock").open("ab")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return stream
        except OSError:
            stream.close()
    return None


def _finish(folder: Path, job: Job) -> None:
    shutil.rmtree(folder / "work", ignore_errors=True)
    if job.state != SUCCEEDED:
        (folder / "result.json").unlink(missing_ok=True)
        shutil.rmtree(folder / "files", ignore_errors=True)
    _write_json(folder / "record.json", job.to_dict())


def _read_job(folder: Path) -> Job:
    job = Job(**json.loads((folder / "record.json").read_text("utf-8")))
    if job.pid is None and (folder / "process.json").is_file():
        job = replace(job, **json.loads((folder / "process.json").read_text("utf-8")))
    if not job.over and (folder / "progress.json").is_file():
        job = replace(job, **json.loads((folder / "progress.json").read_text("utf-8")))
    return job


def _write_json(path: Path, data: Any) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(data, ensure_ascii=False, indent=1), "utf-8")
    os.replace(temporary, path)


def _process_start(pid: int) -> str:
    """Return the process's start time in ticks, which tells it from a later one with the same number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _alive(job: Job) -> bool:
    if job.pid is None:
        return True
    try:
        os.kill(job.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{job.pid}/stat").read_text().rpartition(")")[2].split()
        if fields[0] == "Z":
            return False
        return not job.pid_started or fields[19] == job.pid_started
    return not Path("/proc").is_dir()


def _iso(when: datetime | None = None) -> str:
    return (when or datetime.now(timezone.utc)).isoformat(timespec="seconds")


if __name__ == "__main__":
    raise SystemExit(run_job(Path(sys.argv[1]), int(sys.argv[2])))
