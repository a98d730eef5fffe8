"""The opinion watch beside the server: started again with growing rests, ended with the server, gentle on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chengda.watching import WATCH, Keeper, Patience, open_watch
from city.settings import Settings, load_settings

QUICK = Patience(first=0.05, most=0.2, steady=60, stop=5)
# Says that it runs, and ends when standard input closes, as the watch does.
PATIENT = "import sys; open(sys.argv[1], 'a').write('x'); sys.stdin.read()"


def until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_a_watch_that_fails_starts_again_and_rests_longer_each_time() -> None:
    said: list[str] = []
    four = threading.Event()

    def tell(line: str) -> None:
        said.append(line)
        if len(said) == 4:
            four.set()

    keeper = Keeper([sys.executable, "-S", "-c", "raise SystemExit(3)"], QUICK, tell)
    keeper.start()
    assert four.wait(30)
    keeper.close()
    assert [line.rsplit(" ", 2)[-2] for line in said[:4]] == ["0.05", "0.1", "0.2", "0.2"]
    assert "(3)" in said[0] and keeper.starts >= 4 and keeper.pid is None


def test_a_killed_watch_starts_again_and_a_closed_one_does_not(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    keeper = Keeper([sys.executable, "-S", "-c", PATIENT, str(mark)], QUICK, lambda line: None)
    keeper.start()
    assert until(lambda: mark.exists() and keeper.pid is not None)
    first = keeper.pid
    assert first is not None
    if hasattr(os, "getpriority"):
        assert os.getpriority(os.PRIO_PROCESS, first) >= os.getpriority(os.PRIO_PROCESS, 0)
        assert until(lambda: os.getpriority(os.PRIO_PROCESS, keeper.pid or 0) >= 10)
    os.kill(first, 9)
    assert until(lambda: keeper.pid not in (None, first))
    assert until(lambda: mark.read_text() == "xx")
    keeper.close()
    assert keeper.pid is None and keeper.starts == 2


def test_a_watch_that_does_not_heed_is_ended_by_force(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    deaf = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "open(sys.argv[1], 'a').write('x'); time.sleep(600)"
    )
    keeper = Keeper([sys.executable, "-S", "-c", deaf, str(mark)], Patience(stop=0.3), lambda line: None)
    keeper.start()
    assert until(mark.exists)
    keeper.close()
    assert keeper.pid is None


def test_the_watch_ends_with_a_server_that_was_killed(tmp_path: Path) -> None:
    mark, end = tmp_path / "mark", tmp_path / "end"
    child = PATIENT + "; open(sys.argv[2], 'w').write('ended')"
    server = (
        "import sys, time; from chengda.watching import Keeper;"
        f"k = Keeper([sys.executable, '-S', '-c', {child!r}, {str(mark)!r}, {str(end)!r}]); k.start(); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", server])
    assert until(mark.exists, 60)
    process.kill()
    process.wait()
    assert until(end.exists)


def test_a_program_that_cannot_be_started_is_said_and_tried_again() -> None:
    said = threading.Event()
    keeper = Keeper(["/no/such/program"], QUICK, lambda line: said.set() if "No such file" in line else None)
    keeper.start()
    assert said.wait(10)
    keeper.close()
    assert keeper.starts == 0


@pytest.mark.parametrize(
    ("section", "watched"),
    [
        (None, False),
        ({}, False),
        ({"sources": [{"name": "a", "kind": "file", "path": "/x"}]}, True),
        ({"sources": [{"name": "a", "kind": "file", "path": "/x"}], "watch": False}, False),
        ({"targets": [{"name": "duty", "url_env": "X"}]}, True),
    ],
)
def test_it_is_kept_only_where_there_is_something_to_watch(section: dict | None, watched: bool) -> None:
    settings: Settings = load_settings().copy(update={"opinion": section})
    assert (open_watch(settings) is not None) is watched
    assert WATCH[2:] == ("chengda", "opinion", "watch", "--beside-server")
