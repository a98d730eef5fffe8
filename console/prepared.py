"""Results that take longer than a page may: computed in the background, shown as they were last computed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ready(Generic[T]):
    """A prepared result; `fresh` says whether anything changed since."""

    value: T | None
    fresh: bool
    at: float


class Prepared(Generic[T]):
    """One result per key, computed by one thread at a time.

    Args:
        compute: makes the result.
        state: what the result depends on; when it changes, the result is made anew.
        wait_s: how long a caller waits for the first result before the page says that it is being prepared.
    """

    def __init__(self, compute: Callable[[], T], state: Callable[[], Hashable], wait_s: float = 0.1) -> None:
        self._compute, self._state, self.wait_s = compute, state, wait_s
        self._lock = threading.Lock()
        self._done: tuple[Hashable, T, float] | None = None
        self._running: threading.Thread | None = None

    def get(self, wait_s: float | None = None) -> Ready[T]:
        """Return the latest result, and begin a new one when something changed; call off the event loop."""
        state = self._state()
        if self._done is not None and self._done[0] == state:
            return Ready(self._done[1], True, self._done[2])
        worker = self._begin()
        if self._done is None or wait_s is not None:
            worker.join(self.wait_s if wait_s is None else wait_s)
        done = self._done
        if done is None:
            return Ready(None, False, 0.0)
        return Ready(done[1], done[0] == state, done[2])

    def forget(self) -> None:
        """Let the next caller begin anew, because something changed that `state` does not see."""
        with self._lock:
            if self._done is not None:
                self._done = (object(), self._done[1], self._done[2])

    def _begin(self) -> threading.Thread:
        with self._lock:
            if self._running is None or not self._running.is_alive():
                self._running = threading.Thread(target=self._work, name="console-prepare", daemon=True)
                self._running.start()
            return self._running

    def _work(self) -> None:
        try:
            state = self._state()
            value = self._compute()
        except Exception:
            logger.exception("a result could not be prepared")
            return
        with self._lock:
            self._done = (state, value, time.time())
