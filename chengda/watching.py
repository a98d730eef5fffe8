"""Keeps `chengda opinion watch` running beside the server, in a process of its own that never slows an answer."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from city.settings import Settings, module_section

log = logging.getLogger(__name__)
WATCH = (sys.executable, "-m", "chengda", "opinion", "watch", "--beside-server")
_NICE = 10


@dataclass(frozen=True)
class Patience:
    """Waits of the keeper, in seconds: the first rest after a failure doubles up to `most`; a process that ran for
    `steady` counts as sound, and the rests begin again; `stop` is how long it may take to end."""

    first: float = 2.0
    most: float = 300.0
    steady: float = 120.0
    stop: float = 15.0


class Keeper:
    """Starts a command, starts it again with growing rests when it ends, and ends it when asked.

    The child's standard input is a pipe that nobody writes to: when this process dies, however suddenly, the pipe
    closes, which the child takes as the wish to end.

    Args:
        command: program and arguments.
        patience: waits.
        tell: called with a line whenever the child ended by itself.
    """

    def __init__(
        self,
        command: Sequence[str] = WATCH,
        patience: Patience = Patience(),
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._command, self._patience = list(command), patience
        self._tell = tell or log.warning
        self._ending = threading.Event()
        self._guard = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """The running child's process number, `None` between two of them."""
        with self._guard:
            return self._child.pid if self._child is not None and self._child.poll() is None else None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._keep, name="opinion-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the child, by force when it takes too long, and wait for it."""
        self._ending.set()
        with self._guard:
            child = self._child
        if child is not None and child.poll() is None:
            child.terminate()
            try:
                child.wait(self._patience.stop)
            except subprocess.TimeoutExpired:
                child.kill()
        if self._thread is not None:
            self._thread.join(self._patience.stop)

    def _keep(self) -> None:
        rest = self._patience.first
        while not self._ending.is_set():
            began = time.monotonic()
            code = self._once()
            if self._ending.is_set():
                return
            if time.monotonic() - began >= self._patience.steady:
                rest = self._patience.first
            self._tell(
                f"舆情监测进程退出（{code}），{rest:g} 秒后重启 · "
                f"the opinion watch ended ({code}); it starts again in {rest:g} s"
            )
            self._ending.wait(rest)
            rest = min(rest * 2, self._patience.most)

    def _once(self) -> int | str:
        with self._guard:
            if self._ending.is_set():
                return 0
            try:
                child = subprocess.Popen(self._command, stdin=subprocess.PIPE, start_new_session=True)
            except OSError as error:
                return str(error)
            self._child = child
            self.starts += 1
        _yield_cpu(child.pid)
        code = child.wait()
        if child.stdin is not None:
            child.stdin.close()
        return code


def _yield_cpu(pid: int) -> None:
    """Let answers go first on a busy machine."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, _NICE)
    except (AttributeError, OSError) as error:  # not on Windows; or the child is gone already
        log.debug("priority of %s stays: %s", pid, error)


def open_watch(settings: Settings, tell: Callable[[str], None] | None = None) -> Keeper | None:
    """Return the keeper of the watch, not started yet; `None` where there is nothing to watch or it runs elsewhere.

    Raises SettingsError when the `opinion:` section is wrong.
    """
    from actions.opinion.settings import OpinionSection

    section = module_section(settings, "opinion", OpinionSection)
    if section is None or not section.watch or not (section.sources or section.targets):
        return None
    return Keeper(tell=tell)
